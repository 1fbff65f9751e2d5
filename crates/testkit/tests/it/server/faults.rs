//! Chunks, breaks, silences, failures and gates.

use canon_testkit::model_server::{ModelServer, Reply, Wire};
use serde_json::json;

use super::http::{self, ask};
use super::{WIRES, full, streamed};

fn bytes_of(wire: Wire, reply: Reply) -> Vec<u8> {
    let server = ModelServer::start().unwrap();
    server.push(reply);
    let answer = ask(&server, wire, true, &[]);
    assert!(answer.is_whole);
    answer.chunks.concat()
}

#[test]
fn chunks_are_as_large_as_asked_and_lose_nothing() {
    for wire in WIRES {
        let all = bytes_of(wire, full());
        let server = ModelServer::start().unwrap();
        let replies =
            [full().in_chunks_of(1), full().in_chunks_of(7), full().in_chunks(&[3, 1, 40])];
        server.extend(replies);
        let sizes = |answer: &http::Answer| -> Vec<usize> {
            assert_eq!(answer.chunks.concat().len(), all.len(), "{wire:?}");
            answer.chunks.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&ask(&server, wire, true, &[])), vec![1; all.len()]);
        let sevens = sizes(&ask(&server, wire, true, &[]));
        assert!(sevens[..sevens.len() - 1].iter().all(|size| *size == 7));
        let listed = sizes(&ask(&server, wire, true, &[]));
        assert_eq!(listed, [3, 1, 40, all.len() - 44]);
    }
}

#[test]
fn a_connection_breaks_after_so_many_events_or_bytes() {
    for wire in WIRES {
        let all = bytes_of(wire, full());
        for kept in [0, 1, 100, all.len()] {
            let server = ModelServer::start().unwrap();
            server.push(full().breaking_after_bytes(kept));
            let answer = ask(&server, wire, true, &[]);
            assert!(!answer.is_whole);
            assert_eq!(answer.chunks.concat(), all[..kept], "{wire:?}");
        }
        let server = ModelServer::start().unwrap();
        server.push(full().breaking_after(3));
        let answer = ask(&server, wire, true, &[]);
        assert!(!answer.is_whole);
        assert_eq!(answer.events().len(), 3, "{wire:?}");
        server.push(full().breaking_after_bytes(10));
        let answer = ask(&server, wire, false, &[]);
        assert_eq!((answer.is_whole, answer.body().len()), (false, 10), "whole answers break too");
    }
}

#[test]
fn a_tail_stands_for_the_last_event() {
    for wire in WIRES {
        let all = bytes_of(wire, full());
        let cut = bytes_of(wire, full().ending_in("garbage"));
        let kept = cut.strip_suffix(b"garbage").unwrap();
        assert!(all.starts_with(kept) && kept.len() < all.len(), "{wire:?}");
        let last = &all[kept.len()..];
        assert!(last.ends_with(b"\n\n") || last.ends_with(b"\r\n\r\n"));
        assert_eq!(last.windows(6).filter(|window| window == b"data: ").count(), 1, "{wire:?}");
    }
}

#[test]
fn a_failure_in_mid_stream_is_in_the_words_of_the_wire() {
    for wire in WIRES {
        let code = match wire {
            Wire::Responses | Wire::Chat => "rate_limit_exceeded",
            Wire::Messages => "overloaded_error",
            Wire::Gemini => "UNAVAILABLE",
        };
        let server = ModelServer::start().unwrap();
        let failing = Reply::text("half of it").failed(code, "lost");
        server.extend([failing.clone(), failing, full().failed_after(4, code, "lost")]);
        let events = ask(&server, wire, true, &[]).events();
        let last = events.last().unwrap();
        let text = streamed(wire, &events[..events.len() - 1]).text;
        assert_eq!(text, "half of it", "{wire:?}");
        let error = match wire {
            Wire::Responses => {
                assert_eq!(last["type"], "response.failed");
                &last["response"]["error"]
            }
            Wire::Messages => {
                assert_eq!(last["type"], "error");
                &last["error"]
            }
            Wire::Chat | Wire::Gemini => &last["error"],
        };
        assert_eq!(error["message"], "lost", "{wire:?}: {last}");
        let word = match wire {
            Wire::Responses | Wire::Chat => &error["code"],
            Wire::Messages => &error["type"],
            Wire::Gemini => &error["status"],
        };
        assert_eq!(word, code);
        let whole = ask(&server, wire, false, &[]);
        let expected = match wire {
            Wire::Responses => 200,
            Wire::Chat => 429,
            Wire::Messages => 529,
            Wire::Gemini => 503,
        };
        assert_eq!(whole.status, expected);
        assert_eq!(ask(&server, wire, true, &[]).events().len(), 5, "{wire:?}");
    }
}

