//! Ways out of the sandbox, tried with real commands on each backend.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use canon_exec::sandbox::Backend;
use canon_exec::{
    ExecCommand, ExecutionEnvironment, FileError, GlobOptions, GrepOptions, SandboxError,
    SandboxOptions, SandboxPolicy, SandboxedEnvironment,
};
use rustix::io::FdFlags;

use crate::support::{BACKENDS, all_gone, options, sandboxed, sh, unique};

/// A directory with a workspace, a place beside it, and a secret.
pub(crate) struct World {
    _dir: tempfile::TempDir,
    pub(crate) workspace: PathBuf,
    pub(crate) outside: PathBuf,
    pub(crate) secret: PathBuf,
}

pub(crate) fn world() -> World {
    // Not below `/tmp`, which is private in one of the backends.
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let base = dir.path().canonicalize().unwrap();
    let [workspace, outside, secret] =
        ["workspace", "outside", "secret"].map(|name| base.join(name));
    for directory in [&workspace, &outside, &secret] {
        fs::create_dir(directory).unwrap();
    }
    fs::write(outside.join("file"), "outside\n").unwrap();
    fs::write(secret.join("key"), "hunter2\n").unwrap();
    World { _dir: dir, workspace, outside, secret }
}

pub(crate) fn workspace_write(world: &World) -> SandboxPolicy {
    SandboxPolicy::WorkspaceWrite {
        writable_roots: Vec::new(),
        network: false,
        exclude_tmp: false,
        denied_reads: vec![world.secret.clone()],
    }
}

#[tokio::test]
async fn writes_stay_inside() {
    for backend in BACKENDS {
        let world = world();
        symlink(&world.outside, world.workspace.join("link")).unwrap();
        let Some(env) = sandboxed(
            "writes_stay_inside",
            workspace_write(&world),
            &world.workspace,
            options(backend),
        )
        .await
        else {
            continue;
        };
        let inside =
            sh(&env, "mkdir -p a/b && echo x > a/b/c && mv a/b/c a/d && rm -r a/b && cat a/d")
                .await;
        assert_eq!(
            (inside.stdout.as_str(), inside.exit_code),
            ("x\n", Some(0)),
            "{backend}: {}",
            inside.stderr
        );
        let outside = world.outside.display();
        for attempt in [
            format!("echo x > {outside}/new"),
            format!("echo x > {outside}/file"),
            format!("truncate -s 0 {outside}/file"),
            format!("rm {outside}/file"),
            format!("mv {outside}/file ."),
            format!("mkdir {outside}/dir"),
            format!("ln {outside}/file hard && echo x > hard"),
            format!("ln -s x {outside}/soft"),
            "echo x > link/new".into(),
            "echo x > ../outside/new".into(),
            format!("mount --bind {outside} . || umount /usr"),
            "unshare -Ur true || unshare -m true".into(),
            // The value it has: a leak must not change the machine that runs the tests.
            "cd /proc/sys/kernel && value=$(cat panic_on_oops) && echo $value > panic_on_oops"
                .into(),
            "mknod disk b 1 1".into(),
        ] {
            let tried = sh(&env, &attempt).await;
            assert_ne!(tried.exit_code, Some(0), "{backend}: `{attempt}` worked");
        }
        assert_eq!(
            fs::read_to_string(world.outside.join("file")).unwrap(),
            "outside\n",
            "{backend}"
        );
        assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 1, "{backend}");
        assert_eq!(
            sh(&env, &format!("cat {outside}/file")).await.stdout,
            "outside\n",
            "{backend}: reading is allowed"
        );
    }
}

