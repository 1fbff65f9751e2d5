//! The matrix of unified-llm §8.9 and the smoke test of §8.10: the same calls to every provider that the
//! environment can configure, over HTTP, against the server that checks each wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use canon_llm::{
    Client, ContentPart, ErrorKind, FinishReasonKind, Generate, ImageData, Message, Role,
    StreamEvent, Tool, generate, generate_object, get_latest_model, stream, stream_object,
};
use canon_testkit::model_server::{ModelServer, Reply};
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};

/// A provider, and the server that it talks to.
struct World {
    server: ModelServer,
    client: Client,
    provider: String,
    model: String,
}

/// One world a provider. All of them are made from an environment that has every key.
fn worlds() -> Vec<World> {
    let names: Vec<String> = {
        let server = ModelServer::start().unwrap();
        client(&server).provider_names().map(str::to_owned).collect()
    };
    for wanted in ["openai", "anthropic", "gemini"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is missing in {names:?}");
    }
    let world = |provider: String| {
        let server = ModelServer::start().unwrap();
        let client = client(&server);
        let model = get_latest_model(&provider, None).map_or("some-model", |info| &info.id);
        World { model: model.to_owned(), server, client, provider }
    };
    names.into_iter().map(world).collect()
}

fn client(server: &ModelServer) -> Client {
    Client::from_env_with(|name| match name {
        _ if name.ends_with("_API_KEY") => Some("key".to_owned()),
        _ if name.starts_with("OPENAI") && name.ends_with("_BASE_URL") => Some(server.base_url()),
        _ if name.ends_with("_BASE_URL") => Some(server.root_url()),
        _ => None,
    })
    .unwrap()
}

impl World {
    fn ask(&self) -> Generate {
        Generate::new(self.model.as_str())
            .provider(self.provider.as_str())
            .client(self.client.clone())
            .max_tokens(2000)
    }

    fn prompt(&self, prompt: &str) -> Generate {
        self.ask().prompt(prompt)
    }

    /// Everything that was sent was right, and everything that was to be said was said.
    fn done(self) {
        let provider = &self.provider;
        assert_eq!(self.server.violations(), Vec::<String>::new(), "{provider}");
        assert_eq!(self.server.replies_left(), 0, "{provider}");
    }

    fn sent(&self, number: usize) -> Value {
        self.server.requests()[number].body.clone()
    }
}

/// Says what the weather is, and counts how often it was asked.
fn weather(ran: &Arc<AtomicUsize>) -> Tool {
    let ran = Arc::clone(ran);
    let parameters = json!({
        "type": "object",
        "properties": {"location": {"type": "string", "description": "City name"}},
        "required": ["location"],
    });
    Tool::new("get_weather", "Current weather for a location", parameters).unwrap().execute(
        move |arguments: Value, _| {
            ran.fetch_add(1, Ordering::SeqCst);
            async move {
                let place = arguments["location"].as_str().ok_or("no location")?.to_owned();
                Ok::<_, &str>(format!("72F and sunny in {place}"))
            }
        },
    )
}

fn weather_call(id: &str, place: &str) -> Reply {
    Reply::tool_call(id, "get_weather", &json!({"location": place}))
}

fn person() -> Value {
    json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    })
}

/// A PNG of one pixel, as far as anyone looks.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0000";

fn with_image(image: ImageData) -> Vec<Message> {
    let parts = vec![ContentPart::text("What do you see?"), ContentPart::image(image)];
    vec![Message::new(Role::User, parts)]
}

#[tokio::test]
async fn llm_8_9_simple_text_generation() {
    for world in worlds() {
        world.server.push(Reply::text("Hello there."));
        let result = generate(world.prompt("Say hello.").system("be kind")).await.unwrap();
        assert_eq!(result.text, "Hello there.");
        assert_eq!(result.finish_reason.reason, FinishReasonKind::Stop);
        assert_eq!(result.response.provider, world.provider);
        world.done();
    }
}

