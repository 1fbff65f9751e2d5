//! The high-level calls against a provider that does exactly as it is told.

mod basics;
mod fake;
mod limits;
mod objects;
mod retries;
mod streaming;
mod tools;
