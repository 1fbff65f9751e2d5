//! The tools of a session by name, and the way from a model's call to a tool that can run
//! (loop spec §3.7, §3.8).

use std::sync::Arc;

use canon_llm::{ToolCall, ToolCallData, ToolDefinition};
use canon_runtime::schema::{Schema, SchemaError};
use serde_json::{Map, Value};

use super::{Tool, aliases};

/// Why a tool cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// Its name or the root of its schema is not what providers accept.
    #[error("tool `{name}` cannot be offered to a model: {source}")]
    Definition {
        /// The tool.
        name: String,
        /// What is wrong.
        source: canon_llm::LlmError,
    },
    /// Its schema is broken.
    #[error("tool `{name}`: {source}")]
    Schema {
        /// The tool.
        name: String,
        /// What is wrong.
        source: SchemaError,
    },
}

/// Why a call cannot run; the text is what the model is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no such tool.
    #[error("Unknown tool: {name}. Available tools: {}.", .available.join(", "))]
    UnknownTool {
        /// As the model wrote it.
        name: String,
        /// What there is.
        available: Vec<String>,
    },
    /// The arguments are no JSON object, or break the tool's schema.
    #[error("Invalid arguments for tool: {name}\n- {}", .violations.join("\n- "))]
    InvalidArguments {
        /// The tool.
        name: String,
        /// Each with its place.
        violations: Vec<String>,
    },
}

/// Tools by name, in the order in which they are offered to a model.
#[derive(Default, Clone)]
pub struct ToolRegistry {
    tools: Vec<Arc<Registered>>,
}

/// A tool that was checked.
pub(crate) struct Registered {
    definition: ToolDefinition,
    schema: Schema,
    tool: Arc<dyn Tool>,
}

/// A call that can run: the tool, and arguments that satisfy its schema.
#[derive(Clone)]
pub struct Prepared {
    /// The tool.
    pub tool: Arc<dyn Tool>,
    /// The arguments.
    pub arguments: Map<String, Value>,
}

impl Registered {
    pub(crate) fn new(tool: Arc<dyn Tool>) -> Result<Self, ToolError> {
        let definition = tool.definition();
        let name = || definition.name.clone();
        definition.validate().map_err(|source| ToolError::Definition { name: name(), source })?;
        let schema = Schema::compile(&definition.parameters)
            .map_err(|source| ToolError::Schema { name: name(), source })?;
        Ok(Self { definition, schema, tool })
    }
}

impl Registered {
    pub(crate) fn name(&self) -> &str {
        &self.definition.name
    }

    pub(crate) fn tool(&self) -> Arc<dyn Tool> {
        Arc::clone(&self.tool)
    }

    /// Arguments by the names that the tool knows.
    fn named(&self, arguments: &Map<String, Value>) -> Map<String, Value> {
        let mut arguments = arguments.clone();
        if let Some(Value::Object(properties)) = self.definition.parameters.get("properties") {
            aliases::rename(&self.definition.name, properties, &mut arguments);
        }
        arguments
    }
}

impl ToolRegistry {
    /// A registry of these tools.
    ///
    /// # Errors
    /// Those of [`register`](Self::register).
    pub fn new(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Result<Self, ToolError> {
        let mut registry = Self::default();
        for tool in tools {
            registry.register(tool)?;
        }
        Ok(registry)
    }

    /// Adds a tool; it takes the place of an earlier one of the same name.
    ///
    /// # Errors
    /// When no model could be offered it: see [`ToolError`].
    pub fn register(&mut self, tool: Arc<dyn Tool>) -> Result<(), ToolError> {
        self.insert(Arc::new(Registered::new(tool)?));
        Ok(())
    }

    pub(crate) fn insert(&mut self, registered: Arc<Registered>) {
        match self.position(&registered.definition.name) {
            Some(at) => self.tools[at] = registered,
            None => self.tools.push(registered),
        }
    }

    /// Removes a tool; says whether it was there.
    pub fn unregister(&mut self, name: &str) -> bool {
        match self.position(name) {
            Some(at) => {
                self.tools.remove(at);
                true
            }
            None => false,
        }
    }

    /// The tool of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.position(name).map(|at| Arc::clone(&self.tools[at].tool))
    }

    /// What a model is offered.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        self.tools.iter().map(|tool| tool.definition.clone()).collect()
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<String> {
        self.tools.iter().map(|tool| tool.definition.name.clone()).collect()
    }

