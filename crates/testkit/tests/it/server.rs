//! The fake model server over plain HTTP: what it says on each wire, and its ways of going wrong.

mod faults;
mod http;

use std::io::Write as _;
use std::process::{Command, Stdio};

use canon_testkit::model_server::{ModelServer, Reply, Tokens, Wire};
use serde_json::{Value, json};

use http::{Answer, ask, ask_at};

const WIRES: [Wire; 4] = [Wire::Responses, Wire::Chat, Wire::Messages, Wire::Gemini];

/// A reply with everything in it that every wire knows.
fn full() -> Reply {
    Reply::new()
        .and_reasoning(&["Let me think.", "Once more."], "c2ln")
        .and_text("I'll look — größer 🙂.")
        .and_tool_call("c1", "shell", r#"{"command":"ls","n":[1,2]}"#)
        .and_tool_call("c2", "shell", "{}")
}

/// What one wire's answer says, in words that all wires share.
#[derive(Debug, Default, PartialEq)]
struct Said {
    thought: String,
    text: String,
    calls: Vec<(String, String, Value)>,
    opaque: Vec<String>,
    finish: String,
    usage: Value,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

fn call(id: &Value, name: &Value, arguments: &str) -> (String, String, Value) {
    (text(id), text(name), serde_json::from_str(arguments).unwrap())
}

/// What an answer that is not streamed says.
fn whole(wire: Wire, body: &Value) -> Said {
    let mut said = Said::default();
    match wire {
        Wire::Responses => {
            for item in body["output"].as_array().unwrap() {
                responses_item(&mut said, item);
            }
            said.finish = text(&body["status"]);
            said.usage = body["usage"].clone();
        }
        Wire::Chat => {
            let choice = &body["choices"][0];
            chat_message(&mut said, &choice["message"]);
            said.finish = text(&choice["finish_reason"]);
            said.usage = body["usage"].clone();
        }
        Wire::Messages => {
            for block in body["content"].as_array().unwrap() {
                messages_block(&mut said, block);
            }
            said.finish = text(&body["stop_reason"]);
            said.usage = body["usage"].clone();
        }
        Wire::Gemini => {
            gemini_chunk(&mut said, body);
        }
    }
    said
}

fn responses_item(said: &mut Said, item: &Value) {
    match item["type"].as_str().unwrap() {
        "reasoning" => {
            let sections = item["summary"].as_array().unwrap().iter();
            said.thought += &sections.map(|it| text(&it["text"])).collect::<String>();
            said.opaque.push(text(&item["encrypted_content"]));
        }
        "message" => said.text += &text(&item["content"][0]["text"]),
        "function_call" => {
            said.calls.push(call(&item["call_id"], &item["name"], &text(&item["arguments"])));
        }
        other => panic!("{other}"),
    }
}

fn chat_message(said: &mut Said, message: &Value) {
    said.thought += &text(&message["reasoning"]);
    said.text += &text(&message["content"]);
    for it in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &it["function"];
        said.calls.push(call(&it["id"], &function["name"], &text(&function["arguments"])));
    }
    for it in message["reasoning_details"].as_array().into_iter().flatten() {
        said.opaque.push(text(&it["signature"]));
    }
}

fn messages_block(said: &mut Said, block: &Value) {
    match block["type"].as_str().unwrap() {
        "thinking" => {
            said.thought += &text(&block["thinking"]);
            said.opaque.push(text(&block["signature"]));
        }
        "text" => said.text += &text(&block["text"]),
        "tool_use" => {
            said.calls.push(call(&block["id"], &block["name"], &block["input"].to_string()));
        }
        other => panic!("{other}"),
    }
}

fn gemini_chunk(said: &mut Said, body: &Value) {
    let candidate = &body["candidates"][0];
    for part in candidate["content"]["parts"].as_array().unwrap() {
        let place = if part["thought"] == true { &mut said.thought } else { &mut said.text };
        *place += &text(&part["text"]);
        if let Some(it) = part.get("functionCall") {
            said.calls.push(call(&it["id"], &it["name"], &it["args"].to_string()));
        }
        said.opaque.extend(part["thoughtSignature"].as_str().map(str::to_owned));
    }
    if let Some(reason) = candidate["finishReason"].as_str() {
        said.finish = reason.to_owned();
        said.usage = body["usageMetadata"].clone();
    }
}

/// What a stream says, put together from its deltas alone.
fn streamed(wire: Wire, events: &[Value]) -> Said {
    let mut said = Said::default();
    let mut arguments: Vec<(Value, Value, String)> = Vec::new();
    for event in events {
        match wire {
            Wire::Responses => match event["type"].as_str().unwrap() {
                "response.reasoning_summary_text.delta" => said.thought += &text(&event["delta"]),
                "response.output_text.delta" => said.text += &text(&event["delta"]),
                "response.output_item.added" if event["item"]["type"] == "function_call" => {
                    let item = &event["item"];
                    let begun = (item["call_id"].clone(), item["name"].clone(), String::new());
                    arguments.push(begun);
                }
                "response.function_call_arguments.delta" => {
                    arguments.last_mut().unwrap().2 += &text(&event["delta"]);
                }
                "response.output_item.done" if event["item"]["type"] == "reasoning" => {
                    said.opaque.push(text(&event["item"]["encrypted_content"]));
                }
                "response.completed" | "response.incomplete" => {
                    said.finish = text(&event["response"]["status"]);
                    said.usage = event["response"]["usage"].clone();
                }
                _ => {}
            },
            Wire::Chat => chat_chunk(&mut said, &mut arguments, event),
            Wire::Messages => match event["type"].as_str().unwrap() {
                "content_block_start" if event["content_block"]["type"] == "tool_use" => {
                    let block = &event["content_block"];
                    assert_eq!(block["input"], json!({}));
                    arguments.push((block["id"].clone(), block["name"].clone(), String::new()));
                }
                "content_block_delta" => {
                    let delta = &event["delta"];
                    said.thought += &text(&delta["thinking"]);
                    said.text += &text(&delta["text"]);
                    said.opaque.extend(delta["signature"].as_str().map(str::to_owned));
                    if let Some(piece) = delta["partial_json"].as_str() {
                        arguments.last_mut().unwrap().2 += piece;
                    }
                }
                "message_start" => said.usage = event["message"]["usage"].clone(),
                "message_delta" => {
                    said.finish = text(&event["delta"]["stop_reason"]);
                    for (name, count) in event["usage"].as_object().unwrap() {
                        said.usage[name] = count.clone();
                    }
                }
                _ => {}
            },
            Wire::Gemini => gemini_chunk(&mut said, event),
        }
    }
    for (id, name, written) in arguments {
        let written = if written.is_empty() { "{}" } else { written.as_str() };
        said.calls.push(call(&id, &name, written));
    }
    said
}

fn chat_chunk(said: &mut Said, arguments: &mut Vec<(Value, Value, String)>, chunk: &Value) {
    if chunk["usage"].is_object() {
        assert_eq!(chunk["choices"], json!([]), "usage comes alone");
        said.usage = chunk["usage"].clone();
        return;
    }
    let choice = &chunk["choices"][0];
    let mut delta = choice["delta"].clone();
    for it in delta["tool_calls"].take().as_array().into_iter().flatten() {
        if it.get("id").is_some() {
            assert_eq!(it["index"], arguments.len());
            arguments.push((it["id"].clone(), it["function"]["name"].clone(), String::new()));
        }
        arguments.last_mut().unwrap().2 += &text(&it["function"]["arguments"]);
    }
    chat_message(said, &delta);
    if choice["finish_reason"].is_string() {
        said.finish = text(&choice["finish_reason"]);
    }
}

#[test]
fn a_stream_says_what_the_whole_says() {
    let tokens = Tokens { input: 90, cached: 50, cache_written: 10, output: 30, reasoning: 5 };
    let replies = [full().usage(tokens), Reply::text("Short.").finish("length")];
    for wire in WIRES {
        for reply in &replies {
            let server = ModelServer::start().unwrap();
            server.extend([reply.clone(), reply.clone()]);
            let plain = whole(wire, &ask(&server, wire, false, &[]).json());
            let answer = ask(&server, wire, true, &[]);
            assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
            let events = answer.events();
            assert_eq!(streamed(wire, &events), plain, "{wire:?}: {events:#?}");
            assert_eq!(server.violations(), Vec::<String>::new());
            assert_eq!(server.requests()[1].wire, Some(wire));
        }
    }
}

#[test]
fn each_wire_has_its_words_and_arithmetic() {
    let tokens = Tokens { input: 90, cached: 50, cache_written: 10, output: 30, reasoning: 5 };
    for wire in WIRES {
        let server = ModelServer::start().unwrap();
        let refused = Reply::text("no").finish("content_filter");
        server.extend([full().usage(tokens), refused, Reply::text("x").finish("odd_reason")]);
        let body = ask(&server, wire, false, &[]).json();
        let said = whole(wire, &body);
        assert_eq!(said.text, "I'll look — größer 🙂.");
        assert_eq!(said.calls[0].2, json!({ "command": "ls", "n": [1, 2] }));
        assert_eq!(said.opaque[0], "c2ln");
        let count = |pointer: &str| said.usage.pointer(pointer).and_then(Value::as_u64).unwrap();
        let (finish, counts) = match wire {
            Wire::Responses => (
                "completed",
                [count("/input_tokens"), count("/output_tokens"), count("/total_tokens")],
            ),
            Wire::Chat => (
                "tool_calls",
                [count("/prompt_tokens"), count("/completion_tokens"), count("/total_tokens")],
            ),
            Wire::Messages => (
                "tool_use",
                [
                    count("/input_tokens")
                        + count("/cache_read_input_tokens")
                        + count("/cache_creation_input_tokens"),
                    count("/output_tokens"),
                    120,
                ],
            ),
            Wire::Gemini => (
                "STOP",
                [
                    count("/promptTokenCount"),
                    count("/candidatesTokenCount") + count("/thoughtsTokenCount"),
                    count("/totalTokenCount"),
                ],
            ),
        };
        assert_eq!((said.finish.as_str(), counts), (finish, [90, 30, 120]), "{wire:?}");
        let body = ask(&server, wire, false, &[]).json();
        let odd = ask(&server, wire, false, &[]).json();
        match wire {
            Wire::Responses => {
                assert_eq!(body["incomplete_details"]["reason"], "content_filter");
                assert_eq!(odd["incomplete_details"]["reason"], "odd_reason");
            }
            Wire::Chat => {
                assert_eq!(whole(wire, &body).finish, "content_filter");
                assert_eq!(whole(wire, &odd).finish, "odd_reason");
            }
            Wire::Messages => {
                assert_eq!(whole(wire, &body).finish, "refusal");
                assert_eq!(whole(wire, &odd).finish, "odd_reason");
            }
            Wire::Gemini => {
                assert_eq!(whole(wire, &body).finish, "SAFETY");
                assert_eq!(whole(wire, &odd).finish, "odd_reason");
            }
        }
    }
}

/// The answer and the results of its calls, as the next messages of a caller that loses nothing.
fn continued(wire: Wire, body: &Value) -> Vec<Value> {
    let ids = ["c1", "c2"];
    match wire {
        Wire::Responses => {
            let mut items = body["output"].as_array().unwrap().clone();
            items.extend(ids.map(
                |id| json!({ "type": "function_call_output", "call_id": id, "output": "ok" }),
            ));
            items
        }
        Wire::Chat => {
            let mut messages = vec![body["choices"][0]["message"].clone()];
            messages.extend(
                ids.map(|id| json!({ "role": "tool", "tool_call_id": id, "content": "ok" })),
            );
            messages
        }
        Wire::Messages => vec![
            json!({ "role": "assistant", "content": body["content"] }),
            json!({ "role": "user", "content": ids.map(
                |id| json!({ "type": "tool_result", "tool_use_id": id, "content": "ok" }),
            ) }),
        ],
        Wire::Gemini => vec![
            body["candidates"][0]["content"].clone(),
            json!({ "role": "user", "parts": ids.map(|id| json!({ "functionResponse":
                { "id": id, "name": "shell", "response": { "result": "ok" } } })) }),
        ],
    }
}

#[test]
fn what_was_said_goes_round_and_only_unchanged() {
    for wire in WIRES {
        let server = ModelServer::start().unwrap();
        server.extend([full(), Reply::text("Done.")]);
        let first = ask(&server, wire, false, &[]).json();
        let more = continued(wire, &first);
        let second = ask(&server, wire, true, &more);
        assert_eq!(streamed(wire, &second.events()).text, "Done.", "{wire:?}");
        assert_eq!(server.violations(), Vec::<String>::new(), "{wire:?}");
        let without_results = ask(&server, wire, false, &more[..1]);
        assert_eq!(without_results.status, 400, "{wire:?}");
        if wire != Wire::Chat {
            // This one promises nothing about reasoning.
            let forged = serde_json::to_string(&more).unwrap().replace("c2ln", "Zm9y");
            let forged: Vec<Value> = serde_json::from_str(&forged).unwrap();
            let answer = ask(&server, wire, false, &forged);
            assert_eq!(answer.status, 400, "{wire:?}: {}", answer.body());
        }
    }
}

#[test]
fn each_wire_refuses_in_its_own_words() {
    let no_key = [("content-type", "application/json")];
    for wire in WIRES {
        let server = ModelServer::start().unwrap();
        let found = |answer: &Answer| {
            let error = &answer.json()["error"];
            let word = if wire == Wire::Gemini { &error["status"] } else { &error["type"] };
            (answer.status, text(word))
        };
        let expected =
            |words: [&str; 4]| words[WIRES.iter().position(|it| *it == wire).unwrap()].to_owned();
        let refused =
            http::send(&server, &http::path(wire, false), &no_key, &http::body(wire, false, &[]));
        match wire {
            // Servers of this wire are often open.
            Wire::Chat => assert_eq!(refused.status, 400),
            Wire::Gemini => assert_eq!(found(&refused), (403, "PERMISSION_DENIED".to_owned())),
            Wire::Messages => assert_eq!(found(&refused), (401, "authentication_error".to_owned())),
            Wire::Responses => assert_eq!(refused.status, 401),
        }
        let mut unknown = http::body(wire, false, &[]);
        unknown["surprise"] = json!(1);
        let answer = ask_at(&server, &http::path(wire, false), &unknown);
        let invalid = [
            "invalid_request_error",
            "invalid_request_error",
            "invalid_request_error",
            "INVALID_ARGUMENT",
        ];
        assert_eq!(found(&answer), (400, expected(invalid)));
        assert_eq!(server.violations().len(), 2, "{:?}", server.violations());
        server.push(Reply::error(429, None, "slow").header("retry-after", "7"));
        let answer = ask(&server, wire, true, &[]);
        let limited =
            ["rate_limit_error", "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"];
        assert_eq!(found(&answer), (429, expected(limited)));
        assert_eq!(answer.header("retry-after"), "7");
        assert_eq!(answer.json()["error"]["message"], "slow");
        assert_eq!(server.violations().len(), 2, "a reply is no violation");
    }
}

#[test]
fn a_key_in_the_url_is_refused_and_so_is_an_unknown_path() {
    let server = ModelServer::start().unwrap();
    let path = format!("{}?key=secret", http::path(Wire::Gemini, false));
    let answer = ask_at(&server, &path, &http::body(Wire::Gemini, false, &[]));
    assert_eq!(answer.status, 400);
    assert_eq!(ask_at(&server, "/v2/responses", &json!({})).status, 404);
    let violations = server.violations();
    assert!(violations[0].contains("in the URL"), "{violations:?}");
    assert!(violations[1].contains("no such endpoint"), "{violations:?}");
}

/// A conversation that grows by a turn at a time, marked at its end where the wire wants marks.
#[test]
fn from_the_fifth_turn_on_most_of_the_input_is_cached() {
    for wire in WIRES {
        let server = ModelServer::start().unwrap();
        server.count_tokens();
        server.otherwise(Reply::text("a short answer"));
        let mut more: Vec<Value> = Vec::new();
        let mut shares = Vec::new();
        for turn in 0..6 {
            let answer = ask(&server, wire, false, &more).json();
            let usage = whole(wire, &answer).usage;
            let count = |name: &str| usage.pointer(name).and_then(Value::as_u64).unwrap_or(0);
            shares.push(match wire {
                Wire::Responses => {
                    (count("/input_tokens_details/cached_tokens"), count("/input_tokens"))
                }
                Wire::Chat => {
                    (count("/prompt_tokens_details/cached_tokens"), count("/prompt_tokens"))
                }
                Wire::Messages => {
                    let read = count("/cache_read_input_tokens");
                    let rest = count("/input_tokens") + count("/cache_creation_input_tokens");
                    (read, read + rest)
                }
                Wire::Gemini => (count("/cachedContentTokenCount"), count("/promptTokenCount")),
            });
            more.extend(http::turn(wire, turn));
        }
        assert_eq!(server.violations(), Vec::<String>::new());
        assert_eq!(shares[0].0, 0, "{wire:?}: {shares:?}");
        assert!(shares[4..].iter().all(|(cached, all)| cached * 2 > *all), "{wire:?}: {shares:?}");
    }
}

#[test]
fn the_program_takes_replies_and_tells_what_it_saw() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_model-server"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    let mut output = http::lines(program.stdout.take().unwrap());
    let mut next = || serde_json::from_str::<Value>(&output.next().unwrap().unwrap()).unwrap();
    let root = text(&next()["root_url"]);
    let address = root.strip_prefix("http://").unwrap();
    let reply = json!({
        "parts": [
            { "type": "reasoning", "sections": ["Hm."], "signature": "c2ln" },
            { "type": "text", "text": "Hi." },
            { "type": "tool_call", "id": "c", "name": "shell", "arguments": "{}" },
        ],
        "usage": { "tokens": { "input": 7 } },
        "finish": "length",
        "headers": [["x-request-id", "r"]],
        "chunks": { "of": 1 },
    });
    writeln!(input, "{reply}").unwrap();
    assert_eq!(next(), json!({ "queued": 1 }));
    writeln!(input, "{}", json!({ "otherwise": { "parts": [] } })).unwrap();
    assert_eq!(next(), json!({ "queued": 1 }));
    let body = http::body(Wire::Messages, true, &[]);
    let keys = http::keys(Wire::Messages);
    let answer = http::send_to(address, &http::path(Wire::Messages, true), &keys, &body);
    let said = streamed(Wire::Messages, &answer.events());
    assert_eq!((said.text.as_str(), said.finish.as_str()), ("Hi.", "max_tokens"));
    assert_eq!(said.thought, "Hm.");
    let answer = http::send_to(address, "/v1/messages", &keys, &json!({}));
    assert_eq!(answer.status, 400);
    drop(input);
    let end = next();
    assert_eq!(end["requests"][0]["body"], body);
    assert_eq!(end["requests"][0]["wire"], "messages");
    assert!(end["violations"][0].as_str().unwrap().contains("Field required"), "{end}");
    assert_eq!(program.wait().unwrap().code(), Some(1), "there was a violation");
}