#[test]
fn events_and_parts_of_any_kind_are_sent_as_they_are() {
    for wire in WIRES {
        let novelty = json!({ "type": "response.novelty", "candidates": [{ "content": { "parts": [] } }],
            "choices": [{ "delta": {} }] });
        let item = match wire {
            Wire::Responses => {
                json!({ "type": "web_search_call", "id": "ws", "status": "completed" })
            }
            Wire::Chat => json!({ "novelty": 1 }),
            Wire::Messages => json!({ "type": "novelty", "x": 1 }),
            Wire::Gemini => json!({ "executableCode": { "language": "PYTHON", "code": "1" } }),
        };
        let server = ModelServer::start().unwrap();
        let reply = Reply::text("x").and_item(item.clone()).event(novelty.clone());
        server.extend([reply.clone(), reply]);
        let events = ask(&server, wire, true, &[]).events();
        let place = events.iter().position(|event| {
            let mut event = event.clone();
            event.as_object_mut().unwrap().remove("sequence_number");
            event == novelty
        });
        assert!(place.is_some_and(|place| place < events.len() - 1), "{wire:?}: {events:#?}");
        let body = ask(&server, wire, false, &[]).json().to_string();
        let item = item.to_string();
        let inner = item.trim_matches(['{', '}']);
        assert!(body.contains(inner), "{wire:?}: {body} has no {inner}");
    }
}

/// The events come when the gate lets them, and not before.
#[test]
fn a_gate_holds_each_event_back() {
    for wire in WIRES {
        let server = ModelServer::start().unwrap();
        let (reply, gate) = full().gated();
        let events = streamed_events(wire);
        server.push(reply);
        server.otherwise(Reply::text("meanwhile"));
        let root = server.root_url();
        let address = root.strip_prefix("http://").unwrap();
        // The head of the answer comes at once.
        let path = http::path(wire, true);
        let mut answer =
            http::open(address, &path, &http::keys(wire), &http::body(wire, true, &[]));
        // The server has one thread: what it could have written before this answer, it has.
        let settle = || assert!(ask(&server, wire, true, &[]).is_whole);
        settle();
        assert!(answer.has_nothing_yet(), "an event passed a closed gate");
        for allowed in [1, 2] {
            gate.allow(allowed);
            for _ in 0..allowed {
                let event = answer.chunk().unwrap();
                assert_eq!(event.windows(6).filter(|window| window == b"data: ").count(), 1);
            }
            settle();
            assert!(answer.has_nothing_yet(), "more than {allowed} events passed");
        }
        gate.open();
        let mut more = 0;
        while !answer.chunk().unwrap().is_empty() {
            more += 1;
        }
        assert_eq!(more + 3, events, "{wire:?}");
        let (reply, gate) = Reply::text("x").gated();
        server.push(reply);
        drop(gate);
        assert!(ask(&server, wire, false, &[]).is_whole, "a gate that nobody holds is open");
    }
}

#[test]
fn a_silence_keeps_the_connection_open() {
    for wire in WIRES {
        let server = ModelServer::start().unwrap();
        server.push(full().hanging_after(2));
        server.otherwise(Reply::text("meanwhile"));
        let root = server.root_url();
        let address = root.strip_prefix("http://").unwrap();
        let path = http::path(wire, true);
        let mut answer =
            http::open(address, &path, &http::keys(wire), &http::body(wire, true, &[]));
        let events = answer.chunk().unwrap();
        assert_eq!(events.windows(6).filter(|window| window == b"data: ").count(), 2, "{wire:?}");
        assert!(ask(&server, wire, true, &[]).is_whole);
        assert!(answer.has_nothing_yet());
        drop(server);
        assert_eq!(answer.chunk(), None, "the end of the server is the end of the silence");
    }
}

/// How many events, `[DONE]` included, the full reply has.
fn streamed_events(wire: Wire) -> usize {
    let all = bytes_of(wire, full());
    all.windows(6).filter(|window| window == b"data: ").count()
}
