//! Every tracker issue gets an isolated workspace and a coding agent: workflow files, trackers, dispatch, supervisors, sessions.

pub mod config;
pub mod dispatch;
pub mod driver;
pub mod issue;
pub mod sessions;
pub mod settings;
pub mod supervisor;
pub mod template;
pub mod tracker;
pub mod watch;
pub mod workflow;
pub mod workspace;
