//! The fakes, judged by clients that others wrote, and by plain HTTP.

// A panic in a helper of a test is the test's report; skips are said on standard output.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod sdk;
mod server;
