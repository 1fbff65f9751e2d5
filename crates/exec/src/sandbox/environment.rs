//! An environment whose commands and file operations obey a policy.

use std::path::{Path, PathBuf};

use super::bubblewrap::{Bubblewrap, filters};
use super::git::{Guard, NotRestored};
use super::landlock::{Landlock, rules};
use super::launcher::{Confined, Confiner, Launcher};
use super::plan::{Seen, Tmp, zones};
use super::probe::{Facts, probe};
use super::scratch::Scratch;
use super::{Backend, SandboxError, SandboxOptions, SandboxPolicy, SandboxReport, WhyNot};
use crate::environment::delegate::delegate_to_host;
use crate::host::Host;
use crate::host::zones::{Access, Zones};
use crate::limits::Limits;

/// Runs commands in the strongest sandbox that works here, and applies the same policy to file
/// operations. The probe and every command run as children of this process.
#[derive(Debug)]
pub struct SandboxedEnvironment {
    host: Host,
}

impl SandboxedEnvironment {
    /// Finds out which backends work (once per process), picks the strongest that can enforce the
    /// policy, and prepares a private temporary directory. `DangerFullAccess` needs no backend.
    ///
    /// # Errors
    /// [`SandboxError::Unavailable`] names everything that was tried; there is no silent fallback.
    pub async fn new(
        policy: SandboxPolicy,
        cwd: impl Into<PathBuf>,
        options: SandboxOptions,
    ) -> Result<Self, SandboxError> {
        let cwd = cwd.into();
        let bad = |error: crate::FileError| SandboxError::BadPath {
            path: cwd.clone(),
            why: error.to_string(),
        };
        let cwd = crate::local::canonical_directory(&cwd).map_err(bad)?;
        if policy == SandboxPolicy::DangerFullAccess {
            return Ok(Self { host: Host::unconfined(cwd, options.into()) });
        }
        let mut why_not = Vec::new();
        for backend in [Backend::Bubblewrap, Backend::Landlock] {
            if options.backend.is_some_and(|wanted| wanted != backend) {
                continue;
            }
            match prepare(backend, &policy, &cwd, &options).await? {
                Ok(mut prepared) => {
                    prepared.report.why_not = why_not;
                    return Ok(Self { host: prepared.into_host(cwd, options) });
                }
                Err(reason) => why_not.push(WhyNot { backend, reason }),
            }
        }
        Err(SandboxError::Unavailable { mode: policy.mode().into(), why_not })
    }
}

/// Tries the backends for `policy`, and reports the one that would be chosen, without keeping it.
///
/// # Errors
/// As [`SandboxedEnvironment::new`].
pub async fn probe_policy(
    policy: SandboxPolicy,
    cwd: &Path,
    options: SandboxOptions,
) -> Result<SandboxReport, SandboxError> {
    use crate::environment::ExecutionEnvironment as _;
    Ok(SandboxedEnvironment::new(policy, cwd, options).await?.sandbox())
}

struct Prepared {
    zones: Zones,
    launcher: Launcher,
    report: SandboxReport,
}

impl Prepared {
    fn into_host(self, cwd: PathBuf, options: SandboxOptions) -> Host {
        Host::new(cwd, self.zones, options.into(), self.launcher, self.report)
    }
}

/// The outer error is about the policy, the inner one about this backend.
async fn prepare(
    backend: Backend,
    policy: &SandboxPolicy,
    cwd: &Path,
    options: &SandboxOptions,
) -> Result<Result<Prepared, String>, SandboxError> {
    let facts = match probe(backend, options.helper.as_ref()).await {
        Ok(facts) => facts,
        Err(reason) => return Ok(Err(reason)),
    };
    if let Some(reason) = cannot_limit(backend, &options.limits, &facts) {
        return Ok(Err(reason));
    }
    let scratch = Scratch::new()?;
    let tmp = match (backend, policy) {
        (_, SandboxPolicy::WorkspaceWrite { exclude_tmp: true, .. }) => Tmp::No,
        (Backend::Bubblewrap, _) => Tmp::Shown(scratch.tmp()),
        _ => Tmp::InPlace(scratch.tmp()),
    };
    let seen = Seen { masked: &options.masked_paths, readable: &options.readable_paths };
    let (zones, layouts) = zones(policy, cwd, seen, &tmp)?;
    if let Some(zone) = zones
        .iter()
        .find(|zone| zone.access == Access::Write && facts.program.starts_with(&zone.path))
    {
        let place = zone.path.display();
        return Ok(Err(format!(
            "{} lies in the writable {place}, where a command could replace it",
            facts.program.display()
        )));
    }
    if backend == Backend::Landlock
        && let Err(reason) = rules(&zones)
    {
        return Ok(Err(reason));
    }
    make_mount_points(&zones)?;
    let git = Guard::new(&layouts, backend == Backend::Landlock)
        .map_err(|NotRestored { path, why }| SandboxError::BadPath { path, why })?;
    let launcher = Launcher::Confined(Box::new(Confined {
        backend: confiner(backend, policy, options, &facts, &scratch)?,
        tmp: match &tmp {
            Tmp::No => None,
            Tmp::Shown(_) => Some("/tmp".into()),
            Tmp::InPlace(place) => Some(place.clone()),
        },
        git,
        limits: options.limits.clone(),
        scratch,
    }));
    let report = report(backend, policy, facts, &zones, &options.limits);
    Ok(Ok(Prepared { zones, launcher, report }))
}

