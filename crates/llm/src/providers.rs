//! One module a provider: pure translation in `request`, `response` and `stream`, put together as a [`Wire`].
//! [`HttpAdapter`] makes an adapter of any of them.

mod adapter;
pub mod anthropic;
mod call_ids;
pub mod compatible;
mod decoder;
pub mod gemini;
pub mod http;
pub mod media;
pub mod openai;
mod parts;
mod schema;
mod wire;

pub use adapter::HttpAdapter;
pub use decoder::StreamDecoder;
pub use wire::{Call, Mode, StreamTranslator, Wire};
