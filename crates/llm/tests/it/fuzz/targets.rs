//! What is fuzzed, and what must hold for every input.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use canon_llm::providers::Mode;
use canon_llm::sse::{SseDecoder, SseEvent};
use canon_llm::{LlmError, PartialJson, Request, Response, StreamEvent};
use serde_json::Value;

use crate::streams::{Decoded, decode, decode_one, recordings};
use crate::subjects::{SUBJECTS, Subject};

/// One thing that reads bytes.
pub(super) struct Target {
    pub(super) name: String,
    /// Panics when something does not hold. Inputs with another answer are worth mutating further.
    pub(super) run: Run,
    pub(super) corpus: Vec<Vec<u8>>,
}

pub(super) type Run = Box<dyn Fn(&[u8]) -> Behaviour>;

/// What an input led to, in so far as it tells one path through the code from another.
pub(super) type Behaviour = u64;

pub(super) fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(target)
}

pub(super) fn targets() -> Vec<Target> {
    let streams: Vec<Vec<u8>> =
        SUBJECTS.iter().flat_map(|s| recordings(s.name)).map(|one| one.bytes).collect();
    let mut all = vec![
        Target::new("sse", streams, sse),
        Target::new("request", Vec::new(), request),
        Target::new("partial_json", Vec::new(), partial_json),
    ];
    for subject in SUBJECTS {
        let recorded: Vec<Vec<u8>> =
            recordings(subject.name).into_iter().map(|one| one.bytes).collect();
        let wholes = recorded.iter().filter_map(|bytes| whole_answer(subject, bytes)).collect();
        let name = subject.name;
        all.push(Target::new(&format!("stream-{name}"), recorded, |bytes| stream(subject, bytes)));
        all.push(Target::new(&format!("response-{name}"), wholes, |bytes| whole(subject, bytes)));
    }
    all
}

impl Target {
    fn new(
        name: &str,
        mut corpus: Vec<Vec<u8>>,
        run: impl Fn(&[u8]) -> Behaviour + 'static,
    ) -> Self {
        let entries = fs::read_dir(directory(name)).into_iter().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        corpus.extend(files.iter().map(|file| fs::read(file).unwrap()));
        assert!(!corpus.is_empty(), "{name} has no corpus");
        Self { name: name.to_owned(), run: Box::new(run), corpus }
    }
}

/// The answer that a recorded stream ends in, as the provider would have sent it whole.
fn whole_answer(subject: &Subject, bytes: &[u8]) -> Option<Vec<u8>> {
    match decode_one(subject, bytes).events.pop()? {
        StreamEvent::Finish { response, .. } => Some(response.raw?.to_string().into_bytes()),
        _ => None,
    }
}

fn behaviour(what: impl std::hash::Hash) -> Behaviour {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The sort of an error, without what it quotes.
fn sort_of(error: &LlmError) -> (String, String) {
    let words = error.message().split(['`', '"', ':']).next().unwrap_or("");
    (format!("{:?}", error.kind()), words.chars().filter(|c| !c.is_numeric()).collect())
}

fn sse(bytes: &[u8]) -> Behaviour {
    let read = |size: usize| {
        let mut decoder = SseDecoder::with_max_line(1000);
        let mut events = Vec::new();
        let mut take = |event: SseEvent<'_>| events.push(format!("{event:?}"));
        for chunk in bytes.chunks(size) {
            decoder.push(chunk, &mut take);
        }
        decoder.finish(&mut take);
        events
    };
    let whole = read(bytes.len().max(1));
    for size in [1, 2, 7, 100] {
        assert_eq!(read(size), whole, "in chunks of {size}");
    }
    let kinds: Vec<_> =
        whole.iter().map(|event| event.split(' ').next().map(str::to_owned)).collect();
    behaviour((kinds.len().min(12), kinds.last(), kinds.first()))
}

fn stream(subject: &Subject, bytes: &[u8]) -> Behaviour {
    let whole = decode_one(subject, bytes);
    for size in [1, 13] {
        assert_eq!(decode(subject, bytes.chunks(size)), whole, "in chunks of {size}");
    }
    let Decoded { events, error } = whole;
    let mut kinds: Vec<_> = events.iter().map(std::mem::discriminant).collect();
    kinds.dedup();
    if let Some(StreamEvent::Finish { response, .. }) = events.last() {
        sound(response);
    }
    behaviour((kinds, error.as_ref().map(sort_of)))
}

fn whole(subject: &Subject, bytes: &[u8]) -> Behaviour {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
        return 0;
    };
    match (subject.whole)(body) {
        Ok(response) => {
            sound(&response);
            let kinds: Vec<_> =
                response.message.content.iter().map(|part| part.kind().to_owned()).collect();
            behaviour((kinds, format!("{:?}", response.finish_reason.reason)))
        }
        Err(error) => {
            assert_eq!(error.provider(), Some(subject.name), "{error}");
            behaviour(sort_of(&error))
        }
    }
}

/// A response can be stored and read again, and its counts add up.
fn sound(response: &Response) {
    let text = serde_json::to_string(response).unwrap();
    let again: Response = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    let usage = &response.usage;
    assert_eq!(usage.total_tokens, usage.input_tokens.saturating_add(usage.output_tokens));
    let _ = (response.text(), response.tool_calls(), response.reasoning());
}

fn request(bytes: &[u8]) -> Behaviour {
    let request: Request = match serde_json::from_slice(bytes) {
        Ok(request) => request,
        Err(error) => {
            let text = error.to_string();
            return behaviour(text.split('`').next());
        }
    };
    let text = serde_json::to_string(&request).unwrap();
    let again: Request = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    let outcomes = SUBJECTS.iter().flat_map(|subject| {
        [Mode::Whole, Mode::Stream].map(|mode| match (subject.call)(&request, mode) {
            Ok(call) => {
                assert!(call.body.is_object() && call.path.starts_with('/'));
                (String::new(), call.warnings.len().to_string())
            }
            Err(error) => sort_of(&error),
        })
    });
    behaviour(outcomes.collect::<Vec<_>>())
}

fn partial_json(bytes: &[u8]) -> Behaviour {
    let text = String::from_utf8_lossy(bytes);
    let read = |pieces: &mut dyn Iterator<Item = &str>| {
        let mut parser = PartialJson::new();
        let mut broken = false;
        for piece in pieces {
            parser.push(piece);
            assert!(parser.is_broken() || !broken, "broken text was mended");
            broken = parser.is_broken();
        }
        parser.finish();
        parser
    };
    let whole = read(&mut std::iter::once(&*text));
    let letters = read(&mut text.split_inclusive(|_| true));
    assert_eq!(letters.value(), whole.value());
    assert_eq!(letters.is_complete(), whole.is_complete());
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        assert!(whole.is_complete(), "{text:?}");
        assert_eq!(whole.value(), Some(&value), "{text:?}");
    }
    let kind = whole.value().map(|value| value.to_string().chars().next());
    behaviour((whole.is_complete(), whole.is_broken(), kind, text.len().min(300) / 30))
}
