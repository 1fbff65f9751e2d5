//! The client against the real Codex, offline: its model is a fake one on a local port.

use std::path::Path;
use std::process::{Command, Stdio};

use canon_protocol::codex::client::{
    Answer, ErrorCategory, Event, ItemKind, ItemPhase, Options, Resume, SandboxMode, ToolSpec,
    TurnOutcome,
};
use serde_json::json;
use tempfile::TempDir;

use crate::drive::{Host, real_codex};
use crate::model::{Model, Reply};

struct Bench {
    home: TempDir,
    work: TempDir,
    model: Model,
    binary: std::path::PathBuf,
}

impl Bench {
    fn new() -> Option<Bench> {
        let binary = real_codex()?;
        let model = Model::start();
        let home = tempfile::tempdir().unwrap();
        let config = format!(
            "model = \"canon-test-model\"\nmodel_provider = \"local\"\n\n\
             [model_providers.local]\nname = \"local\"\nbase_url = \"{}\"\n\
             wire_api = \"responses\"\nenv_key = \"CANON_TEST_KEY\"\n\
             request_max_retries = 0\nstream_max_retries = 0\n",
            model.base_url()
        );
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        Some(Bench { home, work: tempfile::tempdir().unwrap(), model, binary })
    }

    fn options(&self) -> Options {
        Options {
            thread_name: Some("A-1: a title".to_owned()),
            sandbox: SandboxMode::ReadOnly,
            turn_sandbox_policy: Some(json!({"type": "readOnly"})),
            tools: vec![ToolSpec {
                name: "issue_update".to_owned(),
                description: "changes the state of the issue".to_owned(),
                input_schema: json!({
                    "type": "object", "properties": {"state": {"type": "string"}},
                    "required": ["state"], "additionalProperties": false,
                }),
            }],
            read_timeout_ms: 30_000,
            tool_timeout_ms: 30_000,
            turn_timeout_ms: 45_000,
            ..Options::new(self.cwd().to_str().unwrap())
        }
    }

    fn cwd(&self) -> &Path {
        self.work.path()
    }

    fn start(&self, options: Options) -> Host {
        let mut command = Command::new(&self.binary);
        command
            .arg("app-server")
            .current_dir(self.cwd())
            .env("CODEX_HOME", self.home.path())
            .env("HOME", self.home.path())
            .env("CANON_TEST_KEY", "dummy")
            .env_remove("OPENAI_API_KEY")
            .stderr(Stdio::null());
        Host::start(command, options)
    }
}

#[test]
fn turns_with_text_and_with_a_tool() {
    let Some(bench) = Bench::new() else { return };
    let mut host = bench.start(bench.options());
    let model = host.until(|event| match event {
        Event::SessionStarted { model, .. } => Some(model.clone()),
        Event::StartupFailed { message, .. } => panic!("{message}"),
        _ => None,
    });
    assert_eq!(model.as_deref(), Some("canon-test-model"));

    bench.model.push(Reply::Text("hello from the model"));
    let end = host.run_turn("say hello");
    assert_eq!(end.outcome, TurnOutcome::Completed, "{end:?}");
    assert_eq!(end.last_message.as_deref(), Some("hello from the model"));
    assert_eq!((end.usage.total_tokens, end.usage.cached_input_tokens), (110, 20));
    assert!(end.session_open);
    let session_id = format!("{}-{}", host.client.thread_id().unwrap(), end.turn_id.unwrap());
    assert_eq!(host.client.session_id(), Some(session_id));

    bench.model.push(Reply::Tool("issue_update", json!({"state": "done"})));
    bench.model.push(Reply::Text("the issue is done"));
    host.turn("finish the issue");
    let call = host.until(|event| match event {
        Event::ToolCall(call) => Some(call.clone()),
        Event::TurnEnded(end) => panic!("{end:?}"),
        _ => None,
    });
    assert_eq!(call.arguments, json!({"state": "done"}));
    host.restart_daemon();
    let answer = Answer::Tool { success: true, text: "state is now done".to_owned() };
    host.answer(&call.key, answer).unwrap();
    let second = host.until_end();
    assert_eq!(second.outcome, TurnOutcome::Completed, "{second:?}");
    assert_eq!(second.last_message.as_deref(), Some("the issue is done"));
    let told = bench.model.last_request();
    assert!(told.contains("state is now done"), "{told}");

    let tool_items = host.events.iter().filter(|event| {
        matches!(event, Event::Item { phase: ItemPhase::Completed, item }
            if matches!(&item.kind, ItemKind::ToolCall { tool, .. } if tool == "issue_update"))
    });
    assert_eq!(tool_items.count(), 1);
    assert_eq!((second.usage.total_tokens, host.client.usage().total_tokens), (220, 330));
    let bad = ["malformed", "other_message", "unsupported_request"];
    let bad: Vec<_> = host.events.iter().filter(|event| bad.contains(&event.name())).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(host.close().code, Some(0));
}

#[test]
fn an_interrupt_ends_the_turn_as_cancelled_and_a_thread_resumes() {
    let Some(bench) = Bench::new() else { return };
    let mut host = bench.start(bench.options());
    host.until_started();
    bench.model.push(Reply::Text("first"));
    let first = host.run_turn("begin");
    assert_eq!(first.outcome, TurnOutcome::Completed, "{first:?}");
    bench.model.push(Reply::Hang);
    host.turn("hang");
    bench.model.wait_for(2);
    host.interrupt();
    let end = host.until_end();
    assert_eq!(end.outcome, TurnOutcome::Cancelled, "{end:?}");
    let thread_id = host.client.thread_id().unwrap().to_owned();
    let before = host.client.usage();
    host.close();

    let resume = Some(Resume { thread_id: thread_id.clone(), usage: None });
    let mut host = bench.start(Options { resume, ..bench.options() });
    host.until_started();
    assert_eq!(host.client.thread_id(), Some(thread_id.as_str()));
    bench.model.push(Reply::Text("resumed"));
    let end = host.run_turn("go on");
    assert_eq!(end.outcome, TurnOutcome::Completed, "{end:?}");
    // Only this turn's tokens, though the agent's total has those of the first session too.
    assert_eq!((before.total_tokens, host.client.usage().total_tokens), (110, 110));
}

#[test]
fn a_failing_model_fails_the_turn() {
    let Some(bench) = Bench::new() else { return };
    let mut host = bench.start(bench.options());
    host.until_started();
    bench.model.push(Reply::Refuse("this will not do"));
    let end = host.run_turn("say hello");
    assert_eq!(end.category, Some(ErrorCategory::TurnFailed), "{end:?}");
    assert!(end.message.unwrap().contains("this will not do"));
}

#[test]
fn a_refused_thread_is_a_startup_failure() {
    let Some(bench) = Bench::new() else { return };
    let options = Options { approval_policy: json!("whenever"), ..bench.options() };
    let mut host = bench.start(options);
    let category = host.until(|event| match event {
        Event::StartupFailed { category, .. } => Some(*category),
        _ => None,
    });
    assert_eq!(category, ErrorCategory::ResponseError);
}
