//! What every driver needs once: named tasks, the HTTP client, clock and ids, JSON Schema checks,
//! secrets and the redactor.
//!
//! A leaf: it knows nothing of the parts that use it and holds no opinion about them.

pub mod clock;
pub mod http;
pub mod id;
pub mod schema;
pub mod secret;
pub mod task;
