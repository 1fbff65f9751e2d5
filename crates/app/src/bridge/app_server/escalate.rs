//! Commands outside the sandbox: what a model asks for, and the client allows.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use canon_agent::{Access, PendingCall, Tool, ToolContext, ToolOutput};
use canon_exec::ExecutionEnvironment;
use canon_llm::ToolDefinition;
use serde_json::{Map, Value, json};

/// The tool whose calls may want out.
pub(super) const TOOL: &str = "shell";
/// As models know it from Codex.
const PERMISSIONS: &str = "sandbox_permissions";
const OUTSIDE: &str = "require_escalated";
const REASON: &str = "justification";

/// Whether a call wants to run outside the sandbox.
pub(super) fn is_wanted(call: &PendingCall) -> bool {
    call.tool_name == TOOL && wants_out(&call.arguments)
}

/// What the model says to whoever decides.
pub(super) fn reason(call: &PendingCall) -> Option<&str> {
    call.arguments.get(REASON).and_then(Value::as_str)
}

fn wants_out(arguments: &Map<String, Value>) -> bool {
    arguments.get(PERMISSIONS).is_some_and(|wanted| wanted == OUTSIDE)
}

/// `shell` that can be told to run a command outside the sandbox. It is the gate before it that lets
/// no such call through that was not allowed.
pub(super) struct EscalatingShell {
    pub(super) inner: Arc<dyn Tool>,
    pub(super) outside: Arc<dyn ExecutionEnvironment>,
}

#[async_trait]
impl Tool for EscalatingShell {
    fn definition(&self) -> ToolDefinition {
        let mut definition = self.inner.definition();
        definition.description.push_str(
            " Commands run in a sandbox. Only when one cannot do its work there, because it needs \
             the network or must write elsewhere, call it again with sandbox_permissions \
             `require_escalated` and a justification: the user is asked, and may refuse.",
        );
        if let Some(properties) = definition.parameters["properties"].as_object_mut() {
            let permissions = json!({ "type": "string", "enum": ["use_default", OUTSIDE],
                "description": "Where to run: in the sandbox (default), or outside of it" });
            let reason = json!({ "type": "string",
                "description": "With require_escalated: one short question to the user that says why" });
            properties.insert(PERMISSIONS.to_owned(), permissions);
            properties.insert(REASON.to_owned(), reason);
        }
        definition
    }

    fn access(&self, arguments: &Map<String, Value>, env: &dyn ExecutionEnvironment) -> Access {
        self.inner.access(arguments, env)
    }

    fn working_directory(
        &self,
        arguments: &Map<String, Value>,
        env: &dyn ExecutionEnvironment,
    ) -> PathBuf {
        self.inner.working_directory(arguments, env)
    }

    async fn run(&self, mut arguments: Map<String, Value>, mut context: ToolContext) -> ToolOutput {
        if wants_out(&arguments) {
            // Where the call was asked about, which may be a subagent's own directory.
            let cwd = self.inner.working_directory(&arguments, context.env.as_ref());
            arguments.insert("workdir".to_owned(), json!(cwd));
            context.env = Arc::clone(&self.outside);
        }
        arguments.remove(PERMISSIONS);
        arguments.remove(REASON);
        self.inner.run(arguments, context).await
    }
}
