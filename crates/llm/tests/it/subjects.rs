//! Every wire format that is decoded: one line each joins the property tests, the fuzz targets and the bench.

use canon_llm::providers::{
    Call, Mode, StreamDecoder, StreamTranslator, Wire, anthropic, compatible, gemini, openai,
};
use canon_llm::{LlmError, Message, Request, Response, StreamEvent};
use serde_json::Value;

/// A [`StreamDecoder`] of any format.
pub(crate) trait Decode {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), LlmError>;
    fn end(&mut self, out: &mut Vec<StreamEvent>) -> Result<(), LlmError>;
    fn is_over(&self) -> bool;
}

impl<T: StreamTranslator> Decode for StreamDecoder<T> {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), LlmError> {
        Self::push(self, bytes, out)
    }

    fn end(&mut self, out: &mut Vec<StreamEvent>) -> Result<(), LlmError> {
        Self::end(self, out)
    }

    fn is_over(&self) -> bool {
        Self::is_over(self)
    }
}

/// One wire format.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) decoder: fn() -> Box<dyn Decode>,
    pub(crate) whole: fn(Value) -> Result<Response, LlmError>,
    pub(crate) call: fn(&Request, Mode) -> Result<Call, LlmError>,
}

macro_rules! subject {
    ($name:literal, $wire:expr) => {
        Subject {
            name: $name,
            decoder: || Box::new(StreamDecoder::new($name, $wire.translator(&request()))),
            whole: |body| $wire.response(&request(), body),
            call: |request, mode| $wire.call(request, mode),
        }
    };
}

/// All of them; `name` is also the directory of its recorded streams.
pub(crate) const SUBJECTS: &[Subject] = &[
    subject!("openai", openai::Responses),
    subject!("anthropic", anthropic::Messages::default()),
    subject!("gemini", gemini::GenerateContent),
    subject!("openai-compatible", compatible::ChatCompletions),
];

fn request() -> Request {
    Request::new("a-model", vec![Message::user("hi")])
}
