//! Containers, played by a program that checks how it is called, and by an engine where one answers.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use canon_exec::docker::Pull;
use canon_exec::sandbox::Backend;
use canon_exec::{
    ContainerOptions, DockerEnvironment, DockerError, DockerOptions, ExecError,
    ExecutionEnvironment as _, FileError, Limits, ReadOnly, RemoteOptions, SandboxPolicy,
};

use crate::elsewhere::{self, STUBBORN, marked};
use crate::sandbox::{COMMIT, git};
use crate::support::{all_gone, sh, unique};

/// Ends a container's processes: stopped until no further one is found, none sees another end.
const END_AT_ONCE: &str = r#"
all() { grep -lzx "CANON_STUB=$0" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
known=
while now=$(all); [ "$now" != "$known" ]; do kill -STOP $now; known=$now; done
kill -KILL $known
"#;

const IMAGE: &str = "canon-test:1";

/// A client of no engine, and a directory to work in.
struct Stub {
    dir: tempfile::TempDir,
}

impl Stub {
    fn new() -> Self {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        for name in ["state", "work"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let stub = Self { dir };
        let text = include_str!("docker.sh");
        let text = text.replace("@STATE@", stub.state("").to_str().unwrap());
        let program = stub.dir.path().join("docker");
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        stub
    }

    fn state(&self, name: &str) -> PathBuf {
        self.dir.path().join("state").join(name)
    }

    fn set(&self, name: &str, content: &str) {
        std::fs::write(self.state(name), content).unwrap();
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work").canonicalize().unwrap()
    }

    fn options(&self) -> DockerOptions {
        DockerOptions {
            program: self.dir.path().join("docker"),
            remote: RemoteOptions { grace: Duration::from_millis(300), ..RemoteOptions::default() },
            ..DockerOptions::default()
        }
    }

    async fn attach(&self) -> DockerEnvironment {
        self.set("box", "running\n");
        DockerEnvironment::attach("box", &self.work(), self.options()).await.unwrap()
    }

    async fn start(&self, container: &ContainerOptions) -> DockerEnvironment {
        DockerEnvironment::start(&self.work(), container, self.options()).await.unwrap()
    }

    fn run_arguments(&self) -> Vec<String> {
        let said = std::fs::read_to_string(self.state("run")).unwrap();
        said.split_terminator('\0').map(str::to_owned).collect()
    }
}

fn after<'a>(arguments: &'a [String], option: &str) -> Vec<&'a str> {
    let pairs = arguments.windows(2).filter(|pair| pair[0] == option);
    pairs.map(|pair| pair[1].as_str()).collect()
}

#[tokio::test]
async fn docker_files_are_as_here() {
    let stub = Stub::new();
    let env = stub.attach().await;
    assert_eq!((env.working_directory(), env.platform()), (stub.work().as_path(), "linux"));
    env.initialize().await.unwrap();
    elsewhere::files(&env, &stub.work()).await;
    env.cleanup().await.unwrap();
    assert!(stub.state("box").exists(), "a container that was found is left as it is");
}

#[tokio::test]
async fn docker_searches_are_as_here() {
    let stub = Stub::new();
    elsewhere::searches(&stub.attach().await, &stub.work()).await;
}

#[tokio::test]
async fn docker_commands_are_as_here() {
    let stub = Stub::new();
    elsewhere::commands(&stub.attach().await).await;
    let named = DockerOptions { user: Some("tester".into()), ..stub.options() };
    let env = DockerEnvironment::attach("box", &stub.work(), named).await.unwrap();
    assert_eq!(sh(&env, "echo x; exit 255").await.exit_code, Some(255));
}

#[tokio::test]
async fn docker_leaves_no_process_however_a_command_ends() {
    let stub = Stub::new();
    elsewhere::endings(&stub.attach().await).await;
}

