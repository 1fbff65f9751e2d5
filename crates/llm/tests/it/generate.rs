//! The high-level calls against a provider that does exactly as it is told.

mod basics;
mod connection;
mod fake;
mod limits;
mod objects;
mod progress;
mod retries;
mod streaming;
mod tools;
