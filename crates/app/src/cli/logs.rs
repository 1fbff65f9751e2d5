//! Structured `key=value` logs (Symphony §13.1).

mod rolling;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::print;
use super::print::sink::Sink;
use crate::error::Error;
use rolling::Rolling;

/// A log that would have more bytes is moved aside.
const ROTATE_AT: u64 = 16 * 1024 * 1024;
/// Bytes that wait for the disk.
const WAITING: usize = 1024 * 1024;
/// How long the end waits for a disk that does not write.
const PATIENCE: Duration = Duration::from_secs(2);

/// Environment variable that sets what is logged, in the syntax of `RUST_LOG`.
pub(super) const CANON_LOG: &str = "CANON_LOG";

struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        w.write_str(&now())
    }
}

fn now() -> String {
    canon_runtime::clock::rfc3339(canon_runtime::clock::now_ms())
}

/// What the client library of MCP logs is said by us, with the server's name and without secrets.
const SILENT: &str = "rmcp=off";

fn filter(level: Level) -> EnvFilter {
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .with_env_var(CANON_LOG)
        .from_env_lossy();
    let is_named = std::env::var(CANON_LOG).is_ok_and(|text| text.contains("rmcp"));
    match SILENT.parse() {
        Ok(silent) if !is_named => filter.add_directive(silent),
        _ => filter,
    }
}

/// Logs to standard error, `level` and above unless `CANON_LOG` says otherwise.
pub(super) fn to_stderr(level: Level) {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_timer(Utc)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::io::stderr)
        .try_init();
}

/// The daemon's log file; at its end what it holds is written.
pub(super) struct DaemonLog(Sink);

impl Drop for DaemonLog {
    fn drop(&mut self) {
        self.0.flush(PATIENCE);
    }
}

/// The daemon's logs: everything from INFO up to `log` in its state directory, warnings and errors
/// (with `verbose`: everything) to standard error as well. A sink that fails costs its lines, never
/// the program (Symphony §13.2); nor does one that is slow.
pub(super) fn of_daemon(state: &Path, verbose: bool) -> Result<DaemonLog, Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let unusable = |error: std::io::Error| {
        Error::environment(format!(
            "the state directory {} cannot be used: {error}",
            state.display()
        ))
        .hint("make it writable, or set CANON_HOME to a directory that is")
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(unusable)?;
    let file =
        Rolling::open(state.join("log"), state.join("log.1"), ROTATE_AT).map_err(unusable)?;
    let dropped = |lines| format!("{} WARN log lines={lines} outcome=\"dropped\"", now());
    let sink = Sink::start("log file", file, WAITING, dropped)
        .map_err(|error| Error::environment(format!("no thread for the log: {error}")))?;
    let log = DaemonLog(sink.clone());
    let to_file = tracing_subscriber::fmt::layer()
        .with_timer(Utc)
        .with_ansi(false)
        .with_target(false)
        .with_writer(move || To::File(sink.clone()))
        .with_filter(filter(Level::INFO));
    let level = if verbose { Level::INFO } else { Level::WARN };
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_timer(Utc)
        .with_ansi(false)
        .with_target(false)
        .with_writer(|| To::People)
        .with_filter(tracing_subscriber::filter::LevelFilter::from_level(level));
    let _ = tracing_subscriber::registry().with(to_file).with(to_stderr).try_init();
    Ok(log)
}

/// Takes an event's line, which comes in one piece, and waits for nobody.
enum To {
    File(Sink),
    People,
}

impl Write for To {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        // One event is one line, whatever others' text in it holds.
        let text = print::plain(String::from_utf8_lossy(line).trim_end_matches('\n'));
        match self {
            Self::File(sink) => sink.push(text),
            Self::People => print::painted(text),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
