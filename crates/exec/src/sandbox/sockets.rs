//! Sockets of this machine's services, which a network namespace does not close: whoever sees the
//! path can connect.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::host::zones::{Access, Zones};

/// Where the kernel lists the sockets of a network namespace.
const LIST: &str = "/proc/self/net/unix";
/// Words before the path.
const COLUMNS: usize = 7;

/// Those that a command would see and that are not in a place of its own. What listens in another
/// namespace, or by a relative path, is not to be found.
pub(super) fn in_sight(zones: &Zones) -> Vec<PathBuf> {
    let listed = fs::read(LIST).unwrap_or_default();
    let mut sockets: Vec<PathBuf> = listed
        .split(|byte| *byte == b'\n')
        .filter_map(path)
        .filter_map(|path| path.canonicalize().ok())
        .filter(|path| zones.deciding(path).access == Access::Read)
        .filter(|path| path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()))
        .collect();
    sockets.sort();
    sockets.dedup();
    sockets
}

/// The absolute path in a line; the heading, abstract names and sockets without one have none.
fn path(line: &[u8]) -> Option<&Path> {
    let mut rest = line;
    for _ in 0..COLUMNS {
        let word = rest.iter().position(|byte| *byte != b' ')?;
        let end = word + rest[word..].iter().position(|byte| *byte == b' ')?;
        rest = &rest[end..];
    }
    let path = Path::new(OsStr::from_bytes(rest.strip_prefix(b" ")?));
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let heading = b"Num       RefCount Protocol Flags    Type St Inode Path";
        assert_eq!(path(heading), None);
        let line = "0000000000000000: 00000002 00000000 00010000 0001 01  2201 /var/a b/s";
        assert_eq!(path(line.as_bytes()), Some(Path::new("/var/a b/s")));
        for none in ["", "0: 2 0 1 1 01 3", "0: 2 0 1 1 01 3 @abstract", "0: 2 0 1 1 01 3 ./s"] {
            assert_eq!(path(none.as_bytes()), None, "{none}");
        }
    }
}
