//! Running the calls of one answer, all at the same time (unified-llm §5.7, §5.8).

use std::sync::Arc;

use canon_runtime::task::{TaskSpec, spawn};
use futures_util::future::join_all;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::AbortSignal;
use super::tool::{FailedCall, RepairToolCall, Tool, ToolContext, ToolHandler, ToolOutput};
use crate::error::{ErrorKind, LlmError};
use crate::types::{Message, ToolCall, ToolDefinition, ToolResult};

/// The tools of one operation.
#[derive(Clone, Default)]
pub(super) struct Toolbox {
    tools: Vec<Tool>,
    repair: Option<Arc<dyn RepairToolCall>>,
}

impl Toolbox {
    /// # Errors
    /// [`ErrorKind::Configuration`] when two tools have one name.
    pub(super) fn new(
        tools: Vec<Tool>,
        repair: Option<Arc<dyn RepairToolCall>>,
    ) -> Result<Self, LlmError> {
        for (at, tool) in tools.iter().enumerate() {
            let name = &tool.definition().name;
            if tools[..at].iter().any(|earlier| earlier.definition().name == *name) {
                let message = format!("two tools have the name `{name}`");
                return Err(LlmError::new(ErrorKind::Configuration, message));
            }
        }
        Ok(Self { tools, repair })
    }

    pub(super) fn definitions(&self) -> Vec<ToolDefinition> {
        self.tools.iter().map(|tool| tool.definition().clone()).collect()
    }

    pub(super) fn has_active(&self) -> bool {
        self.tools.iter().any(Tool::is_active)
    }

    /// Whether the caller answers this call.
    pub(super) fn is_passive(&self, call: &ToolCall) -> bool {
        self.find(&call.name).is_some_and(|tool| !tool.is_active())
    }

    fn find(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.definition().name == name)
    }

    /// The results of all calls but passive ones, in the order of the calls. A failure of any kind is a result
    /// too. Dropping the future ends all handlers.
    pub(super) async fn run(
        &self,
        calls: &[ToolCall],
        messages: Arc<[Message]>,
        abort: &AbortSignal,
    ) -> Vec<ToolResult> {
        // Handlers that started work elsewhere learn that nobody waits for it any more.
        let over = abort.child_token();
        let _guard = over.clone().drop_guard();
        let running = calls.iter().filter(|call| !self.is_passive(call)).map(|call| {
            let context = ToolContext {
                tool_call_id: call.id.clone(),
                messages: Arc::clone(&messages),
                abort_signal: over.clone(),
            };
            self.start(call, context)
        });
        join_all(running.collect::<Vec<_>>()).await
    }

    /// Starts one call at once, in a task of its own, so that a panic or a busy handler holds up no other.
    fn start(
        &self,
        call: &ToolCall,
        context: ToolContext,
    ) -> impl Future<Output = ToolResult> + use<> {
        let id = call.id.clone();
        let name = call.name.clone();
        let task = self.find(&name).and_then(|tool| {
            let handler = Arc::clone(tool.active_handler()?);
            let work = one(tool.clone(), handler, self.repair.clone(), call.clone(), context);
            Some(AbortOnDropHandle::new(spawn(TaskSpec::new("tool-call"), work)))
        });
        async move {
            let Some(task) = task else {
                return ToolResult::error(id, format!("Unknown tool: {name}"));
            };
            match task.await {
                Ok(Ok(output)) => ToolResult {
                    tool_call_id: id,
                    content: output.content,
                    is_error: false,
                    image_data: output.image_data,
                    image_media_type: output.image_media_type,
                },
                Ok(Err(message)) => ToolResult::error(id, message),
                Err(_) => ToolResult::error(id, format!("tool `{name}` failed unexpectedly")),
            }
        }
    }
}

async fn one(
    tool: Tool,
    handler: Arc<dyn ToolHandler>,
    repair: Option<Arc<dyn RepairToolCall>>,
    call: ToolCall,
    context: ToolContext,
) -> Result<ToolOutput, String> {
    let arguments = arguments(&tool, repair, call, &context).await?;
    handler.call(arguments, context).await
}

/// The arguments, checked and if need be repaired, or what the model is told.
async fn arguments(
    tool: &Tool,
    repair: Option<Arc<dyn RepairToolCall>>,
    call: ToolCall,
    context: &ToolContext,
) -> Result<Value, String> {
    let problem = match tool.check(&call) {
        Ok(arguments) => return Ok(arguments),
        Err(problem) => problem,
    };
    let told = problem.to_string();
    let Some(repair) = repair else {
        return Err(told);
    };
    let failed =
        FailedCall { call, tool: tool.definition().clone(), problem, context: context.clone() };
    let repaired = repair.repair(failed).await.ok_or(told)?;
    tool.check_arguments(repaired).map_err(|problem| problem.to_string())
}
