//! A tool that the client executes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canon_agent::{Tool, ToolContext, ToolImage, ToolOutput};
use canon_llm::{ImageData, ToolDefinition};
use canon_protocol::codex::server::call::DynamicTool;
use canon_protocol::codex::server::outgoing::TurnScope;
use canon_protocol::jsonrpc::RpcError;
use serde_json::{Map, Value};

use super::gate::{Gate, Wait};
use super::{input, invalid};

/// A client that has not answered by then has forgotten the call.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A tool as the client declared it.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) namespace: Option<String>,
    pub(super) tool: String,
    /// What the model is offered: under the tool's name, behind its group's if it has one.
    pub(super) definition: ToolDefinition,
}

/// One dynamic tool of one thread.
pub(super) struct Remote {
    pub(super) gate: Arc<Gate>,
    pub(super) declared: Declared,
}

/// The tools of a `thread/start`, groups taken apart.
pub(super) fn flatten(tools: &[DynamicTool]) -> Result<Vec<Declared>, RpcError> {
    let mut flat = Vec::new();
    for tool in tools {
        match tool {
            DynamicTool::Function { .. } => flat.push(declare(None, tool)?),
            DynamicTool::Namespace { name, tools, .. } => {
                for tool in tools {
                    flat.push(declare(Some(name), tool)?);
                }
            }
        }
    }
    let mut names: Vec<&str> = flat.iter().map(|tool| tool.definition.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(invalid(format!("dynamicTools: there are two tools `{}`", twice[0]))),
        None => Ok(flat),
    }
}

fn declare(namespace: Option<&String>, tool: &DynamicTool) -> Result<Declared, RpcError> {
    let DynamicTool::Function { name, description, input_schema } = tool else {
        return Err(invalid("dynamicTools: a group of tools cannot hold a group"));
    };
    let offered = match namespace {
        Some(namespace) => format!("{namespace}__{name}"),
        None => name.clone(),
    };
    let definition = define(offered, description.clone(), input_schema.clone())?;
    Ok(Declared { namespace: namespace.cloned(), tool: name.clone(), definition })
}

fn define(name: String, description: String, schema: Value) -> Result<ToolDefinition, RpcError> {
    let definition = ToolDefinition { name, description, parameters: schema };
    definition.validate().map_err(|error| invalid(error.to_string()))?;
    Ok(definition)
}

#[async_trait]
impl Tool for Remote {
    fn definition(&self) -> ToolDefinition {
        self.declared.definition.clone()
    }

    async fn run(&self, arguments: Map<String, Value>, context: ToolContext) -> ToolOutput {
        let Declared { namespace, tool, .. } = &self.declared;
        let arguments = Value::Object(arguments);
        let id = context.call_id.as_str();
        let call =
            |scope: TurnScope<'_>| scope.tool_call(id, tool, namespace.as_deref(), &arguments);
        let answer = tokio::select! {
            answer = self.gate.ask(id, Wait::Tool, TIMEOUT, call) => answer,
            () = context.cancel.cancelled() => return ToolOutput::error("the call was given up"),
        };
        match answer {
            Ok(answer) => output(&answer),
            Err(error) => ToolOutput::error(format!("tool {tool}: {error}")),
        }
    }
}

fn output(answer: &Value) -> ToolOutput {
    let mut texts = Vec::new();
    let mut images = Vec::new();
    for item in answer["contentItems"].as_array().into_iter().flatten() {
        match (item["text"].as_str(), item["imageUrl"].as_str()) {
            (Some(text), _) => texts.push(text.to_owned()),
            (None, Some(url)) => match input::of_url(url) {
                Ok(ImageData { data: Some(data), media_type, .. }) => {
                    let media_type = media_type.unwrap_or_else(|| "image/png".to_owned());
                    images.push(ToolImage { data, media_type });
                }
                // Fetching it would be a request that nobody asked for.
                Ok(_) => texts.push(format!("[a picture at {url}]")),
                Err(why) => texts.push(format!("[a picture that cannot be read: {why}]")),
            },
            // Sounds and what may come: the model reads what they are.
            (None, None) => texts.push(item.to_string()),
        }
    }
    let text = match (texts.is_empty(), &answer["success"]) {
        (true, Value::Bool(false)) => "[the tool failed and said nothing]".to_owned(),
        (true, Value::Bool(true)) => String::new(),
        (true, _) => format!("[the client's answer was not understood: {answer}]"),
        (false, _) => texts.join("\n"),
    };
    let is_error = answer["success"].as_bool() != Some(true);
    ToolOutput { text, is_error, images, details: Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn function(name: &str) -> DynamicTool {
        DynamicTool::Function {
            name: name.to_owned(),
            description: "d".to_owned(),
            input_schema: json!({ "type": "object" }),
        }
    }

    fn group(name: &str, tools: Vec<DynamicTool>) -> DynamicTool {
        DynamicTool::Namespace { name: name.to_owned(), description: "d".to_owned(), tools }
    }

    #[test]
    fn tools_of_groups_keep_their_names_apart() {
        let tools =
            [function("t"), group("a", vec![function("t")]), group("b", vec![function("t")])];
        let flat = flatten(&tools).unwrap();
        let names: Vec<_> = flat.iter().map(|tool| tool.definition.name.as_str()).collect();
        assert_eq!(names, ["t", "a__t", "b__t"]);
        assert_eq!((flat[1].namespace.as_deref(), flat[1].tool.as_str()), (Some("a"), "t"));
        assert!(flatten(&[function("t"), function("t")]).is_err());
        assert!(flatten(&[group("a", vec![group("b", vec![])])]).is_err());
        assert!(flatten(&[function("no spaces")]).is_err());
    }

    #[test]
    fn an_answer_is_text_pictures_and_whether_it_failed() {
        let answer = output(&json!({ "success": true, "contentItems": [
            { "type": "inputText", "text": "one" },
            { "type": "inputImage", "imageUrl": "data:image/png;base64,AQI=" },
            { "type": "inputImage", "imageUrl": "https://x.test/a.png" },
            { "type": "inputImage", "imageUrl": "/etc/passwd" },
            { "type": "inputAudio", "audioUrl": "data:," },
        ]}));
        assert!(!answer.is_error);
        let lines: Vec<&str> = answer.text.lines().collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[..2], ["one", "[a picture at https://x.test/a.png]"]);
        assert_eq!(answer.images, [ToolImage { data: vec![1, 2], media_type: "image/png".into() }]);
        let failed = output(&json!({ "success": false, "contentItems": [] }));
        assert!(failed.is_error && !failed.text.is_empty());
        assert!(output(&json!("nonsense")).text.contains("nonsense"));
        assert_eq!(output(&json!({ "success": true, "contentItems": [] })).text, "");
    }
}
