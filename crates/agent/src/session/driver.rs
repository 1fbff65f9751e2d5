//! The driver: one task that owns the machine, carries its effects out, and feeds back what comes
//! of them. The only place in this crate that waits.

mod change;
mod model_call;
mod outbox;
mod start;
mod tool_round;

use std::sync::Arc;
use std::time::Duration;

use canon_exec::ExecutionEnvironment;
use canon_llm::{ErrorKind, LlmError, Request, ToolCall, ToolChoice};
use canon_runtime::clock::now_ms;
use canon_runtime::task::{TaskSpec, spawn};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::effect::Effect;
use super::event::{Event, ModelNews, ToolNews};
use super::options::SessionOptions;
use super::state::Machine;
use super::turn::{Turn, messages};
use crate::account::Member;
use crate::config::SessionConfig;
use crate::events::SessionState;
use crate::profiles::Profile;
use crate::prompt::{PromptContext, gather, system_prompt};
use crate::subagents::Children;
use crate::tools::{CommandTimeouts, Registered, ToolOutput, ToolRegistry};
use model_call::{Mode, ModelCall};
use outbox::Outbox;
pub(crate) use start::begin;
pub(super) use start::start;
use tool_round::{ToolRound, Workshop};

/// Events of models and tools that may wait for the driver.
const INBOX: usize = 256;

/// What handles send.
pub(super) enum Command {
    Event(Event),
    Configure(Box<SessionConfig>),
    SetModel { provider: String, model: String },
    SetProfile(Box<Profile>),
    AddTool(Arc<Registered>),
    RemoveTool(String),
    SetEnvironment(Arc<dyn ExecutionEnvironment>),
    History(oneshot::Sender<Vec<Turn>>),
}

fn timeouts(profile: &Profile, config: &SessionConfig) -> CommandTimeouts {
    CommandTimeouts {
        default_ms: profile.command_timeout_ms.unwrap_or(config.default_command_timeout_ms),
        max_ms: config.max_command_timeout_ms,
    }
}

/// What a spawned task ends with: an event in place of the one that it owed, if it panicked.
type Ending = BoxFuture<'static, Option<Event>>;

struct Driver {
    machine: Machine,
    /// What the session is made of, as it is now; the history is the machine's.
    setup: SessionOptions,
    member: Member,
    children: Children,
    registry: ToolRegistry,
    /// The system prompt, which is made once, while the host may already submit. The machine calls
    /// no model before it is told how long the prompt is.
    prompt: Option<String>,
    /// What the prompt is to say, on its way.
    context: Option<JoinHandle<PromptContext>>,
    /// `None` when all handles are gone.
    commands: Option<mpsc::UnboundedReceiver<Command>>,
    inbox: mpsc::Receiver<Event>,
    inbox_sender: mpsc::Sender<Event>,
    outbox: Outbox,
    state: watch::Sender<SessionState>,
    /// Why the journal did not take a turn, from then on.
    unrecorded: Option<String>,
    model_call: Option<ModelCall>,
    round: Option<ToolRound>,
    timers: Vec<(Instant, u64)>,
    running: FuturesUnordered<Ending>,
    stopped: bool,
}

impl Driver {
    async fn run(mut self) {
        self.context = Some(self.gather_context());
        let working_directory = self.setup.env.working_directory().display().to_string();
        self.apply(Event::Start { working_directory });
        while !self.stopped {
            let ready = !self.outbox.is_full();
            let timer = self.timers.iter().map(|(at, _)| *at).min();
            tokio::select! {
                // Commands first: an abort must not wait behind a flood of output.
                biased;
                command = next_command(&mut self.commands) => self.on_command(command),
                () = self.outbox.deliver(), if !self.outbox.is_empty() => {}
                found = gathered(&mut self.context), if self.context.is_some() => {
                    self.context = None;
                    self.on_context(&found);
                }
                () = ring(timer) => self.on_timers(),
                Some(event) = self.inbox.recv(), if ready => self.take_in(event),
                Some(ending) = self.running.next(), if ready && !self.running.is_empty() => {
                    if let Some(event) = ending {
                        self.apply(event);
                    }
                }
            }
        }
        self.wind_down().await;
    }

