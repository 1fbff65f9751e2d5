//! Canon's agent behind the Codex app-server protocol, on any pair of byte streams.

mod catalogue;
mod diff;
mod dynamic_tool;
mod escalate;
mod gate;
mod history;
mod input;
mod lists;
mod out;
mod policy;
mod servers;
mod settings;
mod thread;
mod turn;
mod user_input;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canon_protocol::codex::client::Usage;
use canon_protocol::codex::server::call::{
    ClientCall, Initialize, ThreadFork, ThreadResume, ThreadStart, TurnInterrupt, parse,
};
use canon_protocol::codex::server::outgoing;
use canon_protocol::jsonrpc::peer::{Incoming, Received, connect};
use canon_protocol::jsonrpc::{INVALID_REQUEST, Id, Message, RpcError};
use canon_protocol::lines::DEFAULT_MAX_LINE;
use canon_runtime::task::{self, TaskSpec};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use self::out::{Ending, Out, Watched};
use self::settings::Settings;
use self::thread::{Beginning, Command, Host, ThreadHandle};
use super::agent::Limits;
use crate::error::Error;
use crate::threads::{Store, Stored, ThreadError};

/// How the server was started; a client's own wishes come on top.
#[derive(Debug)]
pub struct Setup {
    /// `[provider/]model` for threads that name none.
    pub model: Option<String>,
    /// Paths that no thread may read.
    pub masked: Vec<PathBuf>,
    /// Limits of each thread.
    pub limits: Limits,
    /// What a provider last said of its limits, as on the wire.
    seen_limits: Mutex<Option<Value>>,
}

impl Setup {
    /// A server with these defaults.
    pub fn new(model: Option<String>, masked: Vec<PathBuf>, limits: Limits) -> Self {
        Self { model, masked, limits, seen_limits: Mutex::default() }
    }

    fn rate_limits(&self) -> MutexGuard<'_, Option<Value>> {
        self.seen_limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one client until its stream ends. Threads that run then are aborted.
pub async fn serve<R, W>(input: R, output: W, setup: Setup) -> Result<(), Error>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let store = Store::home()?;
    let ending = Ending::default();
    let input = Watched { stream: input, ending: ending.clone() };
    let (peer, incoming, moving) = connect(input, output, DEFAULT_MAX_LINE);
    let bytes = task::spawn(TaskSpec::new("app-server stream").signalled(), moving);
    let out = Out::new(peer, &ending);
    let host = Host { out: out.clone(), setup: Arc::new(setup), store, experimental: false };
    Server { host, client: None, threads: HashMap::new() }.run(incoming).await;
    // The last answers are written before the stream is let go.
    out.last_words(bytes).await;
    Ok(())
}

struct Server {
    host: Host,
    client: Option<Initialize>,
    threads: HashMap<String, ThreadHandle>,
}

fn invalid(message: impl Into<String>) -> RpcError {
    RpcError::new(INVALID_REQUEST, message)
}

/// A failure as a client shows it: it has marks of its own for errors.
fn refusal(error: Error) -> RpcError {
    let text = error.to_string();
    invalid(text.strip_prefix("error: ").unwrap_or(&text))
}

/// What the store refuses, in the words that clients know.
fn of_store(error: ThreadError) -> RpcError {
    match error {
        ThreadError::Unknown { id } => invalid(format!("no rollout found for thread id {id}")),
        other => invalid(other.to_string()),
    }
}

/// The id of a request of which only the beginning is known, where it stands there.
fn id_in(head: &[u8]) -> Option<Id> {
    let text = String::from_utf8_lossy(head);
    // In the order of its members a request may begin with any of these three.
    let mut rest = text.trim_start().strip_prefix('{')?;
    loop {
        let (key, after) = value_in(rest)?;
        let (value, after) = value_in(after.trim_start().strip_prefix(':')?)?;
        match key.as_str()? {
            "id" => return serde_json::from_value(value).ok(),
            "jsonrpc" | "method" => rest = after.trim_start().strip_prefix(',')?,
            _ => return None,
        }
    }
}

