//! Fakes that speak the real wires and validate their callers; used by tests and benches only.
