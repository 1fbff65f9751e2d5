use canon_llm::{
    ErrorKind, FinishReasonKind, LlmError, Message, StreamEvent, StreamResult, Tool, generate,
    stream,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::fake::{Fake, Turn, call, delta, error, events, finish, response, start, text};

async fn drain(stream: &mut StreamResult) -> (Vec<StreamEvent>, Option<LlmError>) {
    let mut events = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing comes after an error");
                return (events, Some(error));
            }
        }
    }
    assert!(stream.next().await.is_none());
    (events, None)
}

fn echo() -> Tool {
    Tool::new("echo", "", json!({"type": "object"}))
        .unwrap()
        .execute(|arguments: Value, _| async move { Ok::<_, String>(arguments) })
}

#[tokio::test]
async fn llm_8_4_text_deltas_concatenate_to_the_text_of_the_response() {
    let fake = Fake::new([text("a longer answer, grüße")]);
    let mut stream = stream(fake.ask());
    let (events, error) = drain(&mut stream).await;
    assert_eq!(error, None);
    let joined: String = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::TextDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(joined, "a longer answer, grüße");
    assert_eq!(stream.response().await.unwrap().text(), joined);
}

#[tokio::test]
async fn llm_8_4_streams_begin_with_stream_start_and_end_with_finish_and_its_metadata() {
    let fake = Fake::new([text("hello")]);
    let (events, _) = drain(&mut stream(fake.ask())).await;
    assert!(matches!(events.first(), Some(StreamEvent::StreamStart { .. })));
    let Some(StreamEvent::Finish { finish_reason, usage, response }) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(finish_reason.reason, FinishReasonKind::Stop);
    assert_eq!(usage.total_tokens, 15);
    assert_eq!(response.text(), "hello");
}

#[tokio::test]
async fn llm_8_4_text_segments_follow_start_delta_end() {
    let fake = Fake::new([text("hello, world")]);
    let (events, _) = drain(&mut stream(fake.ask())).await;
    let kinds: Vec<String> = events
        .iter()
        .map(|event| serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        [
            "stream_start",
            "text_start",
            "text_delta",
            "text_delta",
            "text_delta",
            "text_end",
            "finish"
        ]
    );
}

#[tokio::test]
async fn a_stream_with_tools_is_one_stream_over_all_steps_and_ends_as_generate_does() {
    let turns = || [call("c1", "echo", json!({"a": 1})), call("c2", "echo", json!({})), text("ok")];
    let fake = Fake::new(turns());
    let mut stream = stream(fake.ask().tools([echo()]).max_tool_rounds(4));
    let (events, error) = drain(&mut stream).await;
    assert_eq!(error, None);
    let count = |wanted: fn(&StreamEvent) -> bool| events.iter().filter(|e| wanted(e)).count();
    assert_eq!(count(|e| matches!(e, StreamEvent::StreamStart { .. })), 1);
    assert_eq!(count(|e| matches!(e, StreamEvent::StepFinish { .. })), 2);
    assert_eq!(count(|e| matches!(e, StreamEvent::ToolCallEnd { .. })), 2);
    assert_eq!(count(|e| matches!(e, StreamEvent::Finish { .. })), 1);
    let at = events.iter().position(|e| matches!(e, StreamEvent::StepFinish { .. })).unwrap();
    assert!(matches!(events[at - 1], StreamEvent::ToolCallEnd { .. }));
    let streamed = stream.result().await.unwrap();
    assert_eq!(stream.steps(), streamed.steps);
    let again = Fake::new(turns());
    let whole = generate(again.ask().tools([echo()]).max_tool_rounds(4)).await.unwrap();
    assert_eq!(streamed, whole);
    assert_eq!(fake.requests(), again.requests());
    assert_eq!(fake.requests()[1].messages[2], Message::tool_result("c1", json!({"a": 1}), false));
}

#[tokio::test]
async fn ruling_llm_step_finish_is_a_stream_event_between_tools_and_the_next_call() {
    let fake = Fake::new([call("c1", "echo", json!({})), text("ok")]);
    let mut stream = stream(fake.ask().tools([echo()]));
    while let Some(Ok(event)) = stream.next().await {
        match event {
            StreamEvent::StepFinish { finish_reason, usage } => {
                assert_eq!(finish_reason.reason, FinishReasonKind::ToolCalls);
                assert_eq!(usage.total_tokens, 15);
                assert_eq!(stream.steps()[0].tool_results.len(), 1);
                assert_eq!(fake.requests().len(), 1, "the next call has not been made");
            }
            _ => assert!(stream.steps().len() <= 2),
        }
    }
    assert_eq!(stream.steps().len(), 2);
}

