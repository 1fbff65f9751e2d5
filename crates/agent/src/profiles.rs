//! Profiles: which tools, which instructions and which settings a family of models works best
//! with (loop spec §3).

mod openai;

use std::sync::Arc;

use canon_llm::get_model_info;
use serde_json::{Map, Value};

use crate::tools::Tool;

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
    /// It answers as a stream.
    pub streaming: bool,
    /// Several tool calls of one reply may run at a time.
    pub parallel_tool_calls: bool,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No family is known for the provider.
    #[error(
        "no agent profile for provider `{provider}`; profiles exist for openai, openai-compatible \
         and scripted"
    )]
    UnknownProvider {
        /// As given.
        provider: String,
    },
}

impl Profile {
    /// The profile that fits `model` at `provider`.
    ///
    /// # Errors
    /// [`ProfileError::UnknownProvider`].
    pub fn for_model(provider: &str, model: &str) -> Result<Self, ProfileError> {
        match provider {
            "openai" | "openai-compatible" | "scripted" => Ok(Self::openai(provider, model)),
            _ => Err(ProfileError::UnknownProvider { provider: provider.to_owned() }),
        }
    }

    /// The OpenAI family, for any provider that serves such a model.
    pub fn openai(provider: &str, model: &str) -> Self {
        openai::profile(provider, model)
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
