//! Why there is no container to work in.

use std::io;
use std::path::PathBuf;

use crate::environment::FileError;
use crate::sandbox::SandboxError;

/// What stands in the way of a container.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The client is not there.
    #[error(
        "cannot start `{program}`: {source}; install the Docker command line client, or name another program"
    )]
    NoClient {
        /// program as given
        program: String,
        /// operating system's reason
        source: io::Error,
    },
    /// Nobody answers the client.
    #[error("the Docker engine cannot be reached: {said}")]
    NoEngine {
        /// the client's words
        said: String,
    },
    /// The engine's socket is not for this user.
    #[error(
        "this user may not use the Docker engine: {said}; use a rootless engine, or let an administrator add the user to the group of its socket"
    )]
    NotAllowed {
        /// the client's words
        said: String,
    },
    /// The image is not on the engine's machine, and may not be fetched.
    #[error(
        "there is no image `{image}` on the engine's machine; fetch it first with `docker pull {image}`"
    )]
    NoImage {
        /// image as given
        image: String,
    },
    /// No container of this name.
    #[error("there is no container `{container}`; `docker ps` lists those that run")]
    NoContainer {
        /// container as given
        container: String,
    },
    /// A container that does not run.
    #[error(
        "the container `{container}` does not run ({state}); start it with `docker start {container}`"
    )]
    NotRunning {
        /// container as given
        container: String,
        /// what the engine says of it
        state: String,
    },
    /// The image has none of what scripts need.
    #[error(
        "there is no POSIX shell in the container: {said}; use an image with `sh`, `bash`, `stat`, `find` and `setsid`"
    )]
    NoShell {
        /// the client's words
        said: String,
    },
    /// No name of a container or an image.
    #[error("`{name}` is not the name of a {kind}")]
    BadName {
        /// `container` or `image`
        kind: &'static str,
        /// name as given
        name: String,
    },
    /// A directory that must not be shown to a container.
    #[error("{} cannot be mounted: {why}", path.display())]
    BadMount {
        /// path as given
        path: PathBuf,
        /// what is wrong with it
        why: String,
    },
    /// A container confines, and was asked not to.
    #[error(
        "a container cannot have full access to this machine; choose read-only or workspace-write"
    )]
    FullAccess,
    /// A path of the policy cannot be used.
    #[error(transparent)]
    Policy(#[from] SandboxError),
    /// The working directory cannot be used.
    #[error(transparent)]
    Directory(#[from] FileError),
    /// The engine refused, for another reason.
    #[error("the container cannot be used: {said}")]
    Other {
        /// the client's words
        said: String,
    },
}

impl DockerError {
    /// Sorts the words with which the client failed; `subject` is the image or container meant.
    pub(super) fn from_words(said: &str, subject: &str) -> Self {
        let lower = said.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let (said, subject) = (first_lines(said), subject.to_owned());
        if says(&["permission denied while trying to connect"]) {
            Self::NotAllowed { said }
        } else if says(&[
            "cannot connect to the docker daemon",
            "failed to connect to the docker api",
            "error during connect",
            "is the docker daemon running",
            "connection refused",
            "context deadline exceeded",
        ]) {
            Self::NoEngine { said }
        } else if says(&["no such image", "unable to find image", "image not known"]) {
            Self::NoImage { image: subject }
        } else if says(&["no such container", "no container with name"]) {
            Self::NoContainer { container: subject }
        } else if says(&["is not running", "is paused", "is restarting"]) {
            Self::NotRunning { container: subject, state: said }
        } else if says(&["executable file not found", "no such file or directory"])
            && says(&["oci runtime", "\"sh\"", "exec failed", "starting container process"])
        {
            Self::NoShell { said }
        } else {
            Self::Other { said }
        }
    }
}

/// Without the client's hint at its own help.
fn first_lines(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines =
        lines.filter(|line| !line.starts_with("Run 'docker") && !line.starts_with("See 'docker"));
    lines.map(|line| line.strip_prefix("docker: ").unwrap_or(line)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_client_are_told_apart() {
        let cases = [
            (
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
                "NoEngine",
            ),
            (
                "failed to connect to the docker API at unix:///x; check if the path is correct",
                "NoEngine",
            ),
            (
                "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"x\": dial unix: connect: permission denied",
                "NotAllowed",
            ),
            (
                "Unable to find image 'x:latest' locally\ndocker: Error response from daemon: No such image: x:latest",
                "NoImage",
            ),
            ("Error response from daemon: No such container: x", "NoContainer"),
            ("Error response from daemon: container 123 is not running", "NotRunning"),
            (
                "OCI runtime exec failed: exec failed: unable to start container process: exec: \"sh\": executable file not found in $PATH: unknown",
                "NoShell",
            ),
            (
                "docker: Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist: /x",
                "Other",
            ),
        ];
        for (said, kind) in cases {
            let error = DockerError::from_words(said, "x");
            assert!(format!("{error:?}").starts_with(kind), "{said}: {error:?}");
        }
        let error = DockerError::from_words(
            "docker: no\n\nRun 'docker run --help' for more information",
            "x",
        );
        assert_eq!(error.to_string(), "the container cannot be used: no");
    }
}
