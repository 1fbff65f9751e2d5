//! The words that the client is told, as pure functions.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::{ContainerOptions, DockerError, Pull};
use crate::host::zones::{Access, Zones};
use crate::remote::HOLD;

/// Finds what this program has started: `docker ps --filter label=canon.environment`.
pub(super) const LABEL: &str = "canon.environment";
/// Directories of an image that a mount must not take the place of.
const SYSTEM: [&str; 14] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin",
    "/sys", "/usr", "/var",
];

/// A directory or file of this machine, under the same name in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mount {
    /// as it is
    Shown { path: PathBuf, writable: bool },
    /// an empty directory that nobody may look into
    HiddenDirectory(PathBuf),
    /// nothing to read
    HiddenFile(PathBuf),
}

/// Names go to the client as arguments; none may be an option.
pub(super) fn check_name(kind: &'static str, name: &str) -> Result<(), DockerError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let rest = |byte: u8| rest(byte) || (kind == "image" && b"/:@+".contains(&byte));
    if first && name.bytes().all(rest) {
        Ok(())
    } else {
        Err(DockerError::BadName { kind, name: name.to_owned() })
    }
}

/// What of the zones has to be mounted: everything that may be seen but the machine itself.
/// `sockets` are the engine's, which would give a container the whole machine.
pub(super) fn mounts(zones: &Zones, sockets: &[PathBuf]) -> Result<Vec<Mount>, DockerError> {
    let mut mounts = Vec::new();
    let mut shown: Vec<&Path> = Vec::new();
    for zone in zones.iter().filter(|zone| !zone.special && zone.path != Path::new("/")) {
        let inside = shown.iter().any(|above| zone.path.starts_with(above));
        match zone.access {
            Access::Hidden if !inside => {}
            Access::Hidden if zone.path.is_dir() => {
                mounts.push(Mount::HiddenDirectory(zone.path.clone()));
            }
            Access::Hidden => mounts.push(Mount::HiddenFile(zone.path.clone())),
            access => {
                check_place(&zone.path, sockets)?;
                shown.push(&zone.path);
                let writable = access == Access::Write;
                mounts.push(Mount::Shown { path: zone.path.clone(), writable });
            }
        }
    }
    if shown.is_empty() {
        let why = "it is the whole machine; choose a directory".to_owned();
        return Err(DockerError::BadMount { path: "/".into(), why });
    }
    Ok(mounts)
}

fn check_place(path: &Path, sockets: &[PathBuf]) -> Result<(), DockerError> {
    let bad = |why: String| Err(DockerError::BadMount { path: path.to_owned(), why });
    let special = ["/proc", "/sys", "/dev"].iter().any(|system| path.starts_with(system));
    if special || SYSTEM.iter().any(|system| path == Path::new(system)) {
        return bad("it would take the place of a system directory of the container".into());
    }
    match sockets.iter().find(|socket| socket.starts_with(path)) {
        Some(socket) => {
            bad(format!("it holds {}, which gives its user the whole machine", socket.display()))
        }
        None => Ok(()),
    }
}

