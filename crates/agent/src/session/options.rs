//! What a session is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use canon_exec::ExecutionEnvironment;
use canon_llm::Client;

use super::journal::Journal;
use super::turn::Turn;
use crate::approval::Approver;
use crate::config::SessionConfig;
use crate::pricing::{CataloguePricing, Pricing};
use crate::profiles::Profile;
use crate::tools::{Tool, ToolError};

/// What a session is made of. [`new`](Self::new) takes what has no default; set the rest.
#[derive(Clone)]
pub struct SessionOptions {
    /// Calls models. It must not retry: the loop does.
    pub client: Client,
    /// Model, tools and instructions.
    pub profile: Profile,
    /// Where tools run.
    pub env: Arc<dyn ExecutionEnvironment>,
    /// Limits and settings.
    pub config: SessionConfig,
    /// Tools beside the profile's; one of the same name takes its place (loop spec §3.7).
    pub extra_tools: Vec<Arc<dyn Tool>>,
    /// Names of tools that are not offered, whoever brings them.
    pub removed_tools: BTreeSet<String>,
    /// The last layer of the system prompt.
    pub user_instructions: Option<String>,
    /// What tokens cost.
    pub pricing: Arc<dyn Pricing>,
    /// Is asked about every tool call before it runs; `None` lets all run.
    pub approver: Option<Arc<dyn Approver>>,
    /// A conversation to go on with, from a [`Journal`] or [`crate::SessionHandle::history`]. It may
    /// have been cut off anywhere. Limits and budgets count the new work alone; what was used up
    /// before is [`crate::Outcome::earlier`].
    pub history: Vec<Turn>,
    /// Keeps the conversation.
    pub journal: Option<Arc<dyn Journal>>,
    /// Names the session in events; a fresh id when absent.
    pub session_id: Option<String>,
}

impl SessionOptions {
    /// Options with every default.
    pub fn new(client: Client, profile: Profile, env: Arc<dyn ExecutionEnvironment>) -> Self {
        Self {
            client,
            profile,
            env,
            config: SessionConfig::default(),
            extra_tools: Vec::new(),
            removed_tools: BTreeSet::new(),
            user_instructions: None,
            pricing: Arc::new(CataloguePricing),
            approver: None,
            history: Vec::new(),
            journal: None,
            session_id: None,
        }
    }
}

/// Why a session cannot be what its host wants.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A tool that no model can be offered.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// A money budget that cannot be counted.
    #[error(
        "no price is known for model `{model}` of provider `{provider}`, so its cost cannot be \
         held to a budget; set a token budget instead, or give its price"
    )]
    NoPrice {
        /// The provider.
        provider: String,
        /// The model.
        model: String,
    },
    /// The session is over.
    #[error(transparent)]
    Closed(#[from] super::handle::SessionClosed),
}
