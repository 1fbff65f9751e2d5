use std::time::Duration;

use canon_llm::{
    ErrorKind, FinishReasonKind, Generate, LlmError, Message, Request, ResponseFormat,
    ResponseFormatKind, Role, Tool, ToolChoice, ToolDefinition, default_client, generate,
    set_default_client,
};
use serde_json::{Map, json};

use super::fake::{Fake, text};

#[tokio::test]
async fn llm_8_4_generate_works_with_a_simple_prompt() {
    let fake = Fake::new([text("hello")]);
    let result = generate(fake.ask()).await.unwrap();
    assert_eq!(result.text, "hello");
    assert_eq!(result.finish_reason.reason, FinishReasonKind::Stop);
    assert_eq!((result.usage.input_tokens, result.usage.output_tokens), (10, 5));
    assert_eq!(result.total_usage.total_tokens, 15);
    assert_eq!(result.steps.len(), 1);
    assert_eq!(result.response.text(), "hello");
    assert_eq!(result.messages, [Message::assistant("hello")]);
    assert_eq!(result.output, None);
    assert_eq!(fake.requests()[0].messages, [Message::user("hi")]);
    assert_eq!(fake.open(), 0);
}

#[tokio::test]
async fn llm_8_4_generate_works_with_a_full_messages_list() {
    let fake = Fake::new([text("three")]);
    let conversation =
        vec![Message::user("one"), Message::assistant("two"), Message::developer("go on")];
    let options =
        Generate::new("m").messages(conversation.clone()).system("be brief").client(fake.client());
    generate(options).await.unwrap();
    let sent = &fake.requests()[0].messages;
    assert_eq!(sent[0], Message::system("be brief"), "the system message comes first");
    assert_eq!(sent[1..], conversation);
}

#[tokio::test]
async fn llm_8_4_generate_rejects_prompt_together_with_messages() {
    let fake = Fake::new([]);
    let refused = async |options: Generate, wanted: &str| {
        let error: LlmError = generate(options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains(wanted), "{error}");
    };
    refused(fake.ask().messages(vec![Message::user("x")]), "both `prompt` and `messages`").await;
    let client = fake.client();
    refused(Generate::new("m").client(client.clone()), "nothing is asked").await;
    refused(Generate::new("m").messages(Vec::new()).client(client.clone()), "nothing").await;
    refused(Generate::new("").prompt("x").client(client), "no model").await;
    let tool = || Tool::new("t", "", json!({"type": "object"})).unwrap();
    refused(fake.ask().tools([tool(), tool()]), "two tools have the name `t`").await;
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn every_option_reaches_the_request() {
    let fake = Fake::new([text("x"), text("x")]);
    let format =
        ResponseFormat { kind: ResponseFormatKind::Json, json_schema: None, strict: false };
    let provider_options: Map<_, _> = json!({"fake": {"seed": 1}}).as_object().cloned().unwrap();
    let parameters = json!({"type": "object"});
    let options = fake
        .ask()
        .tools([Tool::new("t", "a tool", parameters.clone()).unwrap()])
        .tool_choice(ToolChoice::Required)
        .response_format(format.clone())
        .temperature(0.5)
        .top_p(0.9)
        .max_tokens(7)
        .stop_sequences(["END"])
        .reasoning_effort("low")
        .provider("fake")
        .provider_options(provider_options.clone())
        .metadata("user", "u1")
        .timeout(Duration::from_secs(60));
    generate(options).await.unwrap();
    let wanted = Request {
        provider: Some("fake".into()),
        tools: vec![ToolDefinition::new("t", "a tool", parameters).unwrap()],
        tool_choice: Some(ToolChoice::Required),
        response_format: Some(format),
        temperature: Some(0.5),
        top_p: Some(0.9),
        max_tokens: Some(7),
        stop_sequences: vec!["END".into()],
        reasoning_effort: Some("low".into()),
        metadata: [("user".to_owned(), "u1".to_owned())].into(),
        provider_options,
        ..Request::new("m", vec![Message::user("hi")])
    };
    assert_eq!(fake.requests()[0], wanted);
    generate(Generate::from_request(wanted.clone()).client(fake.client())).await.unwrap();
    assert_eq!(fake.requests()[1], wanted, "a request goes in and out unchanged");
}

// The only test of this binary that touches the default client.
#[tokio::test]
async fn llm_8_1_high_level_calls_use_the_default_client_unless_given_one() {
    let (first, second, own) =
        (Fake::new([text("1")]), Fake::new([text("2")]), Fake::new([text("own")]));
    let ask = || Generate::new("m").prompt("hi");
    set_default_client(first.client());
    assert_eq!(generate(ask()).await.unwrap().text, "1");
    set_default_client(second.client());
    assert_eq!(generate(ask().client(own.client())).await.unwrap().text, "own");
    assert_eq!(generate(ask()).await.unwrap().text, "2");
    assert_eq!(default_client().unwrap().default_provider(), Some("fake"));
    assert_eq!(first.requests()[0].messages[0].role, Role::User);
}