#[tokio::test]
async fn partial_responses_grow_and_start_over_with_each_step() {
    let fake = Fake::new([call("c1", "echo", json!({})), text("hello, world")]);
    let mut stream = stream(fake.ask().tools([echo()]));
    assert_eq!(stream.partial_response(), None);
    let mut seen = Vec::new();
    while let Some(item) = stream.next().await {
        item.unwrap();
        let partial = stream.partial_response().unwrap();
        assert_eq!((partial.provider.as_str(), partial.model.as_str()), ("fake", "m"));
        seen.push((partial.text(), partial.tool_calls().len()));
    }
    seen.dedup();
    let seen: Vec<_> = seen.iter().map(|(text, calls)| (text.as_str(), *calls)).collect();
    assert_eq!(
        seen,
        [("", 0), ("", 1), ("", 0), ("hello", 0), ("hello, wor", 0), ("hello, world", 0)]
    );
}

#[tokio::test]
async fn the_text_alone_can_be_read_and_the_rest_afterwards() {
    let fake = Fake::new([text("hello, world")]);
    let mut stream = stream(fake.ask());
    let texts: Vec<_> = stream.text_stream().take(2).collect().await;
    assert_eq!(texts, [Ok("hello".to_owned()), Ok(", wor".to_owned())]);
    assert_eq!(stream.response().await.unwrap().text(), "hello, world");
}

#[tokio::test]
async fn llm_8_8_a_stream_that_breaks_after_data_ends_with_the_error_and_is_not_retried() {
    let broken = Turn::Items {
        items: vec![Ok(start()), Ok(delta("par")), Err(error(ErrorKind::Stream))],
        hangs: false,
    };
    let fake = Fake::new([call("c1", "echo", json!({})), broken, text("never asked")]);
    let mut stream = stream(fake.ask().tools([echo()]));
    let (events, failure) = drain(&mut stream).await;
    assert_eq!(failure.as_ref().map(LlmError::kind), Some(ErrorKind::Stream));
    assert_eq!(events.last(), Some(&delta("par")));
    assert_eq!(stream.response().await.unwrap_err(), failure.unwrap());
    assert_eq!(stream.partial_response().unwrap().text(), "par");
    assert_eq!(stream.steps().len(), 1, "what was done and paid for stays known");
    assert_eq!((fake.turns_left(), fake.open()), (1, 0));
}

#[tokio::test]
async fn options_that_make_no_sense_are_the_first_item() {
    let fake = Fake::new([]);
    let mut stream = stream(fake.ask().messages(vec![Message::user("x")]));
    let (events, error) = drain(&mut stream).await;
    assert!(events.is_empty());
    assert_eq!(error.unwrap().kind(), ErrorKind::Configuration);
    assert_eq!(stream.result().await.unwrap_err().kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn events_without_a_unified_form_come_through() {
    let answer = response(FinishReasonKind::Stop, Vec::new());
    let raw = StreamEvent::ProviderEvent { raw: json!({"type": "odd"}) };
    let items = vec![Ok(start()), Ok(raw.clone()), Ok(finish(&answer))];
    let fake = Fake::new([Turn::Items { items, hangs: false }]);
    let (events, _) = drain(&mut stream(fake.ask())).await;
    assert_eq!(events, [start(), raw, finish(&answer)]);
}

#[tokio::test]
async fn a_stream_that_just_ends_is_an_error() {
    let items = vec![Ok(start()), Ok(delta("x"))];
    let fake = Fake::new([Turn::Items { items, hangs: false }]);
    let (_, error) = drain(&mut stream(fake.ask())).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Stream);
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    let answer = response(FinishReasonKind::Stop, Vec::new());
    let fake = Fake::new([Turn::Items {
        items: events(&answer).into_iter().map(Ok).collect(),
        hangs: true,
    }]);
    let mut stream = stream(fake.ask());
    assert_eq!(fake.open(), 0, "nothing happens before it is read");
    stream.next().await.unwrap().unwrap();
    assert_eq!(fake.open(), 1);
    drop(stream);
    assert_eq!(fake.open(), 0);
}
