//! Commands in namespaces of their own, by `bwrap`.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use super::memory_file;
use super::seccomp::{self, Sockets};
use super::sockets;
use crate::host::zones::{Access, Zone, Zones};
use crate::process::Invocation;

/// Directories of `/run` that name resolution needs; everything else there is sockets of services.
const RESOLVER: [&str; 3] = ["/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf"];

/// Set inside, where a user namespace counts by itself; outside, all of the user's would count.
/// The letter is not the same in every shell.
const LIMIT_PROCESSES: &str =
    "ulimit -u \"$0\" 2>/dev/null || ulimit -p \"$0\" || exit 126; exec \"$@\"";

/// What `bwrap` needs to know besides the zones.
#[derive(Debug)]
pub(crate) struct Bubblewrap {
    /// absolute path of `bwrap`
    pub(super) program: PathBuf,
    pub(super) network: bool,
    /// system calls that are refused, as `bwrap` takes them
    pub(super) filters: Vec<Vec<u8>>,
    /// an empty file that nobody may read, shown in place of hidden files
    pub(super) blank: PathBuf,
    /// processes that a command may have at a time; only in a user namespace
    pub(super) processes: Option<u64>,
    /// bytes of `/dev/shm`
    pub(super) shared_memory: Option<u64>,
}

/// What to refuse, said once for all commands.
///
/// # Errors
/// The processor's architecture has no table here.
pub(super) fn filters(network: bool) -> io::Result<Vec<Vec<u8>>> {
    let sockets = if network { Sockets::InternetOnly } else { Sockets::Namespaced };
    Ok(seccomp::programs(sockets, true)?.iter().map(seccomp::bytes).collect())
}

impl Bubblewrap {
    /// `bwrap … -- command`
    pub(super) fn wrap(&self, mut invocation: Invocation, zones: &Zones) -> io::Result<Invocation> {
        let mut argv: Vec<OsString> = vec![self.program.clone().into()];
        argv.extend(self.mounts(zones));
        argv.extend(
            [
                "--unshare-pid",
                "--unshare-ipc",
                "--die-with-parent",
                "--new-session",
                "--cap-drop",
                "ALL",
            ]
            .map(OsString::from),
        );
        if !self.network {
            argv.push("--unshare-net".into());
        }
        for filter in &self.filters {
            let fd = memory_file("canon-seccomp", filter)?;
            argv.extend(["--add-seccomp-fd".into(), fd.as_raw_fd().to_string().into()]);
            invocation.inherited.push(fd);
        }
        argv.extend(["--chdir".into(), invocation.cwd.clone().into(), "--".into()]);
        if let Some(processes) = self.processes {
            argv.extend(["sh", "-c", LIMIT_PROCESSES].map(OsString::from));
            argv.push(processes.to_string().into());
        }
        argv.append(&mut invocation.argv);
        // The directory's name may mean something only inside.
        invocation.cwd = PathBuf::from("/");
        invocation.argv = argv;
        invocation.is_wrapper = true;
        Ok(invocation)
    }

    fn mounts(&self, zones: &Zones) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        arguments.bind("--ro-bind", "/", "/");
        arguments.add(&["--dev", "/dev", "--perms", "1777"]);
        if let Some(bytes) = self.shared_memory {
            arguments.add(&["--size", &bytes.to_string()]);
        }
        arguments.add(&["--tmpfs", "/dev/shm"]);
        arguments.add(&["--proc", "/proc", "--perms", "0755", "--tmpfs", "/run"]);
        if self.network {
            RESOLVER.iter().for_each(|path| arguments.bind("--ro-bind-try", path, path));
        }
        for zone in zones.iter().filter(|zone| !zone.special && zone.path != Path::new("/")) {
            self.mount(zone, zones, &mut arguments);
        }
        if !self.network {
            let sockets = sockets::in_sight(zones);
            sockets.iter().for_each(|socket| arguments.bind("--ro-bind", &self.blank, socket));
        }
        // Root without capabilities still owns the kernel's switches in `/proc/sys`.
        arguments.read_only_later(Path::new("/proc"));
        arguments.read_only_later(Path::new("/run"));
        // Devices, not memory to fill.
        arguments.read_only_later(Path::new("/dev"));
        arguments.finish()
    }

    fn mount(&self, zone: &Zone, zones: &Zones, arguments: &mut Arguments) {
        let host = zones.to_host(&zone.path);
        match zone.access {
            Access::Write => arguments.bind("--bind", &host, &zone.path),
            Access::Read => arguments.bind("--ro-bind", &host, &zone.path),
            Access::Hidden if host.is_dir() => {
                // With something visible further down it can be passed through, not looked into.
                let mode = if zones.below(&zone.path).next().is_some() { "0111" } else { "0000" };
                arguments.add(&["--perms", mode]);
                arguments.path("--tmpfs", &zone.path);
                arguments.read_only_later(&zone.path);
            }
            Access::Hidden => arguments.bind("--ro-bind", &self.blank, &zone.path),
        }
    }
}

#[derive(Default)]
struct Arguments {
    now: Vec<OsString>,
    at_the_end: Vec<OsString>,
}

impl Arguments {
    fn add(&mut self, arguments: &[&str]) {
        self.now.extend(arguments.iter().map(OsString::from));
    }

    fn path(&mut self, option: &str, path: &Path) {
        self.now.extend([option.into(), path.into()]);
    }

    fn bind(&mut self, option: &str, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        self.now.extend([option.into(), from.as_ref().into(), to.as_ref().into()]);
    }

    fn read_only_later(&mut self, path: &Path) {
        self.at_the_end.extend(["--remount-ro".into(), path.into()]);
    }

    fn finish(mut self) -> Vec<OsString> {
        self.now.append(&mut self.at_the_end);
        self.now
    }
}
