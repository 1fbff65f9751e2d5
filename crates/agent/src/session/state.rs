//! The session machine: `apply(event, now) → effects`, with no IO, no clock and no randomness
//! (loop spec §2.3–§2.8).

mod context;
mod limits;
mod model;
mod subagents;
mod tools;

use std::collections::{BTreeMap, HashSet, VecDeque};

use canon_llm::{Usage, get_model_info};

use super::call_ids::CallIds;
use super::effect::Effect;
use super::event::Event;
use super::input::Input;
use super::loops::LoopDetector;
use super::turn::{Turn, repaired, totals};
use crate::account::{Amount, Others};
use crate::config::SessionConfig;
use crate::events::{
    Earlier, EventData, Limit, Outcome, SessionEvent, SessionState, Status, WarningCode,
};
use crate::pricing::{Price, Pricing};
use crate::subagents::AgentPath;
use model::Attempt;
use subagents::ChildView;
use tools::Round;

/// Which model answers, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelSettings {
    pub(crate) provider: String,
    pub(crate) model: String,
    /// Tokens that it can hold.
    pub(crate) context_window: Option<u64>,
    /// Tokens of the longest reply that it can write.
    pub(crate) max_output: Option<u64>,
    pub(crate) price: Option<Price>,
}

impl ModelSettings {
    /// What is known of a model by its name.
    pub(crate) fn of(pricing: &dyn Pricing, provider: &str, model: &str) -> Self {
        let info = get_model_info(model).filter(|info| info.provider == provider);
        Self {
            provider: provider.to_owned(),
            model: model.to_owned(),
            context_window: info.map(|info| info.context_window),
            max_output: info.and_then(|info| info.max_output),
            price: pricing.price(provider, model),
        }
    }
}

/// What a machine begins with.
pub(crate) struct MachineOptions {
    pub(crate) session_id: String,
    pub(crate) agent: AgentPath,
    pub(crate) config: SessionConfig,
    pub(crate) model: ModelSettings,
    /// A history to go on with; empty for a new conversation.
    pub(crate) history: Vec<Turn>,
    /// Spreads the waits between retries.
    pub(crate) seed: u64,
}

/// The state of one session.
pub(crate) struct Machine {
    session_id: String,
    agent: AgentPath,
    config: SessionConfig,
    model: ModelSettings,
    state: SessionState,
    phase: Phase,
    history: Vec<Turn>,
    /// About how many characters a model reads: of the history, and before it.
    history_chars: usize,
    prefix_chars: usize,
    /// Whether that of what stands before the history is known.
    prefix_known: bool,
    steering: VecDeque<Input>,
    inputs: VecDeque<Input>,
    loops: LoopDetector,
    call_ids: CallIds,
    usage: Usage,
    cost_usd: f64,
    /// Estimates of what model calls used up that never came to their end; for budgets alone.
    unreported: Amount,
    /// What others have used up of the same budgets.
    others: Others,
    children: BTreeMap<String, ChildView>,
    turns: u32,
    tool_calls: u32,
    /// Of the history that was resumed.
    earlier: Option<Earlier>,
    /// Rounds of tool calls for the current input.
    rounds: u32,
    /// Tokens of the last call, input and output, and the history's characters at that time.
    last_call: Option<(u64, usize)>,
    /// The last text of the current input.
    last_text: String,
    context_warned: bool,
    /// Warnings of the model client that the host has had.
    told_of: HashSet<String>,
    close_when_idle: bool,
    /// Why no tool may run any more: the session ends when the calls under way have.
    environment_lost: Option<String>,
    next_id: u64,
    random: u64,
    fx: Vec<Effect>,
    now: u64,
}

/// What is under way. `SessionState` is what the host sees of it.
enum Phase {
    /// Nothing.
    Quiet,
    /// A model call.
    Calling(Call),
    /// A model call that waits for what stands before the history: it may be too long for a budget.
    Preparing { attempt: Attempt },
    /// A wait before the next try of a model call.
    BackingOff { timer: u64, attempt: Attempt },
    /// The tool calls of one reply.
    Running(Round),
    /// The tool calls of one reply, cancelled; their ends are awaited.
    Stopping { round: Round, timer: u64, then_close: bool },
    /// The end of the subagents, before that of the session.
    Closing { status: Status, timer: u64 },
}

struct Call {
    id: u64,
    attempt: Attempt,
    /// Some part of the reply came.
    begun: bool,
    /// The host was told that text begins.
    text_begun: bool,
    /// Bytes of text and reasoning so far.
    bytes: u64,
    /// What it may use up at most, where there is a budget.
    reserved: Amount,
}

impl Call {
    /// About how many tokens the model has written.
    fn written(&self) -> u64 {
        self.bytes.div_ceil(context::CHARS_PER_TOKEN)
    }
}

