//! A server's tool as one of the agent's.

use std::sync::Arc;

use async_trait::async_trait;
use canon_exec::ExecutionEnvironment;
use canon_llm::ToolDefinition;
use serde_json::{Map, Value};

use super::offer::Offered;
use super::server::Server;
use crate::tools::{Access, Tool, ToolContext, ToolOutput};

pub(super) struct McpTool {
    server: Arc<Server>,
    offered: Offered,
}

impl McpTool {
    pub(super) fn shared(server: &Arc<Server>, offered: Offered) -> Arc<dyn Tool> {
        Arc::new(Self { server: Arc::clone(server), offered })
    }
}

#[async_trait]
impl Tool for McpTool {
    fn definition(&self) -> ToolDefinition {
        self.offered.definition.clone()
    }

    /// A server says of itself what its tools touch, and that is not trusted.
    fn access(&self, _: &Map<String, Value>, _: &dyn ExecutionEnvironment) -> Access {
        Access::Anything
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        self.server.call(&self.offered.remote, arguments, &context).await
    }
}
