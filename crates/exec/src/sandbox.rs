//! Running commands and touching files under a policy.
//!
//! A policy is turned into zones (longest prefix wins); both backends and the in-process file
//! operations are derived from the same zones, so that a tool and a shell command see one truth.

mod launcher;
mod policy;
mod report;

pub(crate) use launcher::Launcher;
pub use policy::{SandboxOptions, SandboxPolicy, HelperCommand, well_known_secrets};
pub use report::{Backend, SandboxError, SandboxReport, WhyNot};

pub use environment::SandboxedEnvironment;
mod environment;
