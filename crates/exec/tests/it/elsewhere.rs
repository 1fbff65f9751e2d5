//! What every environment elsewhere has to do, whatever carries it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use canon_exec::{
    ExecCommand, ExecError, ExecutionEnvironment, FileError, FileKind, GlobOptions, GrepMode,
    GrepOptions, LocalExecutionEnvironment, OutputSink, SearchError,
};
use tokio::sync::mpsc;

use crate::support::{LIMIT, all_gone, at_its_limit, sh, unique};

/// File operations. `here` is where the other side's directory can be seen from here.
pub(crate) async fn files(env: &impl ExecutionEnvironment, here: &Path) {
    let name = Path::new("sub dir/it's \"$(id)\" \\ -n ä\u{1F600}\nline.txt");
    let content: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let made = env.write_file(name, &content).await.unwrap();
    assert!(made.created && made.bytes == 800_000);
    assert_eq!(std::fs::read(here.join(name)).unwrap(), content);
    assert_eq!(env.read_file(name, 1 << 20).await.unwrap(), content);
    let error = env.read_file(name, 799_999).await.unwrap_err();
    assert!(matches!(error, FileError::TooLarge { size: 800_000, .. }), "{error}");
    assert!(matches!(env.read_text(name, 1 << 20).await, Err(FileError::Binary { .. })));

    // The mode is kept, also of a file that must not be written; a link is followed.
    let run = sh(env, "chmod 4751 'sub dir'/it*; ln -s 'sub dir' d; ln -s nowhere/x dangling; mkfifo pipe; ln -s loop loop").await;
    assert!(run.success(), "{}", run.stderr);
    let again = env.write_file(&Path::new("d").join(name.file_name().unwrap()), b"").await.unwrap();
    assert!(!again.created);
    let metadata = env.metadata(name).await.unwrap();
    assert_eq!((metadata.mode, metadata.size, metadata.kind), (0o4751, 0, FileKind::File));
    let local = LocalExecutionEnvironment::new(here).unwrap();
    assert_eq!(local.metadata(name).await.unwrap(), metadata);
    env.write_file(Path::new("dangling"), b"through").await.unwrap();
    assert_eq!(std::fs::read(here.join("nowhere/x")).unwrap(), b"through");
    assert!(here.join("dangling").is_symlink());
    sh(env, "chmod 444 nowhere/x").await;
    env.write_file(Path::new("nowhere/x"), b"new").await.unwrap();
    assert_eq!(env.metadata(Path::new("nowhere/x")).await.unwrap().mode, 0o444);

    // Nothing but files is read or written.
    for (path, kind) in [
        ("pipe", "NotAFile"),
        ("d", "IsDirectory"),
        ("missing", "NotFound"),
        ("dangling/x", "NotADirectory"),
    ] {
        let error = env.read_file(Path::new(path), 100).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{path}: {error:?}");
    }
    for (path, kind) in [
        ("pipe", "NotAFile"),
        ("d", "IsDirectory"),
        ("nowhere/x/y", "NotADirectory"),
        ("loop", "Io"),
    ] {
        let error = env.write_file(Path::new(path), b"x").await.unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{path}: {error:?}");
    }
    assert!(matches!(env.read_file(Path::new("a\0b"), 1).await, Err(FileError::Io { .. })));
    assert!(env.file_exists(Path::new("d")).await.unwrap());
    assert!(!env.file_exists(Path::new("loop")).await.is_ok_and(|there| there));
    assert!(!env.file_exists(Path::new("missing")).await.unwrap());

    // Moving and removing.
    env.rename(name, Path::new("new/place")).await.unwrap();
    assert!(here.join("new/place").is_file() && !here.join(name).exists());
    let error = env.rename(Path::new("new/place"), Path::new("d")).await;
    assert!(error.is_ok(), "a link is replaced, as rename does");
    assert!(here.join("d").is_file() && here.join("sub dir").is_dir());
    assert!(matches!(
        env.rename(Path::new("d"), Path::new("new")).await,
        Err(FileError::IsDirectory { .. })
    ));
    assert!(matches!(env.remove_file(Path::new("new")).await, Err(FileError::IsDirectory { .. })));
    env.remove_file(Path::new("dangling")).await.unwrap();
    assert!(!here.join("dangling").is_symlink() && here.join("nowhere/x").exists());
    assert!(matches!(
        env.remove_file(Path::new("dangling")).await,
        Err(FileError::NotFound { .. })
    ));

    // Listings are the same as here.
    for depth in [1, 2, 9] {
        assert_eq!(
            env.list_directory(Path::new(""), depth).await.unwrap(),
            local.list_directory(Path::new(""), depth).await.unwrap()
        );
    }
    assert!(matches!(
        env.list_directory(Path::new("d"), 1).await,
        Err(FileError::NotADirectory { .. })
    ));
    let left = sh(env, "find . -name '.canon*'").await;
    assert_eq!(left.stdout, "", "temporary files are left");
}

