//! A stream that makes nobody wait: lines go into a bounded queue, and a thread of its own does the
//! writing. A terminal that is stopped costs lines, never work.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A flush goes on while something moves, up to this many times its patience.
const MOST_PATIENCES: u32 = 5;

/// Where lines go in; clones share the queue.
#[derive(Clone)]
pub(in crate::cli) struct Sink(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    filled: Condvar,
    /// Something was written, or there is nothing left.
    moved: Condvar,
    /// Bytes from which on lines are dropped.
    limit: usize,
    /// The line that says how many were dropped.
    notice: fn(u64) -> String,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines since the last notice that found no room.
    dropped: u64,
    writing: bool,
    /// Successful writes; tells a slow reader from none.
    writes: u64,
    /// `writes` when a flush gave up: the next waits no second time for the same.
    gave_up: Option<u64>,
}

impl Sink {
    /// Starts the thread `name`, which writes to `out`; from `limit` queued bytes on, lines are
    /// dropped, until half of them are written.
    pub(in crate::cli) fn start(
        name: &str,
        out: impl Write + Send + 'static,
        limit: usize,
        notice: fn(u64) -> String,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            moved: Condvar::new(),
            limit,
            notice,
        });
        let served = Arc::clone(&shared);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || served.serve(out))?;
        Ok(Self(shared))
    }

    /// Queues a line, without its end; dropped and counted if there is no room.
    pub(in crate::cli) fn push(&self, line: String) {
        let mut queue = self.0.lock();
        let room = if queue.dropped == 0 { self.0.limit } else { self.0.limit / 2 };
        if queue.bytes >= room {
            queue.dropped += 1;
        } else {
            self.0.add(queue, line);
        }
    }

    /// Queues text that must not be missing, room or not: for the few things said at the end.
    pub(in crate::cli) fn push_last(&self, text: String) {
        self.0.add(self.0.lock(), text);
    }

    /// Waits until everything is written; gives up when nothing moves for as long as `patience`.
    pub(in crate::cli) fn flush(&self, patience: Duration) -> bool {
        let mut queue = self.0.lock();
        let start = Instant::now();
        let end = start + patience * MOST_PATIENCES;
        let mut seen = queue.writes;
        let mut until = if queue.gave_up == Some(seen) { start } else { start + patience };
        while !queue.is_done() {
            let now = Instant::now();
            if queue.writes != seen {
                (seen, until) = (queue.writes, now + patience);
            }
            let left = until.min(end).saturating_duration_since(now);
            if left.is_zero() {
                queue.gave_up = Some(seen);
                return false;
            }
            let waited = self.0.moved.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Queue {
    fn is_done(&self) -> bool {
        self.lines.is_empty() && !self.writing && self.dropped == 0
    }

    fn put(&mut self, mut line: String) {
        line.push('\n');
        self.bytes += line.len();
        self.lines.push_back(line.into_bytes());
    }
}

impl Shared {
    /// Held for moments only, never over a write.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The notice of dropped lines stands where they would have.
    fn add(&self, mut queue: MutexGuard<'_, Queue>, line: String) {
        match std::mem::take(&mut queue.dropped) {
            0 => {}
            dropped => queue.put((self.notice)(dropped)),
        }
        queue.put(line);
        self.filled.notify_one();
    }

    fn serve(&self, mut out: impl Write) {
        loop {
            let line = self.next();
            let mut rest = line.as_slice();
            while !rest.is_empty() {
                match out.write(rest) {
                    Ok(count) if count > 0 => {
                        rest = rest.get(count..).unwrap_or_default();
                        self.lock().writes += 1;
                        self.moved.notify_all();
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // A reader that went away, or a full disk, costs the line.
                    _ => break,
                }
            }
        }
    }

    /// The next line to write, once there is one.
    fn next(&self) -> Vec<u8> {
        let mut queue = self.lock();
        loop {
            queue.writing = false;
            if queue.lines.is_empty() && queue.dropped > 0 {
                let dropped = std::mem::take(&mut queue.dropped);
                queue.put((self.notice)(dropped));
            }
            if let Some(line) = queue.lines.pop_front() {
                queue.bytes -= line.len();
                queue.writing = true;
                return line;
            }
            self.moved.notify_all();
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests;
