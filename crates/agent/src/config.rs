//! What a host may set about a session (loop spec §2.2).

use canon_llm::RetryPolicy;

use crate::truncate::OutputLimits;

/// Limits and settings of one session. Zero means "no limit" where a field says so.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Most model replies in the whole session; 0 for no limit.
    pub max_turns: u32,
    /// Most rounds of tool calls for one input; 0 for no limit.
    pub max_tool_rounds_per_input: u32,
    /// Milliseconds that a command may take when neither the call nor the profile says.
    pub default_command_timeout_ms: u64,
    /// Milliseconds that a command may take at most, whoever asks.
    pub max_command_timeout_ms: u64,
    /// `low`, `medium`, `high`, or what the provider knows beside; `None` for its default.
    pub reasoning_effort: Option<String>,
    /// How much of a tool's output the model sees.
    pub output_limits: OutputLimits,
    /// Whether repeating tool calls are warned of.
    pub enable_loop_detection: bool,
    /// Over how many of the last calls a repetition is looked for.
    pub loop_detection_window: usize,
    /// Whether somebody is there to answer: only then does a question of the model end in
    /// [`crate::SessionState::AwaitingInput`].
    pub interactive: bool,
    /// What the session may use up.
    pub budget: Budget,
    /// How model calls are repeated that failed before their first delta. Its `on_retry` is not
    /// called: the session's events tell of each retry.
    pub retry: RetryPolicy,
    /// Milliseconds without any event of a model's stream after which it counts as broken.
    pub model_silence_timeout_ms: u64,
    /// How deep subagents may be nested below this session (loop spec §7.3): 0 for none, 1 for
    /// subagents that spawn none themselves.
    pub max_subagent_depth: u32,
    /// Most subagents of this session that are at work at the same time.
    pub max_subagents: usize,
    /// Most tokens of one reply; `None` for the provider's default.
    pub max_output_tokens: Option<u64>,
}

/// The most that a session and its subagents may use up together. A model call that could pass a
/// budget by its input alone is not made; a reply's length is capped to what is left. What a reply
/// cost that broke off is estimated. A history that is resumed does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    /// Tokens, input and output of all model calls added up.
    pub max_tokens: Option<u64>,
    /// US dollars.
    pub max_cost_usd: Option<f64>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            max_turns: 0,
            max_tool_rounds_per_input: 0,
            default_command_timeout_ms: 10_000,
            max_command_timeout_ms: 600_000,
            reasoning_effort: None,
            output_limits: OutputLimits::default(),
            enable_loop_detection: true,
            loop_detection_window: 10,
            interactive: false,
            budget: Budget::default(),
            retry: RetryPolicy::default(),
            model_silence_timeout_ms: 300_000,
            max_subagent_depth: 1,
            max_subagents: 8,
            max_output_tokens: None,
        }
    }
}
