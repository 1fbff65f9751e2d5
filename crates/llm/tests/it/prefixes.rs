//! Prompt caches work on prefixes (unified-llm §2.10): whatever happens in a conversation, each request begins
//! as the one before it ended.

use canon_llm::providers::{Mode, Wire, anthropic, gemini, openai};
use canon_llm::{
    ContentPart, Message, ProviderRaw, Request, Role, ToolCallData, ToolDefinition, ToolResultData,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One part of an answer, by the provider that gave it.
#[derive(Debug, Clone)]
enum Saying {
    Text(&'static str),
    Thought { by: &'static str, signed: bool },
    Call { by: &'static str, id: &'static str },
}

/// An answer and what came after it.
#[derive(Debug, Clone)]
struct Round {
    answer: Vec<Saying>,
    /// The last call is answered first.
    reversed: bool,
    /// All results stand in one message.
    together: bool,
    failed: bool,
    pictured: bool,
    /// What the user says then.
    then: Option<&'static str>,
}

const LONG: &str =
    "a-call-with-an-id-of-a-length-that-some-providers-refuse-to-take-back-0123456789";

fn saying() -> impl Strategy<Value = Saying> {
    let by = || prop::sample::select(vec!["anthropic", "gemini", "openai", "other"]);
    let ids = vec!["call_1", "functions.shell:0", "functions.shell:1", LONG];
    prop_oneof![
        prop::sample::select(vec!["", " ", "Hm. ", "Let me see."]).prop_map(Saying::Text),
        (by(), any::<bool>()).prop_map(|(by, signed)| Saying::Thought { by, signed }),
        (by(), prop::sample::select(ids)).prop_map(|(by, id)| Saying::Call { by, id }),
    ]
}

fn round() -> impl Strategy<Value = Round> {
    let answer = prop::collection::vec(saying(), 0..30);
    let then = prop::sample::select(vec![None, Some("and?"), Some("stop"), Some(" ")]);
    let flags = any::<[bool; 4]>();
    (answer, flags, then).prop_map(|(answer, [reversed, together, failed, pictured], then)| Round {
        answer,
        reversed,
        together,
        failed,
        pictured,
        then,
    })
}

fn thought(by: &str, signed: bool) -> ContentPart {
    let block = match by {
        "anthropic" => {
            let signature = if signed { "c2ln" } else { "" };
            json!({ "type": "thinking", "thinking": "why", "signature": signature })
        }
        "gemini" => json!({ "text": "why", "thought": true }),
        "openai" if signed => {
            json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x" })
        }
        "openai" => json!({ "type": "reasoning", "id": "rs_1", "summary": [] }),
        _ => return ContentPart::thinking("why"),
    };
    ContentPart::thinking("why").with_provider_raw(ProviderRaw::new(by, block))
}

fn call(by: &str, id: &str) -> ContentPart {
    let part = ContentPart::tool_call(ToolCallData::from_raw(id, "shell", "{}"));
    let block = match by {
        "gemini" => {
            json!({ "functionCall": { "name": "shell", "args": {} }, "thoughtSignature": "c2ln" })
        }
        "openai" => json!({
            "type": "function_call", "id": "fc_1", "call_id": id, "name": "shell", "arguments": "{}",
        }),
        _ => return part,
    };
    part.with_provider_raw(ProviderRaw::new(by, block))
}

/// Appends what one round adds to a conversation.
fn play(round: &Round, messages: &mut Vec<Message>) {
    let mut ids = Vec::new();
    let mut content = Vec::new();
    for saying in &round.answer {
        match saying {
            Saying::Text(text) => content.push(ContentPart::text(*text)),
            Saying::Thought { by, signed } => content.push(thought(by, *signed)),
            Saying::Call { id, .. } if ids.contains(id) => {}
            Saying::Call { by, id } => {
                ids.push(*id);
                content.push(call(by, id));
            }
        }
    }
    messages.push(Message::new(Role::Assistant, content));
    if round.reversed {
        ids.reverse();
    }
    let results = ids.iter().enumerate().map(|(at, id)| {
        let mut result = ToolResultData::new(*id, format!("{at}"), round.failed && at == 0);
        result.image_data = round.pictured.then(|| vec![1, 2, 3]);
        ContentPart::tool_result(result)
    });
    if round.together {
        messages.push(Message::new(Role::User, results.collect()));
    } else {
        messages.extend(results.map(|result| Message::new(Role::Tool, vec![result])));
    }
    if ids.is_empty() || round.then.is_some() {
        messages.push(Message::user(round.then.unwrap_or("go on")));
    }
}

/// The requests of a loop, with an answer more each time.
fn requests(model: &str, rounds: &[Round]) -> Vec<Request> {
    let parameters = json!({ "type": "object" });
    let shell = ToolDefinition::new("shell", "runs a command", parameters).unwrap();
    let mut messages = vec![Message::system("Be careful."), Message::user("go")];
    let request = |messages: &[Message]| {
        let mut request = Request::new(model, messages.to_vec());
        request.tools = vec![shell.clone()];
        request
    };
    let mut out = vec![request(&messages)];
    for round in rounds {
        play(round, &mut messages);
        out.push(request(&messages));
    }
    out
}

fn bodies<W: Wire>(wire: &W, model: &str, rounds: &[Round]) -> Vec<Value> {
    let call = |request| wire.call(request, Mode::Stream).unwrap().body;
    requests(model, rounds).iter().map(call).collect()
}

/// Takes `name` out of a body: as texts, and the rest as it is.
fn list_in(body: &Value, name: &str) -> (Vec<String>, Value) {
    let mut rest = body.clone();
    let list = rest.as_object_mut().unwrap().remove(name).unwrap();
    (list.as_array().unwrap().iter().map(Value::to_string).collect(), rest)
}

/// The blocks of Anthropic's prompt in its order without marks, and where the marks are.
fn prompt(body: &Value) -> (Vec<String>, Vec<usize>) {
    let mut blocks: Vec<(String, Value)> = Vec::new();
    for place in ["tools", "system"] {
        let list = body[place].as_array().into_iter().flatten();
        blocks.extend(list.map(|block| (place.to_owned(), block.clone())));
    }
    for (turn, message) in body["messages"].as_array().unwrap().iter().enumerate() {
        let place = format!("{turn} {}", message["role"]);
        let list = message["content"].as_array().unwrap();
        blocks.extend(list.iter().map(|block| (place.clone(), block.clone())));
    }
    let mut marks = Vec::new();
    let mut texts = Vec::new();
    for (at, (place, mut block)) in blocks.into_iter().enumerate() {
        if block.as_object_mut().unwrap().remove("cache_control").is_some() {
            marks.push(at);
        }
        texts.push(format!("{place} {block}"));
    }
    (texts, marks)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Anthropic finds an entry within some twenty blocks before a mark.
    #[test]
    fn anthropic_reads_what_the_request_before_wrote(rounds in prop::collection::vec(round(), 1..12)) {
        for model in ["claude-sonnet-4-5", "claude-opus-5"] {
            let bodies = bodies(&anthropic::Messages::default(), model, &rounds);
            for pair in bodies.windows(2) {
                let (before, marks) = prompt(&pair[0]);
                let (after, later) = prompt(&pair[1]);
                prop_assert!(marks.len() <= 4 && later.len() <= 4);
                let end = *marks.last().unwrap();
                prop_assert_eq!(&before[..=end], after.get(..=end).unwrap_or(&[]));
                let finds = |mark: &usize| (end..=end + 20).contains(mark);
                prop_assert!(later.iter().any(finds), "{:?} is out of sight of {:?}", marks, later);
                // Nothing but blanks of the model's comes after the mark.
                let unmarked = before[end + 1..].iter().find(|block| block.contains("user"));
                prop_assert_eq!(unmarked, None);
                // Other parameters make another prompt.
                prop_assert_eq!(list_in(&pair[0], "messages").1["thinking"].clone(), list_in(&pair[1], "messages").1["thinking"].clone());
            }
        }
    }

    #[test]
    fn gemini_and_openai_requests_begin_as_the_ones_before(rounds in prop::collection::vec(round(), 1..12)) {
        let all = [
            ("contents", bodies(&gemini::GenerateContent, "gemini-3-flash-preview", &rounds)),
            ("contents", bodies(&gemini::GenerateContent, "gemini-2.5-pro", &rounds)),
            ("input", bodies(&openai::Responses, "gpt-5.2", &rounds)),
        ];
        for (name, bodies) in all {
            for pair in bodies.windows(2) {
                let (before, parameters) = list_in(&pair[0], name);
                let (after, same_parameters) = list_in(&pair[1], name);
                prop_assert_eq!(&parameters, &same_parameters);
                prop_assert!(after.starts_with(&before), "{:#?}\n{:#?}", before, after);
            }
        }
    }
}
