//! Every way out of the sandbox that we know, tried at once in each backend and mode; and the same
//! tricks on the file tools.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use canon_exec::sandbox::Backend;
use canon_exec::{ExecCommand, ExecutionEnvironment as _, SandboxPolicy};

use crate::sandbox::world;
use crate::support::{BACKENDS, options, sandboxed, sh, unique};

/// What stays open, and stands in the report's `limits`.
fn known(backend: Backend) -> &'static [&'static str] {
    match backend {
        Backend::Bubblewrap => &[],
        _ => &["metadata"],
    }
}

#[tokio::test]
async fn no_way_out_is_open_but_those_that_the_report_names() {
    for backend in BACKENDS {
        for read_only in [false, true] {
            let world = world();
            let hidden = vec![world.secret.clone()];
            let policy = match read_only {
                true => SandboxPolicy::ReadOnly { network: false, denied_reads: hidden },
                false => crate::sandbox::workspace_write(&world),
            };
            let token = unique("hidden");
            let Some(env) = sandboxed("escapes", policy, &world.workspace, options(backend)).await
            else {
                continue;
            };
            // A process of this user with something to take, a terminal, and services.
            let mut victim = Command::new("sleep")
                .arg("600")
                .env("VICTIM_TOKEN", &token)
                .current_dir(&world.secret)
                .spawn()
                .unwrap();
            let master = rustix::fs::open(
                "/dev/ptmx",
                rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY,
                rustix::fs::Mode::empty(),
            )
            .unwrap();
            let terminals: Vec<String> = fs::read_dir("/dev/pts")
                .unwrap()
                .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
                .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
                .collect();
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            udp.set_nonblocking(true).unwrap();
            let place = world.outside.join("service");
            let _service = UnixListener::bind(&place).unwrap();
            let abstract_name = unique("canon-escapes");
            let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
            let _abstract = UnixListener::bind_addr(&address).unwrap();

            let mut command = ExecCommand::new(format!(
                "exec python3 - {} {} {} {} {} {} {abstract_name} {token} {}",
                world.outside.display(),
                world.secret.join("key").display(),
                victim.id(),
                tcp.local_addr().unwrap().port(),
                udp.local_addr().unwrap().port(),
                place.display(),
                if backend == Backend::Landlock { "--no-pid-namespace" } else { "--namespaces" },
            ));
            command.stdin = Some(include_bytes!("escapes.py").to_vec());
            // In a namespace of its own the number may be one of the command's own terminals.
            let terminal = if backend == Backend::Landlock { &terminals[0] } else { "none" };
            command.env.insert("PTS".into(), terminal.into());
            command.timeout = Some(Duration::from_secs(60));
            let result = env.exec_command(command).await.unwrap();
            let alive = victim.try_wait().unwrap().is_none();
            let _ended = (victim.kill(), victim.wait());
            drop(master);

            assert!(result.stdout.ends_with("DONE\n"), "{backend}: {}", result.combined);
            let open: Vec<&str> = result
                .stdout
                .lines()
                .filter_map(|line| line.strip_prefix("OPEN "))
                .filter(|name| !known(backend).contains(name))
                .collect();
            assert!(open.is_empty(), "{backend}, read-only {read_only}: {open:?}");
            assert!(alive, "{backend}");
            assert!(udp.recv(&mut [0; 8]).is_err(), "{backend}: a datagram arrived");
            assert_eq!(
                fs::read_to_string(world.outside.join("file")).unwrap(),
                "outside\n",
                "{backend}"
            );
            assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 2, "{backend}");
            let limits = env.sandbox().limits.join("\n");
            let named = if backend == Backend::Landlock { "mode, owner" } else { "sockets" };
            assert!(limits.contains(named), "{limits}");
        }
    }
}

#[tokio::test]
async fn file_tools_are_not_led_out_by_a_place_that_changes_under_them() {
    for backend in BACKENDS {
        let world = world();
        let policy = crate::sandbox::workspace_write(&world);
        let Some(env) =
            sandboxed("changing_places", policy, &world.workspace, options(backend)).await
        else {
            continue;
        };
        let (workspace, outside, secret) =
            (world.workspace.clone(), world.outside.clone(), world.secret.clone());
        fs::create_dir(workspace.join("real")).unwrap();
        fs::write(workspace.join("real/key"), "own").unwrap();
        symlink("real", workspace.join("swap")).unwrap();
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let swapping = std::thread::spawn(move || {
            let (place, aside) = (workspace.join("swap"), workspace.join("aside"));
            while !stopped.load(Ordering::Relaxed) {
                for target in [workspace.join("real"), outside.clone(), secret.clone()] {
                    let _from_before = fs::remove_file(&aside);
                    symlink(target, &aside).unwrap();
                    fs::rename(&aside, &place).unwrap();
                }
            }
        });
        let mut done = 0;
        for _ in 0..400 {
            done += u32::from(env.write_file(Path::new("swap/new"), b"x").await.is_ok());
            if let Ok(read) = env.read_file(Path::new("swap/key"), 100).await {
                assert_eq!(read, b"own", "{backend}");
            }
            fs::write(world.workspace.join("mine"), "x").unwrap();
            let _refused = env.rename(Path::new("mine"), Path::new("swap/mine")).await;
            let _refused = env.remove_file(Path::new("swap/file")).await;
        }
        stop.store(true, Ordering::Relaxed);
        swapping.join().unwrap();
        assert!(done > 0, "{backend}: it was never where it may write");
        assert_eq!(fs::read_to_string(world.outside.join("file")).unwrap(), "outside\n");
        assert_eq!(fs::read_dir(&world.outside).unwrap().count(), 1, "{backend}");
        assert_eq!(fs::read_dir(&world.secret).unwrap().count(), 1, "{backend}");
    }
}

#[tokio::test]
async fn devices_are_no_memory_to_fill() {
    let world = world();
    let policy = crate::sandbox::workspace_write(&world);
    let options = options(Backend::Bubblewrap);
    let Some(env) = sandboxed("devices", policy, &world.workspace, options).await else { return };
    assert_ne!(sh(&env, "echo x > /dev/new").await.exit_code, Some(0));
    let works = "echo x > /dev/shm/x && cat /dev/shm/x && echo x > /dev/null && script -qec 'echo pty' /dev/null";
    let said = sh(&env, works).await;
    assert_eq!(said.stdout.replace('\r', ""), "x\npty\n", "{}", said.stderr);
}
