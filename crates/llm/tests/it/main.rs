//! The client against a fake server that speaks the real wire and checks every request.

// A panic in a helper of a test is the test's report.
#![allow(clippy::unwrap_used)]

mod anthropic;
mod compatible;
mod fuzz;
mod gateways;
mod gemini;
mod generate;
mod journey;
mod openai;
mod parity;
mod prefixes;
mod record;
mod routing;
mod sdk;
mod streams;
mod subjects;
