//! Lines from a person, of which some come too late.

use std::io::{self, Cursor, Read as _};
use std::pin::Pin;
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::stream::poll_fn;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

/// Bytes of a line that are read as one.
const MAX_LINE: usize = 64 * 1024;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Text(String),
    /// A line that is longer than anybody means it; it was thrown away.
    TooLong,
    /// There are no more.
    End,
}

/// Lines, one reader at a time. Dropping a read loses nothing that was not read as a line.
pub(super) struct Input {
    from: Box<dyn AsyncBufRead + Send + Unpin>,
    /// The line that is being read.
    part: Vec<u8>,
    /// The line being read went beyond the limit.
    too_long: bool,
    ended: bool,
    /// Somebody waited for a line and then did not any more: it may still come.
    owed: bool,
}

impl Input {
    pub(super) fn new(from: Box<dyn AsyncBufRead + Send + Unpin>) -> Self {
        Self { from, part: Vec::new(), too_long: false, ended: false, owed: false }
    }

    /// The next line.
    pub(super) async fn line(&mut self) -> io::Result<Line> {
        self.owed = true;
        let line = self.read().await;
        self.owed = false;
        line
    }

    /// Throws away what came for a question that nobody waits for any more. Whether there was such
    /// a question.
    pub(super) async fn forget_late(&mut self) -> bool {
        if !self.owed {
            return false;
        }
        self.owed = false;
        // What is there already; a failure shows again when somebody waits for a line.
        while let Some(Ok(Line::Text(_) | Line::TooLong)) = self.read().now_or_never() {}
        self.part.clear();
        self.too_long = false;
        !self.ended
    }

    async fn read(&mut self) -> io::Result<Line> {
        while !self.ended {
            let bytes = self.from.fill_buf().await?;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let (taken, rest) = (end.unwrap_or(bytes.len()), usize::from(end.is_some()));
            self.ended = bytes.is_empty();
            if self.part.len() + taken > MAX_LINE {
                self.too_long = true;
                self.part.clear();
            } else if !self.too_long {
                self.part.extend_from_slice(&bytes[..taken]);
            }
            self.from.consume(taken + rest);
            if end.is_some() || (self.ended && !self.part.is_empty()) {
                return Ok(self.take());
            }
        }
        Ok(Line::End)
    }

    fn take(&mut self) -> Line {
        let bytes = std::mem::take(&mut self.part);
        if std::mem::take(&mut self.too_long) {
            return Line::TooLong;
        }
        let text = String::from_utf8_lossy(&bytes);
        Line::Text(text.strip_suffix('\r').unwrap_or(&text).to_owned())
    }
}

/// Standard input, read by a thread of its own from the first read on: a runtime waits for its own
/// blocking reads when it ends, and for a line that nobody types any more that would be for ever.
pub(super) fn stdin() -> impl AsyncBufRead + Send + Unpin + 'static {
    let mut chunks: Option<mpsc::Receiver<io::Result<Cursor<Vec<u8>>>>> = None;
    let stream = poll_fn(move |cx| {
        let chunks = match &mut chunks {
            Some(chunks) => chunks,
            none => {
                let (to, from) = mpsc::channel(16);
                let thread = std::thread::Builder::new().name("standard input".to_owned());
                if let Err(error) = thread.spawn(move || pump(&to)) {
                    return Poll::Ready(Some(Err(error)));
                }
                none.insert(from)
            }
        };
        chunks.poll_recv(cx)
    });
    StreamReader::new(Pin::from(Box::new(stream)))
}

fn pump(to: &mpsc::Sender<io::Result<Cursor<Vec<u8>>>>) {
    let mut buffer = [0; 4096];
    loop {
        let chunk = match io::stdin().lock().read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => Ok(Cursor::new(buffer[..read].to_vec())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if to.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}
