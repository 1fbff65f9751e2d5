//! Programs and addresses, made into what the protocol's client speaks through.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use canon_exec::EnvPolicy;
use canon_exec::process::{Companion, CompanionCommand};
use canon_runtime::secret::{Redactor, Secret};
use canon_runtime::task::{TaskSpec, spawn};
use reqwest::header::{HeaderName, HeaderValue};
use rmcp::RoleClient;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use super::config::is_local;
use super::{MOST_WORDS, clean};

/// Bytes of one message of a program.
const MOST_LINE: usize = 16 * 1024 * 1024;
/// Bytes of a program's last words.
const MOST_LAST_WORDS: usize = 2000;
/// Time for a program to end by itself, and again after TERM.
const GRACE: Duration = Duration::from_secs(2);
/// How long its last words may still come after its end.
const DRAIN: Duration = Duration::from_millis(500);

/// What a program's messages go through.
pub(super) type Streams = AsyncRwTransport<RoleClient, Bounded<ChildStdout>, ChildStdin>;

/// A running program.
pub(super) struct Program {
    companion: Companion,
    log: JoinHandle<()>,
    words: Arc<Words>,
}

/// What a program said last, apart from the protocol.
#[derive(Debug, Default)]
pub(super) struct Words {
    stderr: Mutex<Vec<u8>>,
    offence: Mutex<Option<String>>,
}

impl Program {
    /// Starts a server's program outside any sandbox, without the secrets of this process.
    pub(super) async fn start(
        server: &str,
        argv: &[String],
        env: &BTreeMap<String, Secret>,
        cwd: &Path,
        redactor: &Redactor,
    ) -> Result<(Self, Streams), String> {
        let set = env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let command = CompanionCommand {
            argv: argv.iter().map(Into::into).collect(),
            cwd: cwd.to_owned(),
            env: EnvPolicy { set: set.collect(), ..EnvPolicy::default() },
        };
        let (companion, pipes) =
            Companion::start(command).await.map_err(|error| error.to_string())?;
        let words = Arc::new(Words::default());
        let log = spawn(
            TaskSpec::new("mcp server log"),
            keep_words(server.to_owned(), pipes.stderr, Arc::clone(&words), redactor.clone()),
        );
        let stdout = Bounded { inner: pipes.stdout, line: 0, words: Arc::clone(&words) };
        let streams = AsyncRwTransport::new_client(stdout, pipes.stdin);
        Ok((Self { companion, log, words }, streams.with_max_line_length(usize::MAX)))
    }

    /// Ends it, with all that it started, and tells how it ended and what it said last.
    pub(super) async fn stop(self) -> String {
        let status = self.companion.stop(GRACE).await;
        let mut log = self.log;
        if tokio::time::timeout(DRAIN, &mut log).await.is_err() {
            log.abort();
        }
        let lock = |text: &Mutex<Vec<u8>>| {
            String::from_utf8_lossy(&text.lock().unwrap_or_else(PoisonError::into_inner))
                .into_owned()
        };
        let offence = self.words.offence.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stderr = lock(&self.words.stderr);
        let stderr = stderr.trim();
        let mut ended = match (offence, status) {
            (Some(offence), _) => offence,
            (None, Some(status)) => format!("its program ended with {status}"),
            (None, None) => "its program does not end".to_owned(),
        };
        if !stderr.is_empty() {
            ended.push_str("; its last words:\n");
            ended.push_str(stderr);
        }
        ended
    }
}

/// Takes a program's standard error to the log, and keeps the end of it.
async fn keep_words(
    server: String,
    mut stderr: ChildStderr,
    words: Arc<Words>,
    redactor: Redactor,
) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..count]);
        tracing::debug!(server, "{}", clean(redactor.redact(&text).trim_end(), MOST_WORDS));
        let mut kept = words.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..count]);
        let surplus = kept.len().saturating_sub(MOST_LAST_WORDS);
        kept.drain(..surplus);
    }
}

/// Ends a stream with a line that is too long, so that its call fails at once instead of waiting for
/// an answer that was thrown away.
pub(super) struct Bounded<R> {
    inner: R,
    line: usize,
    words: Arc<Words>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let fresh = &buffer.filled()[before..];
        self.line = match fresh.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => fresh.len() - end - 1,
            None => self.line + fresh.len(),
        };
        if self.line > MOST_LINE {
            // A failed read has read nothing.
            buffer.set_filled(before);
            let offence = format!("it sent a message of more than {MOST_LINE} bytes");
            *self.words.offence.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(offence.clone());
            return Poll::Ready(Err(io::Error::other(offence)));
        }
        polled
    }
}

/// What an address is spoken to through: our own HTTP client, which follows no redirects.
pub(super) fn address(
    url: &reqwest::Url,
    headers: &BTreeMap<String, Secret>,
) -> Result<StreamableHttpClientTransport<reqwest::Client>, String> {
    let client = if is_local(url) {
        canon_runtime::http::local_client()
    } else {
        canon_runtime::http::client()
    };
    let client = client.map_err(|error| error.to_string())?;
    let mut sent = HashMap::new();
    for (name, value) in headers {
        let no_header = |_| format!("header `{name}` cannot be sent");
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header(()))?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| no_header(()))?;
        value.set_sensitive(true);
        sent.insert(header, value);
    }
    let config = StreamableHttpClientTransportConfig::with_uri(url.as_str()).custom_headers(sent);
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_an_end_ends_the_stream() {
        let words = Arc::new(Words::default());
        let lines = "x".repeat(MOST_LINE - 1) + "\n";
        let text = lines.repeat(2) + &"y".repeat(MOST_LINE + 1);
        let mut stream = Bounded { inner: text.as_bytes(), line: 0, words: Arc::clone(&words) };
        let mut read = Vec::new();
        let error = stream.read_to_end(&mut read).await.unwrap_err();
        assert!(error.to_string().contains("16777216 bytes"), "{error}");
        assert!(read.starts_with(lines.repeat(2).as_bytes()));
        assert!(words.offence.lock().unwrap().is_some());
    }
}
