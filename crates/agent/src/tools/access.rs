//! Which calls of one reply may overlap.

use std::path::{Component, Path, PathBuf};

/// What a tool call touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Nothing that another call could touch.
    Independent,
    /// Reads a file, or files below a directory; an absolute path without `.` and `..`.
    Reads(PathBuf),
    /// Changes these files; absolute paths without `.` and `..`.
    Writes(Vec<PathBuf>),
    /// Anything, such as a command: not while a file is being written.
    Anything,
}

impl Access {
    fn conflicts_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Writes(a), Self::Writes(b)) => a.iter().any(|file| b.contains(file)),
            (Self::Writes(files), Self::Reads(place))
            | (Self::Reads(place), Self::Writes(files)) => {
                files.iter().any(|file| file.starts_with(place))
            }
            (Self::Writes(_), Self::Anything) | (Self::Anything, Self::Writes(_)) => true,
            _ => false,
        }
    }
}

/// For each call, the earlier calls that it must wait for. Without `parallel` that is every one.
pub(crate) fn waits_for(calls: &[Access], parallel: bool) -> Vec<Vec<usize>> {
    calls
        .iter()
        .enumerate()
        .map(|(at, call)| {
            (0..at).filter(|&before| !parallel || call.conflicts_with(&calls[before])).collect()
        })
        .collect()
}

/// `path` with `.` and `..` resolved by name.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(path: &str) -> Access {
        Access::Writes(vec![normal(Path::new(path))])
    }

    fn reads(path: &str) -> Access {
        Access::Reads(normal(Path::new(path)))
    }

    #[test]
    fn writes_to_one_file_run_in_order() {
        let calls = [writes("/w/a"), writes("/w/b"), writes("/w/x/../a"), writes("/w/a")];
        assert_eq!(waits_for(&calls, true), [vec![], vec![], vec![0], vec![0, 2]]);
    }

    #[test]
    fn what_reads_a_written_file_waits() {
        let calls = [writes("/w/a"), reads("/w/a"), reads("/w"), reads("/other"), Access::Anything];
        assert_eq!(waits_for(&calls, true), [vec![], vec![0], vec![0], vec![], vec![0]]);
    }

    #[test]
    fn a_call_that_writes_several_files_waits_for_each() {
        let both = Access::Writes(vec![PathBuf::from("/w/b"), PathBuf::from("/w/a")]);
        let calls = [writes("/w/a"), writes("/w/c"), both, reads("/w/b")];
        assert_eq!(waits_for(&calls, true), [vec![], vec![], vec![0], vec![2]]);
    }

    #[test]
    fn commands_and_reads_overlap() {
        let calls = [Access::Anything, Access::Anything, reads("/w"), Access::Independent];
        assert!(waits_for(&calls, true).iter().all(Vec::is_empty));
    }

    #[test]
    fn without_parallel_calls_each_waits_for_all_before() {
        let calls = [reads("/a"), reads("/b"), reads("/c")];
        assert_eq!(waits_for(&calls, false), [vec![], vec![0], vec![0, 1]]);
    }
}
