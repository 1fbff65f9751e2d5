//! Clients from the environment (unified-llm §2.2). The environment is a function, so that nothing here
//! reads the process's own unless asked to.

use std::path::Path;
use std::sync::Arc;

use super::{Client, configuration};
use crate::adapter::ProviderAdapter;
use crate::catalogue::get_latest_model;
use crate::error::LlmError;
use crate::model_ref::{ModelRef, PROVIDERS};
use crate::providers::anthropic::{self, Anthropic, AnthropicConfig};
use crate::providers::compatible::{self, Compatible, CompatibleConfig};
use crate::providers::gemini::{self, Gemini, GeminiConfig};
use crate::providers::openai::{self, OpenAi, OpenAiConfig};
use crate::scripted::{self, Scripted};

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

type Opened = Result<Option<Arc<dyn ProviderAdapter>>, LlmError>;

/// The [`LlmError::error_code`] of a provider without a key: what is missing is not in the request.
pub const NOT_CONFIGURED: &str = "not_configured";

/// A provider that the environment can configure, and whether it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderStatus {
    /// The name that requests route by.
    pub name: &'static str,
    /// It is there when one of these variables is set.
    pub variables: &'static [&'static str],
    /// Whether one is.
    pub configured: bool,
}

/// A provider that the environment can configure.
struct Known {
    name: &'static str,
    /// It is there when one of these variables is set.
    variables: &'static [&'static str],
    /// The adapter, or `None` when none of them is.
    open: fn(Lookup<'_>) -> Opened,
}

/// In the order in which defaults are chosen.
const KNOWN: &[Known] = &[
    Known { name: openai::NAME, variables: &["OPENAI_API_KEY"], open: open_openai },
    Known { name: anthropic::NAME, variables: &["ANTHROPIC_API_KEY"], open: open_anthropic },
    Known {
        name: gemini::NAME,
        variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        open: open_gemini,
    },
    Known {
        name: compatible::NAME,
        variables: &["OPENAI_COMPATIBLE_BASE_URL"],
        open: open_compatible,
    },
];

fn open_openai(lookup: Lookup<'_>) -> Opened {
    OpenAiConfig::from_env_with(lookup)?.map(|config| adapter(OpenAi::new(config))).transpose()
}

fn open_anthropic(lookup: Lookup<'_>) -> Opened {
    AnthropicConfig::from_env_with(lookup)?
        .map(|config| adapter(Anthropic::new(config)))
        .transpose()
}

fn open_gemini(lookup: Lookup<'_>) -> Opened {
    GeminiConfig::from_env_with(lookup)?.map(|config| adapter(Gemini::new(config))).transpose()
}

fn open_compatible(lookup: Lookup<'_>) -> Opened {
    CompatibleConfig::from_env_with(lookup)?
        .map(|config| adapter(Compatible::new(config)))
        .transpose()
}

fn adapter<A: ProviderAdapter + 'static>(
    made: Result<A, LlmError>,
) -> Result<Arc<dyn ProviderAdapter>, LlmError> {
    Ok(Arc::new(made?))
}

/// A client, and the model to ask it for.
#[derive(Debug, Clone)]
pub struct Connected {
    /// Its default provider is the model's.
    pub client: Client,
    /// With its provider.
    pub model: ModelRef,
}

impl Client {
    /// A client with every provider that the process's environment has a key for.
    ///
    /// # Errors
    /// See [`Client::from_env_with`].
    pub fn from_env() -> Result<Self, LlmError> {
        Self::from_env_with(|name| std::env::var(name).ok())
    }

