//! Streams as the providers send them when a model talks at length: what stands around a delta, and how long
//! a delta is, are taken from their real streams.

use std::fmt::Write as _;

/// A stream of about `size` bytes and what it is made of.
pub(crate) struct Shape {
    pub(crate) provider: &'static str,
    /// For people.
    pub(crate) what: &'static str,
    pub(crate) make: fn(usize) -> Vec<u8>,
}

pub(crate) const SHAPES: &[Shape] = &[
    Shape { provider: "openai", what: "Responses, one token a delta", make: openai },
    Shape { provider: "anthropic", what: "Messages, three tokens a delta", make: anthropic },
    Shape { provider: "gemini", what: "generateContent, thirty tokens a chunk", make: gemini },
    Shape {
        provider: "openai-compatible",
        what: "Chat Completions, one token a delta",
        make: compatible,
    },
];

/// English, code, an escape and letters of more than one byte, in the usual proportions.
const TOKENS: &[&str] = &[
    " the",
    " pars",
    "er",
    " reads",
    " bytes",
    ",",
    " not",
    " text",
    ".\\n\\n",
    "Each",
    " chunk",
    " may",
    " end",
    " any",
    "where",
    ":",
    " inside",
    " a",
    " \\\"",
    "string",
    "\\\"",
    " or",
    " na\u{ef}ve",
    " letter",
    ".",
    "\\n",
    "   ",
    " let",
    " mut",
    " total",
    " =",
    " ",
    "0",
    ";",
    "\\n",
    "   ",
    " for",
    " x",
    " in",
    " xs",
];

/// Tokens from `at` on, as they stand inside a JSON string.
fn tokens(at: usize, count: usize) -> String {
    (at..at + count).map(|at| TOKENS[at % TOKENS.len()]).collect()
}

/// Deltas by `event` until `size` is reached; returns all that they said, still escaped.
fn fill(
    out: &mut String,
    size: usize,
    count: usize,
    mut event: impl FnMut(&mut String, usize, &str),
) -> String {
    let mut said = String::new();
    let mut number = 0;
    while out.len() < size {
        let delta = tokens(number * count, count);
        event(out, number, &delta);
        said.push_str(&delta);
        number += 1;
    }
    said
}

const ITEM: &str = "msg_0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6071";

fn openai(size: usize) -> Vec<u8> {
    let mut out = String::new();
    let event = |out: &mut String, kind: &str, rest: &str| {
        let _ = write!(out, "event: {kind}\ndata: {{\"type\":\"{kind}\",{rest}}}\n\n");
    };
    let response = |status: &str, output: &str| {
        format!(
            r#""response":{{"id":"resp_1","object":"response","created_at":1755000000,"status":"{status}","model":"gpt-5.2","output":[{output}],"usage":{{"input_tokens":31,"input_tokens_details":{{"cached_tokens":0}},"output_tokens":900,"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":931}}}}"#
        )
    };
    let item = |status: &str, content: &str| {
        format!(
            r#"{{"id":"{ITEM}","type":"message","status":"{status}","content":[{content}],"role":"assistant"}}"#
        )
    };
    event(&mut out, "response.created", &response("in_progress", ""));
    let added = format!(r#""output_index":0,"item":{}"#, item("in_progress", ""));
    event(&mut out, "response.output_item.added", &added);
    let said = fill(&mut out, size, 1, |out, number, delta| {
        let rest = format!(
            r#""sequence_number":{number},"item_id":"{ITEM}","output_index":0,"content_index":0,"delta":"{delta}","logprobs":[],"obfuscation":"aB3dE5gH7jK""#
        );
        event(out, "response.output_text.delta", &rest);
    });
    let whole = item(
        "completed",
        &format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":"{said}"}}"#),
    );
    event(&mut out, "response.output_item.done", &format!(r#""output_index":0,"item":{whole}"#));
    event(&mut out, "response.completed", &response("completed", &whole));
    out.into_bytes()
}

fn anthropic(size: usize) -> Vec<u8> {
    let mut out = String::new();
    let event = |out: &mut String, kind: &str, rest: &str| {
        let _ = write!(out, "event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
    };
    let start = r#","message":{"model":"claude-sonnet-4-5","id":"msg_01","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":31,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}"#;
    event(&mut out, "message_start", start);
    let block = r#","index":0,"content_block":{"type":"text","text":""}"#;
    event(&mut out, "content_block_start", block);
    event(&mut out, "ping", "");
    fill(&mut out, size, 3, |out, _, delta| {
        let rest = format!(r#","index":0,"delta":{{"type":"text_delta","text":"{delta}"}}"#);
        event(out, "content_block_delta", &rest);
    });
    event(&mut out, "content_block_stop", r#","index":0"#);
    let end =
        r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":900}"#;
    event(&mut out, "message_delta", end);
    event(&mut out, "message_stop", "");
    out.into_bytes()
}

fn gemini(size: usize) -> Vec<u8> {
    let mut out = String::new();
    let chunk = |out: &mut String, text: &str, finish: &str| {
        let _ = write!(
            out,
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \"{text}\"}}],\"role\": \"model\"}}{finish},\"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 31,\"candidatesTokenCount\": 900,\"totalTokenCount\": 931,\"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 31}}]}},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"abcDEF123-_ghiJKL456\"}}\r\n\r\n"
        );
    };
    fill(&mut out, size, 30, |out, _, delta| chunk(out, delta, ""));
    chunk(&mut out, ".", ",\"finishReason\": \"STOP\"");
    out.into_bytes()
}

fn compatible(size: usize) -> Vec<u8> {
    let mut out = String::new();
    let chunk = |out: &mut String, delta: &str, finish: &str| {
        let _ = write!(
            out,
            "data: {{\"id\":\"chatcmpl-BxYzAbCdEfGhIjKlMnOpQrStUvWx\",\"object\":\"chat.completion.chunk\",\"created\":1755000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\",\"choices\":[{{\"index\":0,\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":{finish}}}],\"usage\":null}}\n\n"
        );
    };
    chunk(&mut out, r#""role":"assistant","content":"","refusal":null"#, "null");
    fill(&mut out, size, 1, |out, _, delta| {
        chunk(out, &format!(r#""content":"{delta}""#), "null");
    });
    chunk(&mut out, "", "\"stop\"");
    out.push_str("data: {\"id\":\"chatcmpl-BxYzAbCdEfGhIjKlMnOpQrStUvWx\",\"object\":\"chat.completion.chunk\",\"created\":1755000000,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[],\"usage\":{\"prompt_tokens\":31,\"completion_tokens\":900,\"total_tokens\":931}}\n\ndata: [DONE]\n\n");
    out.into_bytes()
}
