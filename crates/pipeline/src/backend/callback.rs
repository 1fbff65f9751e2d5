use std::future::Future;

use async_trait::async_trait;

use super::{Backend, BackendError, LlmCall, Reply};
use crate::handler::Stage;

/// An embedder's own function from a stage and its prompt to a text, or to an outcome by
/// [`Reply::outcome`] (§4.5, §11.13). Its text is a verdict.
#[derive(Debug, Clone, Copy)]
pub struct Callback<F>(pub F);

#[async_trait]
impl<F, T> Backend for Callback<F>
where
    F: Fn(Stage, String) -> T + Send + Sync,
    T: Future<Output = Result<Reply, BackendError>> + Send,
{
    async fn run(&self, call: &LlmCall<'_>) -> Result<Reply, BackendError> {
        (self.0)(call.stage.clone(), call.prompt.clone()).await
    }

    fn text_is_verdict(&self) -> bool {
        true
    }
}
