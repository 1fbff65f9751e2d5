use canon_llm::{
    ContentPart, ErrorKind, FinishReasonKind, ResponseFormat, ResponseFormatKind, Tool,
    generate_object, generate_object_as, stream_object,
};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fake::{Fake, Turn, answer, call, delta, finish, response, text};

#[derive(Debug, PartialEq, Deserialize)]
struct Person {
    name: String,
    age: u8,
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    })
}

const ALICE: &str = r#"{"name": "Alice", "age": 30}"#;

#[tokio::test]
async fn llm_8_4_generate_object_returns_parsed_and_validated_output() {
    let fake = Fake::new([text(ALICE), text(ALICE)]);
    let result = generate_object(fake.ask(), schema()).await.unwrap();
    assert_eq!(result.output, Some(json!({"name": "Alice", "age": 30})));
    assert_eq!(result.text, ALICE);
    let wanted = ResponseFormat {
        kind: ResponseFormatKind::JsonSchema,
        json_schema: Some(schema()),
        strict: true,
    };
    assert_eq!(fake.requests()[0].response_format, Some(wanted));
    let (person, result) = generate_object_as::<Person>(fake.ask(), schema()).await.unwrap();
    assert_eq!(person, Person { name: "Alice".into(), age: 30 });
    assert_eq!(result.total_usage.total_tokens, 15);
}

#[tokio::test]
async fn answers_of_models_that_were_only_told_are_understood() {
    let said = format!("Sure! Here it is:\n\n```json\n{ALICE}\n```\n\nAnything else?");
    let fake = Fake::new([text(&said)]);
    let result = generate_object(fake.ask(), schema()).await.unwrap();
    assert_eq!(result.output, Some(json!({"name": "Alice", "age": 30})));
}