#[tokio::test]
async fn read_only_writes_nothing_but_temporary_files() {
    for backend in BACKENDS {
        let world = world();
        let Some(env) =
            sandboxed("read_only", SandboxPolicy::read_only(), &world.workspace, options(backend))
                .await
        else {
            continue;
        };
        assert_ne!(sh(&env, "echo x > file").await.exit_code, Some(0), "{backend}");
        assert_eq!(
            sh(&env, "echo x > $TMPDIR/file && cat $TMPDIR/file").await.stdout,
            "x\n",
            "{backend}"
        );
        assert!(matches!(
            env.write_file(Path::new("file"), b"x").await,
            Err(FileError::OutsidePolicy { .. })
        ));
        assert_eq!(fs::read_dir(&world.workspace).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn hidden_places_cannot_be_read() {
    for backend in BACKENDS {
        let world = world();
        let mask = world.outside.clone();
        let options = SandboxOptions { masked_paths: vec![mask], ..options(backend) };
        let Some(env) =
            sandboxed("hidden_places", workspace_write(&world), &world.workspace, options).await
        else {
            continue;
        };
        symlink(&world.secret, world.workspace.join("link")).unwrap();
        for attempt in [
            "cat ../secret/key",
            "cat link/key",
            "ls ../secret/key",
            "cat ../outside/file",
            "ls ../outside",
            "cp -r ../secret copy",
            "cat /etc/shadow.none",
        ] {
            let tried = sh(&env, attempt).await;
            assert!(
                !tried.stdout.contains("hunter2") && !tried.stdout.contains("outside"),
                "{backend}: `{attempt}`: {}",
                tried.stdout
            );
            // Landlock does not hide that a file is there.
            assert!(
                tried.exit_code != Some(0)
                    || (backend == Backend::Landlock && attempt == "ls ../secret/key"),
                "{backend}: `{attempt}`: {}",
                tried.combined
            );
        }
        for path in ["../secret/key", "link/key", "../outside/file"] {
            let read = env.read_file(Path::new(path), 100).await;
            assert!(matches!(read, Err(FileError::OutsidePolicy { .. })), "{backend}: {path}");
        }
        let found = env.grep("hunter2", Path::new(".."), &GrepOptions::default()).await.unwrap();
        assert!(found.lines.is_empty(), "{backend}");
        let globbed = env.glob("**/key", Path::new(".."), &GlobOptions::default()).await.unwrap();
        assert!(globbed.paths.is_empty(), "{backend}");
        let listed = env.list_directory(Path::new(".."), 2).await.unwrap();
        assert!(
            listed.iter().all(|entry| entry.name.starts_with("workspace")),
            "{backend}: {listed:?}"
        );
    }
}

#[tokio::test]
async fn a_root_below_a_hidden_place_works() {
    for backend in BACKENDS {
        let world = world();
        let nested = world.secret.join("workspaces/one");
        fs::create_dir_all(&nested).unwrap();
        let Some(env) =
            sandboxed("root_below_hidden", workspace_write(&world), &nested, options(backend))
                .await
        else {
            continue;
        };
        let result = sh(&env, "echo x > file && cat file && pwd").await;
        assert_eq!(
            result.stdout,
            format!("x\n{}\n", nested.display()),
            "{backend}: {}",
            result.stderr
        );
        assert_ne!(sh(&env, "cat ../../key").await.exit_code, Some(0), "{backend}");
        env.write_file(Path::new("from/tool"), b"x").await.unwrap();
        assert!(env.read_file(Path::new("../../key"), 100).await.is_err(), "{backend}");
    }
}

#[tokio::test]
async fn file_tools_obey_the_same_policy() {
    for backend in BACKENDS {
        let world = world();
        symlink(world.outside.join("file"), world.workspace.join("file-link")).unwrap();
        symlink(&world.outside, world.workspace.join("dir-link")).unwrap();
        symlink(world.outside.join("not-yet"), world.workspace.join("dangling")).unwrap();
        let Some(env) =
            sandboxed("file_tools", workspace_write(&world), &world.workspace, options(backend))
                .await
        else {
            continue;
        };
        let absolute = world.outside.join("new");
        for path in [
            "../outside/new",
            "file-link",
            "dir-link/new",
            "dangling",
            "a/../../outside/new",
            "/etc/canon-test",
            absolute.to_str().unwrap(),
        ] {
            fs::create_dir_all(world.workspace.join("a")).unwrap();
            let written = env.write_file(Path::new(path), b"x").await;
            assert!(
                matches!(written, Err(FileError::OutsidePolicy { .. })),
                "{backend}: {path}: {written:?}"
            );
        }
        assert!(env.remove_file(&world.outside.join("file")).await.is_err());
        assert!(env.remove_file(Path::new("dir-link/file")).await.is_err());
        assert!(env.rename(&world.outside.join("file"), Path::new("stolen")).await.is_err());
        env.write_file(Path::new("own"), b"x").await.unwrap();
        assert!(env.rename(Path::new("own"), Path::new("dir-link/own")).await.is_err());
        assert!(env.rename(Path::new("."), Path::new("../moved")).await.is_err());
        env.remove_file(Path::new("file-link")).await.unwrap();
        for own in ["/proc/self/environ", "/proc/1/environ", "/dev/null"] {
            assert!(
                matches!(
                    env.read_file(Path::new(own), 10_000).await,
                    Err(FileError::OutsidePolicy { .. })
                ),
                "{own}"
            );
        }
        assert_eq!(fs::read_to_string(world.outside.join("file")).unwrap(), "outside\n");
        assert_eq!(env.read_text(&world.outside.join("file"), 100).await.unwrap(), "outside\n");
    }
}

#[tokio::test]
async fn temporary_files_are_private_last_and_look_the_same_to_tools() {
    for backend in BACKENDS {
        let world = world();
        let leaked = tempfile::NamedTempFile::new_in("/tmp").unwrap();
        let Some(env) =
            sandboxed("temporary", workspace_write(&world), &world.workspace, options(backend))
                .await
        else {
            continue;
        };
        let place = sh(&env, "echo one > $TMPDIR/f; echo $TMPDIR").await.stdout;
        let place = Path::new(place.trim()).join("f");
        assert_eq!(
            sh(&env, "cat $TMPDIR/f").await.stdout,
            "one\n",
            "{backend}: it lasts from command to command"
        );
        assert_eq!(env.read_text(&place, 100).await.unwrap(), "one\n", "{backend}");
        env.write_file(&place, b"two").await.unwrap();
        assert_eq!(sh(&env, "cat $TMPDIR/f").await.stdout, "two", "{backend}");
        if backend == Backend::Bubblewrap {
            assert_ne!(
                sh(&env, &format!("cat {}", leaked.path().display())).await.exit_code,
                Some(0)
            );
            assert!(!env.file_exists(leaked.path()).await.unwrap());
            sh(&env, "ln -s /tmp/f /tmp/inner; ln -s /etc/passwd /tmp/outer").await;
            assert_eq!(env.read_text(Path::new("/tmp/inner"), 100).await.unwrap(), "two");
            assert!(env.write_file(Path::new("/tmp/outer"), b"x").await.is_err());
        }
        env.cleanup().await.unwrap();
    }
}

#[tokio::test]
async fn a_workspace_in_tmp_works() {
    for backend in BACKENDS {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let Some(env) = sandboxed(
            "workspace_in_tmp",
            SandboxPolicy::workspace_write(),
            dir.path(),
            options(backend),
        )
        .await
        else {
            continue;
        };
        assert_eq!(sh(&env, "echo x > f; cat f").await.stdout, "x\n", "{backend}");
        assert_eq!(env.read_text(Path::new("f"), 10).await.unwrap(), "x\n", "{backend}");
        assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "x\n", "{backend}");
        let globbed = env.glob("*", Path::new("."), &GlobOptions::default()).await.unwrap();
        assert_eq!(globbed.paths, [Path::new("f")], "{backend}");
    }
}

#[tokio::test]
async fn no_connection_gets_out() {
    for backend in BACKENDS {
        let world = world();
        let Some(env) =
            sandboxed("no_connection", workspace_write(&world), &world.workspace, options(backend))
                .await
        else {
            continue;
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_ne!(
            sh(&env, &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")).await.exit_code,
            Some(0),
            "{backend}"
        );
        assert!(listener.accept().is_err(), "{backend}");
        assert!(!env.sandbox().network);
        // Services of this machine listen on local sockets.
        let path = world.outside.join("service");
        let service = std::os::unix::net::UnixListener::bind(&path).unwrap();
        service.set_nonblocking(true).unwrap();
        if backend == Backend::Landlock {
            let try_it = format!(
                "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{}\")'",
                path.display()
            );
            assert_ne!(sh(&env, &try_it).await.exit_code, Some(0), "{backend}");
            assert!(service.accept().is_err());
        }
    }
}

#[tokio::test]
async fn the_network_can_be_opened() {
    for backend in BACKENDS {
        let world = world();
        let policy = workspace_write(&world).with_network(true);
        let Some(env) = sandboxed("network_open", policy, &world.workspace, options(backend)).await
        else {
            continue;
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let result = sh(&env, &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")).await;
        assert_eq!(result.exit_code, Some(0), "{backend}: {}", result.stderr);
        assert!(env.sandbox().network);
    }
}

#[tokio::test]
async fn other_processes_are_out_of_reach() {
    for backend in BACKENDS {
        let world = world();
        let marker = unique("victim");
        let mut victim = Command::new("sleep").arg("600").env("VICTIM", &marker).spawn().unwrap();
        let Some(env) = sandboxed(
            "other_processes",
            workspace_write(&world),
            &world.workspace,
            options(backend),
        )
        .await
        else {
            victim.kill().unwrap();
            victim.wait().unwrap();
            continue;
        };
        let pid = victim.id();
        let own = std::process::id();
        let look = sh(&env, &format!("cat /proc/{pid}/environ /proc/{own}/environ; cat /proc/*/environ | tr '\\0' '\\n'; ls -l /proc/{own}/fd /proc/{own}/root/")).await;
        assert!(!look.stdout.contains(&marker), "{backend}");
        assert_ne!(sh(&env, &format!("kill -9 {pid}")).await.exit_code, Some(0), "{backend}");
        assert!(victim.try_wait().unwrap().is_none(), "{backend}");
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert_eq!(env.sandbox().pid_namespace, backend == Backend::Bubblewrap);
    }
}

#[tokio::test]
async fn nothing_is_inherited() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "hunter2").unwrap();
    let open = fs::File::open(secret.path()).unwrap();
    let kept = rustix::io::dup(&open).unwrap();
    rustix::io::fcntl_setfd(&kept, FdFlags::empty()).unwrap();
    for backend in BACKENDS {
        let world = world();
        let mut options = options(backend);
        options.env = options
            .env
            .with("GIVEN", "yes")
            .with("TRACKER_TOKEN", "hunter2")
            .without("TRACKER_TOKEN");
        let Some(env) =
            sandboxed("nothing_is_inherited", workspace_write(&world), &world.workspace, options)
                .await
        else {
            continue;
        };
        let seen = sh(&env, "for fd in /proc/$$/fd/*; do [ ${fd##*/} -gt 2 ] && [ ${fd##*/} -ne 255 ] && readlink $fd; done; env").await.stdout;
        assert!(
            !seen.contains(secret.path().to_str().unwrap()) && !seen.contains("memfd"),
            "{backend}: {seen}"
        );
        assert!(seen.contains("GIVEN=yes") && !seen.contains("hunter2"), "{backend}: {seen}");
    }
}

#[tokio::test]
async fn timeouts_end_everything_inside_with_grace() {
    for backend in BACKENDS {
        let world = world();
        let marker = unique("sandbox-timeout");
        let mut options = options(backend);
        options.env = options.env.with("TEST_MARKER", &marker);
        options.grace = Duration::from_secs(3);
        let Some(env) =
            sandboxed("timeouts", workspace_write(&world), &world.workspace, options).await
        else {
            continue;
        };
        let mut command = ExecCommand::new(
            "trap 'echo tidy; exit 7' TERM; setsid bash -c 'trap \"\" TERM; sleep 600' & echo up; while :; do sleep 0.01; done",
        );
        command.timeout = Some(Duration::from_millis(500));
        let result = env.exec_command(command).await.unwrap();
        assert!(result.timed_out, "{backend}");
        assert_eq!(result.stdout, "up\ntidy\n", "{backend}: {}", result.stderr);
        assert!(all_gone("TEST_MARKER", &marker).await, "{backend}");
    }
}

#[tokio::test]
async fn background_processes_end_with_their_command() {
    for backend in BACKENDS {
        let world = world();
        let marker = unique("sandbox-background");
        let mut options = options(backend);
        options.env = options.env.with("TEST_MARKER", &marker);
        let Some(env) =
            sandboxed("background", workspace_write(&world), &world.workspace, options).await
        else {
            continue;
        };
        let result = sh(&env, "setsid sleep 600 & sleep 600 & echo started").await;
        assert_eq!((result.stdout.as_str(), result.exit_code), ("started\n", Some(0)), "{backend}");
        assert!(all_gone("TEST_MARKER", &marker).await, "{backend}");
    }
}

pub(crate) fn git(directory: &Path, args: &[&str]) {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(args)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) const COMMIT: &str = "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org; \
    echo x >> file && git add file && git commit -qm work && git checkout -qb topic && git log --format=%s -1";

#[tokio::test]
async fn real_commits_work_and_hooks_cannot_be_planted() {
    for backend in BACKENDS {
        let world = world();
        git(&world.workspace, &["init", "-q"]);
        let config = fs::read(world.workspace.join(".git/config")).unwrap();
        let hooks = fs::read_dir(world.workspace.join(".git/hooks")).unwrap().count();
        let Some(env) =
            sandboxed("real_commits", workspace_write(&world), &world.workspace, options(backend))
                .await
        else {
            continue;
        };
        let result = sh(&env, COMMIT).await;
        assert_eq!(
            (result.stdout.as_str(), result.exit_code),
            ("work\n", Some(0)),
            "{backend}: {}",
            result.stderr
        );
        for attempt in [
            "echo evil > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout",
            "git config core.fsmonitor 'touch evil'",
            "rm -rf .git/hooks; mkdir .git/hooks; echo evil > .git/hooks/pre-commit",
            "echo .. > .git/commondir",
        ] {
            sh(&env, attempt).await;
            assert_eq!(
                fs::read(world.workspace.join(".git/config")).unwrap(),
                config,
                "{backend}: {attempt}"
            );
            assert_eq!(
                fs::read_dir(world.workspace.join(".git/hooks")).unwrap().count(),
                hooks,
                "{backend}: {attempt}"
            );
            assert!(
                !world.workspace.join(".git/hooks/post-checkout").exists(),
                "{backend}: {attempt}"
            );
            assert_eq!(
                fs::read(world.workspace.join(".git/commondir")).unwrap(),
                b".\n",
                "{backend}: {attempt}"
            );
        }
        if backend == Backend::Bubblewrap {
            assert_ne!(sh(&env, "mv .git elsewhere").await.exit_code, Some(0));
        }
        let planted = env.write_file(Path::new(".git/hooks/pre-commit"), b"evil").await;
        assert!(matches!(planted, Err(FileError::OutsidePolicy { .. })), "{backend}");
        assert!(env.rename(Path::new(".git"), Path::new("elsewhere")).await.is_err(), "{backend}");
        git(&world.workspace, &["fsck", "--strict"]);
    }
}

#[tokio::test]
async fn commits_work_in_a_worktree_of_a_repository_elsewhere() {
    for backend in BACKENDS {
        let world = world();
        git(&world.outside, &["init", "-q"]);
        git(&world.outside, &["commit", "-q", "--allow-empty", "-m", "first"]);
        fs::remove_dir(&world.workspace).unwrap();
        git(
            &world.outside,
            &["worktree", "add", "-q", "-b", "issue", world.workspace.to_str().unwrap()],
        );
        let Some(env) =
            sandboxed("worktree", workspace_write(&world), &world.workspace, options(backend))
                .await
        else {
            continue;
        };
        let result = sh(&env, COMMIT).await;
        assert_eq!(
            (result.stdout.as_str(), result.exit_code),
            ("work\n", Some(0)),
            "{backend}: {}",
            result.stderr
        );
        for attempt in [
            "echo x > ../outside/file",
            "echo x > ../outside/.git/config",
            "echo x > ../outside/.git/hooks/pre-commit",
            "echo x > ../outside/.git/HEAD",
        ] {
            assert_ne!(sh(&env, attempt).await.exit_code, Some(0), "{backend}: {attempt}");
        }
        git(&world.outside, &["fsck", "--strict"]);
    }
}

#[tokio::test]
async fn a_forged_worktree_file_opens_nothing() {
    let world = world();
    git(&world.outside, &["init", "-q"]);
    for forged in [world.outside.join(".git"), world.outside.clone(), PathBuf::from("/")] {
        fs::write(world.workspace.join(".git"), format!("gitdir: {}\n", forged.display())).unwrap();
        let fake = world.workspace.join("worktrees/x");
        fs::create_dir_all(&fake).unwrap();
        fs::write(fake.join("gitdir"), world.workspace.join(".git").to_str().unwrap()).unwrap();
        fs::write(fake.join("commondir"), world.outside.join(".git").to_str().unwrap()).unwrap();
        let Some(env) = sandboxed(
            "forged",
            workspace_write(&world),
            &world.workspace,
            options(Backend::Bubblewrap),
        )
        .await
        else {
            return;
        };
        for path in [".git/objects/x", ".git/refs/x", "x"] {
            assert!(
                env.write_file(&world.outside.join(path), b"x").await.is_err(),
                "{}: {path}",
                forged.display()
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_enforced_is_an_error_and_the_report_says_what_is() {
    let world = world();
    let inner = world.workspace.join(".env");
    fs::write(&inner, "hunter2").unwrap();
    let hide_inside =
        |backend| SandboxOptions { masked_paths: vec![inner.clone()], ..options(backend) };
    let refused = SandboxedEnvironment::new(
        workspace_write(&world),
        &world.workspace,
        hide_inside(Backend::Landlock),
    )
    .await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("landlock"), "{message}");
    if let Some(env) = sandboxed(
        "hide_inside",
        workspace_write(&world),
        &world.workspace,
        hide_inside(Backend::Bubblewrap),
    )
    .await
    {
        assert_ne!(sh(&env, "cat .env").await.exit_code, Some(0));
        assert_eq!(sh(&env, "echo x > other; cat other").await.stdout, "x\n");
        assert_eq!(env.sandbox().backend, Backend::Bubblewrap);
        assert!(!env.sandbox().version.is_empty());
    }
    let none = SandboxOptions { helper: None, ..options(Backend::Landlock) };
    let refused = SandboxedEnvironment::new(workspace_write(&world), &world.workspace, none).await;
    assert!(
        matches!(&refused, Err(SandboxError::Unavailable { why_not, .. }) if why_not.len() == 1),
        "{refused:?}"
    );
    for (root, name) in
        [("/", "root"), ("/proc", "proc"), ("relative", "relative"), ("/no/such", "missing")]
    {
        let policy = SandboxPolicy::WorkspaceWrite {
            writable_roots: vec![root.into()],
            network: false,
            exclude_tmp: false,
            denied_reads: Vec::new(),
        };
        let made =
            SandboxedEnvironment::new(policy, &world.workspace, options(Backend::Bubblewrap)).await;
        assert!(
            matches!(made, Err(SandboxError::BadPath { .. } | SandboxError::Unavailable { .. })),
            "{name}"
        );
    }
}

#[tokio::test]
async fn full_access_is_named_as_such() {
    let world = world();
    let env = SandboxedEnvironment::new(
        SandboxPolicy::DangerFullAccess,
        &world.workspace,
        SandboxOptions::default(),
    )
    .await
    .unwrap();
    env.write_file(&world.outside.join("new"), b"x").await.unwrap();
    assert_eq!(
        (env.sandbox().backend, env.sandbox().mode.as_str()),
        (Backend::None, "danger-full-access")
    );
}

#[tokio::test]
async fn commands_run_where_they_are_told() {
    for backend in BACKENDS {
        let world = world();
        fs::create_dir(world.workspace.join("sub")).unwrap();
        let Some(env) =
            sandboxed("where", workspace_write(&world), &world.workspace, options(backend)).await
        else {
            continue;
        };
        let at =
            |dir: &Path| ExecCommand { working_dir: Some(dir.into()), ..ExecCommand::new("pwd") };
        let sub = env.exec_command(at(Path::new("sub"))).await.unwrap();
        assert_eq!(sub.stdout.trim(), world.workspace.join("sub").to_str().unwrap(), "{backend}");
        assert!(env.exec_command(at(Path::new("none"))).await.is_err(), "{backend}");
        assert!(env.exec_command(at(&world.secret)).await.is_err(), "{backend}");
    }
}

#[tokio::test]
async fn a_place_with_a_rule_cannot_be_swapped_for_another() {
    for backend in BACKENDS {
        let world = world();
        git(&world.workspace, &["init", "-q"]);
        let inner = world.workspace.join("a/b/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(world.outside.join("inner")).unwrap();
        let policy = SandboxPolicy::WorkspaceWrite {
            writable_roots: vec![inner],
            network: false,
            exclude_tmp: true,
            denied_reads: Vec::new(),
        };
        let Some(env) = sandboxed("swapped", policy, &world.workspace, options(backend)).await
        else {
            continue;
        };
        let outside = world.outside.display();
        sh(&env, &format!("mv .git old; ln -s {outside} .git; mv a/b moved; mv a moved-too; ln -s {outside} a/b; mkdir a; ln -s {outside} a/b")).await;
        for attempt in [
            format!("echo x > {outside}/new"),
            format!("echo x > {outside}/inner/new"),
            "echo x > a/b/inner/new2; echo x > .git/new".into(),
        ] {
            sh(&env, &attempt).await;
        }
        assert!(
            !world.outside.join("new").exists() && !world.outside.join("inner/new").exists(),
            "{backend}"
        );
        assert_eq!(fs::read_dir(world.outside.join("inner")).unwrap().count(), 0, "{backend}");
    }
}

#[tokio::test]
async fn a_hidden_file_deep_in_the_workspace_cannot_be_moved_into_sight() {
    let world = world();
    let inner = world.workspace.join("a/b/.env");
    fs::create_dir_all(inner.parent().unwrap()).unwrap();
    fs::write(&inner, "hunter2").unwrap();
    let options = SandboxOptions { masked_paths: vec![inner], ..options(Backend::Bubblewrap) };
    let Some(env) =
        sandboxed("moved_into_sight", workspace_write(&world), &world.workspace, options).await
    else {
        return;
    };
    for attempt in ["mv a c", "mv a/b a/c", "rm -rf a", "mv a/b/.env x"] {
        assert_ne!(sh(&env, attempt).await.exit_code, Some(0), "{attempt}");
    }
    assert!(
        !sh(&env, "cat $(find . -name .env) x c/b/.env a/c/.env").await.stdout.contains("hunter2")
    );
    assert!(env.rename(Path::new("a"), Path::new("c")).await.is_err());
    assert!(env.rename(Path::new("a/b"), Path::new("c")).await.is_err());
    assert!(
        env.grep(
            "hunter2",
            Path::new("."),
            &GrepOptions { hidden: true, ..GrepOptions::default() }
        )
        .await
        .unwrap()
        .lines
        .is_empty()
    );
}

#[tokio::test]
async fn limits_of_other_processes_and_shared_memory_are_out_of_reach() {
    for backend in BACKENDS {
        let world = world();
        let name = "limits_of_other_processes";
        let Some(env) =
            sandboxed(name, workspace_write(&world), &world.workspace, options(backend)).await
        else {
            continue;
        };
        let mut other = Command::new("sleep").arg("600").spawn().unwrap();
        let limits = || fs::read_to_string(format!("/proc/{}/limits", other.id())).unwrap();
        let before = limits();
        let tried = sh(&env, &format!("prlimit --pid {} --nofile=17:17", other.id())).await;
        let unchanged = limits() == before;
        let memory = sh(&env, "ipcmk -M 4096").await;
        let own = sh(&env, "ulimit -n 17 && ulimit -n").await;
        let _ended = (other.kill(), other.wait());
        assert_ne!(tried.exit_code, Some(0), "{backend}");
        assert!(unchanged, "{backend}");
        // In bubblewrap it is a namespace's own.
        assert!(backend == Backend::Bubblewrap || memory.exit_code != Some(0), "{backend}");
        assert_eq!(own.stdout, "17\n", "{backend}: {}", own.stderr);
    }
}
