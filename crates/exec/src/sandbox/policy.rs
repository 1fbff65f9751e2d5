//! What a sandbox is asked to enforce.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Backend;
use crate::limits::Limits;
use crate::process::{DEFAULT_GRACE, DEFAULT_OUTPUT_LIMIT, EnvPolicy, Shell};

/// What commands and file operations may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum SandboxPolicy {
    /// Read everything but secrets, write nothing but a private temporary directory.
    ReadOnly {
        /// commands may open network connections
        #[serde(default)]
        network: bool,
        /// files and directories that cannot be read
        #[serde(default)]
        denied_reads: Vec<PathBuf>,
    },
    /// Like `ReadOnly`, and write below the working directory and the listed roots.
    WorkspaceWrite {
        /// absolute directories, writable besides the working directory; must exist
        #[serde(default)]
        writable_roots: Vec<PathBuf>,
        /// commands may open network connections
        #[serde(default)]
        network: bool,
        /// no temporary directory at all
        #[serde(default)]
        exclude_tmp: bool,
        /// files and directories that cannot be read
        #[serde(default)]
        denied_reads: Vec<PathBuf>,
    },
    /// No confinement.
    DangerFullAccess,
}

impl SandboxPolicy {
    /// The default: the working directory is writable, no network, well-known secrets hidden.
    pub fn workspace_write() -> Self {
        Self::WorkspaceWrite {
            writable_roots: Vec::new(),
            network: false,
            exclude_tmp: false,
            denied_reads: well_known_secrets(),
        }
    }

    /// Nothing writable, no network, well-known secrets hidden.
    pub fn read_only() -> Self {
        Self::ReadOnly { network: false, denied_reads: well_known_secrets() }
    }

    /// The same policy with the network open or closed.
    #[must_use]
    pub fn with_network(mut self, open: bool) -> Self {
        match &mut self {
            Self::ReadOnly { network, .. } | Self::WorkspaceWrite { network, .. } => {
                *network = open
            }
            Self::DangerFullAccess => {}
        }
        self
    }

    /// `read-only`, `workspace-write` or `danger-full-access`.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::ReadOnly { .. } => "read-only",
            Self::WorkspaceWrite { .. } => "workspace-write",
            Self::DangerFullAccess => "danger-full-access",
        }
    }

    /// Whether commands may use the network.
    pub fn network(&self) -> bool {
        match self {
            Self::ReadOnly { network, .. } | Self::WorkspaceWrite { network, .. } => *network,
            Self::DangerFullAccess => true,
        }
    }

    pub(super) fn denied_reads(&self) -> &[PathBuf] {
        match self {
            Self::ReadOnly { denied_reads, .. } | Self::WorkspaceWrite { denied_reads, .. } => {
                denied_reads
            }
            Self::DangerFullAccess => &[],
        }
    }
}

/// Places in a home directory where programs keep credentials.
const SECRET_PLACES: [&str; 26] = [
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".vault-token",
    ".config/gcloud",
    ".config/gh",
    ".config/git/credentials",
    ".config/hub",
    ".config/op",
    ".cargo/credentials.toml",
    ".cargo/credentials",
    ".codex/auth.json",
    ".local/share/keyrings",
    // Sockets of agents and of virtual machines that run containers.
    ".1password",
    ".colima",
    ".lima",
    ".orbstack",
    ".rd",
];

/// The well-known secret places of this machine's user, for `denied_reads`.
pub fn well_known_secrets() -> Vec<PathBuf> {
    let system =
        ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/run/secrets", "/var/run/secrets"];
    let mut places: Vec<PathBuf> = system.iter().map(PathBuf::from).collect();
    if let Some(home) = std::env::var_os("HOME") {
        places.extend(SECRET_PLACES.iter().map(|place| Path::new(&home).join(place)));
    }
    places
}

/// How to start this program again as the sandbox helper: it must call
/// [`helper_main`](super::helper_main) with the arguments that come after `args`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HelperCommand {
    /// absolute path of the program
    pub program: PathBuf,
    /// arguments that lead to the helper, such as a hidden subcommand
    pub args: Vec<OsString>,
}

impl HelperCommand {
    /// This very program with a hidden subcommand.
    ///
    /// # Errors
    /// The program's own path cannot be found out.
    pub fn own(subcommand: &str) -> std::io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, args: vec![subcommand.into()] })
    }
}

/// What a sandboxed environment needs besides its policy.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// which variables commands see
    pub env: EnvPolicy,
    /// files and directories that become unreadable, whatever the policy (`CANON_HOME`); writable
    /// roots below them stay writable
    pub masked_paths: Vec<PathBuf>,
    /// directories that are only read, also below masked paths and writable roots; must exist.
    /// Landlock cannot keep one below a writable root from being written
    pub readable_paths: Vec<PathBuf>,
    /// needed for the Landlock backend
    pub helper: Option<HelperCommand>,
    /// use this backend or fail, instead of the strongest that works
    pub backend: Option<Backend>,
    /// interpreter of commands
    pub shell: Shell,
    /// bytes kept of each stream
    pub output_limit: usize,
    /// time between TERM and KILL
    pub grace: Duration,
    /// what commands may use; a backend that cannot keep them is not taken
    pub limits: Limits,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            env: EnvPolicy::default(),
            masked_paths: Vec::new(),
            readable_paths: Vec::new(),
            helper: None,
            backend: None,
            shell: Shell::default(),
            output_limit: DEFAULT_OUTPUT_LIMIT,
            grace: DEFAULT_GRACE,
            limits: Limits::default(),
        }
    }
}