fn confiner(
    backend: Backend,
    policy: &SandboxPolicy,
    options: &SandboxOptions,
    facts: &Facts,
    scratch: &Scratch,
) -> Result<Confiner, SandboxError> {
    let network = policy.network();
    match (backend, &options.helper) {
        (Backend::Landlock, Some(helper)) => {
            Ok(Confiner::Landlock(Landlock { helper: helper.clone(), network }))
        }
        (Backend::Bubblewrap, _) => {
            let (program, blank) = (facts.program.clone(), scratch.blank());
            let (processes, shared_memory) =
                (options.limits.processes, options.limits.shared_memory);
            Ok(Confiner::Bubblewrap(Bubblewrap {
                program,
                network,
                filters: filters(network)?,
                blank,
                processes,
                shared_memory,
            }))
        }
        // A probe without a helper has failed before this.
        _ => Err(SandboxError::Unavailable { mode: policy.mode().into(), why_not: Vec::new() }),
    }
}

/// Why a backend cannot keep a limit that was asked for.
fn cannot_limit(backend: Backend, limits: &Limits, facts: &Facts) -> Option<String> {
    if limits.processes.is_some() {
        if backend == Backend::Landlock {
            return Some("it cannot limit processes: they are counted for the whole user".into());
        }
        if rustix::process::geteuid().is_root() {
            return Some("it cannot limit processes: the kernel does not count root's".into());
        }
        if !facts.user_namespace {
            return Some("it cannot limit processes without a user namespace".into());
        }
    }
    let old = backend == Backend::Bubblewrap && !is_at_least(&facts.version, (0, 7));
    if limits.shared_memory.is_some() && old {
        return Some(format!("{} cannot limit shared memory; 0.7 can", facts.version));
    }
    None
}

fn is_at_least(version: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= wanted
}

/// Places below the private temporary directory that are shown from elsewhere need a directory to
/// be mounted on; made here, so that file tools see what commands see.
fn make_mount_points(zones: &Zones) -> std::io::Result<()> {
    for zone in zones.iter().filter(|zone| zones.is_replaced(&zone.path)) {
        if let Some(parent) = zone.path.parent() {
            let parent = zones.to_host(parent);
            if zone.path.is_dir() {
                std::fs::create_dir_all(parent.join(zone.path.file_name().unwrap_or_default()))?;
            } else {
                std::fs::create_dir_all(parent)?;
            }
        }
    }
    Ok(())
}

fn report(
    backend: Backend,
    policy: &SandboxPolicy,
    facts: Facts,
    zones: &Zones,
    resources: &Limits,
) -> SandboxReport {
    let mut limits = Vec::new();
    if matches!(policy, SandboxPolicy::WorkspaceWrite { .. }) {
        limits.push("git repositories inside the workspace that neither lie at its root nor are named by the index there are not protected: do not run git in them outside".to_owned());
    }
    if policy.network() {
        limits.push("local (unix) sockets are closed while the network is open".to_owned());
    }
    if backend == Backend::Bubblewrap && !policy.network() {
        limits.push(
            "local (unix) sockets of services outside /run and /tmp that were not to be seen when the command began can be reached by their path"
                .to_owned(),
        );
    }
    if backend == Backend::Landlock {
        limits.push("no PID namespace: names and arguments of other processes can be seen, and a detached process may outlive its command".into());
        limits.push("mode, owner and times of files outside that belong to this user can be changed, not their content".into());
        limits.push("there are no sockets but connected pairs, not even to itself".into());
        limits.push("there are no pseudo-terminals and no shared memory in /dev/shm".into());
        limits.push("directories above a hidden place cannot be listed".into());
        if zones.iter().any(|zone| zone.path.ends_with(".git")) {
            limits.push("git hooks and configuration are put back after each command, not protected during it".into());
        }
        if facts.version.trim_start_matches("ABI ").parse::<u32>().is_ok_and(|abi| abi < 6) {
            limits.push("commands may send signals to other processes of this user".into());
        }
    }
    if resources.memory.is_some() || resources.cpu_time.is_some() {
        limits.push(
            "memory and processor time are limited for each process, not for a command as a whole"
                .into(),
        );
    }
    SandboxReport {
        mode: policy.mode().into(),
        backend,
        version: facts.version,
        pid_namespace: facts.pid_namespace,
        network: policy.network(),
        resources: resources.clone(),
        limits,
        why_not: Vec::new(),
    }
}

impl From<SandboxOptions> for crate::local::LocalOptions {
    fn from(options: SandboxOptions) -> Self {
        Self {
            env: options.env,
            shell: options.shell,
            output_limit: options.output_limit,
            grace: options.grace,
        }
    }
}

delegate_to_host!(SandboxedEnvironment);