#[tokio::test]
async fn docker_says_what_is_in_the_way() {
    let stub = Stub::new();
    let attach = async |name: &str| {
        DockerEnvironment::attach(name, &stub.work(), stub.options()).await.unwrap_err()
    };
    let start = async |image: &str| {
        let container = ContainerOptions::new(image);
        DockerEnvironment::start(&stub.work(), &container, stub.options()).await.unwrap_err()
    };
    assert!(
        matches!(attach("gone").await, DockerError::NoContainer { container } if container == "gone")
    );
    stub.set("stopped", "stopped\n");
    let error = attach("stopped").await;
    assert!(matches!(error, DockerError::NotRunning { .. }), "{error}");
    assert!(error.to_string().contains("ended with status 3"), "{error}");
    assert!(matches!(attach("--privileged").await, DockerError::BadName { .. }));
    let error = start("other:1").await;
    assert!(error.to_string().contains("docker pull other:1"), "{error}");
    stub.set("box", "running\n");
    let missing = DockerEnvironment::attach("box", Path::new("/no/such"), stub.options()).await;
    assert!(matches!(missing, Err(DockerError::Directory(FileError::NotFound { .. }))));
    stub.set("shell-less", "");
    let error = attach("box").await;
    assert!(error.to_string().contains("no POSIX shell"), "{error}");
    stub.set("forbidden", "");
    assert!(matches!(attach("box").await, DockerError::NotAllowed { .. }));
    assert!(matches!(start(IMAGE).await, DockerError::NotAllowed { .. }));
    stub.set("unreachable", "");
    assert!(matches!(attach("box").await, DockerError::NoEngine { .. }));
    let none = DockerOptions { program: "/no/such/docker".into(), ..stub.options() };
    let error = DockerEnvironment::attach("box", &stub.work(), none).await.unwrap_err();
    assert!(matches!(error, DockerError::NoClient { .. }), "{error}");
}

#[tokio::test]
async fn docker_a_container_that_goes_is_no_failure_of_the_command() {
    let stub = Stub::new();
    let env = stub.attach().await;
    assert_eq!(sh(&env, "exit 137").await.exit_code, Some(137), "a failure of the command");
    let marker = unique("container");
    let (command, mut ready) = marked(STUBBORN, &marker);
    let (result, ()) = tokio::join!(env.exec_command(command), async {
        ready.recv().await;
        // The engine ends every process of it at once.
        stub.set("box", "oom\n");
        let killed = Command::new("bash").args(["-c", END_AT_ONCE]).arg(stub.state("box")).status();
        assert!(killed.unwrap().success());
    });
    let error = result.unwrap_err();
    let ExecError::Unreachable { output: Some(output), why, place } = &error else {
        panic!("{error}")
    };
    assert_eq!((output.stdout.as_str(), place.as_str()), ("partial\n", "container box"));
    assert!(why.contains("ran out of memory"), "{why}");
    assert!(all_gone("TEST_MARKER", &marker).await);
    let error = env.read_file(Path::new("x"), 1).await.unwrap_err();
    assert!(matches!(error, FileError::Unreachable { .. }), "{error}");
    // It may be started again by whoever keeps it.
    assert_eq!(env.defect(), None);
    stub.set("box", "running\n");
    assert_eq!(sh(&env, "echo again").await.stdout, "again\n");
}

