//! Ways to make git run an agent's program later, outside the sandbox, tried with real commands.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use canon_exec::sandbox::Backend;
use canon_exec::{ExecutionEnvironment as _, SandboxError, SandboxedEnvironment};

use crate::sandbox::{COMMIT, World, git, workspace_write, world};
use crate::support::{BACKENDS, options, sandboxed, sh};

/// What an attacker wants to see made, by a program that a configuration names.
const EVIL: &str = "touch $PWNED";

fn pwned(world: &World) -> PathBuf {
    world.outside.join("pwned")
}

/// People's use of git in a directory: whether it ran the agent's program.
fn runs_programs(world: &World, directory: &Path) -> bool {
    for args in
        [&["status"][..], &["diff"], &["log", "-1"], &["commit", "--allow-empty", "-qm", "x"]]
    {
        let _may_fail = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(args)
            .env("PWNED", pwned(world))
            .current_dir(directory)
            .output()
            .unwrap();
    }
    pwned(world).exists()
}

async fn environment(name: &str, world: &World, backend: Backend) -> Option<SandboxedEnvironment> {
    sandboxed(name, workspace_write(world), &world.workspace, options(backend)).await
}

#[tokio::test]
async fn another_configuration_cannot_be_named() {
    for backend in BACKENDS {
        let world = world();
        git(&world.workspace, &["init", "-q"]);
        let Some(env) = environment("another_configuration", &world, backend).await else {
            continue;
        };
        let evil = format!(
            "cp -r .git evil; git config -f evil/config core.fsmonitor '{EVIL}'; git config -f evil/config extensions.worktreeConfig true"
        );
        sh(&env, &evil).await;
        for attempt in [
            "echo ../evil > .git/commondir; chmod 555 .git",
            "rm -f .git/commondir; ln -s ../evil/config .git/commondir; chmod 0 .git",
            "rm -f .git/commondir; mkdir .git/commondir; chmod 0 .git/commondir",
            "cp evil/config .git/config.worktree; cp evil/config .git/config; chmod 555 .git",
            "echo x > .git/gitdir; chmod 555 .git",
            "mkdir -p .git/gitdir/a; chmod 0 .git/gitdir/a .git/gitdir; chmod 555 .git",
        ] {
            let tried = sh(&env, attempt).await;
            assert_eq!(fs::read(world.workspace.join(".git/commondir")).unwrap(), b".\n");
            assert!(!world.workspace.join(".git/gitdir").exists(), "{backend}: {attempt}");
            assert!(
                !runs_programs(&world, &world.workspace),
                "{backend}: {attempt}: {}",
                tried.stderr
            );
        }
        // Not even while a command runs, where mounts protect it.
        if backend == Backend::Bubblewrap {
            let tried = sh(&env, "echo ../evil > .git/commondir || rm .git/commondir").await;
            assert_ne!(tried.exit_code, Some(0));
        }
        let worked = sh(&env, &format!("{COMMIT} && git worktree add -q wt && git -C wt status && git worktree list && git gc -q && git fsck --strict")).await;
        assert!(worked.success(), "{backend}: {}", worked.stderr);
        git(&world.workspace, &["fsck", "--strict"]);
        assert!(!sh(&env, "git status --short").await.stdout.contains("commondir"));
    }
}

