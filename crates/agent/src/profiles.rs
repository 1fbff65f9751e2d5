//! Profiles: which tools, which instructions and which settings a family of models works best
//! with (loop spec §3).

mod anthropic;
mod cutoff;
mod family;
mod gemini;
mod generic;
mod instructions;
mod openai;

use std::sync::Arc;

use canon_llm::get_model_info;
use serde_json::{Map, Value};

use crate::tools::Tool;

pub use family::Family;

/// One model with everything that the loop fits to it. A plain value: change what does not fit.
#[derive(Clone)]
pub struct Profile {
    /// The family, such as `openai`.
    pub id: String,
    /// The provider that requests go to.
    pub provider: String,
    /// The provider's own model id.
    pub model: String,
    /// The model's name for people and for the prompt.
    pub display_name: String,
    /// Until when the model knows the world, where that is known.
    pub knowledge_cutoff: Option<String>,
    /// Who the model is and how it works: the first layer of the system prompt.
    pub base_instructions: String,
    /// The tools that it is offered.
    pub tools: Vec<Arc<dyn Tool>>,
    /// Options for the provider, keyed by provider.
    pub provider_options: Map<String, Value>,
    /// What the model can do.
    pub capabilities: Capabilities,
    /// Tokens that the model can hold, where that is known.
    pub context_window: Option<u64>,
    /// Project documents that this family reads, in order within a directory (loop spec §6.5).
    pub document_names: Vec<String>,
    /// Milliseconds that a command may take by default, where the family differs from
    /// [`crate::SessionConfig::default_command_timeout_ms`].
    pub command_timeout_ms: Option<u64>,
}

/// What a model can do (loop spec §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It reasons, and takes a reasoning effort.
    pub reasoning: bool,
    /// It takes images.
    pub images: bool,
    /// It answers as a stream.
    pub streaming: bool,
    /// Several tool calls of one reply may run at a time.
    pub parallel_tool_calls: bool,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither the model's name nor the provider says which family it is of.
    #[error(
        "no agent profile is known for model `{model}` of provider `{provider}`; name a profile: \
         openai, anthropic, gemini or generic"
    )]
    UnknownModel {
        /// As given.
        provider: String,
        /// As given.
        model: String,
    },
    /// There is no family of this name.
    #[error("no agent profile `{family}`; there are openai, anthropic, gemini and generic")]
    UnknownFamily {
        /// As given.
        family: String,
    },
}

/// What a family adds to what is known of a model.
struct Parts {
    base_instructions: String,
    tools: Vec<Arc<dyn Tool>>,
    /// The project document beside `AGENTS.md`.
    document_name: Option<&'static str>,
    command_timeout_ms: Option<u64>,
    provider_options: Map<String, Value>,
}

impl Profile {
    /// The profile that fits `model` at `provider`, by [`Family::of`]. A transcript of no family
    /// has the tools of all: it may have been recorded with any.
    ///
    /// # Errors
    /// [`ProfileError::UnknownModel`]; [`Profile::of_family`] takes any model.
    pub fn for_model(provider: &str, model: &str) -> Result<Self, ProfileError> {
        let family = Family::of(provider, model).ok_or_else(|| ProfileError::UnknownModel {
            provider: provider.to_owned(),
            model: model.to_owned(),
        })?;
        let mut profile = Self::of_family(family, provider, model);
        if provider == "scripted" && family == Family::Generic {
            profile.tools = generic::tools_for_transcripts();
        }
        Ok(profile)
    }

    /// The profile of `family`, for any model: where a host knows better than the names do.
    pub fn of_family(family: Family, provider: &str, model: &str) -> Self {
        let parts = match family {
            Family::OpenAi => openai::parts(),
            Family::Anthropic => anthropic::parts(model),
            Family::Gemini => gemini::parts(),
            Family::Generic => generic::parts(),
        };
        let info = get_model_info(model);
        let documents = [Some("AGENTS.md"), parts.document_name].into_iter().flatten();
        Self {
            id: family.as_str().to_owned(),
            provider: provider.to_owned(),
            model: model.to_owned(),
            display_name: info.map_or_else(|| model.to_owned(), |info| info.display_name.clone()),
            knowledge_cutoff: cutoff::of(model).map(str::to_owned),
            base_instructions: parts.base_instructions,
            tools: parts.tools,
            provider_options: parts.provider_options,
            capabilities: Capabilities {
                reasoning: info.is_none_or(|info| info.supports_reasoning),
                images: info.is_none_or(|info| info.supports_vision),
                streaming: true,
                parallel_tool_calls: true,
            },
            context_window: context_window(provider, model),
            document_names: documents.map(str::to_owned).collect(),
            command_timeout_ms: parts.command_timeout_ms,
        }
    }
}

impl Profile {
    /// The same with the provider's own search of the web, which needs no tool of the session.
    /// Only Gemini's API (from Gemini 3 on) has one that stands beside tools; for others nothing
    /// changes, a host gives them a tool. The provider bills searches apart.
    #[must_use]
    pub fn with_web_search(mut self) -> Self {
        if self.provider == "gemini" {
            gemini::add_web_search(&mut self.provider_options);
        }
        self
    }
}

impl Profile {
    /// The same tools and instructions with another model.
    pub(crate) fn set_model(&mut self, provider: &str, model: &str) {
        if (provider, model) == (self.provider.as_str(), self.model.as_str()) {
            return;
        }
        let info = get_model_info(model);
        provider.clone_into(&mut self.provider);
        model.clone_into(&mut self.model);
        self.display_name = info.map_or(model, |info| &info.display_name).to_owned();
        self.knowledge_cutoff = cutoff::of(model).map(str::to_owned);
        self.context_window = context_window(provider, model);
        if let Some(info) = info {
            self.capabilities.reasoning = info.supports_reasoning;
            self.capabilities.images = info.supports_vision;
        }
    }
}

/// Tokens that `model` can hold, by the model client's catalogue.
pub(crate) fn context_window(provider: &str, model: &str) -> Option<u64> {
    get_model_info(model).filter(|info| info.provider == provider).map(|info| info.context_window)
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile")
            .field("id", &self.id)
            .field("provider", &self.provider)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
