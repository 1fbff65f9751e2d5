use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use canon_digest::{Digest, TreeError, blob_digest, tree_digest};
use proptest::prelude::*;

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(dir)
        .args([
            "-c",
            "core.autocrlf=false",
            "-c",
            "core.excludesFile=/dev/null",
            "-c",
            "core.attributesFile=/dev/null",
        ])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What git says; also takes our digest before and after git put its own directory there.
fn assert_as_git(dir: &Path) {
    let before = tree_digest(dir).unwrap();
    git(dir, &["init", "--quiet", "--object-format=sha256"]);
    git(dir, &["add", "--all", "--force"]);
    let expected: Digest = git(dir, &["write-tree"]).parse().unwrap();
    assert_eq!(before, expected);
    assert_eq!(tree_digest(dir).unwrap(), expected);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_empty_tree_is_the_one_that_git_knows() {
    let dir = tempfile::tempdir().unwrap();
    let expected = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";
    assert_eq!(tree_digest(dir.path()).unwrap().to_string(), expected);
    fs::create_dir_all(dir.path().join("empty/inside/.git")).unwrap();
    assert_eq!(tree_digest(dir.path()).unwrap().to_string(), expected);
    let blob = "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813";
    assert_eq!(blob_digest(b"").to_string(), blob);
}

#[test]
fn nasty_names_modes_links_and_empty_directories_as_git() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &[u8]| dir.path().join(OsStr::from_bytes(name));
    let names: [&[u8]; 14] = [
        b"a",
        b"a.b",
        b"a-b",
        b"a0",
        b"a b",
        b"-rf",
        b"new\nline",
        b"tab\t\"quote\"\\",
        b"\xff\xfe not utf-8",
        "é".as_bytes(),
        "e\u{301}".as_bytes(),
        b".gitignore",
        b".gitattributes",
        b"~",
    ];
    for name in names {
        fs::write(at(name), name).unwrap();
    }
    fs::write(at(b".gitignore"), "*\n!a\n").unwrap();
    fs::write(at(b"crlf.txt"), "one\r\ntwo\n").unwrap();
    // `ab` sorts between the file `ab.c` and the directory `ab`, as if that were called `ab/`.
    fs::write(at(b"ab.c"), "").unwrap();
    fs::write(at(b"ab0"), "").unwrap();
    fs::create_dir_all(at(b"ab/c/d")).unwrap();
    fs::write(at(b"ab/c/d/e"), vec![7; 200_000]).unwrap();
    fs::create_dir_all(at(b"empty/also empty")).unwrap();
    for (name, bits) in [
        (&b"0755"[..], 0o755),
        (b"0100", 0o500),
        (b"0010", 0o610),
        (b"0644", 0o644),
        (b"0777", 0o777),
    ] {
        fs::write(at(name), name).unwrap();
        mode(&at(name), bits);
    }
    symlink("a", at(b"link")).unwrap();
    symlink("ab", at(b"link to a directory")).unwrap();
    symlink(OsStr::from_bytes(b"/no where \xff"), at(b"dangling")).unwrap();
    symlink(".", at(b"ab/loop")).unwrap();
    let _socket = UnixListener::bind(at(b"socket")).unwrap();
    // Attributes would have git convert; the digest is over the bytes as they are.
    fs::write(at(b".gitattributes"), "* -text\n").unwrap();
    assert_as_git(dir.path());
}

#[test]
fn every_bit_that_git_keeps_counts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "content").unwrap();
    let digest = || tree_digest(dir.path()).unwrap();
    let mut seen = vec![digest()];
    let mut differs = |what: &str| {
        let now = digest();
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    mode(&file, 0o755);
    differs("executable");
    fs::write(&file, "Content").unwrap();
    differs("content");
    fs::rename(&file, dir.path().join("File")).unwrap();
    differs("name");
    fs::remove_file(dir.path().join("File")).unwrap();
    symlink("Content", dir.path().join("File")).unwrap();
    differs("link");
}

#[test]
fn what_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    match tree_digest(&absent).unwrap_err() {
        TreeError::Io { path, source } => {
            assert_eq!((path, source.kind()), (absent, std::io::ErrorKind::NotFound));
        }
        other => panic!("{other:?}"),
    }
}

/// Names that git takes, without a slash or a zero byte; `.git` is git's own.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(b"ab.-0/ ~\xc3\xff".as_slice()), 1..5),
        prop::collection::vec(1_u8.., 1..9)
    ]
    .prop_map(|name| name.into_iter().map(|byte| if byte == b'/' { b'_' } else { byte }).collect())
    .prop_filter("not a name", |name: &Vec<u8>| {
        !name.iter().all(|byte| *byte == b'.') && !name.to_ascii_lowercase().starts_with(b".git")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_directory_as_git(
        files in prop::collection::btree_map(
            prop::collection::vec(name(), 1..4),
            (prop::collection::vec(any::<u8>(), 0..40), any::<bool>()),
            1..12,
        )
    ) {
        let dir = tempfile::tempdir().unwrap();
        let files: BTreeMap<Vec<Vec<u8>>, (Vec<u8>, bool)> = files;
        for (names, (content, executable)) in files {
            let path = names.iter().fold(dir.path().to_owned(), |path, name| path.join(OsStr::from_bytes(name)));
            // A file may be in the way of a directory, or the other way round: the first one stays.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.exists() {
                fs::write(&path, content).unwrap();
                mode(&path, if executable { 0o700 } else { 0o600 });
            }
        }
        assert_as_git(dir.path());
    }
}
