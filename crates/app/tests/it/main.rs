//! Integration tests of the `canon` crate.

// A panic in a helper is a report as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod acp;
mod api;
mod app_server;
mod ask;
mod bad_input;
mod client;
mod codex;
mod crash;
mod daemon;
mod exec_cmd;
mod graphs;
mod output;
mod quickstart;
mod rulings;
mod run;
mod stuck;
mod up;