    /// Looks a call's tool up and checks its arguments.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn prepare(&self, call: &ToolCall) -> Result<Prepared, CallError> {
        let name = call.name.clone();
        let Some(at) = self.position(&name) else {
            return Err(CallError::UnknownTool { name, available: self.names() });
        };
        let registered = &self.tools[at];
        let arguments = match call.parsed() {
            Ok(arguments) => check(&registered.schema, registered.named(arguments)),
            Err(error) => Err(vec![error.message().to_owned()]),
        };
        match arguments {
            Ok(arguments) => Ok(Prepared { tool: Arc::clone(&registered.tool), arguments }),
            Err(violations) => Err(CallError::InvalidArguments { name, violations }),
        }
    }

    /// A call's arguments by the names that its tool gives them, whether it can run or not: an
    /// object, or the model's text where that is none.
    pub fn arguments(&self, call: &ToolCall) -> Value {
        match (call.parsed(), self.position(&call.name)) {
            (Ok(arguments), Some(at)) => Value::Object(self.tools[at].named(arguments)),
            _ => ToolCallData::from(call.clone()).arguments,
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.tools.iter().position(|tool| tool.definition.name == name)
    }
}

/// Models write `null` for arguments that they leave out: where the schema refuses such a value,
/// the arguments are checked without it.
fn check(
    schema: &Schema,
    arguments: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<String>> {
    let value = Value::Object(arguments);
    let Err(violations) = schema.check(&value) else {
        return Ok(into_object(value));
    };
    let mut trimmed = into_object(value);
    let before = trimmed.len();
    trimmed.retain(|_, value| !value.is_null());
    if trimmed.len() == before {
        return Err(violations);
    }
    let value = Value::Object(trimmed);
    schema.check(&value)?;
    Ok(into_object(value))
}

fn into_object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

impl std::fmt::Debug for ToolRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::{ToolContext, ToolOutput, core_tools, define};
    use serde_json::json;

    struct Named(&'static str, &'static str);

    #[async_trait::async_trait]
    impl Tool for Named {
        fn definition(&self) -> ToolDefinition {
            define(self.0, self.1, &[("x", json!({"type": ["integer", "null"]}), false)])
        }

        async fn run(&self, _: Map<String, Value>, _: ToolContext) -> ToolOutput {
            ToolOutput::ok(self.1)
        }
    }

    fn prepare(name: &str, arguments: Value) -> Result<Prepared, CallError> {
        let call = ToolCall::from(&ToolCallData::new("c", name, arguments));
        ToolRegistry::new(core_tools()).unwrap().prepare(&call)
    }

    #[test]
    fn loop_9_3_unknown_tool_is_an_error_result() {
        let error = prepare("launch", json!({})).err().unwrap().to_string();
        assert!(error.starts_with("Unknown tool: launch. Available tools: read_file, "));
    }

    #[test]
    fn loop_9_3_arguments_are_validated_against_the_schema() {
        let message = |arguments| prepare("shell", arguments).err().unwrap().to_string();
        let missing = message(json!({}));
        assert!(missing.starts_with("Invalid arguments for tool: shell\n- (root): "), "{missing}");
        assert!(missing.contains("command"), "{missing}");
        let wrong = message(json!({"command": "ls", "timeout_ms": "soon"}));
        assert!(wrong.contains("/timeout_ms"), "{wrong}");
        let broken = message(json!("{\"command\": "));
        assert!(broken.contains("EOF"), "{broken}");
        assert!(message(json!({"command": "ls", "cmd": 1})).contains("cmd"));
        assert!(prepare("shell", json!({"command": "ls", "timeout_ms": 5})).is_ok());
    }

    #[test]
    fn a_null_for_an_absent_argument_is_taken_as_absent() {
        let prepared = prepare("shell", json!({"command": "ls", "timeout_ms": null})).ok().unwrap();
        assert_eq!(Value::Object(prepared.arguments), json!({"command": "ls"}));
        // Where the schema knows null, it is kept; a required argument stays required.
        let registry = ToolRegistry::new([Arc::new(Named("n", "d")) as Arc<dyn Tool>]).unwrap();
        let call = ToolCall::from(&ToolCallData::new("c", "n", json!({"x": null})));
        let prepared = registry.prepare(&call).ok().unwrap();
        assert_eq!(Value::Object(prepared.arguments), json!({"x": null}));
        assert!(prepare("shell", json!({"command": null})).is_err());
    }

    #[test]
    fn loop_9_2_the_latest_tool_of_a_name_wins() {
        let mut registry = ToolRegistry::new(core_tools()).unwrap();
        let before = registry.names();
        registry.register(Arc::new(Named("grep", "mine"))).unwrap();
        assert_eq!(registry.names(), before);
        let grep = registry.definitions().into_iter().find(|tool| tool.name == "grep").unwrap();
        assert_eq!(grep.description, "mine");
        assert!(registry.unregister("grep") && !registry.unregister("grep"));
        assert!(registry.get("grep").is_none());
    }

    #[test]
    fn a_tool_that_no_provider_takes_is_refused() {
        let mut registry = ToolRegistry::default();
        let refused = registry.register(Arc::new(Named("no spaces", "")));
        assert!(matches!(refused, Err(ToolError::Definition { .. })));
    }
}