#[tokio::test]
async fn llm_8_4_generate_object_raises_no_object_generated_on_parse_and_validation_failure() {
    let cut = |text: &str, reason| answer(response(reason, vec![ContentPart::text(text)]));
    for (turn, wanted) in [
        (text("I'd rather not."), "not JSON"),
        (text(r#"{"name": "Alice", "age": "thirty"}"#), "/age: "),
        (text(r#"{"name": "Alice"}"#), "age"),
        (text(""), "the answer has no text"),
        (cut(r#"{"name": "Al"#, FinishReasonKind::Length), "cut off at its token limit"),
        (cut("", FinishReasonKind::ContentFilter), "blocked"),
        (call("c1", "odd", json!({})), "called tools instead"),
    ] {
        let fake = Fake::new([turn]);
        let error = generate_object(fake.ask(), schema()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoObjectGenerated);
        assert!(error.message().contains(wanted), "{error}");
        assert_eq!(error.provider(), Some("fake"));
        let raw = error.raw().unwrap();
        assert!(raw["text"].is_string() && raw["violations"][0].is_string(), "{raw}");
        assert_eq!(raw["total_usage"]["total_tokens"], 15, "it was paid for all the same");
    }
    let fake = Fake::new([text(r#"{"name": "Al", "age": 300}"#)]);
    let error = generate_object_as::<Person>(fake.ask(), schema()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoObjectGenerated);
    assert!(error.message().contains("does not fit the type"), "{error}");
}

#[tokio::test]
async fn a_broken_schema_and_a_second_format_are_refused_before_any_call() {
    let fake = Fake::new([]);
    let format =
        ResponseFormat { kind: ResponseFormatKind::Text, json_schema: None, strict: false };
    for (options, schema) in
        [(fake.ask(), json!({"type": 3})), (fake.ask().response_format(format), schema())]
    {
        let error = generate_object(options.clone(), schema.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let error = stream_object(options, schema).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn stream_object_yields_an_object_that_grows_and_the_whole_at_the_end() {
    let fake = Fake::new([text(ALICE)]);
    let mut stream = stream_object(fake.ask(), schema()).unwrap();
    let mut seen = Vec::new();
    while let Some(partial) = stream.next().await {
        seen.push(partial.unwrap());
    }
    assert_eq!(
        seen,
        [
            json!({}),
            json!({"name": ""}),
            json!({"name": "Alice"}),
            json!({"name": "Alice", "age": 30}),
        ]
    );
    assert_eq!(stream.object().await.unwrap(), json!({"name": "Alice", "age": 30}));
    assert_eq!(stream.object_as::<Person>().await.unwrap().age, 30);
    let result = stream.result().await.unwrap();
    assert_eq!(result.output, Some(json!({"name": "Alice", "age": 30})));
    assert_eq!(result.text, ALICE);
}

#[tokio::test]
async fn stream_object_lends_the_object_and_starts_over_after_tools() {
    let tool = Tool::new("look", "", json!({"type": "object"}))
        .unwrap()
        .execute(|_, _| async { Ok::<_, String>("") });
    let mut first = super::fake::calls(&[("c1", "look", json!({}))]);
    first.message.content.insert(0, ContentPart::text(r#"{"draft": true, "name": ""#));
    for said in [ALICE.to_owned(), format!("It is [sic] this:\n```json\n{ALICE}\n```")] {
        let fake = Fake::new([answer(first.clone()), text(&said)]);
        let mut stream = stream_object(fake.ask().tools([tool.clone()]), schema()).unwrap();
        let mut last = Value::Null;
        while let Some(partial) = stream.advance().await {
            last = partial.unwrap().clone();
        }
        assert_eq!(last, json!({"name": "Alice", "age": 30}), "{said}");
        assert_eq!(stream.steps().len(), 2);
        assert_eq!(stream.object().await.unwrap(), last);
    }
}

#[tokio::test]
async fn what_is_said_after_the_object_takes_nothing_back_however_the_text_is_cut() {
    let said = format!("{ALICE} is what {{you}} [and I] wanted.");
    let whole = response(FinishReasonKind::Stop, vec![ContentPart::text(said.as_str())]);
    for piece in [1, 7, 1_000] {
        let chars: Vec<char> = said.chars().collect();
        let deltas = chars.chunks(piece).map(|piece| delta(&piece.iter().collect::<String>()));
        let items = deltas.chain([finish(&whole)]).map(Ok).collect();
        let fake = Fake::new([Turn::Items { items, hangs: false }]);
        let mut stream = stream_object(fake.ask(), schema()).unwrap();
        let mut last = Value::Null;
        while let Some(partial) = stream.advance().await {
            last = partial.unwrap().clone();
        }
        assert_eq!(last, json!({"name": "Alice", "age": 30}), "in pieces of {piece}");
        assert_eq!(stream.object().await.unwrap(), last);
    }
}

#[tokio::test]
async fn stream_object_ends_with_an_error_when_the_object_does_not_fit() {
    let fake = Fake::new([text(r#"{"name": 3}"#)]);
    let mut stream = stream_object(fake.ask(), schema()).unwrap();
    let items: Vec<_> = stream.by_ref().collect().await;
    let error = items.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoObjectGenerated);
    assert!(items[..items.len() - 1].iter().all(Result::is_ok));
    assert!(stream.next().await.is_none());
    assert_eq!(stream.object().await.unwrap_err(), *error);
}

#[tokio::test]
async fn stream_object_passes_the_error_of_the_stream_on() {
    let fake = Fake::new([super::fake::fail(ErrorKind::Authentication)]);
    let mut stream = stream_object(fake.ask(), schema()).unwrap();
    let items: Vec<_> = stream.by_ref().collect().await;
    assert_eq!(items.len(), 1);
    assert_eq!(stream.object().await.unwrap_err().kind(), ErrorKind::Authentication);
    let fake = Fake::new([text("  42 ")]);
    let mut stream = stream_object(fake.ask(), json!({"type": "integer"})).unwrap();
    assert_eq!(stream.object().await.unwrap(), json!(42));
}
