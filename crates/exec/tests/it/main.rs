//! Real shells, real sandboxes, real git.

mod files;
mod namespaces;
mod process;
mod sandbox;
mod search;
mod support;
