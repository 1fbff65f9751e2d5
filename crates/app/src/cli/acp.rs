//! `canon acp`: Canon's agent behind the Agent Client Protocol.

use std::process::ExitCode;
use std::time::Duration;

use canon_exec::sandbox::SandboxPolicy;
use clap::ValueEnum;

use super::{logs, runtime, stdin};
use crate::bridge::acp::{ApprovalMode, Setup, serve};
use crate::bridge::agent::{Limits, model_name};
use crate::error::Error;
use crate::threads::Store;

/// What sessions begin with; most of it the user can change in the editor.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model of sessions, as [PROVIDER/]MODEL; for the scripted provider the path of its transcript
    #[arg(long)]
    model: Option<String>,
    /// Provider of the model
    #[arg(long)]
    provider: Option<String>,
    /// What sessions ask about before they do it
    #[arg(long, value_enum, default_value_t = ApprovalMode::Ask)]
    mode: ApprovalMode,
    /// What commands and file operations may touch
    #[arg(long, value_enum, default_value_t = Confinement::WorkspaceWrite)]
    sandbox: Confinement,
    /// Let sandboxed commands use the network
    #[arg(long)]
    network: bool,
    /// Keep no conversations on the disk
    #[arg(long)]
    ephemeral: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Confinement {
    ReadOnly,
    WorkspaceWrite,
    DangerFullAccess,
}

/// Serves the client on standard input and output until its input ends, or until it is told to end.
pub fn run(args: Args) -> Result<ExitCode, Error> {
    logs::to_stderr(tracing::Level::WARN);
    let policy = match args.sandbox {
        Confinement::ReadOnly => SandboxPolicy::read_only(),
        Confinement::WorkspaceWrite => SandboxPolicy::workspace_write(),
        Confinement::DangerFullAccess => SandboxPolicy::DangerFullAccess,
    };
    let setup = Setup {
        model: model_name(args.provider.as_deref(), args.model.as_deref())?,
        policy: policy.with_network(args.network),
        masked: vec![crate::home::state()?],
        mode: args.mode,
        limits: Limits::default(),
        store: if args.ephemeral { None } else { Some(Store::home()?) },
    };
    let runtime = runtime()?;
    let served = runtime.block_on(serve(stdin::until_told(), tokio::io::stdout(), setup));
    // What sessions held, their temporary directories above all, goes with them; a read of standard
    // input that nobody ends must not hold the process for ever.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served.map(|()| ExitCode::SUCCESS)
}
