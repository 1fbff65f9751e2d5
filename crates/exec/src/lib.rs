//! Where commands run: execution environments, process groups, sandboxes.
//!
//! - [`process`] runs one program safely: bounded output, time limit, cancellation, group kill.
//! - [`group`] and [`namespace`] are what a supervisor needs to own a whole process tree.
//! - [`environment`] is the trait through which tools touch files and start commands
//!   (coding agent loop §4.1); [`local`] implements it directly, [`sandbox`] under a policy,
//!   [`ssh`] and [`docker`] elsewhere; [`wrap`] puts something around any of them.

pub mod docker;
pub mod environment;
pub mod group;
mod host;
mod ignores;
mod limits;
pub mod local;
pub mod namespace;
pub mod process;
mod remote;
pub mod sandbox;
pub mod ssh;
pub mod wrap;

pub use docker::{ContainerOptions, DockerEnvironment, DockerError, DockerOptions};
pub use environment::{
    DirEntry, ExecCommand, ExecutionEnvironment, FileError, FileKind, FileMetadata, GlobOptions,
    GlobResult, GrepLine, GrepMode, GrepOptions, GrepResult, SearchError, WriteOutcome,
};
pub use ignores::{IGNORE_FILES, Ignores};
pub use limits::Limits;
pub use local::LocalExecutionEnvironment;
pub use process::{
    EnvPolicy, ExecError, ExecResult, Inherit, OutputChunk, OutputSink, OutputStream, Script,
    Shell, Stdin,
};
pub use remote::RemoteOptions;
pub use sandbox::{
    SandboxError, SandboxOptions, SandboxPolicy, SandboxReport, SandboxedEnvironment,
};
pub use ssh::{Destination, SshEnvironment, SshOptions};
pub use wrap::{Logging, Operation, ReadOnly, Record, RecordSink, Subdirectory};
