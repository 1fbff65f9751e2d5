//! Every tracker issue gets an isolated workspace and a coding agent: workflow files, trackers, dispatch, supervisors, sessions.

pub mod config;
pub mod dispatch;
pub mod issue;
pub mod template;
pub mod tracker;
pub mod workflow;
pub mod supervisor;
