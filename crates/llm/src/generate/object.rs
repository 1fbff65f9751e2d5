//! Answers that are objects of a schema (unified-llm §4.5).

use canon_runtime::schema::Schema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::extract::extract;
use super::generate;
use super::options::Generate;
use super::result::{GenerateResult, Progress};
use crate::error::{ErrorKind, LlmError};
use crate::types::{FinishReasonKind, ResponseFormat, ResponseFormatKind};

/// Longest piece of a text that an error message quotes, in characters.
const QUOTED: usize = 200;

/// [`generate`], with an answer that fits `schema`: [`GenerateResult::output`] is always there.
///
/// The provider is asked to keep to the schema as strictly as it can, and what comes is checked here whatever
/// the provider says. Only failed calls are tried again, not answers that do not fit.
///
/// ```no_run
/// # async fn example() -> Result<(), canon_llm::LlmError> {
/// use canon_llm::{Generate, generate_object_as};
/// use serde_json::json;
///
/// #[derive(serde::Deserialize)]
/// struct Person { name: String, age: u32 }
///
/// let schema = json!({
///     "type": "object",
///     "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
///     "required": ["name", "age"],
/// });
/// let options = Generate::new("gpt-5.2").prompt("Extract: Alice is 30 years old");
/// let (person, _): (Person, _) = generate_object_as(options, schema).await?;
/// println!("{} is {}", person.name, person.age);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`generate`]; [`ErrorKind::NoObjectGenerated`] when the answer does not hold such an object, with
/// its text, what is wrong with it and what it cost in [`LlmError::raw`].
pub async fn generate_object(options: Generate, schema: Value) -> Result<GenerateResult, LlmError> {
    let form = Form::new(schema)?;
    let mut result = generate(options.require_format(form.format())?).await?;
    result.output = Some(form.read(&result)?);
    Ok(result)
}

/// [`generate_object`], with the object as a type of the caller's.
///
/// # Errors
/// Those of [`generate_object`]; [`ErrorKind::NoObjectGenerated`] also when the object fits the schema but not
/// the type.
pub async fn generate_object_as<T: DeserializeOwned>(
    options: Generate,
    schema: Value,
) -> Result<(T, GenerateResult), LlmError> {
    let result = generate_object(options, schema).await?;
    let object = typed(&result)?;
    Ok((object, result))
}

/// The output of `result` as a type.
pub(super) fn typed<T: DeserializeOwned>(result: &GenerateResult) -> Result<T, LlmError> {
    let output = result.output.as_ref().unwrap_or(&Value::Null);
    T::deserialize(output).map_err(|error| {
        no_object(result, &[format!("it does not fit the type: {error}")]).with_source(error)
    })
}

/// A schema that an answer must fit.
#[derive(Debug)]
pub(super) struct Form {
    schema: Value,
    check: Schema,
}

impl Form {
    /// # Errors
    /// [`ErrorKind::Configuration`] when `schema` is none.
    pub(super) fn new(schema: Value) -> Result<Self, LlmError> {
        let check = Schema::compile(&schema).map_err(|error| {
            LlmError::new(ErrorKind::Configuration, error.to_string()).with_source(error)
        })?;
        Ok(Self { schema, check })
    }

    /// How the provider is asked for it.
    pub(super) fn format(&self) -> ResponseFormat {
        ResponseFormat {
            kind: ResponseFormatKind::JsonSchema,
            json_schema: Some(self.schema.clone()),
            strict: true,
        }
    }

    /// The type that the schema wants at the root, if it names one.
    pub(super) fn root_type(&self) -> Option<&str> {
        self.schema.get("type").and_then(Value::as_str)
    }

    /// The object in the last step's text.
    pub(super) fn read(&self, result: &GenerateResult) -> Result<Value, LlmError> {
        extract(&result.text, &self.check).map_err(|violations| no_object(result, &violations))
    }
}

fn no_object(result: &GenerateResult, violations: &[String]) -> LlmError {
    let cause = match result.finish_reason.reason {
        FinishReasonKind::Length => "the answer was cut off at its token limit; ",
        FinishReasonKind::ContentFilter => "the answer was blocked; ",
        FinishReasonKind::ToolCalls => "the model called tools instead; ",
        FinishReasonKind::Stop | FinishReasonKind::Error | FinishReasonKind::Other => "",
    };
    let text = result.text.trim();
    let said = match text.char_indices().nth(QUOTED) {
        _ if text.is_empty() => "the answer has no text".to_owned(),
        Some((end, _)) => format!("the answer is `{}…`", &text[..end]),
        None => format!("the answer is `{text}`"),
    };
    let message = format!("{cause}{}; {said}", violations.join("; "));
    LlmError::new(ErrorKind::NoObjectGenerated, message)
        .with_provider(result.response.provider.as_str())
        .with_raw(Some(json!({
            "text": result.text,
            "violations": violations,
            "finish_reason": result.finish_reason,
            "total_usage": result.total_usage,
            "response_id": result.response.id,
        })))
        .with_progress(Progress::new(result.steps.clone(), result.messages.clone()))
}
