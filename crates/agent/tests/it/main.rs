//! The loop with the scripted model, the real tools and real bash in a temporary directory; and
//! over HTTP against a model server that validates every request.

// A panic in a test is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod approvals;
mod embedder;
mod events;
mod http;
mod library;
mod loop_core;
mod loop_tools;
#[cfg(feature = "mcp")]
mod mcp;
#[cfg(feature = "mcp")]
mod mcp_sdk;
mod parity;
mod patch_faults;
mod patch_properties;
mod patch_scenarios;
mod profiles;
mod prompt;
mod subagents;
mod support;
mod tools;
mod tools_grep;
mod tools_reading;
mod web_fetch;