#[tokio::test]
async fn docker_a_started_container_has_no_rights_and_goes_with_its_environment() {
    let stub = Stub::new();
    let mut container = ContainerOptions::new(IMAGE);
    container.limits = Limits { memory: Some(1 << 26), processes: Some(64), ..Limits::default() };
    let env = stub.start(&container).await;
    let arguments = stub.run_arguments();
    for (option, wanted) in [
        ("--network", "none"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--pull", "never"),
        ("--memory", "67108864"),
        ("--memory-swap", "67108864"),
        ("--pids-limit", "64"),
        ("--name", env.container()),
        ("--workdir", stub.work().to_str().unwrap()),
    ] {
        assert_eq!(after(&arguments, option), [wanted], "{option}");
    }
    let owner = std::fs::metadata(stub.work()).unwrap();
    assert_eq!(after(&arguments, "--user"), [format!("{}:{}", owner.uid(), owner.gid())]);
    let work = stub.work();
    let work = work.display();
    assert_eq!(after(&arguments, "--mount"), [format!("type=bind,source={work},target={work}")]);

    let report = env.sandbox();
    assert_eq!((report.backend, report.mode.as_str()), (Backend::Docker, "workspace-write"));
    assert_eq!((report.version.as_str(), report.network), ("28.2.2", false));
    env.initialize().await.unwrap();
    let said = sh(&env, "echo x > new; cat new; env").await.stdout;
    assert!(said.starts_with("x\n") && !said.contains("S3CRET"), "{said}");
    let name = env.container().to_owned();
    assert!(stub.state(&name).exists());
    env.cleanup().await.unwrap();
    assert!(!stub.state(&name).exists());
    assert!(all_gone("CANON_STUB", &name).await);
    assert!(env.defect().unwrap().contains("has ended"));
    let error = env.exec_command(canon_exec::ExecCommand::new("true")).await.unwrap_err();
    assert!(matches!(error, ExecError::Unreachable { output: None, .. }), "{error}");
    env.cleanup().await.unwrap();

    // Without a clean-up as well: its input ends with this process, or with this value.
    let dropped = stub.start(&container).await;
    let name = dropped.container().to_owned();
    drop(dropped);
    assert!(all_gone("CANON_STUB", &name).await);
}

#[tokio::test]
async fn docker_read_only_mounts_for_reading_and_runs_commands() {
    let stub = Stub::new();
    let container =
        ContainerOptions { policy: SandboxPolicy::read_only(), ..ContainerOptions::new(IMAGE) };
    let env = ReadOnly::new(stub.start(&container).await);
    assert!(after(&stub.run_arguments(), "--mount")[0].ends_with(",readonly"));
    assert_eq!(sh(&env, "echo x").await.stdout, "x\n", "the mount is what keeps it from writing");
    assert!(env.write_file(Path::new("x"), b"").await.is_err());
    let full = ContainerOptions {
        policy: SandboxPolicy::DangerFullAccess,
        ..ContainerOptions::new(IMAGE)
    };
    let error = DockerEnvironment::start(&stub.work(), &full, stub.options()).await.unwrap_err();
    assert!(matches!(error, DockerError::FullAccess));
    let error = DockerEnvironment::start(Path::new("/"), &container, stub.options()).await;
    assert!(matches!(error, Err(DockerError::BadMount { .. })));
    // Root in a rootless engine's container is the user of the engine.
    stub.set("security", "[\"name=seccomp\",\"name=rootless\"]");
    let pulls = ContainerOptions { pull: Pull::Missing, ..container };
    let error = DockerEnvironment::start(&stub.work(), &pulls, stub.options()).await.unwrap_err();
    assert!(error.to_string().contains("stub: pull missing"), "{error}");
    assert_eq!(after(&stub.run_arguments(), "--user"), ["0:0"]);
}

#[tokio::test]
async fn docker_protects_what_git_runs() {
    let stub = Stub::new();
    git(&stub.work(), &["init", "-q"]);
    let env = stub.start(&ContainerOptions::new(IMAGE)).await;
    let arguments = stub.run_arguments();
    let mounts = after(&arguments, "--mount");
    for name in ["config", "hooks", "config.worktree", "commondir"] {
        let place = stub.work().join(".git").join(name);
        let wanted = format!("type=bind,source={0},target={0},readonly", place.display());
        assert!(mounts.contains(&wanted.as_str()), "{mounts:?}");
    }
    assert_eq!(sh(&env, COMMIT).await.stdout, "work\n");
    sh(&env, "echo x > .git/gitdir").await;
    assert!(!stub.work().join(".git/gitdir").exists(), "what no mount keeps away is removed");

    // A worktree sees the repository that it belongs to, and may commit.
    let other = Stub::new();
    git(&stub.work(), &["commit", "-q", "--allow-empty", "-m", "first"]);
    std::fs::remove_dir(other.work()).unwrap();
    let place = other.dir.path().canonicalize().unwrap().join("work");
    git(&stub.work(), &["worktree", "add", "-q", "-b", "issue", place.to_str().unwrap()]);
    let _env = other.start(&ContainerOptions::new(IMAGE)).await;
    let arguments = other.run_arguments();
    let mounts = after(&arguments, "--mount");
    let repository = stub.work().join(".git");
    let repository = repository.display();
    for wanted in [
        format!("type=bind,source={repository},target={repository},readonly"),
        format!("type=bind,source={repository}/objects,target={repository}/objects"),
    ] {
        assert!(mounts.contains(&wanted.as_str()), "{wanted}: {mounts:#?}");
    }

    // A repository that a command makes is defused at the latest when the container goes.
    let third = Stub::new();
    let env = third.start(&ContainerOptions::new(IMAGE)).await;
    sh(&env, "git init -q").await;
    std::fs::write(third.work().join(".git/hooks/pre-commit"), "evil").unwrap();
    env.cleanup().await.unwrap();
    assert!(!third.work().join(".git/hooks/pre-commit").exists());
}

/// Where an engine answers and has an image with what is needed. `CANON_DOCKER_IMAGE` names one.
#[tokio::test]
async fn docker_a_real_engine_does_the_same() {
    let engine = Command::new("docker").args(["info", "--format", "{{.ServerVersion}}"]).output();
    let image = std::env::var("CANON_DOCKER_IMAGE").unwrap_or_else(|_| "debian:stable-slim".into());
    let why = match engine {
        Ok(said) if said.status.success() => {
            let known = Command::new("docker").args(["image", "inspect", &image]).output();
            match known {
                Ok(known) if known.status.success() => None,
                _ => Some(format!("the engine has no image {image}")),
            }
        }
        _ => Some("no engine answers".to_owned()),
    };
    if let Some(why) = why {
        println!("skipped: docker-engine: {why}");
        return;
    }
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let work = dir.path().canonicalize().unwrap();
    let mut container = ContainerOptions::new(image);
    container.limits = Limits { memory: Some(128 << 20), processes: Some(64), ..Limits::default() };
    let options = DockerOptions {
        remote: RemoteOptions { grace: Duration::from_millis(300), ..RemoteOptions::default() },
        ..DockerOptions::default()
    };
    let env = DockerEnvironment::start(&work, &container, options).await.unwrap();
    env.write_file(Path::new("a/b"), b"x").await.unwrap();
    let made = std::fs::metadata(work.join("a/b")).unwrap();
    assert_eq!(made.uid(), std::fs::metadata(&work).unwrap().uid());
    assert_eq!(sh(&env, "echo out; echo err >&2; exit 255").await.exit_code, Some(255));
    assert_ne!(sh(&env, "exec 3<>/dev/tcp/1.1.1.1/53").await.exit_code, Some(0));
    assert_ne!(sh(&env, "ls /var/run/docker.sock").await.exit_code, Some(0));
    elsewhere::searches(&env, &work).await;
    let (mut command, _ready) = marked(STUBBORN, &unique("engine"));
    command.timeout = Some(Duration::from_secs(3));
    assert!(env.exec_command(command).await.unwrap().timed_out);
    assert_eq!(sh(&env, "pgrep sleep || true").await.stdout, "");
    let name = env.container().to_owned();
    env.cleanup().await.unwrap();
    let left = Command::new("docker").args(["container", "inspect", &name]).output().unwrap();
    assert!(!left.status.success());
}