#[tokio::test]
async fn ruling_llm_usage_that_an_answer_lacks_is_warned_of() {
    for world in worlds() {
        for (usage, missing) in [(None, false), (Some(Value::Null), true)] {
            let reply = || match &usage {
                Some(usage) => Reply::text("Hello there.").usage(usage.clone()),
                None => Reply::text("Hello there."),
            };
            world.server.push(reply());
            let whole = generate(world.prompt("Say hello.")).await.unwrap().response;
            world.server.push(reply());
            let streamed = stream(world.prompt("Say hello.")).response().await.unwrap();
            for response in [whole, streamed] {
                assert_eq!(response.text(), "Hello there.");
                let codes: Vec<_> = response
                    .warnings
                    .iter()
                    .filter_map(|warning| warning.code.as_deref())
                    .collect();
                let wanted: &[&str] = if missing { &["usage_missing"] } else { &[] };
                assert_eq!(codes, wanted, "{}", world.provider);
                assert_eq!(response.usage.total_tokens == 0, missing, "{}", world.provider);
            }
        }
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_streaming_text_generation() {
    for world in worlds() {
        world.server.push(Reply::text("Grüße 😀, all of you").in_chunks_of(7));
        let mut stream = stream(world.prompt("Say hello."));
        let texts: Vec<String> = stream.text_stream().map(Result::unwrap).collect().await;
        let result = stream.result().await.unwrap();
        assert_eq!(texts.concat(), "Grüße 😀, all of you");
        assert_eq!(result.text, texts.concat());
        assert_eq!(result.finish_reason.reason, FinishReasonKind::Stop);
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_image_input_base64() {
    for world in worlds() {
        world.server.push(Reply::text("A pixel."));
        let image = ImageData {
            data: Some(PNG.to_vec()),
            media_type: Some("image/png".into()),
            ..ImageData::default()
        };
        let result = generate(world.ask().messages(with_image(image))).await.unwrap();
        assert_eq!(result.text, "A pixel.");
        assert!(world.sent(0).to_string().contains("iVBORw0KGgowMDAw"), "{}", world.sent(0));
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_image_input_url() {
    for world in worlds() {
        world.server.push(Reply::text("A cat."));
        let url = "https://example.org/cat.png";
        let image = ImageData { url: Some(url.into()), ..ImageData::default() };
        let result = generate(world.ask().messages(with_image(image))).await.unwrap();
        assert_eq!(result.text, "A cat.");
        assert!(world.sent(0).to_string().contains(url), "{}", world.sent(0));
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_single_tool_call_and_execution() {
    for world in worlds() {
        world.server.extend([weather_call("call_1", "Rome"), Reply::text("Sunny.")]);
        let ran = Arc::new(AtomicUsize::new(0));
        let result =
            generate(world.prompt("Weather in Rome?").tools([weather(&ran)])).await.unwrap();
        assert_eq!((result.text.as_str(), ran.load(Ordering::SeqCst)), ("Sunny.", 1));
        assert_eq!(result.steps[0].finish_reason.reason, FinishReasonKind::ToolCalls);
        assert!(world.sent(1).to_string().contains("72F and sunny in Rome"));
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_multiple_parallel_tool_calls() {
    for world in worlds() {
        let rome = json!({"location": "Rome"}).to_string();
        world.server.extend([
            weather_call("call_1", "Oslo").and_tool_call("call_2", "get_weather", &rome),
            Reply::text("Both sunny."),
        ]);
        let ran = Arc::new(AtomicUsize::new(0));
        let result = generate(world.prompt("Oslo, Rome?").tools([weather(&ran)])).await.unwrap();
        assert_eq!((result.text.as_str(), ran.load(Ordering::SeqCst)), ("Both sunny.", 2));
        assert_eq!(world.server.requests().len(), 2, "one continuation for both");
        let sent = world.sent(1).to_string();
        let at = |place: &str| sent.find(&format!("sunny in {place}")).unwrap();
        assert!(at("Oslo") < at("Rome"));
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_multi_step_tool_loop_of_three_rounds() {
    for world in worlds() {
        for number in 1..=3 {
            world.server.push(weather_call(&format!("call_{number}"), "Rome"));
        }
        world.server.push(Reply::text("Still sunny."));
        let ran = Arc::new(AtomicUsize::new(0));
        let options = world.prompt("Keep looking.").tools([weather(&ran)]).max_tool_rounds(5);
        let result = generate(options).await.unwrap();
        assert_eq!((result.text.as_str(), result.steps.len()), ("Still sunny.", 4));
        assert_eq!(ran.load(Ordering::SeqCst), 3);
        let sum: u64 = result.steps.iter().map(|step| step.usage.total_tokens).sum();
        assert_eq!(result.total_usage.total_tokens, sum);
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_streaming_with_tool_calls() {
    for world in worlds() {
        let call = weather_call("call_1", "Rome").in_chunks_of(11);
        world.server.extend([call, Reply::text("Sunny.").in_chunks_of(5)]);
        let ran = Arc::new(AtomicUsize::new(0));
        let mut stream = stream(world.prompt("Weather in Rome?").tools([weather(&ran)]));
        let (mut calls, mut steps, mut text) = (Vec::new(), 0, String::new());
        while let Some(event) = stream.next().await {
            match event.unwrap() {
                StreamEvent::ToolCallEnd { tool_call } => calls.push(tool_call),
                StreamEvent::StepFinish { .. } => steps += 1,
                StreamEvent::TextDelta { delta, .. } => text.push_str(&delta),
                _ => {}
            }
        }
        assert_eq!((calls.len(), steps, text.as_str()), (1, 1, "Sunny."));
        assert_eq!(calls[0].arguments["location"], "Rome");
        assert_eq!(stream.result().await.unwrap().steps.len(), 2);
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_structured_output() {
    let alice = json!({"name": "Alice", "age": 30});
    for world in worlds() {
        let reply = || Reply::text(&alice.to_string());
        world.server.extend([reply(), reply().in_chunks_of(9), Reply::text("I would rather not.")]);
        let options = || world.prompt("Extract: Alice is 30 years old");
        let result = generate_object(options(), person()).await.unwrap();
        assert_eq!(result.output.as_ref(), Some(&alice));
        assert!(world.sent(0).to_string().contains("age"), "the schema is sent");
        let mut stream = stream_object(options(), person()).unwrap();
        let mut last = Value::Null;
        while let Some(partial) = stream.advance().await {
            last = partial.unwrap().clone();
        }
        assert_eq!((&last, stream.object().await.unwrap()), (&alice, alice.clone()));
        let error = generate_object(options(), person()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoObjectGenerated);
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_reasoning_token_reporting() {
    for world in worlds() {
        let thoughts = "The capital of France is a city that I know well.";
        let reply = || Reply::new().and_reasoning(&[thoughts], "c2lnbmF0dXJl").and_text("Paris.");
        world.server.extend([reply(), reply()]);
        let options =
            || world.prompt("Capital of France?").reasoning_effort("low").max_tokens(8000);
        let whole = generate(options()).await.unwrap();
        let streamed = stream(options()).result().await.unwrap();
        for result in [whole, streamed] {
            let reasoning = result.usage.reasoning_tokens.unwrap();
            assert!(reasoning > 0 && reasoning <= result.usage.output_tokens, "{:?}", result.usage);
            assert_eq!(result.text, "Paris.");
        }
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_an_invalid_key_is_an_authentication_error() {
    for world in worlds() {
        let refusal = || Reply::error(401, None, "that key is not valid");
        world.server.extend([refusal(), refusal()]);
        let whole = generate(world.prompt("hi")).await.unwrap_err();
        let streamed = stream(world.prompt("hi")).response().await.unwrap_err();
        for error in [whole, streamed] {
            assert_eq!((error.kind(), error.status_code()), (ErrorKind::Authentication, Some(401)));
            assert_eq!(error.provider(), Some(world.provider.as_str()));
            assert!(error.message().contains("that key is not valid"), "{error}");
        }
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_a_rate_limit_is_an_error_with_its_wait_and_is_retried() {
    for world in worlds() {
        let limited = |wait| Reply::error(429, None, "slow down").header("retry-after", wait);
        world.server.extend([limited("7"), limited("0"), Reply::text("Now.")]);
        let error = generate(world.prompt("hi").max_retries(0)).await.unwrap_err();
        assert_eq!((error.kind(), error.status_code()), (ErrorKind::RateLimit, Some(429)));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(error.retryable());
        assert_eq!(generate(world.prompt("hi")).await.unwrap().text, "Now.");
        world.done();
    }
}

#[tokio::test]
async fn llm_8_9_usage_counts_are_accurate_whole_and_streamed() {
    for world in worlds() {
        world.server.extend([Reply::text("Hello."), Reply::text("Hello.")]);
        let whole = generate(world.prompt("hi")).await.unwrap().usage;
        let streamed = stream(world.prompt("hi")).result().await.unwrap().usage;
        for usage in [whole, streamed] {
            assert_eq!(
                (usage.input_tokens, usage.output_tokens, usage.total_tokens),
                (100, 20, 120)
            );
            assert_eq!(
                usage.cache_read_tokens,
                Some(40),
                "part of the input, for {}",
                world.provider
            );
            assert!(usage.raw.is_some());
        }
        world.done();
    }
}

/// A conversation of some length: instructions, then turn by turn; the share of cached input of each turn.
async fn session(world: &World, turns: usize) -> Vec<f64> {
    world.server.count_tokens();
    let mut messages = Vec::new();
    let mut shares = Vec::new();
    for turn in 0..turns {
        world.server.push(Reply::text(&format!("Answer {turn}. {}", "All is well. ".repeat(20))));
        messages.push(Message::user(format!("Question {turn}? {}", "Look again. ".repeat(20))));
        let options =
            world.ask().system("You are careful. ".repeat(100)).messages(messages.clone());
        let result = generate(options).await.unwrap();
        messages.extend(result.messages);
        let cached = result.usage.cache_read_tokens.unwrap_or(0);
        shares.push(cached as f64 / result.usage.input_tokens as f64);
    }
    shares
}

#[tokio::test]
async fn llm_8_9_prompt_caching_reads_from_turn_two_on() {
    for world in worlds() {
        let shares = session(&world, 3).await;
        assert!(shares[1..].iter().all(|share| *share > 0.0), "{}: {shares:?}", world.provider);
        world.done();
    }
}

#[tokio::test]
async fn llm_8_6_from_turn_five_on_more_than_half_of_the_input_comes_from_the_cache() {
    for world in worlds() {
        let shares = session(&world, 7).await;
        assert!(shares[4..].iter().all(|share| *share > 0.5), "{}: {shares:?}", world.provider);
        world.done();
    }
}

/// An option of each provider that the unified fields do not have, and where it must stand in the body.
fn option_of(provider: &str) -> (Value, &'static str, Value) {
    let safety = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]);
    match provider {
        "openai" => (json!({"service_tier": "flex"}), "/service_tier", json!("flex")),
        "anthropic" => (json!({"service_tier": "auto"}), "/service_tier", json!("auto")),
        "gemini" => (json!({"safetySettings": safety}), "/safetySettings", safety),
        "openai-compatible" => (json!({"seed": 7}), "/seed", json!(7)),
        other => panic!("say an option of `{other}`"),
    }
}

#[tokio::test]
async fn llm_8_9_provider_specific_options_pass_through() {
    for world in worlds() {
        world.server.push(Reply::text("Hello."));
        let (options, place, wanted) = option_of(&world.provider);
        let options: Map<String, Value> =
            [(world.provider.clone(), options), ("nobody".to_owned(), json!({"x": 1}))]
                .into_iter()
                .collect();
        generate(world.prompt("hi").provider_options(options)).await.unwrap();
        assert_eq!(world.sent(0).pointer(place), Some(&wanted), "{}", world.sent(0));
        assert!(!world.sent(0).to_string().contains("nobody"));
        world.done();
    }
}

#[tokio::test]
async fn llm_8_10_smoke_test() {
    for world in worlds() {
        // 1. Basic generation.
        world.server.push(Reply::text("Hello, nice to meet you."));
        let options = world.prompt("Say hello in one sentence.").max_tokens(100);
        let result = generate(options).await.unwrap();
        assert!(!result.text.is_empty());
        assert!(result.usage.input_tokens > 0 && result.usage.output_tokens > 0);
        assert_eq!(result.finish_reason.reason, FinishReasonKind::Stop);
        // 2. Streaming.
        world.server.push(Reply::text("Code flows like water\nthrough the night").in_chunks_of(13));
        let mut streamed = stream(world.prompt("Write a haiku."));
        let chunks: Vec<String> = streamed.text_stream().map(Result::unwrap).collect().await;
        assert_eq!(chunks.concat(), streamed.response().await.unwrap().text());
        // 3. Tool calling with parallel execution.
        let york = json!({"location": "New York"}).to_string();
        world.server.extend([
            weather_call("call_1", "San Francisco").and_tool_call("call_2", "get_weather", &york),
            Reply::text("San Francisco and New York are both sunny."),
        ]);
        let ran = Arc::new(AtomicUsize::new(0));
        let options = world
            .prompt("What is the weather in San Francisco and New York?")
            .tools([weather(&ran)])
            .max_tool_rounds(3);
        let result = generate(options).await.unwrap();
        assert!(result.steps.len() >= 2);
        assert!(result.text.contains("San Francisco") && result.text.contains("New York"));
        assert_eq!(ran.load(Ordering::SeqCst), 2);
        // 4. Image input.
        world.server.push(Reply::text("A single pixel."));
        let image = ImageData {
            data: Some(PNG.to_vec()),
            media_type: Some("image/png".into()),
            ..ImageData::default()
        };
        let result = generate(world.ask().messages(with_image(image))).await.unwrap();
        assert!(!result.text.is_empty());
        // 5. Structured output.
        world.server.push(Reply::text(r#"{"name": "Alice", "age": 30}"#));
        let options = world.prompt("Extract: Alice is 30 years old");
        let output = generate_object(options, person()).await.unwrap().output.unwrap();
        assert_eq!((&output["name"], &output["age"]), (&json!("Alice"), &json!(30)));
        // 6. Error handling.
        world.server.push(Reply::error(404, None, "no such model: nonexistent-model-xyz"));
        let options = Generate::new("nonexistent-model-xyz")
            .prompt("test")
            .provider(world.provider.as_str())
            .client(world.client.clone());
        assert_eq!(generate(options).await.unwrap_err().kind(), ErrorKind::NotFound);
        world.done();
    }
}
