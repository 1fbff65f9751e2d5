//! Which entries are listed. Directories are read one level after the other, so that ignored ones
//! cost nothing, however much lies in them.

use std::path::{Path, PathBuf};

use canon_exec::{DirEntry, ExecutionEnvironment, FileError, FileKind, IGNORE_FILES, Ignores};
use futures_util::StreamExt as _;

use crate::tools::patterns::Patterns;

/// Entries of a whole listing.
const MOST: usize = 500;
/// Entries of one directory below the top.
const MOST_OF_ONE: usize = 100;
/// Directories read at a time.
const AT_ONCE: usize = 8;
/// Larger ignore files are passed over.
const IGNORE_FILE_LIMIT: u64 = 1024 * 1024;

/// What to list.
pub(super) struct Plan {
    /// Absolute.
    pub(super) top: PathBuf,
    /// At least 1.
    pub(super) depth: usize,
    pub(super) leave_out: Patterns,
    pub(super) include_ignored: bool,
}

/// What was found, in order of path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    /// Entries that ignore files left out.
    pub(super) ignored: usize,
    /// There were more.
    pub(super) cut: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Relative to the top.
    pub(super) path: PathBuf,
    pub(super) kind: FileKind,
    pub(super) size: Option<u64>,
    pub(super) trouble: Option<Trouble>,
}

/// Why a directory is not listed as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Unreadable(String),
    /// So many of its entries are missing.
    More(usize),
}

/// A directory as it was read: its place below the top, its entries, its ignore files.
struct Directory {
    below: PathBuf,
    entries: Result<Vec<DirEntry>, FileError>,
    ignore_files: Vec<(PathBuf, Vec<u8>)>,
}

/// Lists `plan.top`.
///
/// # Errors
/// When the top itself cannot be listed; what cannot be read below it is said in the listing.
pub(super) async fn list(
    env: &dyn ExecutionEnvironment,
    plan: &Plan,
) -> Result<Listing, FileError> {
    let mut ignores =
        if plan.include_ignored { Ignores::default() } else { ignores_above(env, &plan.top).await };
    let mut listing = Listing::default();
    let mut level = vec![PathBuf::new()];
    for depth in 0..plan.depth.max(1) {
        let mut next = Vec::new();
        let reads = level.into_iter().map(|below| read(env, plan, below));
        let mut directories = futures_util::stream::iter(reads).buffered(AT_ONCE);
        while let Some(directory) = directories.next().await {
            for (path, content) in &directory.ignore_files {
                ignores.add(path, content);
            }
            let entries = match directory.entries {
                Ok(entries) => entries,
                Err(error) if depth == 0 => return Err(error),
                Err(error) => {
                    listing.note(&directory.below, Trouble::Unreadable(error.to_string()));
                    continue;
                }
            };
            let entries = wanted(plan, &ignores, &directory.below, entries, &mut listing.ignored);
            listing.take(&directory.below, entries, &mut next);
        }
        if listing.entries.len() >= MOST {
            listing.cut |= !next.is_empty() && depth + 1 < plan.depth;
            break;
        }
        level = next;
    }
    listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

async fn read(env: &dyn ExecutionEnvironment, plan: &Plan, below: PathBuf) -> Directory {
    let place = plan.top.join(&below);
    let entries = env.list_directory(&place, 1).await;
    let has = |name: &str| {
        let first = name.split('/').next().unwrap_or(name);
        entries.as_ref().is_ok_and(|all| all.iter().any(|entry| entry.name == Path::new(first)))
    };
    let mut ignore_files = Vec::new();
    for name in IGNORE_FILES.iter().filter(|name| !plan.include_ignored && has(name)) {
        let path = place.join(name);
        if let Ok(content) = env.read_file(&path, IGNORE_FILE_LIMIT).await {
            ignore_files.push((path, content));
        }
    }
    Directory { below, entries, ignore_files }
}

/// The entries to list, by path below the top.
fn wanted(
    plan: &Plan,
    ignores: &Ignores,
    below: &Path,
    entries: Vec<DirEntry>,
    ignored: &mut usize,
) -> Vec<DirEntry> {
    let mut wanted = Vec::with_capacity(entries.len());
    for mut entry in entries {
        entry.name = below.join(&entry.name);
        if plan.leave_out.matches(&entry.name) {
            continue;
        }
        if ignores.matches(&plan.top.join(&entry.name), entry.is_dir()) {
            *ignored += 1;
            continue;
        }
        wanted.push(entry);
    }
    wanted
}

/// What the directories between the working directory and `top` ignore; those above it belong to
/// somebody else's tree.
async fn ignores_above(env: &dyn ExecutionEnvironment, top: &Path) -> Ignores {
    let mut ignores = Ignores::default();
    let cwd = env.working_directory();
    for directory in top.ancestors().skip(1).take_while(|place| place.starts_with(cwd)) {
        for name in IGNORE_FILES {
            let path = directory.join(name);
            if let Ok(content) = env.read_file(&path, IGNORE_FILE_LIMIT).await {
                ignores.add(&path, &content);
            }
        }
    }
    ignores
}

impl Listing {
    /// Takes over what there is room for, and says which directories are to be read next.
    fn take(&mut self, below: &Path, mut entries: Vec<DirEntry>, next: &mut Vec<PathBuf>) {
        let is_top = below.as_os_str().is_empty();
        let room = MOST.saturating_sub(self.entries.len());
        let room = if is_top { room } else { room.min(MOST_OF_ONE) };
        let more = entries.len().saturating_sub(room);
        entries.truncate(room);
        if more > 0 && is_top {
            self.cut = true;
        } else if more > 0 {
            self.note(below, Trouble::More(more));
        }
        for entry in entries {
            // The inside of a repository's database is of no use to anybody.
            if entry.is_dir() && entry.name.file_name().is_some_and(|name| name != ".git") {
                next.push(entry.name.clone());
            }
            self.entries.push(Entry {
                path: entry.name,
                kind: entry.kind,
                size: entry.size,
                trouble: None,
            });
        }
    }

    fn note(&mut self, directory: &Path, trouble: Trouble) {
        self.cut |= matches!(trouble, Trouble::More(_)) && self.entries.len() >= MOST;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.path == directory) {
            entry.trouble = Some(trouble);
        }
    }
}
