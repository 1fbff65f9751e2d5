//! Structured `key=value` logs (Symphony §13.1).

use std::path::Path;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::Error;

/// A log of more bytes is moved aside at the next start.
const ROTATE_AT: u64 = 16 * 1024 * 1024;

/// Environment variable that sets what is logged, in the syntax of `RUST_LOG`.
pub(super) const CANON_LOG: &str = "CANON_LOG";

struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, w: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        w.write_str(&canon_runtime::clock::rfc3339(canon_runtime::clock::now_ms()))
    }
}

fn filter(level: Level) -> EnvFilter {
    EnvFilter::builder()
        .with_default_directive(level.into())
        .with_env_var(CANON_LOG)
        .from_env_lossy()
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

/// The daemon's logs: everything from INFO up to `log` in its state directory, warnings and errors
/// (with `verbose`: everything) to standard error as well. A sink that fails costs its lines, never
/// the program (Symphony §13.2).
pub(super) fn of_daemon(state: &Path, verbose: bool) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let unusable = |error: std::io::Error| {
        Error::environment(format!("the state directory {} cannot be used: {error}", state.display()))
            .hint("make it writable, or set CANON_HOME to a directory that is")
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(unusable)?;
    let path = state.join("log");
    if std::fs::metadata(&path).is_ok_and(|found| found.len() > ROTATE_AT) {
        std::fs::rename(&path, state.join("log.1")).map_err(unusable)?;
    }
    let file = std::fs::File::options().create(true).append(true).open(&path).map_err(unusable)?;
    let to_file = tracing_subscriber::fmt::layer()
        .with_timer(Utc)
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::sync::Mutex::new(file))
        .with_filter(filter(Level::INFO));
    let level = if verbose { Level::INFO } else { Level::WARN };
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_timer(Utc)
        .with_ansi(false)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_filter(tracing_subscriber::filter::LevelFilter::from_level(level));
    let _ = tracing_subscriber::registry().with(to_file).with(to_stderr).try_init();
    Ok(())
}
