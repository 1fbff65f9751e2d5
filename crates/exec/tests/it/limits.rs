//! What commands make is never a reason to run out of stack, memory or time.

use std::fs;
use std::path::Path;

use canon_exec::sandbox::Backend;
use canon_exec::{ExecCommand, ExecError, ExecutionEnvironment as _};

use crate::sandbox::{git, workspace_write, world};
use crate::support::{BACKENDS, options, sandboxed, sh};

fn nest(place: &str, depth: u32) -> String {
    format!(
        "python3 -c 'import os\nos.makedirs(\"{place}\", exist_ok=True)\nos.chdir(\"{place}\")\nfor i in range({depth}): os.mkdir(\"d\"); os.chdir(\"d\")'"
    )
}

#[tokio::test]
async fn directories_of_any_depth_are_removed() {
    for backend in BACKENDS {
        let world = world();
        git(&world.workspace, &["init", "-q"]);
        let Some(env) =
            sandboxed("depth", workspace_write(&world), &world.workspace, options(backend)).await
        else {
            continue;
        };
        for place in [".git/gitdir", ".git/hooks/deep"] {
            let made = sh(&env, &nest(place, 3_000)).await;
            assert!(made.success() || backend == Backend::Bubblewrap, "{}", made.stderr);
            assert!(!world.workspace.join(place).exists(), "{backend}: {place}");
        }
        let made = sh(&env, &nest("'$TMPDIR'", 3_000)).await;
        assert!(made.success(), "{backend}: {}", made.stderr);
        let tmp = sh(&env, "chmod 0 $TMPDIR/d; echo $TMPDIR").await.stdout;
        env.cleanup().await.unwrap();
        if backend == Backend::Landlock {
            assert!(!Path::new(tmp.trim()).exists());
        }
    }
}

#[tokio::test]
async fn large_files_are_not_read() {
    let peak = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    for backend in BACKENDS {
        let world = world();
        git(&world.workspace, &["init", "-q"]);
        let Some(env) =
            sandboxed("large", workspace_write(&world), &world.workspace, options(backend)).await
        else {
            continue;
        };
        for place in ["gitdir", "commondir", "config", "hooks/pre-commit"] {
            sh(&env, &format!("truncate -s 3G .git/{place}")).await;
            let left = world.workspace.join(".git").join(place).metadata().map_or(0, |m| m.len());
            assert!(left < 1024, "{backend}: {place}");
        }
    }
    assert!(peak() < 1024 * 1024, "{} kB", peak());
}

#[tokio::test]
async fn a_nul_byte_is_named_as_such() {
    for backend in BACKENDS {
        let world = world();
        let Some(env) =
            sandboxed("nul", workspace_write(&world), &world.workspace, options(backend)).await
        else {
            continue;
        };
        let error = env.exec_command(ExecCommand::new("echo a\0b")).await.unwrap_err();
        assert!(matches!(error, ExecError::NulByte { at: 6 }), "{error}");
        assert!(error.to_string().contains("NUL"), "{error}");
    }
}
