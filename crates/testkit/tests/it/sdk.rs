//! The official SDKs of the providers talk to the fake model server, and see what the test put in.

mod judge;

use canon_testkit::model_server::{Reply, Tokens, Wire};
use judge::{Seen, Task, WIRES, judge};
use serde_json::{Value, json};

const TEXT: &str = "Grüße 😀, all of you.\n\n\"Bye\"";

/// The same reply in the ways in which it may arrive.
fn ways(reply: &Reply) -> [(bool, Reply); 4] {
    let chunks = |bytes| reply.clone().in_chunks_of(bytes);
    [(false, reply.clone()), (true, reply.clone()), (true, chunks(1)), (true, chunks(7))]
}

fn word(wire: Wire, words: [&'static str; 4]) -> &'static str {
    let at = WIRES.iter().position(|known| *known == wire).unwrap();
    words[at]
}

fn weather(id: &str, city: &str) -> (String, Value) {
    (id.to_owned(), json!({ "city": city }))
}

fn call(turn: &Value, at: usize) -> (&str, &str, &Value) {
    let call = &turn["calls"][at];
    (call["id"].as_str().unwrap(), call["name"].as_str().unwrap(), &call["arguments"])
}

#[test]
fn sdk_sees_text_whole_and_in_any_chunks() {
    for wire in WIRES {
        for (stream, reply) in ways(&Reply::text(TEXT)) {
            let Some(seen) = judge(wire, Task::streamed(stream), &[reply]) else { return };
            let turn = seen.first();
            assert_eq!(turn["text"], TEXT, "{wire:?} {stream}: {turn:#}");
            let expected = word(wire, ["completed", "stop", "end_turn", "STOP"]);
            assert_eq!(turn["finish"], expected, "{wire:?} {stream}");
            assert_eq!(turn["calls"], json!([]));
        }
    }
}

#[test]
fn sdk_sees_the_tokens_in_its_own_fields() {
    let tokens = Tokens { input: 100, cached: 40, cache_written: 0, output: 20, reasoning: 8 };
    for wire in WIRES {
        for stream in [false, true] {
            let reply = Reply::text("hi").usage(tokens);
            let Some(seen) = judge(wire, Task::streamed(stream), &[reply]) else { return };
            let usage = &seen.first()["usage"];
            let expected: &[(&str, u64)] = match wire {
                Wire::Responses => &[
                    ("/input_tokens", 100),
                    ("/input_tokens_details/cached_tokens", 40),
                    ("/output_tokens", 20),
                    ("/output_tokens_details/reasoning_tokens", 8),
                    ("/total_tokens", 120),
                ],
                Wire::Chat => &[
                    ("/prompt_tokens", 100),
                    ("/prompt_tokens_details/cached_tokens", 40),
                    ("/completion_tokens", 20),
                    ("/completion_tokens_details/reasoning_tokens", 8),
                    ("/total_tokens", 120),
                ],
                Wire::Messages => &[
                    ("/input_tokens", 60),
                    ("/cache_read_input_tokens", 40),
                    ("/cache_creation_input_tokens", 0),
                    ("/output_tokens", 20),
                ],
                Wire::Gemini => &[
                    ("/promptTokenCount", 100),
                    ("/cachedContentTokenCount", 40),
                    ("/candidatesTokenCount", 12),
                    ("/thoughtsTokenCount", 8),
                    ("/totalTokenCount", 120),
                ],
            };
            for (place, count) in expected {
                assert_eq!(usage.pointer(place), Some(&json!(count)), "{wire:?} {place}: {usage}");
            }
        }
    }
}

#[test]
fn sdk_calls_tools_and_sends_their_results_back() {
    let (id, arguments) = weather("call_1", "Tromsø \"north\"");
    for wire in WIRES {
        for (stream, reply) in ways(&Reply::tool_call(&id, "get_weather", &arguments)) {
            let task = Task { tools: true, ..Task::streamed(stream) };
            let replies = [reply, Reply::text("Cold.")];
            let Some(Seen { turns, requests }) = judge(wire, task, &replies) else { return };
            assert_eq!(turns.len(), 2, "{wire:?}: {turns:#?}");
            assert_eq!(call(&turns[0], 0), ("call_1", "get_weather", &arguments), "{wire:?}");
            let expected = word(wire, ["completed", "tool_calls", "tool_use", "STOP"]);
            assert_eq!(turns[0]["finish"], expected, "{wire:?} {stream}");
            assert_eq!(turns[1]["text"], "Cold.", "{wire:?}");
            assert!(requests[1].body.to_string().contains("result of get_weather"), "{wire:?}");
        }
    }
}

#[test]
fn sdk_sees_parallel_calls_in_order_and_text_before_them() {
    let (one, oslo) = weather("call_a", "Oslo");
    let (two, bergen) = weather("call_b", "Bergen");
    let reply = Reply::text("Let me see.")
        .and_tool_call(&one, "get_weather", &oslo.to_string())
        .and_tool_call(&two, "get_weather", &bergen.to_string())
        .and_tool_call("call_c", "get_time", "{}");
    for wire in WIRES {
        for (stream, reply) in ways(&reply) {
            let task = Task { tools: true, ..Task::streamed(stream) };
            let Some(seen) = judge(wire, task, &[reply, Reply::text("Cold.")]) else { return };
            let turn = seen.first();
            assert_eq!(turn["text"], "Let me see.", "{wire:?}");
            assert_eq!(turn["calls"].as_array().unwrap().len(), 3, "{wire:?}: {turn:#}");
            assert_eq!(call(turn, 0), ("call_a", "get_weather", &oslo), "{wire:?}");
            assert_eq!(call(turn, 1), ("call_b", "get_weather", &bergen), "{wire:?}");
            assert_eq!(call(turn, 2), ("call_c", "get_time", &json!({})), "{wire:?}");
        }
    }
}

#[test]
fn sdk_sends_images_inline_and_by_url() {
    for wire in WIRES {
        let task = Task { images: true, ..Task::default() };
        let Some(seen) = judge(wire, task, &[Reply::text("A cat.")]) else { return };
        let sent = seen.requests[0].body.to_string();
        assert!(sent.contains("https://example.com/cat.png"), "{wire:?}: {sent}");
        assert!(sent.contains("iVBORw0KGgo"), "{wire:?}: {sent}");
        assert_eq!(seen.first()["text"], "A cat.");
    }
}

#[test]
fn sdk_parses_structured_output() {
    let weather = json!({ "city": "Oslo", "degrees": 21.5 });
    for wire in WIRES {
        for (stream, reply) in ways(&Reply::text(&weather.to_string())) {
            let task = Task { schema: true, ..Task::streamed(stream) };
            let Some(seen) = judge(wire, task, &[reply]) else { return };
            assert_eq!(seen.first()["parsed"], weather, "{wire:?}: {:#}", seen.first());
        }
    }
}

#[test]
fn sdk_sends_reasoning_back_with_its_signature() {
    // Google's signatures are bytes, in base64.
    let signature = "c2lnbmF0dXJlIG9uZQ==";
    let (id, arguments) = weather("call_1", "Oslo");
    let reply = Reply::new()
        .and_reasoning(&["First, **think**.", "Then act."], signature)
        .and_tool_call(&id, "get_weather", &arguments.to_string());
    for wire in [Wire::Responses, Wire::Messages, Wire::Gemini] {
        for (stream, reply) in ways(&reply) {
            let task = Task { tools: true, thinking: true, ..Task::streamed(stream) };
            let Some(seen) = judge(wire, task, &[reply, Reply::text("Cold.")]) else { return };
            let turn = seen.first();
            let sections: Vec<&str> =
                turn["reasoning"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let expected = ["First, **think**.", "Then act."];
            match wire {
                Wire::Responses => assert_eq!(sections, expected, "{stream}"),
                Wire::Messages => assert_eq!(sections, [expected.join("\n\n")], "{stream}"),
                // Each section is a part, which the script puts together.
                _ => assert_eq!(sections, [expected.concat()], "{stream}"),
            }
            assert_eq!(turn["opaque"], json!([signature]), "{wire:?} {stream}");
            let sent = seen.requests[1].body.to_string();
            assert!(sent.contains(signature), "{wire:?} {stream}: {sent}");
        }
    }
}

#[test]
fn sdk_sends_redacted_reasoning_back() {
    let (id, arguments) = weather("call_1", "Oslo");
    let reply = Reply::new()
        .and_redacted("b3BhcXVl")
        .and_reasoning(&["Then this."], "c2ln")
        .and_tool_call(&id, "get_weather", &arguments.to_string());
    for (stream, reply) in ways(&reply) {
        let task = Task { tools: true, thinking: true, ..Task::streamed(stream) };
        let replies = [reply, Reply::text("Cold.")];
        let Some(seen) = judge(Wire::Messages, task, &replies) else { return };
        assert_eq!(seen.first()["opaque"], json!(["c2ln", "b3BhcXVl"]), "{stream}");
        assert!(seen.requests[1].body.to_string().contains("b3BhcXVl"));
    }
}

#[test]
fn sdk_tells_why_an_answer_ended() {
    for wire in WIRES {
        for (reason, words) in [
            ("length", ["max_output_tokens", "length", "max_tokens", "MAX_TOKENS"]),
            ("content_filter", ["content_filter", "content_filter", "refusal", "SAFETY"]),
        ] {
            // OpenAI's streaming helper for chat turns these two into exceptions of its own.
            for stream in if wire == Wire::Chat { &[false][..] } else { &[false, true] } {
                let reply = Reply::text("half an ans").finish(reason);
                let Some(seen) = judge(wire, Task::streamed(*stream), &[reply]) else { return };
                let turn = seen.first();
                assert_eq!(turn["finish"], word(wire, words), "{wire:?} {stream}: {turn:#}");
                assert_eq!(turn["text"], "half an ans", "{wire:?} {stream}");
            }
        }
    }
}

#[test]
fn sdk_raises_its_own_exception_for_each_status() {
    for (status, classes) in [
        (400, ["BadRequestError", "BadRequestError", "ClientError"]),
        (401, ["AuthenticationError", "AuthenticationError", "ClientError"]),
        (403, ["PermissionDeniedError", "PermissionDeniedError", "ClientError"]),
        (404, ["NotFoundError", "NotFoundError", "ClientError"]),
        (429, ["RateLimitError", "RateLimitError", "ClientError"]),
        (500, ["InternalServerError", "InternalServerError", "ServerError"]),
        (503, ["InternalServerError", "ServiceUnavailableError", "ServerError"]),
        (529, ["InternalServerError", "OverloadedError", "ServerError"]),
    ] {
        let [openai, anthropic, google] = classes;
        for wire in WIRES {
            for stream in [false, true] {
                let reply = Reply::error(status, None, "not today").header("retry-after", "7");
                let Some(seen) = judge(wire, Task::streamed(stream), &[reply]) else { return };
                let error = &seen.first()["error"];
                let class = word(wire, [openai, openai, anthropic, google]);
                assert_eq!(error["class"], class, "{wire:?} {stream}: {error:#}");
                assert_eq!(error["status"], status, "{wire:?} {stream}: {error:#}");
                assert_eq!(error["retry_after"], "7", "{wire:?} {stream}: {error:#}");
                assert!(error["message"].as_str().unwrap().contains("not today"), "{error:#}");
            }
        }
    }
}

#[test]
fn sdk_reads_the_providers_word_for_an_error() {
    for (wire, code) in [
        (Wire::Responses, "rate_limit_exceeded"),
        (Wire::Chat, "rate_limit_exceeded"),
        (Wire::Messages, "rate_limit_error"),
        (Wire::Gemini, "RESOURCE_EXHAUSTED"),
    ] {
        let reply = Reply::error(429, Some(code), "slow down");
        let Some(seen) = judge(wire, Task::default(), &[reply]) else { return };
        assert_eq!(seen.first()["error"]["code"], code, "{wire:?}: {:#}", seen.first());
    }
}

#[test]
fn sdk_raises_when_a_stream_breaks() {
    for wire in WIRES {
        let reply = Reply::text(TEXT).breaking_after(2);
        let Some(seen) = judge(wire, Task::streamed(true), &[reply]) else { return };
        let error = &seen.first()["error"];
        let class = word(
            wire,
            [
                "APIConnectionError",
                "APIConnectionError",
                "RemoteProtocolError",
                "RemoteProtocolError",
            ],
        );
        assert_eq!(error["class"], class, "{wire:?}: {error:#}");
    }
}

#[test]
fn sdk_raises_what_is_reported_within_a_stream() {
    for wire in WIRES {
        let code = word(wire, ["server_error", "server_error", "overloaded_error", "UNAVAILABLE"]);
        let reply = Reply::text(TEXT).failed_after(2, code, "melting");
        let Some(seen) = judge(wire, Task::streamed(true), &[reply]) else { return };
        let turn = seen.first();
        if wire == Wire::Responses {
            // An event like others, for this SDK.
            assert_eq!(turn["finish"], "failed", "{turn:#}");
            assert_eq!(turn["failure"], "melting", "{turn:#}");
            continue;
        }
        let error = &turn["error"];
        let class = word(wire, ["", "APIError", "APIStatusError", "ServerError"]);
        assert_eq!(error["class"], class, "{wire:?}: {turn:#}");
        assert_eq!(error["code"], code, "{wire:?}: {error:#}");
        assert!(error["message"].as_str().unwrap().contains("melting"), "{wire:?}: {error:#}");
    }
}