impl Machine {
    pub(crate) fn new(options: MachineOptions) -> Self {
        let history = repaired(options.history);
        Self {
            loops: LoopDetector::new(options.config.loop_detection_window),
            call_ids: CallIds::of(&history),
            history_chars: history.iter().map(Turn::chars).sum(),
            session_id: options.session_id,
            agent: options.agent,
            config: options.config,
            model: options.model,
            state: SessionState::Idle,
            phase: Phase::Quiet,
            earlier: totals(&history),
            history,
            prefix_chars: 0,
            prefix_known: false,
            steering: VecDeque::new(),
            inputs: VecDeque::new(),
            usage: Usage::default(),
            cost_usd: 0.0,
            unreported: Amount::default(),
            others: Others::default(),
            children: BTreeMap::new(),
            turns: 0,
            tool_calls: 0,
            rounds: 0,
            last_call: None,
            last_text: String::new(),
            context_warned: false,
            told_of: HashSet::new(),
            close_when_idle: false,
            environment_lost: None,
            next_id: 0,
            random: options.seed,
            fx: Vec::new(),
            now: 0,
        }
    }

    pub(crate) fn state(&self) -> SessionState {
        self.state
    }

    pub(crate) fn config(&self) -> &SessionConfig {
        &self.config
    }

    pub(crate) fn model(&self) -> &ModelSettings {
        &self.model
    }

    pub(crate) fn history(&self) -> &[Turn] {
        &self.history
    }

    /// What others have used up of the budgets that they share with this session.
    pub(crate) fn set_others(&mut self, others: Others) {
        self.others = others;
    }

