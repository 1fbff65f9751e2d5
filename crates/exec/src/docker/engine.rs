//! Questions to the engine, through its client.

use std::ffi::OsString;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{DockerError, DockerOptions};
use crate::process::{ExecError, Invocation, Stdin, run_invocation};

const LIMIT: Duration = Duration::from_secs(30);
const OUTPUT_LIMIT: usize = 64 * 1024;

/// The `docker` program.
#[derive(Debug, Clone)]
pub(super) struct Client {
    command: Vec<OsString>,
}

/// What the engine is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Engine {
    pub(super) version: String,
    /// root in a container is the engine's own user outside
    pub(super) rootless: bool,
    /// users in a container are others outside
    pub(super) remapped: bool,
}

impl Client {
    pub(super) fn new(options: &DockerOptions) -> Self {
        let program = std::iter::once(options.program.clone().into());
        let arguments = options.arguments.iter().map(OsString::from);
        Self { command: program.chain(arguments).collect() }
    }

    /// Program and arguments.
    pub(super) fn argv<I>(&self, arguments: I) -> Vec<OsString>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        self.command.iter().cloned().chain(arguments.into_iter().map(Into::into)).collect()
    }

    /// What a subcommand prints.
    pub(super) async fn ask(
        &self,
        arguments: &[&str],
        subject: &str,
    ) -> Result<String, DockerError> {
        let invocation = Invocation {
            argv: self.argv(arguments),
            cwd: "/".into(),
            env: crate::remote::carrier_environment().resolve_current(),
            timeout: Some(LIMIT),
            grace: Duration::ZERO,
            output_limit: OUTPUT_LIMIT,
            stdin: Stdin::None,
            cancel: CancellationToken::new(),
            on_output: None,
            inherited: Vec::new(),
            is_wrapper: false,
            holds_input: false,
            limits: crate::Limits::default(),
        };
        let result = run_invocation(invocation).await.map_err(|error| match error {
            ExecError::Spawn { program, source } => DockerError::NoClient { program, source },
            other => DockerError::Other { said: other.to_string() },
        })?;
        if result.timed_out {
            let said = format!("no answer within {} s", LIMIT.as_secs());
            return Err(DockerError::NoEngine { said });
        }
        if !result.success() {
            return Err(DockerError::from_words(&result.combined, subject));
        }
        Ok(result.stdout.trim().to_owned())
    }

    pub(super) async fn engine(&self) -> Result<Engine, DockerError> {
        let format = "{{.ServerVersion}} {{json .SecurityOptions}}";
        let said = self.ask(&["info", "--format", format], "").await?;
        let (version, security) = said.split_once(' ').unwrap_or((&said, ""));
        if version.is_empty() {
            return Err(DockerError::NoEngine { said: "it does not say its version".into() });
        }
        Ok(Engine {
            version: version.to_owned(),
            rootless: security.contains("name=rootless"),
            remapped: security.contains("name=userns"),
        })
    }

    pub(super) async fn must_have(&self, image: &str) -> Result<(), DockerError> {
        self.ask(&["image", "inspect", "--format", "{{.Id}}", image], image).await.map(|_| ())
    }

    pub(super) async fn must_run(&self, container: &str) -> Result<(), DockerError> {
        let format =
            "{{.State.Running}} {{.State.Paused}} {{.State.ExitCode}} {{.State.OOMKilled}}";
        let question = ["container", "inspect", "--format", format, container];
        let said = self.ask(&question, container).await?;
        let words: Vec<&str> = said.split(' ').collect();
        let state = match words.as_slice() {
            ["true", "false", ..] => return Ok(()),
            ["true", ..] => "it is paused".to_owned(),
            [_, _, _, "true"] => "it ran out of memory".to_owned(),
            [_, _, status, ..] => format!("it ended with status {status}"),
            _ => format!("the engine says {said:?}"),
        };
        Err(DockerError::NotRunning { container: container.to_owned(), state })
    }

    pub(super) async fn remove(&self, container: &str) -> Result<(), DockerError> {
        match self.ask(&["rm", "--force", "--volumes", container], container).await {
            Ok(_) | Err(DockerError::NoContainer { .. }) => Ok(()),
            // It removes itself as well, at the same time.
            Err(DockerError::Other { said }) if said.contains("already in progress") => Ok(()),
            Err(error) => Err(error),
        }
    }
}