/// `run …`, for a container that lives as long as the client's input is open.
pub(super) fn run(
    name: &str,
    cwd: &Path,
    mounts: &[Mount],
    user: &str,
    options: &ContainerOptions,
) -> Vec<OsString> {
    let mut argv: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str]| argv.extend(words.iter().map(OsString::from));
    add(&["run", "--interactive", "--rm", "--init"]);
    add(&["--pull", if options.pull == Pull::Never { "never" } else { "missing" }]);
    add(&["--name", name, "--label", &format!("{LABEL}={name}")]);
    add(&["--network", if options.policy.network() { "bridge" } else { "none" }]);
    add(&["--ipc", "private", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
    add(&["--user", user]);
    if !user.starts_with("0:") {
        // A user that the image does not know would have `/`, where it may not write.
        add(&["--env", "HOME=/tmp"]);
    }
    let limits = &options.limits;
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let pairs = [
        ("--memory", number(limits.memory)),
        // The same number: no swap.
        ("--memory-swap", number(limits.memory)),
        ("--pids-limit", number(limits.processes)),
        ("--cpus", options.cpus.map(|cpus| cpus.to_string())),
        ("--shm-size", number(limits.shared_memory)),
        ("--ulimit", limits.cpu_time.map(|time| format!("cpu={}", time.as_secs().max(1)))),
        ("--ulimit", limits.file_size.map(|size| format!("fsize={size}"))),
        ("--ulimit", limits.open_files.map(|files| format!("nofile={files}"))),
        ("--ulimit", Some("core=0".to_owned())),
    ];
    for (option, value) in pairs {
        if let Some(value) = value {
            add(&[option, &value]);
        }
    }
    for mount in mounts {
        argv.extend(["--mount".into(), mount.argument()]);
    }
    argv.extend(["--workdir".into(), cwd.into(), "--entrypoint".into(), "sh".into()]);
    argv.extend([options.image.clone().into(), "-c".into(), HOLD.into()]);
    argv
}

impl Mount {
    /// A line of comma-separated values, as the client reads it.
    fn argument(&self) -> OsString {
        let fields: Vec<Vec<u8>> = match self {
            Self::Shown { path, writable } => {
                let mut fields =
                    vec![b"type=bind".to_vec(), field("source=", path), field("target=", path)];
                if !writable {
                    fields.push(b"readonly".to_vec());
                }
                fields
            }
            Self::HiddenDirectory(path) => vec![
                b"type=tmpfs".to_vec(),
                field("target=", path),
                b"tmpfs-mode=0000".to_vec(),
                b"tmpfs-size=4096".to_vec(),
            ],
            Self::HiddenFile(path) => vec![
                b"type=bind".to_vec(),
                b"source=/dev/null".to_vec(),
                field("target=", path),
                b"readonly".to_vec(),
            ],
        };
        OsString::from_vec(fields.join(&b","[..]))
    }
}

fn field(key: &str, path: &Path) -> Vec<u8> {
    let value = [key.as_bytes(), path.as_os_str().as_bytes()].concat();
    if !value.iter().any(|byte| b",\"\n\r".contains(byte)) {
        return value;
    }
    let mut quoted = vec![b'"'];
    for byte in value {
        if byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    quoted
}

/// `exec … CONTAINER sh -c COMMAND`
pub(super) fn exec(container: &str, user: Option<&str>, command: &str) -> Vec<OsString> {
    let mut argv: Vec<&OsStr> = ["exec", "--interactive"].map(OsStr::new).to_vec();
    if let Some(user) = user {
        argv.extend(["--user", user].map(OsStr::new));
    }
    argv.extend([container, "sh", "-c", command].map(OsStr::new));
    argv.into_iter().map(OsStr::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_container_is_started_with_no_rights_and_with_its_limits() {
        let mut options = ContainerOptions::new("img:1");
        options.limits = Limits {
            memory: Some(64 << 20),
            processes: Some(50),
            cpu_time: Some(Duration::from_secs(7)),
            file_size: Some(1000),
            open_files: Some(99),
            shared_memory: Some(4096),
        };
        options.cpus = Some(1.5);
        let mounts = [
            Mount::Shown { path: "/w/a,\"b".into(), writable: true },
            Mount::Shown { path: "/w/a/.git/hooks".into(), writable: false },
            Mount::HiddenFile("/w/a/.env".into()),
            Mount::HiddenDirectory("/w/a/.keys".into()),
        ];
        let argv = run("canon-1", Path::new("/w/a"), &mounts, "1000:100", &options);
        let said: Vec<String> =
            argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let wanted = "run --interactive --rm --init --pull never --name canon-1 \
            --label canon.environment=canon-1 --network none --ipc private --cap-drop ALL \
            --security-opt no-new-privileges --user 1000:100 --env HOME=/tmp \
            --memory 67108864 --memory-swap 67108864 --pids-limit 50 --cpus 1.5 --shm-size 4096 \
            --ulimit cpu=7 --ulimit fsize=1000 --ulimit nofile=99 --ulimit core=0 \
            --mount type=bind,\"source=/w/a,\"\"b\",\"target=/w/a,\"\"b\" \
            --mount type=bind,source=/w/a/.git/hooks,target=/w/a/.git/hooks,readonly \
            --mount type=bind,source=/dev/null,target=/w/a/.env,readonly \
            --mount type=tmpfs,target=/w/a/.keys,tmpfs-mode=0000,tmpfs-size=4096 \
            --workdir /w/a --entrypoint sh img:1 -c";
        assert_eq!(
            said[..said.len() - 1].join(" "),
            wanted.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        assert_eq!(said.last().unwrap(), HOLD);
        assert!(!said.iter().any(|word| word == "--privileged" || word.contains("docker.sock")));
    }

    #[test]
    fn no_name_is_an_option() {
        for good in ["a", "registry.example:5000/x/y:1", "x@sha256:00"] {
            assert!(check_name("image", good).is_ok(), "{good}");
        }
        for bad in ["", "-v/:/x", "--privileged", "a b", "a\n", "a\0", "/x"] {
            assert!(check_name("image", bad).is_err(), "{bad}");
            assert!(check_name("container", bad).is_err(), "{bad}");
        }
        assert!(check_name("container", "a:b").is_err());
    }

    #[test]
    fn the_machine_and_the_engines_socket_are_not_mounted() {
        let sockets = [PathBuf::from("/home/u/run/docker.sock")];
        for (path, good) in [
            ("/etc", false),
            ("/usr", false),
            ("/proc/1", false),
            ("/home/u", false),
            ("/home/u/run", false),
            ("/home/u/project", true),
            ("/usr/local/src/x", true),
        ] {
            assert_eq!(check_place(Path::new(path), &sockets).is_ok(), good, "{path}");
        }
    }
}
