//! What is known of an operation that failed on its way.

use std::sync::Arc;
use std::time::Duration;

use canon_llm::{
    AbortSignal, ErrorKind, Generate, LlmError, Message, Progress, Tool, generate, generate_object,
    stream, stream_object,
};
use serde_json::json;
use tokio::sync::Notify;

use super::fake::{Fake, call, fail, text};

fn tool(name: &str) -> Tool {
    Tool::new(name, "", json!({"type": "object"})).unwrap()
}

fn echo() -> Tool {
    tool("echo").execute(|arguments, _| async move { Ok::<_, String>(arguments) })
}

/// Ends all tools that run, and `notify` is told when one does.
fn stuck(running: &Arc<Notify>) -> Tool {
    let running = Arc::clone(running);
    tool("stuck").execute(move |_, _| {
        running.notify_one();
        std::future::pending::<Result<String, String>>()
    })
}

fn progress(error: &LlmError) -> &Progress {
    error.progress().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_fails_late_says_what_was_done_and_paid_for_and_can_go_on() {
    let turns = || {
        let broken = || fail(ErrorKind::InvalidRequest);
        [call("c1", "echo", json!({"a": 1})), call("c2", "echo", json!({})), broken(), text("ok")]
    };
    for streams in [false, true] {
        let fake = Fake::new(turns());
        let options = || fake.ask().tools([echo()]).max_tool_rounds(9);
        let error = match streams {
            false => generate(options()).await.unwrap_err(),
            true => {
                let mut stream = stream(options());
                let error = stream.result().await.unwrap_err();
                assert_eq!(stream.steps(), progress(&error).steps);
                error
            }
        };
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        let done = progress(&error);
        assert_eq!(done.total_usage.total_tokens, 30);
        assert_eq!(done.total_usage.reasoning_tokens, Some(2));
        assert_eq!(done.steps[1].tool_results[0].tool_call_id, "c2");
        assert_eq!(done.messages[1], Message::tool_result("c1", json!({"a": 1}), false));
        let mut conversation = vec![Message::user("hi")];
        conversation.extend(done.messages.clone());
        assert_eq!(fake.requests()[2].messages, conversation);
        let again = Generate::new("m").messages(conversation).client(fake.client());
        assert_eq!(generate(again).await.unwrap().text, "ok");
        let json = serde_json::to_string(&error).unwrap() + &format!("{error:?}");
        assert!(!json.contains("c2"), "logs do not hold the conversation: {json}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_tools_are_cut_short_is_known_and_leaves_no_call_unanswered() {
    let turns = || [call("c1", "echo", json!({})), call("c2", "stuck", json!({}))];
    for streams in [false, true] {
        let fake = Fake::new(turns());
        let running = Arc::new(Notify::new());
        let signal = AbortSignal::new();
        let options = fake
            .ask()
            .tools([echo(), stuck(&running)])
            .max_tool_rounds(9)
            .abort_signal(signal.clone());
        let abort = async {
            running.notified().await;
            signal.cancel();
        };
        let outcome = async {
            match streams {
                false => generate(options).await,
                true => stream(options).result().await,
            }
        };
        let (outcome, ()) = tokio::join!(outcome, abort);
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Abort);
        let done = progress(&error);
        assert_eq!((done.steps.len(), done.total_usage.total_tokens), (2, 30));
        assert_eq!(done.steps[1].tool_calls[0].id, "c2");
        assert!(done.steps[1].tool_results.is_empty());
        assert_eq!(done.messages.len(), 2, "a conversation may end here");
    }
    let fake = Fake::new(turns());
    let tools = [echo(), stuck(&Arc::new(Notify::new()))];
    let options = fake.ask().tools(tools).max_tool_rounds(9).timeout(Duration::from_secs(9));
    let error = generate(options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert_eq!(progress(&error).total_usage.total_tokens, 30);
}

#[tokio::test]
async fn an_object_that_does_not_fit_was_paid_for_and_a_failed_first_call_was_not() {
    let schema = || json!({"type": "object"});
    let fake = Fake::new([text("no"), text("no"), fail(ErrorKind::Authentication)]);
    let whole = generate_object(fake.ask(), schema()).await.unwrap_err();
    let streamed = stream_object(fake.ask(), schema()).unwrap().object().await.unwrap_err();
    for error in [whole, streamed] {
        assert_eq!(error.kind(), ErrorKind::NoObjectGenerated);
        assert_eq!(progress(&error).total_usage.total_tokens, 15);
        assert_eq!(progress(&error).steps[0].text, "no");
    }
    assert!(generate(fake.ask()).await.unwrap_err().progress().is_none());
}
