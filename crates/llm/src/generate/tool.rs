//! Tools with handlers (unified-llm §5.1, §5.2, §5.8).

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use canon_runtime::schema::Schema;
use serde::Serialize;
use serde_json::Value;

use super::AbortSignal;
use crate::error::{ErrorKind, LlmError};
use crate::types::{Message, ToolCall, ToolDefinition};

/// A tool on offer. With a handler it is *active*: its calls run by themselves and the model is asked again.
/// Without one it is *passive*: its calls are returned to the caller (unified-llm §5.5).
#[derive(Clone)]
pub struct Tool {
    definition: ToolDefinition,
    schema: Arc<Schema>,
    handler: Option<Arc<dyn ToolHandler>>,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("definition", &self.definition)
            .field("active", &self.is_active())
            .finish()
    }
}

impl Tool {
    /// A passive tool.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when name or parameters break the rules of [`ToolDefinition`] or the
    /// parameters are no JSON Schema.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
    ) -> Result<Self, LlmError> {
        Self::passive(ToolDefinition::new(name, description, parameters)?)
    }

    /// A passive tool of a definition.
    ///
    /// # Errors
    /// See [`Tool::new`].
    pub fn passive(definition: ToolDefinition) -> Result<Self, LlmError> {
        definition.validate()?;
        let schema = Schema::compile(&definition.parameters).map_err(|error| {
            LlmError::new(
                ErrorKind::Configuration,
                format!("the parameters of tool `{}`: {error}", definition.name),
            )
            .with_source(error)
        })?;
        Ok(Self { definition, schema: Arc::new(schema), handler: None })
    }

    /// The same tool, active. The closure gets the arguments, an object that fits the schema, and a
    /// [`ToolContext`]. What it returns as an error is told to the model, as a result with `is_error`.
    ///
    /// ```
    /// # fn example() -> Result<(), canon_llm::LlmError> {
    /// use canon_llm::Tool;
    /// use serde_json::json;
    ///
    /// let parameters = json!({
    ///     "type": "object",
    ///     "properties": {"location": {"type": "string"}},
    ///     "required": ["location"],
    /// });
    /// let weather = Tool::new("get_weather", "Current weather for a location", parameters)?
    ///     .execute(|arguments, _context| async move {
    ///         let place = arguments["location"].as_str().ok_or("no location")?.to_owned();
    ///         Ok::<_, &str>(format!("sunny in {place}"))
    ///     });
    /// assert!(weather.is_active());
    /// # Ok(())
    /// # }
    /// # example().unwrap();
    /// ```
    #[must_use]
    pub fn execute<F, Fut, T, E>(self, run: F) -> Self
    where
        F: Fn(Value, ToolContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<ToolOutput> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        self.handler(Arc::new(Closure(run)))
    }

    /// The same tool, active by a handler of its own type.
    #[must_use]
    pub fn handler(self, handler: Arc<dyn ToolHandler>) -> Self {
        Self { handler: Some(handler), ..self }
    }

    /// What the model is told of it.
    pub fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    /// Whether it has a handler.
    pub fn is_active(&self) -> bool {
        self.handler.is_some()
    }

    pub(super) fn active_handler(&self) -> Option<&Arc<dyn ToolHandler>> {
        self.handler.as_ref()
    }

    /// Whether the arguments of `call` are an object that fits the schema.
    pub(super) fn check(&self, call: &ToolCall) -> Result<Value, LlmError> {
        self.check_arguments(Value::Object(call.parsed()?.clone()))
    }

    pub(super) fn check_arguments(&self, arguments: Value) -> Result<Value, LlmError> {
        match self.schema.check(&arguments) {
            Ok(()) => Ok(arguments),
            Err(violations) => Err(LlmError::new(
                ErrorKind::InvalidToolCall,
                format!("arguments of tool `{}`: {}", self.definition.name, violations.join("; ")),
            )),
        }
    }
}

/// What runs an active tool (unified-llm §5.2). The calls of one answer run at the same time.
#[async_trait]
pub trait ToolHandler: Send + Sync {
    /// Runs one call. `arguments` is an object that fits the tool's schema.
    ///
    /// # Errors
    /// What the model is told; it may try again or do without.
    async fn call(&self, arguments: Value, context: ToolContext) -> Result<ToolOutput, String>;
}

/// What a handler may want to know beside its arguments (unified-llm §5.2).
#[derive(Debug, Clone)]
pub struct ToolContext {
    /// The call that is answered.
    pub tool_call_id: String,
    /// The conversation up to the answer that holds the call, that answer included.
    pub messages: Arc<[Message]>,
    /// Fires when the call's result is no longer wanted: the caller aborted, time is up, or the batch is over.
    /// The handler itself is dropped then; this is for work that it started elsewhere.
    pub abort_signal: AbortSignal,
}

/// What a tool answers: text or any JSON, and perhaps a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutput {
    /// Text or any JSON.
    pub content: Value,
    /// A picture.
    pub image_data: Option<Vec<u8>>,
    /// MIME type of the picture.
    pub image_media_type: Option<String>,
}

impl ToolOutput {
    /// Text or JSON.
    pub fn new(content: impl Into<Value>) -> Self {
        Self { content: content.into(), image_data: None, image_media_type: None }
    }

    /// Anything that serialises.
    ///
    /// # Errors
    /// Those of serialising.
    pub fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_value(value).map(Self::new)
    }

    /// With a picture beside the text.
    #[must_use]
    pub fn with_image(self, data: Vec<u8>, media_type: impl Into<String>) -> Self {
        Self { image_data: Some(data), image_media_type: Some(media_type.into()), ..self }
    }
}

impl<T: Into<Value>> From<T> for ToolOutput {
    fn from(content: T) -> Self {
        Self::new(content)
    }
}

struct Closure<F>(F);

#[async_trait]
impl<F, Fut, T, E> ToolHandler for Closure<F>
where
    F: Fn(Value, ToolContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Into<ToolOutput> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    async fn call(&self, arguments: Value, context: ToolContext) -> Result<ToolOutput, String> {
        match (self.0)(arguments, context).await {
            Ok(output) => Ok(output.into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A call whose arguments are no JSON object or do not fit the schema.
#[derive(Debug, Clone)]
pub struct FailedCall {
    /// As the model made it.
    pub call: ToolCall,
    /// The tool that it names.
    pub tool: ToolDefinition,
    /// What is wrong with it, of kind [`ErrorKind::InvalidToolCall`].
    pub problem: LlmError,
    /// As the handler would get it.
    pub context: ToolContext,
}

/// Mends the arguments of a failed call, e.g. by asking a model (unified-llm §5.8). Its answer is checked
/// again. Closures that return a future of `Option<Value>` are one.
#[async_trait]
pub trait RepairToolCall: Send + Sync {
    /// Better arguments, or `None` when there are none.
    async fn repair(&self, failed: FailedCall) -> Option<Value>;
}

#[async_trait]
impl<F, Fut> RepairToolCall for F
where
    F: Fn(FailedCall) -> Fut + Send + Sync,
    Fut: Future<Output = Option<Value>> + Send,
{
    async fn repair(&self, failed: FailedCall) -> Option<Value> {
        self(failed).await
    }
}
