//! Keeping descriptors from a child that has no business with them.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::FdFlags;

/// Marks every open descriptor above `last_kept` close-on-exec. Marking instead of closing keeps
/// the pipe through which the standard library reports a failed exec. Does not allocate.
pub(super) fn close_on_exec_above(last_kept: RawFd) -> io::Result<()> {
    let directory = rustix::fs::open(
        c"/proc/self/fd",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 2048];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        if let Some(fd) = number(entry?.file_name().to_bytes())
            && fd > last_kept
            && fd != directory.as_raw_fd()
        {
            mark(fd)?;
        }
    }
    Ok(())
}

/// Undoes the mark for one descriptor.
pub(super) fn keep_across_exec(fd: RawFd) -> io::Result<()> {
    let fd = borrow(fd);
    let flags = rustix::io::fcntl_getfd(fd)?;
    rustix::io::fcntl_setfd(fd, flags - FdFlags::CLOEXEC)?;
    Ok(())
}

fn mark(fd: RawFd) -> io::Result<()> {
    let fd = borrow(fd);
    let flags = rustix::io::fcntl_getfd(fd)?;
    rustix::io::fcntl_setfd(fd, flags | FdFlags::CLOEXEC)?;
    Ok(())
}

#[allow(unsafe_code)]
fn borrow(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: called in a child that has just forked and has one thread; the number was listed as
    // open, or is held open by its owner in the parent until the child was started. Nothing here
    // closes it. A wrong number would be reported by the kernel as EBADF.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

fn number(name: &[u8]) -> Option<RawFd> {
    if name.is_empty() || name.len() > 9 {
        return None;
    }
    name.iter().try_fold(0, |total, byte| {
        byte.is_ascii_digit().then(|| total * 10 + RawFd::from(byte - b'0'))
    })
}
