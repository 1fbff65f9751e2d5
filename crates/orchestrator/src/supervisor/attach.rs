//! The daemon's end of a session: lines in, lines out.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::dir::{DirError, SessionDir};
use super::frame::{Decoder, ExitStatus, Frame, Hello, Welcome};
use super::journal::Record;

/// A supervisor answers at once or not at all.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a session cannot be attached to.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Its directory is not usable.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The supervisor cannot be reached, or left.
    #[error("the supervisor of {}: {source}", dir.display())]
    Io {
        /// The session's directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A newer daemon holds the session.
    #[error("the session {} belongs to a newer daemon", .0.display())]
    Fenced(PathBuf),
}

/// What comes from a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A line, in either direction, with its number.
    Record(Record),
    /// The agent has ended; every line was delivered.
    Exited(ExitStatus),
    /// A newer daemon has taken the session over.
    Fenced,
    /// The supervisor is gone without a word.
    Lost,
}

/// An attached session: its two ends.
#[derive(Debug)]
pub struct Attached {
    /// What the supervisor said of itself.
    pub welcome: Welcome,
    /// Lines from the session.
    pub lines: Lines,
    /// Lines to the session.
    pub link: Link,
}

/// The receiving end.
#[derive(Debug)]
pub struct Lines {
    stream: OwnedReadHalf,
    decoder: Decoder,
}

/// The sending end.
#[derive(Debug)]
pub struct Link {
    stream: OwnedWriteHalf,
    next_input: u64,
}

impl Attached {
    /// Attaches to the session in `dir` as the daemon of `epoch`; records come from number `from`.
    pub async fn to(dir: &SessionDir, epoch: u64, from: u64) -> Result<Self, AttachError> {
        let io_error = |source| AttachError::Io { dir: dir.path().to_owned(), source };
        let (_handle, socket) = dir.socket()?;
        let stream = UnixStream::connect(&socket).await.map_err(io_error)?;
        let (read, mut write) = stream.into_split();
        let hello = Frame::Hello(Hello { epoch, from }).encode();
        write.write_all(&hello).await.map_err(io_error)?;
        let mut lines = Lines { stream: read, decoder: Decoder::default() };
        let first = tokio::time::timeout(WELCOME_TIMEOUT, lines.frame())
            .await
            .map_err(|_| io_error(io::ErrorKind::TimedOut.into()))?;
        match first.map_err(io_error)? {
            Some(Frame::Welcome(welcome)) => {
                let link = Link { stream: write, next_input: welcome.inputs };
                Ok(Self { welcome, lines, link })
            }
            Some(Frame::Fenced) => Err(AttachError::Fenced(dir.path().to_owned())),
            Some(_) => Err(io_error(io::ErrorKind::InvalidData.into())),
            None => Err(io_error(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl Lines {
    /// The next thing from the session. Safe to drop at any await.
    pub async fn next(&mut self) -> Incoming {
        match self.frame().await {
            Ok(Some(Frame::Record(bytes))) => {
                Record::decode(&bytes).map_or(Incoming::Lost, Incoming::Record)
            }
            Ok(Some(Frame::Exited(exit))) => Incoming::Exited(exit),
            Ok(Some(Frame::Fenced)) => Incoming::Fenced,
            _ => Incoming::Lost,
        }
    }

    async fn frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.decoder.next()? {
                return Ok(Some(frame));
            }
            let mut chunk = [0; 8 * 1024];
            match self.stream.read(&mut chunk).await? {
                0 => return Ok(None),
                n => self.decoder.push(&chunk[..n]),
            }
        }
    }
}

impl Link {
    /// Has `line` (without its end) written to the agent, once, whatever happens to this daemon
    /// after it returned.
    pub async fn send(&mut self, line: Vec<u8>) -> io::Result<()> {
        let frame = Frame::Input { number: self.next_input, line };
        self.next_input += 1;
        self.stream.write_all(&frame.encode()).await
    }

    /// Has the agent ended: TERM, the session's grace, KILL.
    pub async fn stop(&mut self) -> io::Result<()> {
        self.stream.write_all(&Frame::Stop.encode()).await
    }
}
