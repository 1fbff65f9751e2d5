//! Putting a session together.

use std::sync::{Arc, Mutex};

use canon_runtime::task::{TaskSpec, spawn};
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};

use super::outbox::Outbox;
use super::{Driver, INBOX};
use crate::account::{Account, Member};
use crate::events::SessionState;
use crate::pricing::Pricing;
use crate::profiles::{Profile, context_window};
use crate::session::handle::{EventReceiver, Known, SessionHandle};
use crate::session::options::{SessionError, SessionOptions};
use crate::session::state::{Machine, MachineOptions, ModelSettings};
use crate::subagents::{AgentPath, Children, Subagents};
use crate::tools::{ToolError, ToolRegistry, subagent_tools};

/// Starts a session with an account of its own.
pub(in crate::session) fn start(
    options: SessionOptions,
) -> Result<(SessionHandle, EventReceiver), SessionError> {
    begin(options, Account::default().join(), AgentPath::default())
}

/// Starts the task of `agent`'s session; what it uses up, it draws from `member`'s account.
pub(crate) fn begin(
    mut setup: SessionOptions,
    member: Member,
    agent: AgentPath,
) -> Result<(SessionHandle, EventReceiver), SessionError> {
    let id: Arc<str> =
        setup.session_id.take().unwrap_or_else(|| canon_runtime::id::new("session")).into();
    let model = settings(setup.pricing.as_ref(), &setup.profile);
    let known = Known {
        config: setup.config.clone(),
        provider: model.provider.clone(),
        model: model.model.clone(),
    };
    known.check_price(setup.pricing.as_ref())?;
    let (commands, command_queue) = mpsc::unbounded_channel();
    let (inbox_sender, inbox) = mpsc::channel(INBOX);
    let (outbox, events) = Outbox::new();
    let (state_sender, state) = watch::channel(SessionState::Idle);
    let history = std::mem::take(&mut setup.history);
    let account = member.account().clone();
    let subagents =
        Arc::new(Subagents::new(agent.clone(), setup.clone(), inbox_sender.clone(), account));
    let registry = registry(&setup, &subagents)?;
    let handle = SessionHandle {
        id: Arc::clone(&id),
        commands,
        state,
        pricing: Arc::clone(&setup.pricing),
        known: Arc::new(Mutex::new(known)),
    };
    let driver = Driver {
        machine: Machine::new(MachineOptions {
            session_id: id.to_string(),
            agent,
            config: setup.config.clone(),
            model,
            history,
            seed: seed(&id),
        }),
        setup,
        member,
        children: Children(subagents),
        registry,
        prompt: None,
        context: None,
        commands: Some(command_queue),
        inbox,
        inbox_sender,
        outbox,
        state: state_sender,
        unrecorded: None,
        model_call: None,
        round: None,
        timers: Vec::new(),
        running: FuturesUnordered::new(),
        stopped: false,
    };
    drop(spawn(TaskSpec::new("agent session").signalled(), driver.run()));
    Ok((handle, EventReceiver(events)))
}

/// What the machine knows of a profile's model.
pub(in crate::session) fn settings(pricing: &dyn Pricing, profile: &Profile) -> ModelSettings {
    let (provider, model) = (profile.provider.as_str(), profile.model.as_str());
    ModelSettings {
        context_window: profile.context_window.or_else(|| context_window(provider, model)),
        ..ModelSettings::of(pricing, provider, model)
    }
}

/// The tools that the model is offered: the profile's, those for subagents, the host's. Of one name
/// the last counts (loop spec §3.7).
pub(super) fn registry(
    setup: &SessionOptions,
    subagents: &Arc<Subagents>,
) -> Result<ToolRegistry, ToolError> {
    let of_subagents = match setup.config.max_subagent_depth {
        0 => Vec::new(),
        _ => subagent_tools(subagents),
    };
    let tools = setup.profile.tools.iter().cloned().chain(of_subagents);
    let mut registry = ToolRegistry::new(tools.chain(setup.extra_tools.iter().cloned()))?;
    for name in &setup.removed_tools {
        registry.unregister(name);
    }
    Ok(registry)
}

/// Ids are unique, so their hashes spread the waits of sessions that failed together.
fn seed(id: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
