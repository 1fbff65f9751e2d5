//! Subagents (loop spec §7): sessions that work for another one, on a part of its task.
//!
//! A child shares its parent's environment, approver and budget, and has a conversation of its own.
//! The parent's driver owns a [`Subagents`]; the tools through which a model uses it hold it too.
//! What is known of the children is a pure [`roster`]; here is what runs them.

mod path;
mod prepare;
mod roster;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canon_exec::ExecutionEnvironment;
use canon_runtime::task::{TaskSpec, spawn};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::account::Account;
use crate::config::Budget;
use crate::session::{Event, EventReceiver, SessionHandle, SessionOptions, begin};
use roster::{ChildNews, Roster};

pub(crate) use path::AgentPath;
pub(crate) use prepare::Order;
pub(crate) use roster::{ChildStatus, Report, Waited};

/// How long a child may take to end: its own tools have ten seconds.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(15);

/// The subagents of one session.
pub(crate) struct Subagents {
    parent: AgentPath,
    inner: Mutex<Inner>,
    /// Counts changes of the roster, for those that wait.
    changed: watch::Sender<u64>,
    /// The parent's driver.
    inbox: mpsc::Sender<Event>,
    account: Account,
}

struct Inner {
    roster: Roster,
    handles: BTreeMap<String, SessionHandle>,
    /// What a child that is spawned now begins with.
    template: SessionOptions,
    /// The parent ends: nothing is spawned any more.
    closing: bool,
}

impl Subagents {
    pub(crate) fn new(
        parent: AgentPath,
        template: SessionOptions,
        inbox: mpsc::Sender<Event>,
        account: Account,
    ) -> Self {
        let inner =
            Inner { roster: Roster::default(), handles: BTreeMap::new(), template, closing: false };
        Self { parent, inner: Mutex::new(inner), changed: watch::Sender::new(0), inbox, account }
    }

    /// Whose subagents they are.
    pub(crate) fn parent(&self) -> &AgentPath {
        &self.parent
    }

    /// What the parent is made of now.
    pub(crate) fn set_template(&self, template: SessionOptions) {
        self.lock().template = template;
    }

    /// Begins a child; its id, or what to tell the model.
    pub(crate) async fn spawn(
        self: &Arc<Self>,
        order: Order,
        env: Arc<dyn ExecutionEnvironment>,
    ) -> Result<String, String> {
        let template = self.lock().template.clone();
        let most = template.config.max_subagents;
        let task = order.task.clone();
        let options = prepare::options(template, order, env).await?;
        let (agent_id, handle, events) = {
            let mut inner = self.lock();
            if inner.closing {
                return Err("The session is about to end; nothing can be spawned.".to_owned());
            }
            let agent_id = inner.roster.vacancy(most)?;
            let (handle, events) =
                begin(options, self.account.join(), self.parent.child(&agent_id))
                    .map_err(|error| error.to_string())?;
            inner.roster.admit(&agent_id);
            // Of those that are done, as many stay open for messages as may be at work.
            let idle = inner.roster.idle();
            for done in &idle[..idle.len().saturating_sub(most)] {
                inner.close(done);
            }
            inner.handles.insert(agent_id.clone(), handle.clone());
            (agent_id, handle, events)
        };
        // A session that is over already says so in its events.
        let _ = handle.submit(task);
        let follow = Arc::clone(self).follow(agent_id.clone(), events);
        drop(spawn(TaskSpec::new("agent subagent").signalled(), follow));
        Ok(agent_id)
    }

    /// Hands a child's events on to the parent, each before what it says of the child is known here:
    /// a host sees the end of a child before the end of the call that waited for it.
    async fn follow(self: Arc<Self>, agent_id: String, mut events: EventReceiver) {
        while let Some(event) = events.recv().await {
            let news = ChildNews::of(&event.data);
            let event = Event::Subagent { agent_id: agent_id.clone(), event: Box::new(event) };
            if self.inbox.send(event).await.is_err() {
                // Nobody is left to work for.
                break;
            }
            if let Some(news) = news {
                self.change(|inner| inner.roster.observe(&agent_id, news));
            }
        }
        let gone = Event::SubagentGone { agent_id: agent_id.clone() };
        // A parent that is gone needs no news.
        let _ = self.inbox.send(gone).await;
        self.change(|inner| {
            inner.roster.gone(&agent_id);
            inner.handles.remove(&agent_id);
        });
    }

