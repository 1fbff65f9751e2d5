//! What every driver needs once: named tasks, the HTTP client, clock and ids, JSON Schema checks, secrets and the redactor.
