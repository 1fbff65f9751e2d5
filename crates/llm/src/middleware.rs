//! Middleware around provider calls (unified-llm §2.3): first registered is outermost.

use std::sync::Arc;

use async_trait::async_trait;

use crate::adapter::ProviderAdapter;
use crate::error::LlmError;
use crate::types::{EventStream, Request, Response};

/// Sees and may change every request, response and stream of a client.
#[async_trait]
pub trait Middleware: Send + Sync {
    /// Around `complete`; passes through unless overridden.
    ///
    /// # Errors
    /// Those of what it wraps, and its own.
    async fn complete(&self, request: Request, next: Next<'_>) -> Result<Response, LlmError> {
        next.complete(request).await
    }

    /// Around `stream`; passes through unless overridden.
    ///
    /// # Errors
    /// Those of what it wraps, and its own.
    async fn stream(&self, request: Request, next: Next<'_>) -> Result<EventStream, LlmError> {
        next.stream(request).await
    }
}

/// What a middleware wraps: the middleware after it, and the provider at last.
pub struct Next<'a> {
    adapter: &'a dyn ProviderAdapter,
    rest: &'a [Arc<dyn Middleware>],
}

impl<'a> Next<'a> {
    pub(crate) fn new(adapter: &'a dyn ProviderAdapter, rest: &'a [Arc<dyn Middleware>]) -> Self {
        Self { adapter, rest }
    }

    /// Goes on inwards.
    ///
    /// # Errors
    /// Those of the provider and of the middleware further in.
    pub async fn complete(self, request: Request) -> Result<Response, LlmError> {
        match self.rest.split_first() {
            Some((first, rest)) => first.complete(request, Next::new(self.adapter, rest)).await,
            None => self.adapter.complete(&request).await,
        }
    }

    /// Goes on inwards.
    ///
    /// # Errors
    /// Those of the provider and of the middleware further in.
    pub async fn stream(self, request: Request) -> Result<EventStream, LlmError> {
        match self.rest.split_first() {
            Some((first, rest)) => first.stream(request, Next::new(self.adapter, rest)).await,
            None => self.adapter.stream(&request).await,
        }
    }
}
