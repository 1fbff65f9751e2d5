//! Runs in a real git repository.

mod kept;
mod shell;
mod stages;
mod world;