#[tokio::test]
async fn what_an_interrupted_session_left_is_not_taken_as_rightful() {
    for (name, content) in [("commondir", "../evil\n"), ("gitdir", "x\n")] {
        let world = world();
        git(&world.workspace, &["init", "-q"]);
        fs::write(world.workspace.join(".git").join(name), content).unwrap();
        for backend in BACKENDS {
            let made = SandboxedEnvironment::new(
                workspace_write(&world),
                &world.workspace,
                options(backend),
            )
            .await;
            assert!(
                matches!(
                    made,
                    Err(SandboxError::BadPath { .. } | SandboxError::Unavailable { .. })
                ),
                "{backend}: {name}: {made:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_repository_that_commands_make_works_and_runs_nothing() {
    for backend in BACKENDS {
        let world = world();
        let Some(env) = environment("newcomer", &world, backend).await else { continue };
        let made = sh(
            &env,
            &format!(
                "git init -q -b main && {COMMIT} && git config user.name 'A B' \
                 && git config core.fsmonitor '{EVIL}' && git config alias.status '!{EVIL}' \
                 && echo '{EVIL}' > .git/hooks/pre-commit && chmod +x .git/hooks/pre-commit \
                 && mkdir -p evil && echo '{EVIL}' > evil/pre-commit && chmod +x evil/pre-commit \
                 && git config core.hooksPath evil && chmod 500 .git .git/hooks"
            ),
        )
        .await;
        assert!(made.success(), "{backend}: {}", made.stderr);
        assert!(!runs_programs(&world, &world.workspace), "{backend}");
        let worked = sh(&env, "git config user.name; git log --format=%s").await;
        assert!(worked.stdout.starts_with("A B\n") && worked.stdout.ends_with("work\n"));
        for attempt in [
            format!("git config --add core.fsmonitor '{EVIL}'"),
            "rm -rf .git/hooks; ln -s ../evil .git/hooks".into(),
            "cp -r .git real; cp -r .git .git/common; echo common > .git/commondir".into(),
            format!("printf '[core]\\n\\tfsmonitor = {EVIL}' > .git/common/config"),
            format!("git config -f inc core.fsmonitor '{EVIL}'; git config include.path ../inc"),
            format!(
                "git config -f real/config core.fsmonitor '{EVIL}'; rm -rf .git; echo gitdir: real > .git"
            ),
            "rm -rf .git; ln -s real .git".into(),
        ] {
            sh(&env, &attempt).await;
            assert!(!runs_programs(&world, &world.workspace), "{backend}: {attempt}");
        }
    }
}

#[tokio::test]
async fn file_tools_cannot_plant_a_repository_either() {
    for backend in BACKENDS {
        let world = world();
        let Some(env) = environment("planted", &world, backend).await else { continue };
        sh(&env, "git init -q").await;
        let config = format!("[core]\n\tbare = false\n\tfsmonitor = {EVIL}\n");
        env.write_file(Path::new(".git/config"), config.as_bytes()).await.unwrap();
        assert!(!runs_programs(&world, &world.workspace), "{backend}");
        env.write_file(Path::new("plan"), config.as_bytes()).await.unwrap();
        env.rename(Path::new("plan"), Path::new(".git/config")).await.unwrap();
        assert!(!runs_programs(&world, &world.workspace), "{backend}");
    }
}

#[tokio::test]
async fn links_in_the_place_of_hooks_are_refused() {
    let world = world();
    git(&world.workspace, &["init", "-q"]);
    let hooks = world.workspace.join(".git/hooks");
    fs::remove_dir_all(&hooks).unwrap();
    fs::create_dir(world.workspace.join("hooks")).unwrap();
    symlink("../hooks", &hooks).unwrap();
    for backend in BACKENDS {
        let made =
            SandboxedEnvironment::new(workspace_write(&world), &world.workspace, options(backend))
                .await;
        match made {
            Err(SandboxError::Unavailable { .. }) => {}
            Err(SandboxError::BadPath { path, .. }) => assert_eq!(path, hooks),
            other => panic!("{backend}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn submodules_and_other_worktrees_are_protected() {
    for backend in BACKENDS {
        let world = world();
        let library = world.outside.join("library");
        fs::create_dir(&library).unwrap();
        git(&library, &["init", "-q"]);
        git(&library, &["commit", "-q", "--allow-empty", "-m", "first"]);
        git(&world.workspace, &["init", "-q"]);
        git(
            &world.workspace,
            &[
                "-c",
                "protocol.file.allow=always",
                "submodule",
                "--quiet",
                "add",
                library.to_str().unwrap(),
                "deep/sub",
            ],
        );
        git(&world.workspace, &["commit", "-q", "-m", "first"]);
        git(&world.workspace, &["config", "extensions.worktreeConfig", "true"]);
        let other = world.outside.join("other");
        git(&world.workspace, &["worktree", "add", "-q", other.to_str().unwrap()]);
        let Some(env) = environment("submodules", &world, backend).await else { continue };
        let evil = format!("cp -r .git evil; git config -f evil/config core.fsmonitor '{EVIL}'");
        sh(&env, &evil).await;
        for attempt in [
            format!("git -C deep/sub config core.fsmonitor '{EVIL}'"),
            format!("echo '{EVIL}' > .git/modules/deep/sub/hooks/pre-commit; chmod +x .git/modules/deep/sub/hooks/pre-commit"),
            "echo ../../../../evil > .git/modules/deep/sub/commondir; chmod 500 .git/modules/deep/sub".into(),
            format!("git config -f .git/config.worktree core.fsmonitor '{EVIL}'"),
            format!("git config -f .git/worktrees/other/config.worktree core.fsmonitor '{EVIL}'"),
            "echo ../../../evil > .git/worktrees/other/commondir".into(),
            "mv .git/worktrees .git/w; cp -r .git/w .git/worktrees; echo ../../../evil > .git/worktrees/other/commondir".into(),
            "mv .git/modules m; ln -s ../m .git/modules; cp evil/config m/deep/sub/config".into(),
        ] {
            sh(&env, &attempt).await;
            for place in [&world.workspace, &world.workspace.join("deep/sub"), &other] {
                assert!(
                    !runs_programs(&world, place),
                    "{backend}: {}: {attempt}",
                    place.display()
                );
            }
        }
    }
}

#[tokio::test]
async fn the_configuration_of_a_worktree_is_protected() {
    for backend in BACKENDS {
        let world = world();
        git(&world.outside, &["init", "-q"]);
        git(&world.outside, &["commit", "-q", "--allow-empty", "-m", "first"]);
        git(&world.outside, &["config", "extensions.worktreeConfig", "true"]);
        fs::remove_dir(&world.workspace).unwrap();
        git(&world.outside, &["worktree", "add", "-q", world.workspace.to_str().unwrap()]);
        let Some(env) = environment("worktree_config", &world, backend).await else { continue };
        for attempt in [
            format!("git config --worktree core.fsmonitor '{EVIL}'"),
            format!(
                "git config -f evil core.fsmonitor '{EVIL}'; cp evil $(git rev-parse --git-dir)/config.worktree"
            ),
            format!(
                "git init -q e; git config -f e/.git/config core.fsmonitor '{EVIL}'; echo gitdir: $PWD/e/.git > .git"
            ),
            "d=$(git rev-parse --git-dir); echo $PWD/e/.git > $d/commondir".into(),
            "rm -f .git; ln -s e/.git .git".into(),
        ] {
            sh(&env, &attempt).await;
            assert!(!runs_programs(&world, &world.workspace), "{backend}: {attempt}");
        }
        assert!(sh(&env, COMMIT).await.success(), "{backend}");
    }
}

#[tokio::test]
async fn a_redirect_in_the_place_of_the_repository_does_not_stay() {
    for backend in BACKENDS {
        let world = world();
        git(&world.workspace, &["init", "-q"]);
        git(&world.workspace, &["commit", "-q", "--allow-empty", "-m", "first"]);
        let Some(env) = environment("redirect", &world, backend).await else { continue };
        let evil = format!("cp -r .git evil; git config -f evil/config core.fsmonitor '{EVIL}'");
        sh(&env, &evil).await;
        for attempt in [
            "mv .git .real; echo gitdir: evil > .git",
            "mv .git .real; cp -r evil .git",
            "mv .git .real; ln -s evil .git",
            "mkdir x; mv .git x/.git; cp -r evil/. x; mv x .git; chmod 0 .git",
        ] {
            sh(&env, attempt).await;
            assert!(!runs_programs(&world, &world.workspace), "{backend}: {attempt}");
            git(&world.workspace, &["rev-parse", "HEAD"]);
        }
        sh(&env, "rm -rf .git; cp -r evil .git").await;
        assert!(!runs_programs(&world, &world.workspace), "{backend}");
    }
}

/// A repository with a commit, whose configuration and hooks run the agent's program.
fn evil_repository(place: &str) -> String {
    format!(
        "git init -q {place} && (cd {place}; {COMMIT}; git config core.fsmonitor '{EVIL}'; git config remote.origin.url https://example.org/x; echo '{EVIL}' > .git/hooks/post-index-change; chmod +x .git/hooks/post-index-change)"
    )
}

/// `git status` asks every repository that the index names what has changed in it.
#[tokio::test]
async fn repositories_that_the_index_names_run_nothing() {
    for backend in BACKENDS {
        for existed in [true, false] {
            let world = world();
            if existed {
                git(&world.workspace, &["init", "-q"]);
            }
            let Some(env) = environment("nested", &world, backend).await else { continue };
            let (inner, deeper) = (evil_repository("sub"), evil_repository("sub/deep"));
            let index = "git -c core.splitIndex=true add sub; git update-index --index-version 4";
            let done = sh(
                &env,
                &format!("git init -q; {inner}; {deeper}; git -C sub add deep; {index}; true"),
            )
            .await;
            assert_eq!(
                sh(&env, "git ls-files -s | cut -c-6").await.stdout,
                "160000\n",
                "{}",
                done.combined
            );
            assert!(!runs_programs(&world, &world.workspace), "{backend}, {existed}");
            assert!(!runs_programs(&world, &world.workspace.join("sub")), "{backend}, {existed}");
            assert!(!runs_programs(&world, &world.workspace.join("sub/deep")), "{backend}");
            // Nothing is lost, and the repository works.
            let kept = world.workspace.join("sub/.git/config.set-aside");
            assert!(fs::read_to_string(kept).unwrap().contains("fsmonitor"), "{backend}");
            assert!(world.workspace.join("sub/.git/hooks.set-aside/post-index-change").is_file());
            let works = sh(
                &env,
                "git -C sub remote get-url origin && git -C sub log --format=%s | tail -1",
            )
            .await;
            assert_eq!(works.stdout, "https://example.org/x\nwork\n", "{}", works.stderr);
            // By file tools as little as by commands, and by a pointer to anywhere.
            let config = Path::new("sub/.git/config");
            let text = env.read_file(config, 10_000).await.unwrap();
            let text = [&text, format!("[core]\n\tfsmonitor = {EVIL}\n").as_bytes()].concat();
            env.write_file(config, &text).await.unwrap();
            assert!(!runs_programs(&world, &world.workspace), "{backend}, {existed}");
            for place in ["$TMPDIR/evil", "$PWD/evil "] {
                let attempt = format!(
                    "cp -r sub/.git \"{place}\"; git config -f \"{place}/config\" core.fsmonitor '{EVIL}'; rm -rf sub/.git; echo \"gitdir: {place}\" > sub/.git"
                );
                sh(&env, &attempt).await;
                assert!(!runs_programs(&world, &world.workspace), "{backend}: {place}");
            }
        }
    }
}

#[tokio::test]
async fn repositories_that_the_index_named_before_are_put_back() {
    for backend in BACKENDS {
        let world = world();
        let (top, sub) = (&world.workspace, world.workspace.join("sub"));
        let module = world.outside.join("module");
        git(top, &["init", "-q"]);
        for place in [&sub, &module] {
            git(top, &["init", "-q", place.to_str().unwrap()]);
            git(place, &["commit", "-q", "--allow-empty", "-m", "x"]);
        }
        // People's own configuration and hooks stay theirs.
        git(&sub, &["config", "core.sshCommand", "mine"]);
        fs::write(sub.join(".git/hooks/pre-push"), "mine").unwrap();
        git(top, &["add", "sub"]);
        let url = module.to_str().unwrap();
        git(top, &["-c", "protocol.file.allow=always", "submodule", "add", "-q", url, "module"]);
        git(top, &["commit", "-qm", "modules"]);
        let config = fs::read(sub.join(".git/config")).unwrap();
        let pointer = fs::read(top.join("module/.git")).unwrap();
        let Some(env) = environment("named_before", &world, backend).await else { continue };
        for attempt in [
            format!(
                "git -C sub config core.fsmonitor '{EVIL}'; git -C module config core.fsmonitor '{EVIL}'"
            ),
            format!("echo '{EVIL}' > sub/.git/hooks/post-index-change; chmod +x sub/.git/hooks/*"),
            format!("rm -rf sub/.git; {}", evil_repository("sub")),
            format!("{}; echo 'gitdir: ../evil/.git' > module/.git", evil_repository("evil")),
            "rm module/.git; ln -s ../evil/.git module/.git".to_owned(),
        ] {
            let tried = sh(&env, &attempt).await;
            assert!(!runs_programs(&world, top), "{backend}: {attempt}: {}", tried.combined);
            assert_eq!(fs::read(sub.join(".git/config")).unwrap(), config, "{backend}: {attempt}");
            assert_eq!(fs::read(sub.join(".git/hooks/pre-push")).unwrap(), b"mine", "{backend}");
            assert_eq!(fs::read(top.join("module/.git")).unwrap(), pointer, "{backend}: {attempt}");
        }
        // Work in them goes on, and they may go.
        let worked = sh(&env, &format!("cd module && {COMMIT} && cd .. && git add module && git rm -qrf --cached sub && rm -rf sub")).await;
        assert!(worked.success(), "{backend}: {}", worked.combined);
        assert!(!sub.exists());
    }
}
