//! A live session is recorded and played again, with nothing of the provider but its words.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use canon_llm::{Client, LlmError, Message, Recorder, Request, Response, Scripted, StreamEvent};
use canon_runtime::secret::{Redactor, Secret};
use canon_testkit::model_server::{ModelServer, Reply};
use futures_util::StreamExt as _;

use crate::openai::{client, drain, request, shell};

const PASSWORD: &str = "correct-horse-battery";

fn recorded(server: &ModelServer, path: &Path) -> Client {
    let redactor = Redactor::new([Secret::new(PASSWORD)]);
    client(server).with_middleware(Arc::new(Recorder::open(path, redactor).unwrap()))
}

fn replayed(path: &Path) -> (Client, Arc<Scripted>) {
    let scripted = Arc::new(Scripted::load(path).unwrap());
    let builder = Client::builder().provider(Arc::clone(&scripted) as _);
    (builder.default_provider("scripted").build().unwrap(), scripted)
}

/// A small session: `complete`, then `stream`, each after the result of a tool.
async fn session(client: &Client, output: &str) -> Result<Vec<Response>, LlmError> {
    let mut conversation = request("list the files");
    conversation.tools.push(shell());
    let mut responses = Vec::new();
    for streaming in [false, true, false] {
        let response = if streaming {
            drain(client.stream(conversation.clone()).await?).await.1?
        } else {
            client.complete(conversation.clone()).await?
        };
        conversation.messages.push(response.message.clone());
        for call in response.tool_calls() {
            conversation.messages.push(Message::tool_result(call.id, output, false));
        }
        responses.push(response);
    }
    Ok(responses)
}

fn live_replies() -> [Reply; 3] {
    [
        Reply::new().and_reasoning(&["Hm."], "gAAA").and_tool_call(
            "c1",
            "shell",
            r#"{"command":"ls"}"#,
        ),
        Reply::text("One more.").and_tool_call("c2", "shell", r#"{"command":"ls -a"}"#),
        Reply::text(&format!("Done; the password is {PASSWORD}.")),
    ]
}

#[tokio::test]
async fn a_recorded_session_plays_again_and_demands_the_same_tool_results() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.jsonl");
    server.extend(live_replies());
    let live = session(&recorded(&server, &path), "a.txt").await.unwrap();
    assert_eq!(server.violations(), Vec::<String>::new());

    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(!text.contains(PASSWORD), "{text}");

    let (client, scripted) = replayed(&path);
    let again = session(&client, "a.txt").await.unwrap();
    assert_eq!(scripted.unused_lines(), Vec::<usize>::new());
    for (live, again) in live.iter().zip(&again).take(2) {
        assert_eq!(again.message, live.message, "provider blocks included");
        assert_eq!(again.usage, live.usage);
        assert_eq!(again.finish_reason, live.finish_reason);
        assert_eq!(again.provider, "scripted");
    }
    assert_eq!(again[2].text(), "Done; the password is [redacted].");

    let (client, _) = replayed(&path);
    let error = session(&client, "b.txt").await.unwrap_err();
    assert!(!error.retryable());
    assert!(error.message().contains(":2: tool_results[0]"), "{error}");
    assert!(error.message().contains("b.txt"), "{error}");
}

#[tokio::test]
async fn a_secret_in_a_tool_result_is_not_recorded_and_the_session_still_plays() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.jsonl");
    server.extend(live_replies());
    let output = format!("user=me\npassword={PASSWORD}\nend");
    session(&recorded(&server, &path), &output).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(PASSWORD), "{text}");
    session(&replayed(&path).0, &output).await.unwrap();
    let error = session(&replayed(&path).0, "user=you").await.unwrap_err();
    assert!(error.message().contains("user=me"), "{error}");
}

#[tokio::test]
async fn a_secret_that_streams_in_pieces_is_not_recorded() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.jsonl");
    let arguments = format!(r#"{{"command":"login {PASSWORD}"}}"#);
    server
        .push(Reply::text(&format!("It is {PASSWORD}.")).and_tool_call("c1", "shell", &arguments));
    let mut asked = request("log in");
    asked.tools.push(shell());
    let stream = recorded(&server, &path).stream(asked.clone()).await.unwrap();
    let (events, live) = drain(stream).await;
    let deltas = |events: &[StreamEvent]| -> Vec<String> {
        let texts = events.iter().filter_map(|event| match event {
            StreamEvent::TextDelta { delta, .. } | StreamEvent::ToolCallDelta { delta, .. } => {
                Some(delta.clone())
            }
            _ => None,
        });
        texts.collect()
    };
    let whole = |text: &String| text.contains(PASSWORD);
    assert!(!deltas(&events).iter().any(whole), "it comes in pieces");
    assert!(live.unwrap().text().contains(PASSWORD));
    assert!(!std::fs::read_to_string(&path).unwrap().contains(PASSWORD));
    let again = drain(replayed(&path).0.stream(asked).await.unwrap()).await;
    assert_eq!(deltas(&again.0), ["It is [redacted].", r#"{"command":"login [redacted]"}"#]);
    assert_eq!(again.1.unwrap().text(), "It is [redacted].");
}

#[tokio::test]
async fn errors_and_broken_or_abandoned_streams_are_recorded_too() {
    let server = ModelServer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("session.jsonl");
    server.extend([
        Reply::error(429, None, "slow").header("retry-after", "3"),
        Reply::error(500, None, "oops"),
        Reply::text("Hello, world").breaking_after(6),
        Reply::text("Hello, world"),
    ]);
    async fn run(client: &Client) -> Vec<(String, usize)> {
        let asked = || -> Request { request("hi") };
        let mut seen = Vec::new();
        let error = client.complete(asked()).await.unwrap_err();
        seen.push((format!("{:?} {:?}", error.kind(), error.retry_after()), 0));
        let error = client.stream(asked()).await.err().unwrap();
        seen.push((format!("{:?} {:?}", error.kind(), error.status_code()), 0));
        let (events, outcome) = drain(client.stream(asked()).await.unwrap()).await;
        seen.push((format!("{:?}", outcome.unwrap_err().kind()), events.len()));
        let mut stream = client.stream(asked()).await.unwrap();
        while !matches!(stream.next().await, Some(Ok(StreamEvent::TextDelta { .. }))) {}
        seen
    }
    let live = run(&recorded(&server, &path)).await;
    let (client, scripted) = replayed(&path);
    assert_eq!(run(&client).await, live);
    assert_eq!(scripted.unused_lines(), Vec::<usize>::new());
}

#[test]
fn a_recording_that_cannot_be_opened_says_where() {
    let error = Recorder::open(Path::new("/nowhere/x.jsonl"), Redactor::default()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/x.jsonl"), "{error}");
}
