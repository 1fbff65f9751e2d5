//! The coding agent loop: a pure session machine, its driver, tools, profiles and prompts.
//!
//! A host makes a [`Session`] from a model client, a [`Profile`] and an execution environment,
//! submits inputs, and reads [`SessionEvent`]s:
//!
//! ```no_run
//! # async fn example(client: canon_llm::Client, env: std::sync::Arc<dyn canon_exec::ExecutionEnvironment>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use canon_agent::{Profile, Session, SessionOptions};
//!
//! let profile = Profile::for_model("openai", "gpt-5.2")?;
//! let mut session = Session::new(SessionOptions::new(client, profile, env))?;
//! let outcome = session.run_to_idle("make the tests pass", |event| eprintln!("{event:?}")).await?;
//! # Ok(()) }
//! ```

mod account;
pub mod approval;
pub mod config;
pub mod events;
mod fuzzy;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod patch;
pub mod pricing;
pub mod profiles;
pub mod prompt;
pub mod session;
mod subagents;
pub mod tools;
pub mod truncate;

pub use approval::{Approver, PendingCall, Verdict};
pub use config::{Budget, SessionConfig};
pub use events::{
    Earlier, EventData, Limit, Outcome, SessionEvent, SessionState, Status, WarningCode,
};
pub use pricing::{CataloguePricing, FlatPrice, Price, Pricing, Rates};
pub use profiles::{Capabilities, Family, Profile, ProfileError};
pub use session::{
    AssistantTurn, EventReceiver, Input, Journal, JournalError, Session, SessionClosed,
    SessionError, SessionHandle, SessionOptions, ToolResultEntry, Turn,
};
pub use tools::{
    Access, CommandTimeouts, Tool, ToolContext, ToolError, ToolImage, ToolOutput, ToolRegistry,
    canonical_arguments,
};
pub use truncate::OutputLimits;