/// Searches give exactly what they give here.
pub(crate) async fn searches(env: &impl ExecutionEnvironment, here: &Path) {
    let files: [(&str, &[u8]); 12] = [
        ("a.rs", b"fn main() {}\nlet x = 12;\n"),
        ("src/deep/b.rs", b"first\r\nlet y12 = 7;\nlast\n"),
        ("src/deep/c.txt", "größe 99\n\x1eF".as_bytes()),
        ("src/.hidden/d.rs", b"let z = 1;\n"),
        (".env", b"let e = 1;\n"),
        ("target/out.rs", b"let t = 1;\n"),
        ("src/deep/skip.log", b"let l = 1;\n"),
        ("src/deep/keep.log", b"let k = 1;\n"),
        ("binary", b"let\0b = 1;\n"),
        (".gitignore", b"/target\n*.log\n"),
        ("src/.ignore", b"!keep.log\n"),
        ("-dash 'q'.rs", b"let d = 5;\n"),
    ];
    for (name, content) in files {
        std::fs::create_dir_all(here.join(name).parent().unwrap()).unwrap();
        std::fs::write(here.join(name), content).unwrap();
    }
    let local = LocalExecutionEnvironment::new(here).unwrap();
    let content = GrepOptions { context: 1, ..GrepOptions::default() };
    let few = GrepOptions { max_results: 2, mode: GrepMode::Files, ..GrepOptions::default() };
    let glob = GrepOptions { glob: Some("*.rs".into()), hidden: true, ..GrepOptions::default() };
    let count =
        GrepOptions { mode: GrepMode::Count, case_insensitive: true, ..GrepOptions::default() };
    for options in [content, few, glob, count] {
        for (pattern, path) in [
            (r"\blet\s+\w+", ""),
            (r"\d{2,}|LAST", "src"),
            ("größe", ""),
            ("let", "src/deep/skip.log"),
        ] {
            let there = env.grep(pattern, Path::new(path), &options).await.unwrap();
            let wanted = local.grep(pattern, Path::new(path), &options).await.unwrap();
            assert_eq!(there, wanted, "{pattern} {path} {options:?}");
        }
    }
    for hidden in [false, true] {
        for (pattern, path) in [("**/*.rs", ""), ("*", ""), ("deep/*", "src"), ("**/*.log", "src")]
        {
            let options = GlobOptions { hidden, ..GlobOptions::default() };
            let there = env.glob(pattern, Path::new(path), &options).await.unwrap();
            let wanted = local.glob(pattern, Path::new(path), &options).await.unwrap();
            assert_eq!(there, wanted, "{pattern} {path}");
        }
    }
    assert!(matches!(
        env.grep("(", Path::new(""), &GrepOptions::default()).await,
        Err(SearchError::InvalidPattern { .. })
    ));
    assert!(matches!(
        env.grep("x", Path::new("missing"), &GrepOptions::default()).await,
        Err(SearchError::File(FileError::NotFound { .. }))
    ));
    let cancelled = GrepOptions::default();
    cancelled.cancel.cancel();
    assert!(matches!(env.grep("x", Path::new(""), &cancelled).await, Err(SearchError::Cancelled)));
}