    /// Takes one event at `now`, in Unix milliseconds. After [`Effect::Stop`] nothing has effects.
    pub(crate) fn apply(&mut self, event: Event, now: u64) -> Vec<Effect> {
        // Clocks are set back at times; events are not.
        self.now = self.now.max(now);
        if self.state != SessionState::Closed {
            self.dispatch(event);
        }
        std::mem::take(&mut self.fx)
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Start { working_directory } => self.emit(EventData::SessionStart {
                provider: self.model.provider.clone(),
                model: self.model.model.clone(),
                working_directory,
            }),
            Event::Submit { input } => {
                self.inputs.push_back(input);
                if self.state != SessionState::Processing {
                    self.next_input();
                }
            }
            Event::Steer { input } => self.steering.push_back(input),
            Event::Tell { input } => self.tell(input),
            Event::Interrupt => {
                self.interrupt_subagents();
                self.stop_work(false);
            }
            Event::Abort => {
                self.interrupt_subagents();
                self.stop_work(true);
            }
            Event::Close if self.state == SessionState::Processing => self.close_when_idle = true,
            Event::Close => self.close(Status::Completed),
            Event::Configure(config) => self.configure(*config),
            Event::SetModel(model) => {
                self.model = model;
                self.context_warned = false;
            }
            Event::EnvironmentChanged { note } => {
                self.environment_lost = None;
                self.steering.push_back(Input::new(note));
            }
            Event::Subagent { agent_id, event } => self.on_subagent(agent_id, event),
            Event::SubagentGone { agent_id } => self.on_subagent_gone(&agent_id),
            Event::SubagentsClosed => self.subagents_closed(true),
            Event::PrefixUnknown => self.prefix_known = false,
            Event::PrefixMeasured { chars } => self.prefix_measured(chars),
            Event::Model { call, news } => self.on_model(call, news),
            Event::Tool { round, index, news } => self.on_tool(round, index, news),
            Event::JournalFailed { why } => self.stop_unrecorded(why),
            Event::EnvironmentLost { why } => self.environment_lost = Some(why),
            Event::Timer { timer } => self.on_timer(timer),
        }
    }

    fn on_timer(&mut self, rang: u64) {
        match &self.phase {
            Phase::BackingOff { timer, attempt } if *timer == rang => {
                // What was lost with the last try may have used the budget up.
                let attempt = *attempt;
                self.call_within_limits(attempt);
            }
            Phase::Closing { timer, .. } if *timer == rang => self.subagents_closed(false),
            Phase::Stopping { timer, .. } if *timer == rang => self.give_up_on_tools(),
            _ => {}
        }
    }

    fn tell(&mut self, input: Input) {
        match self.phase {
            // What is being given up takes nothing in any more: the message comes after it.
            Phase::Stopping { .. } => self.inputs.push_back(input),
            _ if self.state == SessionState::Processing => self.steering.push_back(input),
            _ => {
                self.inputs.push_back(input);
                self.next_input();
            }
        }
    }

    fn configure(&mut self, config: SessionConfig) {
        if config.loop_detection_window != self.config.loop_detection_window {
            self.loops = LoopDetector::new(config.loop_detection_window);
        }
        self.config = config;
    }

    /// Takes the next queued input, if there is one.
    fn next_input(&mut self) -> bool {
        let Some(Input { text: content, images }) = self.inputs.pop_front() else { return false };
        self.state = SessionState::Processing;
        self.rounds = 0;
        self.last_text.clear();
        let timestamp = self.now;
        let count = images.len();
        self.push_turn(Turn::User { content: content.clone(), images, timestamp });
        self.emit(EventData::UserInput { content, images: count });
        self.drain_steering();
        self.next_round();
        true
    }

    /// One more model call, or the end of the input when a limit is reached.
    fn next_round(&mut self) {
        if let Some(why) = self.environment_lost.take() {
            self.fail("environment".to_owned(), why);
            return;
        }
        self.call_within_limits(Attempt::default());
    }

    fn call_within_limits(&mut self, attempt: Attempt) {
        self.phase = Phase::Quiet;
        match self.limit_reached() {
            Some(limit) => self.end_input(Status::Limit { limit }),
            None => self.call_model(attempt),
        }
    }

    fn prefix_measured(&mut self, chars: usize) {
        self.prefix_chars = chars;
        self.prefix_known = true;
        if let Phase::Preparing { attempt } = self.phase {
            self.call_within_limits(attempt);
        }
    }

    /// The current input is dealt with.
    fn end_input(&mut self, status: Status) {
        self.phase = Phase::Quiet;
        // A limit on the whole session would stop the next input at once: it stays queued.
        let goes_on = matches!(
            status,
            Status::Completed | Status::AwaitingInput | Status::Limit { limit: Limit::ToolRounds }
        );
        if goes_on && self.next_input() {
            return;
        }
        self.state = match status {
            Status::AwaitingInput => SessionState::AwaitingInput,
            _ => SessionState::Idle,
        };
        self.warn_of_running_subagents();
        let outcome = self.outcome(status.clone());
        self.emit(EventData::ProcessingEnd { state: self.state, outcome });
        // An interrupt gives up one input, not those behind it.
        if status == Status::Aborted && self.next_input() {
            return;
        }
        if self.close_when_idle {
            self.close(status);
        }
    }

    /// Stops what is under way; closes the session if `close`, else goes back to idle.
    fn stop_work(&mut self, close: bool) {
        match std::mem::replace(&mut self.phase, Phase::Quiet) {
            Phase::Quiet if close => self.close(Status::Aborted),
            Phase::Quiet => {}
            Phase::Calling(call) => {
                self.fx.push(Effect::CancelModel { call: call.id });
                self.write_off(call.written());
                self.work_stopped(close);
            }
            Phase::BackingOff { .. } | Phase::Preparing { .. } => self.work_stopped(close),
            Phase::Running(round) => self.cancel_tools(round, close),
            Phase::Stopping { round, timer, then_close } => {
                self.phase = Phase::Stopping { round, timer, then_close: then_close || close };
            }
            closing @ Phase::Closing { .. } => self.phase = closing,
        }
    }

    /// Nothing is under way any more, because the host wanted it so.
    fn work_stopped(&mut self, close: bool) {
        if close {
            self.close(Status::Aborted);
        } else {
            self.end_input(Status::Aborted);
        }
    }

    /// Nothing that the last turns asked for was begun: the driver stopped at the turn that could not
    /// be kept.
    fn stop_unrecorded(&mut self, why: String) {
        if let Phase::Running(_) = self.phase {
            self.answer_open_calls(
                "[ERROR: The call did not run: the conversation cannot be kept.]",
            );
        }
        self.fail("journal".to_owned(), format!("the conversation cannot be kept: {why}"));
    }

    fn fail(&mut self, code: String, message: String) {
        self.emit(EventData::Error { code: code.clone(), message: message.clone() });
        self.close(Status::Failed { code, message });
    }

    fn close(&mut self, status: Status) {
        if !self.close_subagents(&status) {
            self.finish_close(status);
        }
    }

    fn finish_close(&mut self, status: Status) {
        let undelivered = self.inputs.len() + self.steering.len();
        if undelivered > 0 {
            self.warn(
                WarningCode::UndeliveredMessages,
                format!(
                    "{undelivered} queued messages were not delivered before the session closed"
                ),
            );
        }
        self.phase = Phase::Quiet;
        self.state = SessionState::Closed;
        let outcome = self.outcome(status);
        self.emit(EventData::SessionEnd { state: self.state, outcome });
        self.fx.push(Effect::Stop);
    }

    fn outcome(&self, status: Status) -> Outcome {
        Outcome {
            status,
            text: self.last_text.clone(),
            usage: self.total_usage(),
            cost_usd: self.total_cost(),
            turns: self.turns,
            tool_calls: self.tool_calls,
            earlier: self.earlier.clone(),
        }
    }

    /// Puts queued steering messages into the conversation.
    fn drain_steering(&mut self) {
        while let Some(Input { text: content, images }) = self.steering.pop_front() {
            let (timestamp, count) = (self.now, images.len());
            self.push_turn(Turn::Steering { content: content.clone(), images, timestamp });
            self.emit(EventData::SteeringInjected { content, images: count });
        }
    }

    fn push_turn(&mut self, turn: Turn) {
        self.history_chars += turn.chars();
        self.fx.push(Effect::Record { at: self.history.len() });
        self.history.push(turn);
    }

    fn emit(&mut self, data: EventData) {
        let event = SessionEvent { timestamp: self.now, session_id: self.session_id.clone(), data };
        self.fx.push(Effect::Emit(Box::new(event)));
    }

    fn warn(&mut self, code: WarningCode, message: String) {
        self.emit(EventData::Warning { code, message });
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The next number in 0..1 of the sequence that the seed began (splitmix64).
    fn random_unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) use properties::check_history;
#[cfg(test)]
mod tests;
