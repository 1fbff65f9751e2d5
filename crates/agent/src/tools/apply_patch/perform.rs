//! The steps of a patch made on an environment: all of them, or none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canon_exec::{ExecutionEnvironment, FileError, FileKind};
use tokio_util::sync::CancellationToken;

use crate::patch::Step;

/// A step that can be undone.
enum Move {
    Create { path: PathBuf, content: Vec<u8> },
    Replace { path: PathBuf, old: Vec<u8>, new: Vec<u8> },
    Rename { from: PathBuf, to: PathBuf },
}

/// Makes all steps, or none; then the text says why, and what state is left. If all goes well, it
/// says what is left to be cleared away, which is nothing unless something odd happens.
pub(super) async fn perform(
    env: Arc<dyn ExecutionEnvironment>,
    steps: Vec<Step>,
    cancel: CancellationToken,
) -> Result<Vec<String>, String> {
    let env = env.as_ref();
    // Files that go are put aside first, since what is put aside can come back as it was.
    let mut aside = Vec::new();
    let moves: Vec<Move> = steps.into_iter().map(|step| as_move(step, &mut aside)).collect();
    let mut new_directories = Vec::new();
    for (at, step) in moves.iter().enumerate() {
        new_directories.extend(missing_parent(env, step).await);
        let (done, why) = match advance(env, step, &cancel).await {
            Ok(()) => continue,
            Err(Failure::Before(why)) => (at, why),
            // An environment may say that a step failed and yet have made it.
            Err(Failure::During(why)) => (at + usize::from(has_happened(env, step).await), why),
            Err(Failure::After(why)) => (at + 1, why),
        };
        return Err(undo_all(env, &moves[..done], &why, &new_directories).await);
    }
    let mut leftovers = Vec::new();
    for (path, aside) in aside {
        if let Err(error) = env.remove_file(&aside).await {
            let (path, aside) = (path.display(), aside.display());
            leftovers
                .push(format!("what was {path} is now {aside}, which has to be removed ({error})"));
        }
    }
    Ok(leftovers)
}

fn as_move(step: Step, aside: &mut Vec<(PathBuf, PathBuf)>) -> Move {
    match step {
        Step::Create { path, content } => Move::Create { path, content },
        Step::Replace { path, old, new } => Move::Replace { path, old, new },
        Step::Rename { from, to } => Move::Rename { from, to },
        Step::Remove { path } => {
            let to = path.with_file_name(format!(".{}.tmp", canon_runtime::id::new("canon")));
            aside.push((path.clone(), to.clone()));
            Move::Rename { from: path, to }
        }
    }
}

async fn missing_parent(env: &dyn ExecutionEnvironment, step: &Move) -> Option<PathBuf> {
    let (Move::Create { path, .. } | Move::Rename { to: path, .. }) = step else { return None };
    let parent = path.parent()?;
    matches!(env.file_exists(parent).await, Ok(false)).then(|| parent.to_owned())
}

/// When a step failed.
enum Failure {
    /// Nothing was done.
    Before(String),
    /// Who knows.
    During(String),
    /// It was done, and is not what was wanted.
    After(String),
}

/// Makes one step if all is still as it was when the patch was tried.
async fn advance(
    env: &dyn ExecutionEnvironment,
    step: &Move,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    if cancel.is_cancelled() {
        return Err(Failure::Before("it was cancelled".to_owned()));
    }
    let fits = match step {
        Move::Create { path, .. } | Move::Rename { to: path, .. } => check_vacant(env, path).await,
        Move::Replace { path, old, .. } => check_content(env, path, old).await,
    };
    fits.map_err(Failure::Before)?;
    let made = match step {
        Move::Create { path, content: new } | Move::Replace { path, new, .. } => {
            env.write_file(path, new).await.map(|_| ())
        }
        Move::Rename { from, to } => env.rename(from, to).await,
    };
    made.map_err(|error| Failure::During(error.to_string()))?;
    if let Move::Rename { from, to } = step {
        // A relative link leads nowhere from another directory.
        let is_there = env.metadata(to).await.is_ok_and(|file| file.kind == FileKind::File);
        if !is_there {
            let why = format!("{}: is a link that cannot be moved there", from.display());
            return Err(Failure::After(why));
        }
    }
    Ok(())
}

async fn check_vacant(env: &dyn ExecutionEnvironment, path: &Path) -> Result<(), String> {
    match env.file_exists(path).await.map_err(text)? {
        false => Ok(()),
        true => Err(format!("{}: came into being in the meantime", path.display())),
    }
}

/// Other tools, and people, may write the same file; so may this patch, by another name of it.
async fn check_content(
    env: &dyn ExecutionEnvironment,
    path: &Path,
    content: &[u8],
) -> Result<(), String> {
    match env.read_file(path, content.len() as u64).await {
        Ok(now) if now == content => Ok(()),
        Ok(_) | Err(FileError::TooLarge { .. }) => Err(format!(
            "{}: was changed in the meantime, or is in the patch by two names",
            path.display()
        )),
        Err(error) => Err(error.to_string()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Undoes `moves` and says what came of that.
async fn undo_all(
    env: &dyn ExecutionEnvironment,
    moves: &[Move],
    why: &str,
    new_directories: &[PathBuf],
) -> String {
    let mut stuck = Vec::new();
    for step in moves.iter().rev() {
        if let Err(error) = undo(env, step).await {
            stuck.push(format!("- {}: {error}", name(step)));
        }
    }
    let mut message = format!("The patch was not applied: {why}\n");
    if stuck.is_empty() {
        message.push_str("Nothing was changed: what had been done was undone.");
    } else {
        stuck.reverse();
        message.push_str("These changes were made and could not be undone, all others were:\n");
        message.push_str(&stuck.join("\n"));
    }
    for directory in new_directories {
        if matches!(env.file_exists(directory).await, Ok(true)) {
            message.push_str(&format!("\nThe new directory {} is left.", directory.display()));
        }
    }
    message
}

async fn has_happened(env: &dyn ExecutionEnvironment, step: &Move) -> bool {
    match step {
        Move::Create { path, content: new } | Move::Replace { path, new, .. } => {
            matches!(env.read_file(path, new.len() as u64).await, Ok(now) if now == *new)
        }
        Move::Rename { from, to } => {
            matches!(env.file_exists(from).await, Ok(false))
                && matches!(env.file_exists(to).await, Ok(true))
        }
    }
}

async fn undo(env: &dyn ExecutionEnvironment, step: &Move) -> Result<(), String> {
    match step {
        Move::Create { path, content } => {
            check_content(env, path, content).await?;
            env.remove_file(path).await.map_err(text)
        }
        Move::Replace { path, old, new } => {
            check_content(env, path, new).await?;
            env.write_file(path, old).await.map(|_| ()).map_err(text)
        }
        Move::Rename { from, to } => {
            check_vacant(env, from).await?;
            env.rename(to, from).await.map_err(text)
        }
    }
}

fn name(step: &Move) -> String {
    match step {
        Move::Create { path, .. } => format!("{} was made", path.display()),
        Move::Replace { path, .. } => format!("{} has its new content", path.display()),
        Move::Rename { from, to } => format!("{} is now {}", from.display(), to.display()),
    }
}