    /// A client with every provider that `lookup` has a key for; the first one is the default.
    /// When `CANON_MODEL` names a scripted session, that is registered too, and the default.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when there is no key at all or a setting is malformed.
    pub fn from_env_with(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, LlmError> {
        let lookup = |name: &str| value(&lookup, name);
        let mut builder = Self::builder();
        let mut default = None;
        if let Some(model) = lookup("CANON_MODEL").map(|text| ModelRef::parse(&text))
            && model.provider.as_deref() == Some(scripted::NAME)
        {
            builder = builder.provider(scripted(&model.model)?);
            default = Some(scripted::NAME);
        }
        for known in KNOWN {
            if let Some(adapter) = (known.open)(&lookup)? {
                builder = builder.provider(adapter);
                default = default.or(Some(known.name));
            }
        }
        match default {
            Some(name) => builder.default_provider(name).build(),
            None => Err(nothing_configured()),
        }
    }

    /// Every provider that an environment can configure, in the order in which defaults are chosen. Looks
    /// for keys and at nothing else.
    pub fn providers(lookup: impl Fn(&str) -> Option<String>) -> Vec<ProviderStatus> {
        let is_set = |name: &&str| value(&lookup, name).is_some();
        KNOWN
            .iter()
            .map(|known| ProviderStatus {
                name: known.name,
                variables: known.variables,
                configured: known.variables.iter().any(is_set),
            })
            .collect()
    }

    /// The model that [`Self::connect`] takes where none is named.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when there is none: no key, and no `CANON_MODEL`.
    pub fn default_model(lookup: impl Fn(&str) -> Option<String>) -> Result<ModelRef, LlmError> {
        named_or_default(None, &|name| value(&lookup, name))
    }

    /// The client for one model: `model` as given on a command line, else `CANON_MODEL`, else the newest
    /// catalogue model of the first provider that has a key. A transcript is loaded here, so that its
    /// mistakes show before any work begins; a relative path is taken from the working directory.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Configuration`] when the provider is unknown, not supported by this version or
    /// without a key, or when the transcript cannot be read.
    pub fn connect(
        model: Option<&str>,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Connected, LlmError> {
        let lookup = |name: &str| value(&lookup, name);
        let model = named_or_default(model, &lookup)?;
        let provider = match model.provider_or(first_configured(&lookup)) {
            Some(provider) => provider.to_owned(),
            None => return Err(nothing_configured()),
        };
        let adapter = match KNOWN.iter().find(|known| known.name == provider) {
            Some(known) => (known.open)(&lookup)?.ok_or_else(|| not_configured(&model, known))?,
            None if provider == scripted::NAME => scripted(&model.model)?,
            None => return Err(unknown_provider(&provider)),
        };
        let client =
            Self::builder().provider(adapter).default_provider(provider.as_str()).build()?;
        Ok(Connected { client, model: ModelRef { provider: Some(provider), ..model } })
    }
}

/// A variable's value; one that is empty or blank is not set.
fn value(lookup: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    let value = lookup(name)?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

fn scripted(path: &str) -> Result<Arc<dyn ProviderAdapter>, LlmError> {
    let adapter = Scripted::load(Path::new(path)).map_err(|error| {
        configuration(error.to_string()).with_provider(scripted::NAME).with_source(error)
    })?;
    Ok(Arc::new(adapter))
}

fn first_configured(lookup: Lookup<'_>) -> Option<&'static str> {
    let is_set = |known: &&Known| known.variables.iter().any(|name| lookup(name).is_some());
    KNOWN.iter().find(is_set).map(|known| known.name)
}

fn named_or_default(model: Option<&str>, lookup: Lookup<'_>) -> Result<ModelRef, LlmError> {
    if let Some(text) = model.map(str::to_owned).or_else(|| lookup("CANON_MODEL")) {
        return Ok(ModelRef::parse(&text));
    }
    let provider = first_configured(lookup).ok_or_else(nothing_configured)?;
    let info = get_latest_model(provider, None).ok_or_else(|| {
        configuration(format!("the catalogue has no model of `{provider}`; name one"))
    })?;
    Ok(ModelRef { provider: Some(provider.to_owned()), model: info.id.clone() })
}

pub(super) fn no_such_provider<'a>(
    wanted: &str,
    registered: impl Iterator<Item = &'a str>,
) -> LlmError {
    let registered: Vec<&str> = registered.collect();
    let registered = if registered.is_empty() { "none".to_owned() } else { registered.join(", ") };
    configuration(format!("no provider `{wanted}` is configured; configured: {registered}"))
}

fn unknown_provider(provider: &str) -> LlmError {
    configuration(format!("no provider `{provider}`; known: {}", PROVIDERS.join(", ")))
}

fn not_configured(model: &ModelRef, known: &Known) -> LlmError {
    configuration(format!(
        "model `{model}` needs provider `{}`, but {} is not set",
        known.name,
        known.variables.join(" or ")
    ))
    .with_code(Some(NOT_CONFIGURED.to_owned()))
}

fn nothing_configured() -> LlmError {
    let variables: Vec<&str> = KNOWN.iter().flat_map(|known| known.variables).copied().collect();
    configuration(format!(
        "no model provider is configured; set {}, or name a scripted session: scripted/FILE.jsonl",
        variables.join(", ")
    ))
    .with_code(Some(NOT_CONFIGURED.to_owned()))
}

#[cfg(test)]
mod tests;