    /// Sends a child a message: into its work, or as its next task.
    pub(crate) fn send(&self, agent_id: &str, message: String) -> Result<(), String> {
        let mut inner = self.lock();
        let handle = inner.handles.get(agent_id).cloned();
        inner.roster.send(agent_id)?;
        drop(inner);
        let sent = handle.is_some_and(|handle| handle.tell(message).is_ok());
        sent.then_some(()).ok_or_else(|| {
            format!("Subagent {agent_id} is closed and takes no messages. Spawn another one.")
        })
    }

    /// Waits until all of these, or `any` one, are done, or `limit` is over; may be dropped.
    /// Without ids, all that are at work.
    pub(crate) async fn wait(
        &self,
        agent_ids: Vec<String>,
        any: bool,
        limit: Option<Duration>,
    ) -> Result<Waited, String> {
        let mut changes = self.changed.subscribe();
        let agent_ids = if agent_ids.is_empty() { self.lock().roster.running() } else { agent_ids };
        if agent_ids.is_empty() {
            return Err("No subagent is at work; there is nothing to wait for.".to_owned());
        }
        let look = || self.lock().roster.waited(&agent_ids, any);
        let over = async {
            loop {
                let waited = look()?;
                if matches!(waited, Waited::Over(_)) || changes.changed().await.is_err() {
                    return Ok(waited);
                }
            }
        };
        match limit {
            Some(limit) => timeout(limit, over).await.unwrap_or_else(|_| look()),
            None => over.await,
        }
    }

    /// Ends a child and waits until it has.
    pub(crate) async fn close(&self, agent_id: &str) -> Result<Report, String> {
        let mut changes = self.changed.subscribe();
        {
            let mut inner = self.lock();
            inner.roster.close(agent_id)?;
            inner.close(agent_id);
        }
        let ended = async {
            while !self.report(agent_id).is_some_and(|report| report.closed) {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        };
        // What did not end by then is ended with the parent.
        let _ = timeout(CLOSE_GRACE, ended).await;
        self.report(agent_id).ok_or_else(|| format!("There is no subagent {agent_id}."))
    }

    fn report(&self, agent_id: &str) -> Option<Report> {
        self.lock().roster.report(agent_id)
    }

    /// Each gives up what it is at, and stays.
    pub(crate) fn interrupt_all(&self) {
        let mut inner = self.lock();
        inner.roster.interrupt_all();
        for handle in inner.handles.values() {
            // One that is over has nothing to give up.
            let _ = handle.interrupt();
        }
    }

    /// All end, and none follows.
    pub(crate) fn close_all(&self) {
        let mut inner = self.lock();
        inner.closing = true;
        for agent_id in inner.roster.open() {
            inner.close(&agent_id);
        }
    }

    /// Returns when all have ended.
    pub(crate) async fn all_closed(&self) {
        let mut changes = self.changed.subscribe();
        while !self.lock().handles.is_empty() {
            if changes.changed().await.is_err() {
                break;
            }
        }
    }

    /// The budget of all that draw from the account has changed. Those that cannot keep to it end.
    pub(crate) fn set_budget(&self, budget: Budget) {
        let mut inner = self.lock();
        let refused: Vec<String> = inner
            .handles
            .iter()
            .filter(|(_, handle)| handle.configure(|config| config.budget = budget).is_err())
            .map(|(agent_id, _)| agent_id.clone())
            .collect();
        // What one costs whose model has no price cannot be held to it. One that is over spends
        // nothing anyway.
        for agent_id in refused {
            inner.close(&agent_id);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn close(&mut self, agent_id: &str) {
        // Both fail only for one that is not there any more.
        let _ = self.roster.close(agent_id);
        if let Some(handle) = self.handles.get(agent_id) {
            let _ = handle.abort();
        }
    }
}

/// The driver's hold on them: however it ends, they end with it.
pub(crate) struct Children(pub(crate) Arc<Subagents>);

impl Drop for Children {
    fn drop(&mut self) {
        self.0.close_all();
    }
}
