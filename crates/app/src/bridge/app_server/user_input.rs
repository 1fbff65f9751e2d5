//! A tool with which the model asks whoever sits at the client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canon_agent::{Tool, ToolContext, ToolOutput};
use canon_llm::ToolDefinition;
use serde_json::{Map, Value, json};

use super::gate::{Gate, Wait};

/// A day: whoever comes to work in the morning still finds the question.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const NAME: &str = "request_user_input";

pub(super) struct RequestUserInput(pub(super) Arc<Gate>);

#[async_trait]
impl Tool for RequestUserInput {
    fn definition(&self) -> ToolDefinition {
        let option = json!({
            "type": "object",
            "properties": {
                "label": { "type": "string", "description": "A few words." },
                "description": { "type": "string", "description": "What choosing it means." },
            },
            "required": ["label", "description"], "additionalProperties": false,
        });
        let question = json!({
            "type": "object",
            "properties": {
                "id": { "type": "string", "description": "Names the answer." },
                "header": { "type": "string", "description": "A heading of one or two words." },
                "question": { "type": "string" },
                "options": { "type": "array", "items": option, "maxItems": 8,
                    "description": "Leave out when any text may be the answer." },
            },
            "required": ["id", "header", "question"], "additionalProperties": false,
        });
        ToolDefinition {
            name: NAME.to_owned(),
            description: "Asks the user and waits for the answers. Use it only when you cannot go \
                          on without a decision or a fact that neither the task nor the workspace \
                          tells: the user may be away for hours."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "questions": { "type": "array", "items": question, "minItems": 1, "maxItems": 5 },
                },
                "required": ["questions"], "additionalProperties": false,
            }),
        }
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let questions = arguments.get("questions").unwrap_or(&Value::Null);
        let asked = self.0.ask(&context.call_id, Wait::Input, LIMIT, |scope| {
            scope.ask_user(&context.call_id, questions)
        });
        let answer = tokio::select! {
            answer = asked => answer,
            () = context.cancel.cancelled() => Err("the task was interrupted".to_owned()),
        };
        match answer {
            Ok(answer) => match answer["answers"].as_object() {
                Some(answers) if !answers.is_empty() => ToolOutput::ok(said(answers)),
                _ => ToolOutput::error("[The user gave no answer. Decide yourself, or end here.]"),
            },
            Err(why) => ToolOutput::error(format!(
                "[No answer: {why}. Decide yourself, or say what you need and end here.]"
            )),
        }
    }
}

/// A line for each answer.
fn said(answers: &Map<String, Value>) -> String {
    let lines = answers.iter().map(|(id, answer)| {
        let texts = answer["answers"].as_array().into_iter().flatten();
        let texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
        format!("{id}: {}", texts.join(", "))
    });
    lines.collect::<Vec<_>>().join("\n")
}
