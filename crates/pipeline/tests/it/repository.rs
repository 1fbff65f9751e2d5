//! Runs in a real git repository.

mod children;
mod kept;
mod kills;
mod shell;
mod stages;
mod world;
