//! Clients from the environment (unified-llm §2.2). The environment is a function, so that nothing here
//! reads the process's own unless asked to.

use std::path::Path;
use std::sync::Arc;

use canon_runtime::secret::Secret;

use super::{Client, configuration};
use crate::adapter::ProviderAdapter;
use crate::catalogue::get_latest_model;
use crate::error::LlmError;
use crate::model_ref::{ModelRef, PROVIDERS};
use crate::providers::openai::{self, OpenAi, OpenAiConfig};
use crate::scripted::{self, Scripted};

/// Providers that have an adapter in this version, with the variable that holds their key.
const SUPPORTED: [(&str, &str); 1] = [(openai::NAME, "OPENAI_API_KEY")];

/// Providers that have none yet, with the variables that show that somebody wants them.
const NOT_YET: [(&str, &[&str]); 3] = [
    ("anthropic", &["ANTHROPIC_API_KEY"]),
    ("gemini", &["GEMINI_API_KEY", "GOOGLE_API_KEY"]),
    ("openai-compatible", &["OPENAI_COMPATIBLE_BASE_URL"]),
];

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
        let lookup = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let mut builder = Self::builder();
        let mut default = None;
        if let Some(model) = lookup("CANON_MODEL").map(|text| ModelRef::parse(&text))
            && model.provider.as_deref() == Some(scripted::NAME)
        {
            builder = builder.provider(scripted(&model.model)?);
            default = Some(scripted::NAME);
        }
        if let Some(adapter) = openai_from(&lookup)? {
            builder = builder.provider(adapter);
            default = default.or(Some(openai::NAME));
        }
        match default {
            Some(name) => builder.default_provider(name).build(),
            None => Err(nothing_configured(&lookup)),
        }
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
        let lookup = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let named = model.map(str::to_owned).or_else(|| lookup("CANON_MODEL"));
        let model = match named {
            Some(text) => ModelRef::parse(&text),
            None => default_model(&lookup)?,
        };
        let with_key = first_with_key(&lookup);
        let provider =
            model.provider_or(with_key).ok_or_else(|| nothing_configured(&lookup))?.to_owned();
        let adapter: Arc<dyn ProviderAdapter> = match provider.as_str() {
            scripted::NAME => scripted(&model.model)?,
            openai::NAME => openai_from(&lookup)?.ok_or_else(|| no_key(&model, openai::NAME))?,
            other => return Err(not_supported(other)),
        };
        let client =
            Self::builder().provider(adapter).default_provider(provider.as_str()).build()?;
        Ok(Connected { client, model: ModelRef { provider: Some(provider), ..model } })
    }
}

fn scripted(path: &str) -> Result<Arc<dyn ProviderAdapter>, LlmError> {
    let adapter = Scripted::load(Path::new(path)).map_err(|error| {
        configuration(error.to_string()).with_provider(scripted::NAME).with_source(error)
    })?;
    Ok(Arc::new(adapter))
}

fn openai_from(
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Arc<dyn ProviderAdapter>>, LlmError> {
    let Some(key) = lookup("OPENAI_API_KEY") else {
        return Ok(None);
    };
    let mut config = OpenAiConfig::new(Secret::new(key.trim().to_owned()));
    if let Some(url) = lookup("OPENAI_BASE_URL") {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(configuration(
                "OPENAI_BASE_URL is no http or https URL; it includes the /v1",
            ));
        }
        config.base_url = url.trim().to_owned();
    }
    config.organization = lookup("OPENAI_ORG_ID");
    config.project = lookup("OPENAI_PROJECT_ID");
    Ok(Some(Arc::new(OpenAi::new(config)?)))
}

fn first_with_key(lookup: &impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    SUPPORTED.iter().find(|(_, variable)| lookup(variable).is_some()).map(|(name, _)| *name)
}

fn default_model(lookup: &impl Fn(&str) -> Option<String>) -> Result<ModelRef, LlmError> {
    let provider = first_with_key(lookup).ok_or_else(|| nothing_configured(lookup))?;
    let info = get_latest_model(provider, None)
        .ok_or_else(|| configuration(format!("the catalogue has no model of `{provider}`")))?;
    Ok(ModelRef { provider: Some(provider.to_owned()), model: info.id.clone() })
}

pub(super) fn no_such_provider<'a>(
    wanted: &str,
    registered: impl Iterator<Item = &'a str>,
) -> LlmError {
    if NOT_YET.iter().any(|(name, _)| *name == wanted) {
        return not_supported(wanted);
    }
    let registered: Vec<&str> = registered.collect();
    let registered = if registered.is_empty() { "none".to_owned() } else { registered.join(", ") };
    configuration(format!("no provider `{wanted}` is configured; configured: {registered}"))
}

fn not_supported(provider: &str) -> LlmError {
    if !PROVIDERS.contains(&provider) {
        return configuration(format!("no provider `{provider}`; known: {}", PROVIDERS.join(", ")));
    }
    configuration(format!(
        "provider `{provider}` is not yet supported by this version; supported: openai, scripted"
    ))
}

fn no_key(model: &ModelRef, provider: &str) -> LlmError {
    configuration(format!(
        "model `{model}` needs provider `{provider}`, but OPENAI_API_KEY is not set"
    ))
}

fn nothing_configured(lookup: &impl Fn(&str) -> Option<String>) -> LlmError {
    let unsupported = NOT_YET.iter().find_map(|(name, variables)| {
        let variable = variables.iter().find(|variable| lookup(variable).is_some())?;
        Some((*name, *variable))
    });
    match unsupported {
        Some((name, variable)) => configuration(format!(
            "{variable} is set, but provider `{name}` is not yet supported by this version; set \
             OPENAI_API_KEY, or name a scripted session: scripted/FILE.jsonl"
        )),
        None => configuration(
            "no model provider is configured; set OPENAI_API_KEY, or name a scripted session: \
             scripted/FILE.jsonl",
        ),
    }
}

#[cfg(test)]
mod tests;
