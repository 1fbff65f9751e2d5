//! Commands around each call of a tool (Attractor §9.7), for sessions of Canon's agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use canon_agent::{Approver, PendingCall, Verdict};
use canon_pipeline::Stage;
use canon_pipeline::backend::{ToolCall, ToolHooks};
use serde_json::{Value, json};

/// Asks the hooks of the stage that a session works on now: a session may go through several.
#[derive(Default)]
pub(super) struct Gate(Mutex<Now>);

#[derive(Default)]
struct Now {
    stage: Option<Arc<Stage>>,
    /// Of calls that have not ended.
    arguments: HashMap<String, Value>,
}

impl Gate {
    /// From now on it is this stage's session.
    pub(super) fn enter(&self, stage: &Stage) {
        let arguments = HashMap::new();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Now { stage: Some(Arc::new(stage.clone())), arguments };
    }

    /// Tells the hook what came of a call.
    pub(super) async fn after(&self, id: &str, tool: &str, is_error: bool, output: &str) {
        let (stage, arguments) = {
            let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (now.stage.clone(), now.arguments.remove(id).unwrap_or_default())
        };
        if let Some(stage) = stage {
            let call = ToolCall { id, tool, arguments: &arguments };
            let result = json!({ "is_error": is_error, "output": output });
            ToolHooks::of(&stage).after(&stage, &call, &result).await;
        }
    }
}

#[async_trait]
impl Approver for Gate {
    async fn review(&self, call: &PendingCall) -> Verdict {
        let arguments = Value::Object(call.arguments.clone());
        let stage = {
            let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            now.arguments.insert(call.call_id.clone(), arguments.clone());
            now.stage.clone()
        };
        let Some(stage) = stage else { return Verdict::Allow };
        let about = ToolCall { id: &call.call_id, tool: &call.tool_name, arguments: &arguments };
        match ToolHooks::of(&stage).before(&stage, &about).await {
            Ok(()) => Verdict::Allow,
            Err(reason) => Verdict::Deny { reason },
        }
    }
}
