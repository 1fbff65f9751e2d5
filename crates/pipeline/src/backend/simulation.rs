use async_trait::async_trait;

use super::{Backend, BackendError, LlmCall, Reply};

/// No model at all: every stage gets the same answer in every run (§4.5). Gates take it for a
/// verdict, so that a pipeline can be tried from start to exit (ruling 6).
#[derive(Debug, Clone, Copy, Default)]
pub struct Simulation;

#[async_trait]
impl Backend for Simulation {
    async fn run(&self, call: &LlmCall<'_>) -> Result<Reply, BackendError> {
        Ok(Reply::text(format!("[Simulated] Response for stage: {}", call.stage.node().id())))
    }

    fn text_is_verdict(&self) -> bool {
        true
    }
}
