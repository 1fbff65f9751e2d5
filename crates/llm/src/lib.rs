//! One typed client for model providers, with a scripted provider and a recorder.
