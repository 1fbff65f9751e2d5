//! A session in a temporary directory with a transcript for a model.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canon_agent::{
    EventData, Family, Outcome, Profile, Session, SessionEvent, SessionOptions, Tool, ToolContext,
    ToolOutput,
};
use canon_exec::{ExecutionEnvironment, LocalExecutionEnvironment};
use canon_llm::{
    Client, EventStream, LlmError, Message, Middleware, Next, Request, Role, Scripted,
    ToolDefinition,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Requests that went to the model.
#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<Vec<Request>>>);

impl Requests {
    pub(crate) fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }

    /// The system prompt of request `at`.
    pub(crate) fn system(&self, at: usize) -> String {
        self.all()[at].messages[0].text()
    }

    /// The messages of the last request with this role.
    pub(crate) fn last(&self, role: Role) -> Vec<Message> {
        let last = self.all().pop().unwrap();
        last.messages.into_iter().filter(|message| message.role == role).collect()
    }
}

#[async_trait]
impl Middleware for Requests {
    async fn stream(&self, request: Request, next: Next<'_>) -> Result<EventStream, LlmError> {
        self.0.lock().unwrap().push(request.clone());
        next.stream(request).await
    }
}

/// A place to work in.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) requests: Requests,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), requests: Requests::default() }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn env(&self) -> Arc<dyn ExecutionEnvironment> {
        Arc::new(LocalExecutionEnvironment::new(self.dir.path()).unwrap())
    }

    /// Options for a session that this transcript answers.
    pub(crate) fn options(&self, entries: &[Value]) -> SessionOptions {
        let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
        let scripted = Scripted::parse(Path::new("test.jsonl"), &text).unwrap();
        self.options_with("scripted", Arc::new(scripted))
    }

    pub(crate) fn options_with(
        &self,
        provider: &str,
        adapter: Arc<dyn canon_llm::ProviderAdapter>,
    ) -> SessionOptions {
        let client = Client::builder()
            .provider(adapter)
            .middleware(Arc::new(self.requests.clone()))
            .build()
            .unwrap();
        let profile = Profile::for_model(provider, "test-model").unwrap();
        SessionOptions::new(client, profile, self.env())
    }

    pub(crate) fn session(&self, entries: &[Value]) -> Session {
        Session::new(self.options(entries)).unwrap()
    }

    /// Plays `entries` for one input, to the end.
    pub(crate) async fn play(&self, entries: &[Value]) -> (Outcome, Vec<EventData>) {
        self.play_as(Family::Generic, entries).await
    }

    /// The same with the tools and the instructions of a family.
    pub(crate) async fn play_as(
        &self,
        family: Family,
        entries: &[Value],
    ) -> (Outcome, Vec<EventData>) {
        let mut options = self.options(entries);
        options.profile = Profile::of_family(family, "scripted", "test-model");
        run(&mut Session::new(options).unwrap(), "go").await
    }
}

/// One input, and what was told of it.
pub(crate) async fn run(session: &mut Session, text: &str) -> (Outcome, Vec<EventData>) {
    let mut events = Vec::new();
    let outcome = session.run_to_idle(text, |event| events.push(event.data.clone())).await.unwrap();
    (outcome, events)
}

/// Everything up to the end of the session.
pub(crate) async fn drain(session: &mut Session) -> Vec<SessionEvent> {
    let mut events = Vec::new();
    while let Some(event) = session.next_event().await {
        events.push(event);
    }
    events
}

pub(crate) fn says(text: &str) -> Value {
    json!({"reply": {"text": text}})
}

pub(crate) fn calls(calls: &[(&str, Value)]) -> Value {
    let calls: Vec<Value> = calls
        .iter()
        .map(|(name, arguments)| json!({"name": name, "arguments": arguments}))
        .collect();
    json!({"reply": {"tool_calls": calls}})
}

pub(crate) fn shell(command: &str) -> Value {
    calls(&[("shell", json!({"command": command}))])
}

/// The ends of tool calls: name, output, whether it failed.
pub(crate) fn ends(events: &[EventData]) -> Vec<(&str, &str, bool)> {
    events
        .iter()
        .filter_map(|event| match event {
            EventData::ToolCallEnd { tool_name, output, is_error, .. } => {
                Some((tool_name.as_str(), output.as_str(), *is_error))
            }
            _ => None,
        })
        .collect()
}

pub(crate) fn kinds(events: &[EventData]) -> Vec<&'static str> {
    events.iter().map(EventData::kind).collect()
}

/// A tool without arguments that does what its closure does.
pub(crate) struct Does<F>(pub(crate) &'static str, pub(crate) F);

#[async_trait]
impl<F: Fn() -> ToolOutput + Send + Sync> Tool for Does<F> {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition::new(self.0, "A tool of a test.", json!({"type": "object"})).unwrap()
    }

    async fn run(&self, _: Map<String, Value>, _: ToolContext) -> ToolOutput {
        (self.1)()
    }
}

/// Whether a process is there and not just waiting to be reaped.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit(')').next().map(|rest| !rest.trim_start().starts_with('Z')))
        .unwrap_or(false)
}
