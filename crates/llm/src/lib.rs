//! One typed client for model providers, with a scripted provider and a recorder.

mod adapter;
mod client;
mod error;
mod middleware;
mod retry;
mod types;

pub use adapter::ProviderAdapter;
pub use client::{Client, ClientBuilder};
pub use error::{ErrorKind, LlmError};
pub use middleware::{Middleware, Next};
pub use retry::{OnRetry, RetryPolicy, ShouldRetry, retry, retry_with};
pub use types::*;
