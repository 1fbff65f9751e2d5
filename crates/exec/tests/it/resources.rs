//! What a command may use, and that using it up costs nobody else anything.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use canon_exec::sandbox::Backend;
use canon_exec::{
    ExecutionEnvironment as _, Limits, SandboxError, SandboxOptions, SandboxedEnvironment,
};

use crate::sandbox::{World, workspace_write, world};
use crate::support::{BACKENDS, helper_program, options, sandboxed, sh};

async fn limited(world: &World, backend: Backend, limits: Limits) -> Option<SandboxedEnvironment> {
    let options = SandboxOptions { limits, ..options(backend) };
    sandboxed("resources", workspace_write(world), &world.workspace, options).await
}

#[tokio::test]
async fn a_memory_hog_costs_its_own_command() {
    for backend in BACKENDS {
        let world = world();
        let limits = Limits { memory: Some(128 << 20), ..Limits::default() };
        let Some(env) = limited(&world, backend, limits.clone()).await else { continue };
        let hog = sh(&env, "python3 -c 'x = bytearray(200 << 20); print(\"had it\")'").await;
        assert_ne!(hog.exit_code, Some(0), "{backend}");
        assert!(!hog.stdout.contains("had it"), "{backend}");
        for raise in ["ulimit -d unlimited", "ulimit -Hd 1000000"] {
            assert_ne!(sh(&env, raise).await.exit_code, Some(0), "{backend}: {raise}");
        }
        let small = sh(&env, "python3 -c 'x = bytearray(20 << 20); print(\"had it\")'").await;
        assert_eq!(small.stdout, "had it\n", "{backend}: {}", small.stderr);
        let report = env.sandbox();
        assert_eq!(report.resources, limits, "{backend}");
        assert!(report.limits.iter().any(|limit| limit.contains("each process")), "{backend}");
    }
}

#[tokio::test]
async fn files_descriptors_and_processor_time_are_limited() {
    for backend in BACKENDS {
        let world = world();
        let limits = Limits {
            file_size: Some(1 << 20),
            open_files: Some(40),
            cpu_time: Some(Duration::from_secs(1)),
            ..Limits::default()
        };
        let Some(env) = limited(&world, backend, limits).await else { continue };
        assert_ne!(sh(&env, "head -c 3000000 /dev/zero > big").await.exit_code, Some(0));
        let size = fs::metadata(world.workspace.join("big")).unwrap().len();
        assert!(size <= 1 << 20, "{backend}: {size}");
        let many = "python3 -c 'print(len([open(\"/dev/null\") for i in range(60)]))'";
        assert!(sh(&env, many).await.stderr.contains("Too many open files"), "{backend}");
        let spin = sh(&env, "while :; do :; done").await;
        assert!(!spin.timed_out && spin.exit_code != Some(0), "{backend}: {spin:?}");
        assert!(spin.duration_ms < 15_000, "{backend}: {}", spin.duration_ms);
        assert_eq!(sh(&env, "echo well").await.stdout, "well\n", "{backend}");
    }
}

#[tokio::test]
async fn shared_memory_is_limited() {
    let world = world();
    let limits = Limits { shared_memory: Some(65_536), ..Limits::default() };
    let Some(env) = limited(&world, Backend::Bubblewrap, limits).await else { return };
    let said = sh(&env, "head -c 100000 /dev/zero > /dev/shm/x; stat -c %s /dev/shm/x").await;
    assert_eq!(said.stdout, "65536\n", "{}", said.stderr);
}

#[tokio::test]
async fn a_limit_that_cannot_be_kept_is_refused() {
    let world = world();
    let limits = Limits { processes: Some(20), ..Limits::default() };
    let landlock = SandboxOptions { limits: limits.clone(), ..options(Backend::Landlock) };
    let made = SandboxedEnvironment::new(workspace_write(&world), &world.workspace, landlock).await;
    let Err(SandboxError::Unavailable { why_not, .. }) = made else { panic!("{made:?}") };
    assert_eq!(why_not.len(), 1);
    if rustix::process::geteuid().is_root() {
        let options = SandboxOptions { limits, ..options(Backend::Bubblewrap) };
        let made = SandboxedEnvironment::new(workspace_write(&world), &world.workspace, options);
        assert!(matches!(made.await, Err(SandboxError::Unavailable { .. })));
    }
}

/// As another user where the tests are root's, whose processes the kernel does not count.
#[test]
fn a_fork_bomb_costs_its_own_command() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let (program, work) = (dir.path().join("helper"), dir.path().join("work"));
    fs::copy(helper_program(), &program).unwrap();
    fs::create_dir(&work).unwrap();
    for (path, mode) in [(dir.path(), 0o755), (&program, 0o755), (&work, 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
            command.env("HOME", "/nonexistent");
            command
        }
        false => Command::new(&program),
    };
    // Each says itself how many there were; the next command has them all again.
    let bomb = "bomb() { echo x >> born; bomb & bomb & wait; }; bomb 2> complaints; echo over";
    let count = "wc -l < born; grep -c 'Resource temporarily unavailable' complaints; echo well";
    command.args(["limited", "30"]).arg(&work).args([bomb, count]).env("LC_ALL", "C");
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: a_fork_bomb: setpriv: {error}");
            return;
        }
    };
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if complaint.contains("no sandbox for") {
        println!("skipped: a_fork_bomb: {complaint}");
        return;
    }
    let numbers: Vec<u32> = said.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(said.ends_with("well\n"), "{said}{complaint}");
    let [born, refused] = numbers.as_slice() else { panic!("{said}{complaint}") };
    assert!(*born > 5 && *refused > 0, "{said}{complaint}");
}

/// Nobody tidies up after `kill -9` but the next that starts.
#[test]
fn what_a_killed_process_left_in_the_temporary_directory_goes_with_the_next_start() {
    let world = world();
    let (tmp, fifo) = (world.outside.join("tmp"), world.workspace.join("fifo"));
    fs::create_dir(&tmp).unwrap();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let helper = |commands: &[&str]| {
        let mut helper = Command::new(helper_program());
        helper.args(["limited", "0"]).arg(&world.workspace).args(commands).env("TMPDIR", &tmp);
        helper.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let mut killed = helper(&["echo up > fifo; exec sleep 600"]);
    let waiting = fifo.clone();
    let (sender, up) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(fs::read_to_string(waiting)));
    loop {
        match up.recv_timeout(Duration::from_millis(100)) {
            Ok(said) => break assert_eq!(said.unwrap(), "up\n"),
            Err(_) if killed.try_wait().unwrap().is_none() => {}
            Err(_) => {
                let mut said = String::new();
                std::io::Read::read_to_string(&mut killed.stderr.unwrap(), &mut said).unwrap();
                assert!(said.contains("no sandbox for"), "{said}");
                println!("skipped: what_a_killed_process_left: {said}");
                return;
            }
        }
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left: Vec<_> = fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!left.is_empty());
    let wait = format!("while [ -e {} ]; do sleep 0.01; done", left[0].display());
    assert!(helper(&[&wait]).wait().unwrap().success());
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}
