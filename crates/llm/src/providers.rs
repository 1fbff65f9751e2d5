//! One module a provider: pure translation in `request`, `response` and `stream`, and a thin adapter.

pub mod http;
pub mod media;
pub mod openai;
