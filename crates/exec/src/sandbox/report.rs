//! What confines commands, as found by running it, and why something stronger does not.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

/// A way to confine commands, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// `bwrap`: namespaces for mounts, processes, network and IPC
    Bubblewrap,
    /// Landlock rules and a seccomp filter, set by this program before it becomes the command
    Landlock,
    /// a container of its own, kept by Docker
    Docker,
    /// nothing
    None,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bubblewrap => "bubblewrap",
            Self::Landlock => "landlock",
            Self::Docker => "docker",
            Self::None => "none",
        })
    }
}

/// A backend that is not in use, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyNot {
    /// the backend
    pub backend: Backend,
    /// what went wrong when it was tried
    pub reason: String,
}

/// The sandbox in force. Goes into the output and into evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxReport {
    /// `read-only`, `workspace-write` or `danger-full-access`
    pub mode: String,
    /// what enforces it
    pub backend: Backend,
    /// version of the backend: bubblewrap's or Docker's, or Landlock's ABI
    pub version: String,
    /// commands live in a PID namespace of their own: none survives its call, others are invisible
    pub pid_namespace: bool,
    /// commands may reach the network
    pub network: bool,
    /// what commands may use
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub resources: Limits,
    /// what this backend does not enforce, for people
    pub limits: Vec<String>,
    /// backends that were tried before
    pub why_not: Vec<WhyNot>,
}

impl SandboxReport {
    /// The report of an environment that confines nothing.
    pub fn unconfined() -> Self {
        Self {
            mode: "danger-full-access".into(),
            backend: Backend::None,
            version: String::new(),
            pid_namespace: false,
            network: true,
            resources: Limits::default(),
            limits: vec!["commands run with all rights of this user".into()],
            why_not: Vec::new(),
        }
    }
}

/// Why there is no sandbox. Nothing weaker is ever used instead.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No backend can enforce the policy on this machine.
    #[error("no sandbox for `{mode}` works on this machine ({}); install bubblewrap, or choose danger-full-access", tried(.why_not))]
    Unavailable {
        /// the policy's mode
        mode: String,
        /// what was tried, strongest first
        why_not: Vec<WhyNot>,
    },
    /// A path of the policy cannot be used.
    #[error("sandbox policy: {}: {why}", path.display())]
    BadPath {
        /// path as given
        path: PathBuf,
        /// what is wrong with it
        why: String,
    },
    /// The private temporary directory could not be made, or the like.
    #[error("cannot set up the sandbox: {source}")]
    Io {
        /// operating system's reason
        #[from]
        source: io::Error,
    },
}

fn tried(why_not: &[WhyNot]) -> String {
    why_not
        .iter()
        .map(|tried| format!("{}: {}", tried.backend, tried.reason))
        .collect::<Vec<_>>()
        .join("; ")
}
