//! How a command is started under the policy.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use super::bubblewrap::Bubblewrap;
use super::git::{Guard, NotRestored};
use super::landlock::Landlock;
use super::scratch::Scratch;
use crate::environment::FileError;
use crate::host::zones::Zones;
use crate::limits::Limits;
use crate::process::{ExecError, Invocation};

/// A way to start commands.
#[derive(Debug)]
pub(crate) enum Launcher {
    /// as they are
    Direct,
    /// under a policy
    Confined(Box<Confined>),
}

/// A backend with what is the same for both.
#[derive(Debug)]
pub(crate) struct Confined {
    pub(super) backend: Confiner,
    /// what commands are told to use for temporary files
    pub(super) tmp: Option<PathBuf>,
    pub(super) git: Guard,
    pub(super) limits: Limits,
    /// goes with the last command, not with the environment, whose caller may have gone away
    pub(super) scratch: Scratch,
}

/// A backend ready for use.
#[derive(Debug)]
pub(crate) enum Confiner {
    Bubblewrap(Bubblewrap),
    Landlock(Landlock),
}

impl Confiner {
    pub(super) fn wrap(&self, invocation: Invocation, zones: &Zones) -> io::Result<Invocation> {
        match self {
            Self::Bubblewrap(backend) => backend.wrap(invocation, zones),
            Self::Landlock(backend) => backend.wrap(invocation, zones),
        }
    }
}

impl Launcher {
    /// The program that runs the command confined.
    pub(crate) fn wrap(
        &self,
        mut invocation: Invocation,
        zones: &Zones,
    ) -> Result<Invocation, ExecError> {
        let Self::Confined(confined) = self else { return Ok(invocation) };
        confined.git.check()?;
        if !zones.to_host(&invocation.cwd).is_dir() {
            return Err(ExecError::WorkingDirectory {
                path: invocation.cwd,
                source: io::ErrorKind::NotFound.into(),
            });
        }
        for name in ["TMPDIR", "TMP", "TEMP"].map(OsString::from) {
            match &confined.tmp {
                Some(tmp) => invocation.env.insert(name, tmp.into()),
                None => invocation.env.remove(&name),
            };
        }
        invocation.limits = confined.limits.clone();
        let prepared = confined.backend.wrap(invocation, zones);
        prepared.map_err(|source| ExecError::Spawn { program: "the sandbox".into(), source })
    }

    /// Whether commands may still run here.
    ///
    /// # Errors
    /// [`ExecError::NotRestored`], when an earlier command made it so.
    pub(crate) fn check(&self) -> Result<(), ExecError> {
        if let Self::Confined(confined) = self {
            confined.git.check()?;
        }
        Ok(())
    }

    /// Puts right what a command may have left.
    ///
    /// # Errors
    /// [`ExecError::NotRestored`], then and ever after.
    pub(crate) fn after_command(&self) -> Result<(), ExecError> {
        if let Self::Confined(confined) = self {
            confined.git.restore()?;
        }
        Ok(())
    }

    /// Removes the private temporary directory.
    ///
    /// # Errors
    /// It could not be removed.
    pub(crate) fn cleanup(&self) -> Result<(), FileError> {
        let Self::Confined(confined) = self else { return Ok(()) };
        let scratch = &confined.scratch;
        scratch.remove().map_err(|error| FileError::from_io(scratch.base(), error))
    }
}

impl From<NotRestored> for ExecError {
    fn from(NotRestored { path, why }: NotRestored) -> Self {
        Self::NotRestored { path, why }
    }
}