/// The JSON value that a text begins with, and what follows it.
fn value_in(text: &str) -> Option<(Value, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

impl Server {
    async fn run(mut self, mut incoming: Incoming) {
        while let Some(received) = incoming.next().await {
            match received {
                Received::Message(Message::Request { id, method, params }) => {
                    let answer = match parse(&method, &params) {
                        Ok(call) => self.call(&id, call).await,
                        Err(error) => Err(error),
                    };
                    if let Err(error) = answer {
                        self.host.out.answer(&id, Err(error)).await;
                    }
                }
                // `initialized`, and what a later protocol may add.
                Received::Message(_) => {}
                Received::TooLong { len, head } => self.too_long(len, &head).await,
            }
        }
        // All at once: each may need seconds for its processes.
        let threads: Vec<_> = self.threads.drain().map(|(_, thread)| thread.leave()).collect();
        for thread in threads {
            let _ = thread.await;
        }
    }

    /// A line over the cap is not read; whoever asked for something in it would wait for ever.
    async fn too_long(&self, len: u64, head: &[u8]) {
        tracing::warn!(len, outcome = "skipped", "line over the cap");
        let why =
            format!("Invalid request: a line of {len} bytes; at most {DEFAULT_MAX_LINE} are read");
        if let Some(id) = id_in(head) {
            self.host.out.answer(&id, Err(invalid(why))).await;
        }
    }

    /// Answers a call, or says why not; calls of a turn are answered by their thread.
    async fn call(&mut self, id: &Id, call: ClientCall) -> Result<(), RpcError> {
        if self.client.is_none() && !matches!(call, ClientCall::Initialize(_)) {
            return Err(invalid("Not initialized"));
        }
        let result = match call {
            ClientCall::Initialize(initialize) => self.initialize(initialize)?,
            ClientCall::ThreadStart(start) => return self.thread_start(id, *start).await,
            ClientCall::ThreadResume(resume) => return self.thread_resume(id, *resume).await,
            ClientCall::ThreadFork(fork) => return self.thread_fork(id, *fork).await,
            ClientCall::ThreadNameSet(set) => {
                self.change(&set.thread_id, |file| file.rename(Some(set.name.clone())))?;
                if let Some(thread) = self.threads.get(&set.thread_id) {
                    thread.facts.lock().thread.name = Some(set.name.clone());
                }
                self.respond(id, outgoing::empty_result()).await;
                let said = outgoing::thread_name_updated(&set.thread_id, &set.name);
                self.host.out.notify(said).await;
                return Ok(());
            }
            ClientCall::ThreadArchive(of) => {
                self.expect_kept(&of.thread_id)?;
                self.change(&of.thread_id, |file| file.archive(true))?;
                self.unload(&of.thread_id).await;
                return self.done(id, "thread/archived", &of.thread_id, None).await;
            }
            ClientCall::ThreadUnarchive(of) => {
                self.change(&of.thread_id, |file| file.archive(false))?;
                let thread = self.read(&of.thread_id, false)?;
                let result = outgoing::thread_alone(&thread);
                return self.done(id, "thread/unarchived", &of.thread_id, Some(result)).await;
            }
            ClientCall::ThreadDelete(of) => {
                let loaded = self.unload(&of.thread_id).await;
                match self.host.store.delete(&of.thread_id) {
                    // It had nothing on the disk yet, and never will.
                    Err(ThreadError::Unknown { .. }) if loaded => {}
                    deleted => deleted.map_err(of_store)?,
                }
                return self.done(id, "thread/deleted", &of.thread_id, None).await;
            }
            ClientCall::ThreadUnsubscribe(of) => {
                let status =
                    if self.unload(&of.thread_id).await { "unsubscribed" } else { "notLoaded" };
                json!({ "status": status })
            }
            ClientCall::ThreadRead(read) => {
                outgoing::thread_alone(&self.read(&read.thread_id, read.include_turns)?)
            }
            ClientCall::ThreadList(list) => self.list(&list)?,
            ClientCall::ThreadLoadedList => {
                let mut ids: Vec<&String> = self.threads.keys().collect();
                ids.sort_unstable();
                outgoing::page(ids.into_iter().map(|id| json!(id)).collect(), None)
            }
            ClientCall::ThreadTurnsList(list) => self.turns(&list)?,
            ClientCall::ThreadRevert(revert) => {
                let command =
                    Command::Revert { id: id.clone(), before_turn_id: revert.before_turn_id };
                return self.thread(&revert.thread_id)?.tell(command);
            }
            ClientCall::TurnStart(start) => {
                let thread = self.thread(&start.thread_id)?;
                return thread.tell(Command::Start { id: id.clone(), start });
            }
            ClientCall::TurnSteer(steer) => {
                let thread = self.thread(&steer.thread_id)?;
                return thread.tell(Command::Steer { id: id.clone(), steer });
            }
            ClientCall::TurnInterrupt(TurnInterrupt { thread_id, turn_id }) => {
                let command = Command::Interrupt { id: id.clone(), turn_id };
                return self.thread(&thread_id)?.tell(command);
            }
            ClientCall::ModelList(page) => catalogue::models(&self.host.setup, &page)?,
            ClientCall::ConfigRead => catalogue::config(&self.host.setup),
            ClientCall::ConfigRequirementsRead => catalogue::requirements(),
            ClientCall::AccountRead => catalogue::account(),
            ClientCall::AccountRateLimitsRead => {
                let seen = self.host.setup.rate_limits().clone();
                seen.ok_or_else(|| invalid("no provider has stated its rate limits yet"))?
            }
            ClientCall::EmptyList => outgoing::page(Vec::new(), None),
        };
        self.respond(id, result).await;
        Ok(())
    }

    fn initialize(&mut self, initialize: Initialize) -> Result<Value, RpcError> {
        if self.client.is_some() {
            return Err(invalid("Already initialized"));
        }
        let agent = concat!("canon/", env!("CARGO_PKG_VERSION"));
        let home = crate::home::state().map_err(refusal)?;
        if let Some(capabilities) = &initialize.capabilities {
            self.host.experimental = capabilities.experimental_api;
            let unwanted = capabilities.opt_out_notification_methods.clone();
            self.host.out.leave_out(unwanted.unwrap_or_default());
        }
        self.client = Some(initialize);
        Ok(outgoing::initialize_result(agent, &home.to_string_lossy()))
    }

    async fn thread_start(&mut self, id: &Id, start: ThreadStart) -> Result<(), RpcError> {
        let tools = start.dynamic_tools.as_ref().is_some_and(|tools| !tools.is_empty());
        if tools && !self.host.experimental {
            return Err(invalid("thread/start.dynamicTools requires experimentalApi capability"));
        }
        let settings = Settings::new(&self.host.setup, &start)?;
        let beginning = Beginning::New { ephemeral: start.ephemeral == Some(true) };
        let thread = thread::open(self.host.clone(), settings, beginning).await?;
        let facts = thread.facts.lock().clone();
        self.respond(id, outgoing::thread_result(&facts.thread, &facts.settings)).await;
        self.host.out.notify(outgoing::thread_started(&facts.thread)).await;
        let thread_id = facts.thread.id.clone();
        self.threads.insert(thread_id.clone(), thread);
        self.warn_of_config(&thread_id, &start).await;
        // For clients of our own: what the probe found, not what was asked for.
        if self.client.as_ref().is_some_and(|client| client.client_info.name == "canon") {
            let params = serde_json::to_value(&facts.sandbox).unwrap_or_default();
            self.host.out.notify(outgoing::Outgoing { method: "canon/sandbox", params }).await;
        }
        Ok(())
    }

    /// Says what of a client's configuration has no effect, and what is odd about its servers.
    async fn warn_of_config(&self, thread_id: &str, wish: &ThreadStart) {
        let unread = settings::unread_config(wish);
        if !unread.is_empty() {
            let message = format!(
                "these values of `config` have no effect in this agent: {}",
                unread.join(", ")
            );
            self.host.out.notify(outgoing::warning(thread_id, &message)).await;
        }
        let notes = self.threads.get(thread_id).map(|thread| thread.facts.lock().notes.clone());
        for note in notes.unwrap_or_default() {
            self.host.out.notify(outgoing::warning(thread_id, &note)).await;
        }
    }

    async fn thread_resume(&mut self, id: &Id, resume: ThreadResume) -> Result<(), RpcError> {
        let ThreadResume { thread_id, settings: wish } = resume;
        settings::refuse_what_cannot_be(&wish)?;
        let loaded = self.threads.contains_key(&thread_id);
        if !loaded {
            let (file, stored) = self.host.store.open(&thread_id).map_err(of_store)?;
            self.load(file, stored, &wish).await?;
        }
        let mut thread = self.read(&thread_id, !wish.exclude_turns)?;
        let settings = self.thread(&thread_id)?.facts.lock().settings.clone();
        thread.updated_at = thread.updated_at.max(thread.created_at);
        self.respond(id, outgoing::thread_result(&thread, &settings)).await;
        if loaded && settings::wishes(&wish) {
            let message = "the thread is loaded already and stays as it is; what is to be otherwise \
                           can be said with turn/start";
            self.host.out.notify(outgoing::warning(&thread_id, message)).await;
        } else {
            self.warn_of_config(&thread_id, &wish).await;
        }
        self.tell_usage(&thread_id).await
    }

    /// Tells what a thread that goes on has used up.
    async fn tell_usage(&self, id: &str) -> Result<(), RpcError> {
        let used = self.thread(id)?.facts.lock().used.clone();
        let past = if used.total_tokens > 0 { self.past(id)? } else { Vec::new() };
        if let Some(history::Past { turn, .. }) = past.last() {
            let scope = outgoing::TurnScope { thread_id: id, turn_id: &turn.id };
            let told = turn::usage(&used);
            self.host.out.notify(scope.token_usage(told, Usage::default(), None)).await;
        }
        Ok(())
    }

    async fn thread_fork(&mut self, id: &Id, fork: ThreadFork) -> Result<(), RpcError> {
        let ThreadFork { thread_id, last_turn_id, before_turn_id, settings: wish } = fork;
        if wish.ephemeral == Some(true) {
            return Err(invalid("an ephemeral fork is not supported by this agent"));
        }
        let keep = match (&before_turn_id, &last_turn_id) {
            (None, None) => None,
            (before, last) => Some(self.place(&thread_id, before.as_deref(), last.as_deref())?),
        };
        let (file, stored) = self.host.store.fork(&thread_id, keep, None).map_err(of_store)?;
        let new = stored.meta.id.clone();
        self.load(file, stored, &wish).await?;
        let thread = self.read(&new, !wish.exclude_turns)?;
        let facts = self.thread(&new)?.facts.lock().clone();
        self.respond(id, outgoing::thread_result(&thread, &facts.settings)).await;
        self.host.out.notify(outgoing::thread_started(&facts.thread)).await;
        self.warn_of_config(&new, &wish).await;
        self.tell_usage(&new).await
    }

    /// Makes a thread of the store one that can have turns.
    async fn load(
        &mut self,
        file: crate::threads::Thread,
        stored: Stored,
        wish: &ThreadStart,
    ) -> Result<(), RpcError> {
        let id = stored.meta.id.clone();
        let mut settings = Settings::stored(&self.host.setup, &stored, wish)?;
        if !self.host.experimental {
            settings.tools.clear();
        }
        let beginning = Beginning::Stored { file: Box::new(file), entries: stored.entries };
        let thread = thread::open(self.host.clone(), settings, beginning).await?;
        for notice in stored.notices {
            self.host.out.notify(outgoing::warning(&id, &notice)).await;
        }
        self.threads.insert(id, thread);
        Ok(())
    }

    /// Lets a thread go; what runs in it is aborted. Says whether it was there.
    async fn unload(&mut self, id: &str) -> bool {
        let Some(thread) = self.threads.remove(id) else { return false };
        thread.close().await;
        let status = outgoing::thread_status(id, &outgoing::ThreadStatus::NotLoaded);
        self.host.out.notify(status).await;
        true
    }

    /// Changes a thread's file, loaded or not.
    fn change(
        &self,
        id: &str,
        change: impl FnOnce(&crate::threads::Thread) -> Result<(), ThreadError>,
    ) -> Result<(), RpcError> {
        match self.threads.get(id) {
            Some(thread) => match &thread.file {
                Some(file) => change(file).map_err(of_store),
                // What it is called is known to the client alone.
                None => Ok(()),
            },
            None => {
                let (file, _) = self.host.store.open(id).map_err(of_store)?;
                change(&file).map_err(of_store)
            }
        }
    }

    /// Refuses what only a thread on the disk can have, before anything is done to it.
    fn expect_kept(&self, id: &str) -> Result<(), RpcError> {
        match self.threads.get(id) {
            Some(thread) if thread.file.is_none() => {
                Err(invalid(format!("thread {id} is ephemeral: there is nothing to put away")))
            }
            _ => Ok(()),
        }
    }

    fn thread(&self, id: &str) -> Result<&ThreadHandle, RpcError> {
        self.threads.get(id).ok_or_else(|| invalid(format!("thread not found: {id}")))
    }

    /// Answers, and then tells of what was done.
    async fn done(
        &self,
        id: &Id,
        method: &'static str,
        thread_id: &str,
        result: Option<Value>,
    ) -> Result<(), RpcError> {
        self.respond(id, result.unwrap_or_else(outgoing::empty_result)).await;
        self.host.out.notify(outgoing::thread_event(method, thread_id)).await;
        Ok(())
    }

    async fn respond(&self, id: &Id, result: Value) {
        self.host.out.answer(id, Ok(result)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_at_the_beginning_of_a_request_or_not_at_all() {
        let id = |head: &str| id_in(head.as_bytes()).map(|id| json!(id));
        assert_eq!(id(r#"{"id":5,"method":"x","params":{"a":"bbb"#), Some(json!(5)));
        let after = r#" {"jsonrpc": "2.0", "method": "turn/start", "id": "a", "params": ["#;
        assert_eq!(id(after), Some(json!("a")));
        // What stands in the parameters is none.
        assert_eq!(id(r#"{"method":"x","params":{"id":5,"b":"#), None);
        for nothing in
            ["", "{", "[1]", "\"id\":5", r#"{"id"#, r#"{"id":{"#, "xxx", "{\"id\":\u{fffd}"]
        {
            assert_eq!(id(nothing), None, "{nothing}");
        }
    }
}