    /// After the end: the last events are delivered, and the conversation can still be asked for.
    async fn wind_down(mut self) {
        self.model_call = None;
        self.round = None;
        loop {
            if self.outbox.is_empty() {
                // Tells the reader that nothing follows.
                self.outbox.close();
                if self.commands.is_none() {
                    break;
                }
            }
            tokio::select! {
                command = next_command(&mut self.commands), if self.commands.is_some() => {
                    match command {
                        Some(Command::History(reply)) => self.send_history(reply),
                        Some(_) => {}
                        None => self.commands = None,
                    }
                }
                () = self.outbox.deliver(), if !self.outbox.is_empty() => {}
            }
        }
    }

    fn gather_context(&self) -> JoinHandle<PromptContext> {
        let env = Arc::clone(&self.setup.env);
        let names = self.setup.profile.document_names.clone();
        spawn(TaskSpec::new("agent context"), async move {
            gather(env.as_ref(), &names, now_ms()).await
        })
    }

    fn on_context(&mut self, context: &PromptContext) {
        let tools = self.registry.definitions();
        let instructions = self.setup.user_instructions.as_deref();
        let prompt = system_prompt(&self.setup.profile, context, &tools, instructions);
        self.prompt = Some(prompt);
        self.measure_prefix();
    }

    fn measure_prefix(&mut self) {
        let Some(prompt) = &self.prompt else { return };
        let tools = self.registry.definitions();
        let of_tools: usize = tools
            .iter()
            .map(|tool| {
                tool.name.len() + tool.description.len() + tool.parameters.to_string().len()
            })
            .sum();
        let chars = prompt.len() + of_tools;
        self.apply(Event::PrefixMeasured { chars });
    }

