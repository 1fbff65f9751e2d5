//! Routing, middleware, and what the client refuses to guess.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canon_llm::{
    Client, ErrorKind, EventStream, LlmError, Message, Middleware, Next, ProviderAdapter, Request,
    Response, Scripted, StreamEvent, ToolChoice,
};
use futures_util::StreamExt as _;

fn request() -> Request {
    Request::new("m", vec![Message::user("hi")])
}

fn scripted() -> Arc<Scripted> {
    let line = r#"{"reply": {"text": "hello"}, "repeat": true}"#;
    Arc::new(Scripted::parse(Path::new("s.jsonl"), line).unwrap())
}

#[tokio::test]
async fn llm_8_1_requests_go_to_the_provider_named_else_the_default_else_nowhere() {
    let client = Client::builder().provider(scripted()).build().unwrap();
    let error = client.complete(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let named = |name: &str| Request { provider: Some(name.into()), ..request() };
    let error = client.complete(named("nobody")).await.unwrap_err();
    assert!(
        error.message().contains("`nobody`") && error.message().contains("scripted"),
        "{error}"
    );
    let error = client.stream(named("anthropic")).await.err().unwrap();
    assert!(error.message().contains("no provider `anthropic` is configured"), "{error}");
    assert_eq!(client.complete(named("scripted")).await.unwrap().text(), "hello");
    let error = Client::builder().default_provider("openai").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

struct Tag(&'static str, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Middleware for Tag {
    async fn complete(&self, mut request: Request, next: Next<'_>) -> Result<Response, LlmError> {
        self.1.lock().unwrap().push(format!("{} in {}", self.0, request.provider.clone().unwrap()));
        request.model.push_str(self.0);
        let response = next.complete(request).await;
        self.1.lock().unwrap().push(format!("{} out", self.0));
        response
    }

    async fn stream(&self, request: Request, next: Next<'_>) -> Result<EventStream, LlmError> {
        let inner = next.stream(request).await?;
        let (name, log) = (self.0, Arc::clone(&self.1));
        Ok(inner
            .inspect(move |item| {
                if let Ok(StreamEvent::Finish { .. }) = item {
                    log.lock().unwrap().push(format!("{name} saw the end"));
                }
            })
            .boxed())
    }
}

#[tokio::test]
async fn llm_8_1_middleware_runs_in_order_inwards_and_in_reverse_outwards() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let client = Client::builder()
        .provider(scripted())
        .default_provider("scripted")
        .middleware(Arc::new(Tag("a", Arc::clone(&log))))
        .middleware(Arc::new(Tag("b", Arc::clone(&log))))
        .build()
        .unwrap();
    let response = client.complete(request()).await.unwrap();
    assert_eq!(response.model, "mab", "each saw what the one before it changed");
    assert_eq!(*log.lock().unwrap(), ["a in scripted", "b in scripted", "b out", "a out"]);
    log.lock().unwrap().clear();
    let events: Vec<_> = client.stream(request()).await.unwrap().collect().await;
    assert!(events.iter().all(Result::is_ok));
    assert_eq!(*log.lock().unwrap(), ["b saw the end", "a saw the end"]);
}

struct NoTools(Arc<Scripted>);

#[async_trait]
impl ProviderAdapter for NoTools {
    fn name(&self) -> &str {
        "no-tools"
    }

    async fn complete(&self, request: &Request) -> Result<Response, LlmError> {
        self.0.complete(request).await
    }

    async fn stream(&self, request: &Request) -> Result<EventStream, LlmError> {
        self.0.stream(request).await
    }

    fn supports_tool_choice(&self, choice: &ToolChoice) -> bool {
        matches!(choice, ToolChoice::Auto)
    }
}

#[tokio::test]
async fn llm_8_7_a_tool_choice_that_the_provider_cannot_do_is_refused_before_the_call() {
    let adapter = Arc::new(NoTools(scripted()));
    let client = Client::builder().provider(adapter).default_provider("no-tools").build().unwrap();
    let with = |choice| Request { tool_choice: Some(choice), ..request() };
    let error = client.complete(with(ToolChoice::Required)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedToolChoice);
    assert!(client.complete(with(ToolChoice::Auto)).await.is_ok());
}
