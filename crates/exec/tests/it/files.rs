//! File operations of the local environment.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use canon_exec::{ExecutionEnvironment, FileError, FileKind, LocalExecutionEnvironment};

fn local() -> (tempfile::TempDir, LocalExecutionEnvironment) {
    let dir = tempfile::tempdir().unwrap();
    let environment = LocalExecutionEnvironment::new(dir.path()).unwrap();
    (dir, environment)
}

#[tokio::test]
async fn write_creates_parents_and_keeps_the_mode() {
    let (dir, env) = local();
    let made = env.write_file(Path::new("a/b/c.sh"), b"one").await.unwrap();
    assert!(made.created);
    let path = dir.path().join("a/b/c.sh");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o751)).unwrap();
    let again = env.write_file(Path::new("a/b/c.sh"), b"two").await.unwrap();
    assert_eq!((again.created, again.bytes), (false, 3));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o751);
    assert_eq!(env.read_text(&path, 100).await.unwrap(), "two");
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[tokio::test]
async fn write_follows_a_link_and_keeps_it() {
    let (dir, env) = local();
    fs::write(dir.path().join("real"), "old").unwrap();
    symlink("real", dir.path().join("link")).unwrap();
    env.write_file(Path::new("link"), b"new").await.unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("real")).unwrap(), "new");
    assert!(dir.path().join("link").is_symlink());
}

#[tokio::test]
async fn errors_are_typed() {
    let (dir, env) = local();
    fs::write(dir.path().join("big"), [b'x'; 100]).unwrap();
    fs::write(dir.path().join("binary"), b"a\0b").unwrap();
    fs::write(dir.path().join("latin"), b"caf\xe9").unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let read = |name: &'static str| env.read_file(Path::new(name), 99);
    assert!(matches!(read("none").await, Err(FileError::NotFound { .. })));
    assert!(matches!(read("big").await, Err(FileError::TooLarge { size: 100, limit: 99, .. })));
    assert!(matches!(read(".").await, Err(FileError::IsDirectory { .. })));
    assert!(matches!(read("pipe").await, Err(FileError::NotAFile { .. })));
    assert!(matches!(read("big/x").await, Err(FileError::NotADirectory { .. })));
    assert!(matches!(read("loop").await, Err(FileError::Io { .. })));
    assert!(matches!(read("none/../big").await, Err(FileError::NotFound { .. })));
    for name in ["binary", "latin"] {
        assert!(
            matches!(env.read_text(Path::new(name), 99).await, Err(FileError::Binary { .. })),
            "{name}"
        );
    }
    assert!(matches!(
        env.write_file(Path::new("."), b"").await,
        Err(FileError::IsDirectory { .. })
    ));
    assert!(matches!(
        env.write_file(Path::new("pipe"), b"").await,
        Err(FileError::NotAFile { .. })
    ));
    assert!(matches!(env.remove_file(Path::new("none")).await, Err(FileError::NotFound { .. })));
}

#[tokio::test]
async fn a_file_that_says_size_zero_is_read_whole() {
    let (_dir, env) = local();
    assert!(env.read_text(Path::new("/proc/version"), 4096).await.unwrap().contains("Linux"));
    assert!(matches!(
        env.read_file(Path::new("/proc/version"), 3).await,
        Err(FileError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn rename_remove_exists_metadata() {
    let (dir, env) = local();
    fs::write(dir.path().join("a"), "text").unwrap();
    env.rename(Path::new("a"), Path::new("new/place/b")).await.unwrap();
    assert!(!env.file_exists(Path::new("a")).await.unwrap());
    let metadata = env.metadata(Path::new("new/place/b")).await.unwrap();
    assert_eq!((metadata.kind, metadata.size), (FileKind::File, 4));
    assert!(metadata.modified_ms > 1_600_000_000_000);
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    assert!(!env.file_exists(Path::new("dangling")).await.unwrap());
    env.remove_file(Path::new("dangling")).await.unwrap();
    env.remove_file(Path::new("new/place/b")).await.unwrap();
    assert!(!env.file_exists(Path::new("new/place/b")).await.unwrap());
}

#[tokio::test]
async fn listing_goes_as_deep_as_asked() {
    let (dir, env) = local();
    fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
    fs::write(dir.path().join("a/f"), "12345").unwrap();
    symlink("a", dir.path().join("link")).unwrap();
    let names = |entries: Vec<canon_exec::DirEntry>| {
        entries.into_iter().map(|e| e.name.display().to_string()).collect::<Vec<_>>()
    };
    let shallow = env.list_directory(Path::new("."), 1).await.unwrap();
    assert_eq!(names(shallow.clone()), ["a", "link"]);
    assert!(shallow[0].is_dir() && shallow[1].kind == FileKind::Symlink);
    let deep = env.list_directory(Path::new("."), 2).await.unwrap();
    assert_eq!(names(deep.clone()), ["a", "a/b", "a/f", "link"]);
    assert_eq!(deep[2].size, Some(5));
    assert!(matches!(
        env.list_directory(Path::new("a/f"), 1).await,
        Err(FileError::NotADirectory { .. })
    ));
}

#[tokio::test]
async fn a_missing_working_directory_is_said_at_once() {
    assert!(matches!(LocalExecutionEnvironment::new("/no/such"), Err(FileError::NotFound { .. })));
    let (dir, env) = local();
    env.initialize().await.unwrap();
    drop(dir);
    assert!(env.initialize().await.is_err());
    assert!(env.exec_command(canon_exec::ExecCommand::new("true")).await.is_err());
}
