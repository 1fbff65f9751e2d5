//! The lock that keeps a second writer away.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::OpenError;

/// How long a lock may outlive its holder: a child that the holder was just starting has a copy of the descriptor until
/// its own program begins.
const LEFT_OVER: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

/// Held for as long as the value lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct WriterLock(File);

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock to copies of the descriptor in children that are being started.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "cannot unlock the ledger");
        }
    }
}

impl WriterLock {
    /// Locks `<ledger>.lock` and leaves this process's id in it for whoever comes second.
    pub(crate) fn take(ledger: &Path) -> Result<Self, OpenError> {
        let path = beside(ledger);
        let io = |source| OpenError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        let deadline = Instant::now() + LEFT_OVER;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(io(source)),
                Err(TryLockError::WouldBlock) => {}
            }
            let pid = holder(&mut file);
            if !pid.is_some_and(is_gone) || Instant::now() >= deadline {
                return Err(OpenError::Locked { path: ledger.to_owned(), pid });
            }
            std::thread::sleep(STEP);
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self(file))
    }
}

fn beside(ledger: &Path) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Whether the process has ended, where the system shows processes as files.
fn is_gone(pid: u32) -> bool {
    Path::new("/proc/self").exists() && !Path::new("/proc").join(pid.to_string()).exists()
}
