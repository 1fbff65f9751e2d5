//! Another machine, played by a real `sshd` on the loopback interface.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use canon_exec::{
    EnvPolicy, ExecError, ExecutionEnvironment as _, FileError, RemoteOptions, Shell,
    SshEnvironment, SshOptions,
};

use crate::elsewhere::{self, STUBBORN, marked};
use crate::support::{all_gone, sh, unique};

/// A server with keys of its own, ended with the test.
struct Server {
    dir: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = (self.process.kill(), self.process.wait());
    }
}

fn sshd() -> Option<PathBuf> {
    let places = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].map(PathBuf::from);
    places.into_iter().find(|place| place.is_file())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    fn start(name: &str) -> Option<Self> {
        let Some(sshd) = sshd() else {
            println!("skipped: {name}: there is no sshd");
            return None;
        };
        // Only root's sshd wants it, and only root can make it.
        let _not_root = std::fs::create_dir("/run/sshd");
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(dir.path().join(key))
                .status()
                .unwrap();
            assert!(made.success());
        }
        std::fs::create_dir(dir.path().join("work")).unwrap();
        let base = dir.path().display();
        // A port may be taken between the look and the start.
        for _ in 0..5 {
            let port = free_port();
            let config = format!(
                "ListenAddress 127.0.0.1\nPort {port}\nHostKey {base}/host\nAuthorizedKeysFile {base}/user.pub\n\
                 PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
                 PermitRootLogin yes\nSetEnv REMOTE_API_KEY=S3CRET\n"
            );
            std::fs::write(dir.path().join("sshd_config"), config).unwrap();
            let mut process = Command::new(&sshd)
                .args(["-D", "-e", "-f"])
                .arg(dir.path().join("sshd_config"))
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut said = BufReader::new(process.stderr.take().unwrap());
            let mut line = String::new();
            while said.read_line(&mut line).unwrap() > 0 {
                if line.contains("Server listening") {
                    // It goes on talking.
                    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
                    let known = std::fs::read_to_string(dir.path().join("host.pub")).unwrap();
                    std::fs::write(dir.path().join("known"), format!("[127.0.0.1]:{port} {known}"))
                        .unwrap();
                    return Some(Self { dir, port, process });
                }
            }
            let _ended = (process.kill(), process.wait());
            println!("sshd: {line}");
        }
        panic!("sshd does not start");
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work").canonicalize().unwrap()
    }

    fn options(&self) -> SshOptions {
        let base = self.dir.path().display();
        let arguments = [
            "-F".to_owned(),
            "none".to_owned(),
            "-i".to_owned(),
            format!("{base}/user"),
            "-o".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "-o".to_owned(),
            format!("UserKnownHostsFile={base}/known"),
            "-o".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
        ];
        SshOptions {
            arguments: arguments.map(Into::into).into(),
            connect_timeout: Duration::from_secs(10),
            remote: RemoteOptions { grace: Duration::from_millis(300), ..RemoteOptions::default() },
            ..SshOptions::default()
        }
    }

    async fn connect(&self, options: SshOptions) -> Result<SshEnvironment, FileError> {
        let destination = format!("127.0.0.1:{}", self.port).parse().unwrap();
        SshEnvironment::connect(destination, &self.work(), options).await
    }
}

async fn environment(name: &str) -> Option<(Server, SshEnvironment)> {
    let server = Server::start(name)?;
    let env = server.connect(server.options()).await.unwrap();
    Some((server, env))
}

#[tokio::test]
async fn ssh_files_are_as_here() {
    let Some((server, env)) = environment("ssh_files_are_as_here").await else { return };
    assert_eq!((env.working_directory(), env.platform()), (server.work().as_path(), "linux"));
    assert!(env.os_version().contains("Linux"));
    env.initialize().await.unwrap();
    elsewhere::files(&env, &server.work()).await;
    env.cleanup().await.unwrap();
}

#[tokio::test]
async fn ssh_searches_are_as_here() {
    let Some((server, env)) = environment("ssh_searches_are_as_here").await else { return };
    elsewhere::searches(&env, &server.work()).await;
}

#[tokio::test]
async fn ssh_commands_are_as_here() {
    let Some((server, env)) = environment("ssh_commands_are_as_here").await else { return };
    elsewhere::commands(&env).await;
    // Each operation with a connection of its own.
    let alone = SshOptions { multiplex: false, ..server.options() };
    let alone = server.connect(alone).await.unwrap();
    assert_eq!(sh(&alone, "echo alone; exit 255").await.exit_code, Some(255));
}

