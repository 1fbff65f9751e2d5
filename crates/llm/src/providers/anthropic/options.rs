//! `provider_options.anthropic` (unified-llm §2.8): what is meant for this adapter, and what goes into the body.

use serde_json::{Map, Value};

use super::super::wire::merge;
use super::{NAME, invalid};
use crate::error::LlmError;
use crate::types::Request;

/// The options of one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    /// `beta_headers`: for the header `anthropic-beta`.
    pub(super) betas: Vec<String>,
    /// `auto_cache`: whether breakpoints of the prompt cache are placed; on unless switched off.
    pub(super) auto_cache: bool,
    /// `block_binding`: what becomes of thinking that no longer fits the conversation before it. Goes into
    /// `thinking` where the model thinks and binds its thinking; no other place takes it.
    pub(super) block_binding: Option<Value>,
    /// Everything else: parameters of the API.
    body: Map<String, Value>,
}

impl Options {
    /// # Errors
    /// [`crate::ErrorKind::InvalidRequest`] when an option of the adapter is of the wrong type.
    pub(super) fn read(request: &Request) -> Result<Self, LlmError> {
        let mut body = request.options_for(NAME).cloned().unwrap_or_default();
        let betas = match body.remove("beta_headers") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::String(list)) => names(&list).collect(),
            Some(Value::Array(list)) => list
                .iter()
                .map(|name| name.as_str().map(str::to_owned).ok_or_else(bad_betas))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(bad_betas()),
        };
        let auto_cache = match body.remove("auto_cache") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(on)) => on,
            Some(_) => return Err(invalid("provider option `auto_cache` is no boolean")),
        };
        let block_binding = match body.remove("block_binding") {
            None | Some(Value::Null) => None,
            Some(Value::Object(settings)) => Some(Value::Object(settings)),
            Some(_) => return Err(invalid("provider option `block_binding` is no object")),
        };
        Ok(Self { betas, auto_cache, block_binding, body })
    }

    /// A parameter as the caller gave it.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.body.get(name)
    }

    /// Puts the parameters into `body`, where they win. Tools are added to those of the request. An object
    /// that names its `type` replaces ours: fields of two variants make none.
    pub(super) fn apply(&self, body: &mut Map<String, Value>) {
        displace(body, &self.body);
        merge(body, &self.body, &["tools"]);
    }
}

fn bad_betas() -> LlmError {
    invalid("provider option `beta_headers` is no list of strings")
}

/// The names in a comma-separated list.
pub(super) fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn displace(target: &mut Map<String, Value>, options: &Map<String, Value>) {
    for (name, value) in options {
        let Value::Object(value) = value else { continue };
        if value.contains_key("type") {
            target.remove(name);
        } else if let Some(Value::Object(inner)) = target.get_mut(name) {
            displace(inner, value);
        }
    }
}