    fn on_command(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Event(event)) => self.apply(event),
            Some(Command::Configure(config)) => self.configure(*config),
            Some(Command::SetModel { provider, model }) => self.set_model(&provider, &model),
            Some(Command::SetProfile(profile)) => self.set_profile(*profile),
            Some(Command::AddTool(tool)) => self.add_tool(tool),
            Some(Command::RemoveTool(name)) => self.remove_tool(name),
            Some(Command::SetEnvironment(env)) => self.set_environment(env),
            Some(Command::History(reply)) => self.send_history(reply),
            // Nobody is left who could want anything: nothing may go on unobserved.
            None => {
                self.commands = None;
                self.apply(Event::Abort);
            }
        }
    }

    fn send_history(&self, reply: oneshot::Sender<Vec<Turn>>) {
        // An asker that gave up needs no answer.
        let _ = reply.send(self.machine.history().to_vec());
    }

    fn take_in(&mut self, event: Event) {
        // What was lost may be a place where the session works no longer.
        let lost = matches!(event, Event::EnvironmentLost { .. });
        if !lost || self.setup.env.defect().is_some() {
            self.apply(event);
        }
    }

    fn on_timers(&mut self) {
        let now = Instant::now();
        let (due, waiting) = self.timers.iter().partition(|(at, _)| *at <= now);
        self.timers = waiting;
        let due: Vec<(Instant, u64)> = due;
        for (_, timer) in due {
            self.apply(Event::Timer { timer });
        }
    }

    fn apply(&mut self, event: Event) {
        let machine = &mut self.machine;
        let effects = self.member.decide(|others| {
            machine.set_others(others);
            let effects = machine.apply(event, now_ms());
            (effects, machine.stake())
        });
        self.state.send_if_modified(|state| {
            let changed = *state != self.machine.state();
            *state = self.machine.state();
            changed
        });
        let sound = self.unrecorded.is_none();
        for effect in effects {
            self.perform(effect);
        }
        if sound && let Some(why) = self.unrecorded.clone() {
            self.apply(Event::JournalFailed { why });
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Emit(event) => self.outbox.push(*event),
            Effect::Record { at } => self.record(at),
            // What an unrecorded turn asks for is not begun.
            Effect::CallModel { .. } | Effect::RunTools { .. } if self.unrecorded.is_some() => {}
            Effect::CallModel { call } => self.call_model(call),
            Effect::CancelModel { .. } => self.model_call = None,
            Effect::RunTools { round, calls } => self.run_tools(round, &calls),
            Effect::CancelTools { .. } => {
                if let Some(round) = &self.round {
                    round.cancel();
                }
            }
            Effect::DropTools { .. } => self.round = None,
            Effect::SetTimer { timer, after } => self.timers.push((in_a(after), timer)),
            Effect::InterruptSubagents => self.children.0.interrupt_all(),
            Effect::CloseSubagents => self.close_subagents(),
            Effect::Stop => self.stopped = true,
        }
    }

    fn close_subagents(&mut self) {
        let subagents = Arc::clone(&self.children.0);
        subagents.close_all();
        self.running.push(Box::pin(async move {
            subagents.all_closed().await;
            Some(Event::SubagentsClosed)
        }));
    }

    fn record(&mut self, at: usize) {
        if let (Some(journal), None) = (&self.setup.journal, &self.unrecorded)
            && let Some(turn) = self.machine.history().get(at)
            && let Err(error) = journal.record(turn)
        {
            tracing::error!(%error, "a turn of the conversation could not be kept");
            self.unrecorded = Some(error.to_string());
        }
    }

    fn call_model(&mut self, id: u64) {
        let request = self.request(self.prompt.as_deref().unwrap_or_default());
        let silence = Duration::from_millis(self.machine.config().model_silence_timeout_ms.max(1));
        let streams = self.setup.profile.capabilities.streaming;
        let mode = if streams { Mode::Stream { silence } } else { Mode::Whole };
        let (call, handle) = ModelCall::start(
            id,
            self.setup.client.clone(),
            request,
            mode,
            self.inbox_sender.clone(),
        );
        self.model_call = Some(call);
        self.running.push(Box::pin(async move {
            let panicked = handle.await.is_err_and(|error| error.is_panic());
            panicked.then(|| {
                let message = "the model client panicked; see the log";
                let error = LlmError::new(ErrorKind::Stream, message).with_retryable(false);
                Event::Model { call: id, news: ModelNews::Failed(error) }
            })
        }));
    }

    fn request(&self, prompt: &str) -> Request {
        let model = self.machine.model();
        let tools = self.registry.definitions();
        let mut all = vec![canon_llm::Message::system(prompt)];
        all.extend(messages(self.machine.history()));
        Request {
            provider: Some(model.provider.clone()),
            tool_choice: (!tools.is_empty()).then_some(ToolChoice::Auto),
            tools,
            reasoning_effort: self.machine.config().reasoning_effort.clone(),
            provider_options: self.setup.profile.provider_options.clone(),
            max_tokens: self.machine.reply_token_cap(),
            ..Request::new(model.model.clone(), all)
        }
    }

    fn run_tools(&mut self, id: u64, calls: &[ToolCall]) {
        let profile = &self.setup.profile;
        let workshop = Workshop {
            env: Arc::clone(&self.setup.env),
            timeouts: timeouts(profile, &self.setup.config),
            parallel: profile.capabilities.parallel_tool_calls,
            agent: self.children.0.parent().clone(),
            approver: self.setup.approver.clone(),
            images: profile.capabilities.images,
            inbox: self.inbox_sender.clone(),
        };
        // What is spawned in this round is made of what the session is made of now.
        self.children.0.set_template(self.setup.clone());
        let (round, handles) = ToolRound::start(id, calls, &self.registry, &workshop);
        self.round = Some(round);
        for (index, (handle, call)) in handles.into_iter().zip(calls).enumerate() {
            let name = call.name.clone();
            self.running.push(Box::pin(async move {
                let panicked = handle.await.is_err_and(|error| error.is_panic());
                panicked.then(|| {
                    let text = format!("Tool error ({name}): the tool panicked");
                    let news = ToolNews::Finished(ToolOutput::error(text));
                    Event::Tool { round: id, index, news }
                })
            }));
        }
    }
}

/// What the prompt is to say; nothing of it is known if finding out failed.
async fn gathered(context: &mut Option<JoinHandle<PromptContext>>) -> PromptContext {
    match context {
        Some(context) => context.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

/// The next command; `None` once, when all handles are gone, and never again.
async fn next_command(commands: &mut Option<mpsc::UnboundedReceiver<Command>>) -> Option<Command> {
    match commands {
        Some(commands) => commands.recv().await,
        None => std::future::pending().await,
    }
}

async fn ring(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// `after` from now; a wait that no clock can hold becomes one of a century.
fn in_a(after: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(after).unwrap_or(now + CENTURY)
}