#[tokio::test]
async fn ssh_leaves_no_process_however_a_command_ends() {
    let Some((_server, env)) = environment("ssh_leaves_no_process").await else { return };
    elsewhere::endings(&env).await;
}

#[tokio::test]
async fn ssh_a_lost_connection_is_no_failure_of_the_command_and_leaves_nothing_running() {
    let Some((server, env)) = environment("ssh_a_lost_connection").await else { return };
    let marker = unique("lost");
    let (command, mut ready) = marked(STUBBORN, &marker);
    let (result, ()) = tokio::join!(env.exec_command(command), async {
        ready.recv().await;
        // The server's process for this connection, and those of the client.
        let killed = Command::new("bash")
            .args(["-c", "for p in $(pgrep -P \"$0\"); do pkill -9 -P $p; kill -9 $p; done"])
            .arg(server.process.id().to_string())
            .status()
            .unwrap();
        assert!(killed.success());
    });
    let error = result.unwrap_err();
    let ExecError::Unreachable { output: Some(output), .. } = &error else { panic!("{error}") };
    assert_eq!(output.stdout, "partial\n");
    assert!(error.to_string().contains("output until then:\npartial"), "{error}");
    assert!(all_gone("TEST_MARKER", &marker).await);
    // The next operation connects again.
    assert_eq!(sh(&env, "echo again").await.stdout, "again\n");
    env.write_file(Path::new("again"), b"x").await.unwrap();
}

#[tokio::test]
async fn ssh_the_end_of_the_client_ends_the_command() {
    let Some((_server, env)) = environment("ssh_the_end_of_the_client").await else { return };
    let marker = unique("client");
    let (command, mut ready) = marked(STUBBORN, &marker);
    let (result, ()) = tokio::join!(env.exec_command(command), async {
        ready.recv().await;
        // All that carries bytes for this test's commands.
        for pid in canon_exec::group::processes_with_env("TEST_MARKER", &marker) {
            assert_ne!(pid, std::process::id());
        }
        env.cleanup().await.unwrap();
    });
    assert!(matches!(result, Err(ExecError::Unreachable { .. })), "{result:?}");
    assert!(all_gone("TEST_MARKER", &marker).await);
}

#[tokio::test]
async fn ssh_says_why_there_is_no_connection() {
    let Some(server) = Server::start("ssh_says_why") else { return };
    // A stranger's host key, no key of ours, nobody there, no program.
    let mut stranger = server.options();
    stranger.arguments.extend(["-o".into(), "HostKeyAlias=stranger".into()]);
    let mut keyless = server.options();
    keyless.arguments[3] = server.dir.path().join("host").into();
    let none = SshOptions { program: "/no/such/ssh".into(), ..server.options() };
    for (options, word) in [(stranger, "Host key"), (keyless, "denied"), (none, "cannot start")] {
        for multiplex in [true, false] {
            let error = server
                .connect(SshOptions { multiplex, ..options.clone() })
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains(word) || !multiplex, "{error}");
            assert!(error.starts_with("no connection to 127.0.0.1:") || !multiplex, "{error}");
        }
    }
    let destination = format!("127.0.0.1:{}", free_port()).parse().unwrap();
    let error = SshEnvironment::connect(destination, &server.work(), server.options()).await;
    assert!(error.unwrap_err().to_string().contains("refused"));
    let missing = format!("127.0.0.1:{}", server.port).parse().unwrap();
    let error = SshEnvironment::connect(missing, Path::new("/no/such"), server.options()).await;
    assert!(matches!(error, Err(FileError::NotFound { .. })), "{error:?}");
}

#[tokio::test]
async fn ssh_without_bash_or_with_a_clean_environment() {
    let Some(server) = Server::start("ssh_without_bash") else { return };
    let mut options = server.options();
    options.remote.shell = Shell::Sh;
    options.remote.env = EnvPolicy::empty().with("PATH", "/usr/bin:/bin").with("ONLY", "this");
    let env = server.connect(options).await.unwrap();
    let said = sh(&env, "echo $0; env").await.stdout;
    assert!(said.starts_with("sh\n") && said.contains("ONLY=this"), "{said}");
    assert!(!said.contains("HOME=") && !said.contains("S3CRET"), "{said}");
}