/// Results of commands.
pub(crate) async fn commands(env: &impl ExecutionEnvironment) {
    let both = sh(env, "echo out; echo err >&2; exit 255").await;
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    assert_eq!(both.exit_code, Some(255), "no failure of the connection");
    let hard =
        sh(env, "printf '%s' 'a'\\''b' \"$0\" '$HOME' '`id`' 'x\ny' ä; [[ a == a* ]] && echo bash")
            .await;
    assert_eq!(hard.stdout, "a'bbash$HOME`id`x\nyäbash\n", "{}", hard.stderr);
    assert_eq!(sh(env, "cat").await.stdout, "", "input is empty");
    assert_eq!(sh(env, "exec kill -9 $$").await.exit_code, Some(137));
    // Interrupts are not ignored, as they would be in the background of a shell.
    assert_ne!(sh(env, "bash -c 'kill -INT $$; echo ignored'").await.stdout, "ignored\n");

    let mut with_input = ExecCommand::new("cat | wc -c");
    with_input.stdin = Some(vec![b'x'; 300_000]);
    let result = env.exec_command(with_input).await.unwrap();
    assert_eq!(result.stdout.trim(), "300000");

    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let mut long =
        ExecCommand::new("echo head; yes | head -c 3000000; echo; echo tail; echo last >&2");
    long.output_limit = Some(2000);
    long.on_output = Some(OutputSink::new(move |chunk| sink.lock().unwrap().extend(chunk.bytes)));
    let result = env.exec_command(long).await.unwrap();
    assert!(result.stdout.starts_with("head\n") && result.stdout.ends_with("\ntail\n"));
    assert!(result.stdout.len() < 2100 && result.stdout.contains("bytes omitted"));
    assert_eq!(result.truncated_bytes, 3_000_011 - 2000);
    assert_eq!(seen.lock().unwrap().len(), 3_000_011 + 5, "no mark is shown");

    let mut there = ExecCommand::new("pwd; echo $NEW; env");
    there.working_dir = Some(PathBuf::from("/"));
    there.env.insert("NEW".into(), "it's \"new\" $HOME\nline".into());
    there.env.insert("odd.name".into(), "odd".into());
    let result = env.exec_command(there).await.unwrap();
    assert!(result.stdout.starts_with("/\nit's \"new\" $HOME line\n"), "{}", result.stdout);
    assert!(result.stdout.contains("odd.name=odd"), "{}", result.stdout);
    assert!(!result.stdout.contains("S3CRET"), "{}", result.stdout);

    let mut missing = ExecCommand::new("true");
    missing.working_dir = Some(PathBuf::from("no/such"));
    assert!(matches!(
        env.exec_command(missing).await,
        Err(ExecError::WorkingDirectory { path, .. }) if path.ends_with("no/such")
    ));
    assert!(matches!(
        env.exec_command(ExecCommand::new("a\0b")).await,
        Err(ExecError::NulByte { at: 1 })
    ));
    let together =
        (0..12).map(|number| async move { sh(env, &format!("echo {number}")).await.stdout });
    let said = futures_join(together).await;
    assert_eq!(said, (0..12).map(|number| format!("{number}\n")).collect::<Vec<_>>());
}

async fn futures_join<T>(work: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = work.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in waiting.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Ignores TERM, hides with `setsid`, and says when it is up.
pub(crate) const STUBBORN: &str = "trap '' TERM; setsid bash -c \"trap '' TERM; exec sleep 600\" & (setsid sleep 600 &); echo partial; while :; do sleep 600; done";

pub(crate) fn marked(command: &str, marker: &str) -> (ExecCommand, mpsc::UnboundedReceiver<()>) {
    let mut command = ExecCommand::new(command);
    command.env.insert("TEST_MARKER".into(), marker.into());
    let (sender, ready) = mpsc::unbounded_channel();
    command.on_output = Some(OutputSink::new(move |_| {
        let _already_seen = sender.send(());
    }));
    (command, ready)
}

/// However a command ends, nothing of it is left on the other side.
pub(crate) async fn endings(env: &impl ExecutionEnvironment) {
    let marker = unique("limit");
    let (mut command, ready) = marked(STUBBORN, &marker);
    command.timeout = Some(LIMIT);
    let result = at_its_limit(LIMIT, ready, env.exec_command(command)).await.unwrap();
    assert!(result.timed_out && !result.cancelled && result.stdout == "partial\n", "{result:?}");
    assert_eq!((result.exit_code, result.signal), (None, Some(9)));
    assert!(all_gone("TEST_MARKER", &marker).await);

    // Time to tidy up is given, and what is said meanwhile is kept.
    let (mut polite, ready) =
        marked("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done", &marker);
    polite.timeout = Some(LIMIT);
    let result = at_its_limit(LIMIT, ready, env.exec_command(polite)).await.unwrap();
    assert_eq!((result.stdout.as_str(), result.exit_code), ("up\nbye\n", Some(3)));
    assert!(result.timed_out);

    let marker = unique("cancel");
    let (command, mut ready) = marked(STUBBORN, &marker);
    let cancel = command.cancel.clone();
    let (result, ()) = tokio::join!(env.exec_command(command), async {
        ready.recv().await;
        cancel.cancel();
    });
    assert!(result.unwrap().cancelled);
    assert!(all_gone("TEST_MARKER", &marker).await);

    let marker = unique("dropped");
    let (command, mut ready) = marked(STUBBORN, &marker);
    tokio::select! {
        _ = env.exec_command(command) => panic!("it cannot end by itself"),
        _ = ready.recv() => {}
    }
    assert!(all_gone("TEST_MARKER", &marker).await);

    let marker = unique("background");
    let (command, _ready) = marked("sleep 600 & setsid sleep 600 & echo started", &marker);
    let result = env.exec_command(command).await.unwrap();
    assert_eq!((result.stdout.as_str(), result.exit_code), ("started\n", Some(0)));
    assert!(all_gone("TEST_MARKER", &marker).await);
}
