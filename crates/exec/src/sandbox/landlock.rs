//! Commands under Landlock rules and a seccomp filter, which this program, started again as a
//! helper, puts on itself before it becomes the command.

use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::memory_file;
use super::policy::HelperCommand;
use super::seccomp::Sockets;
use crate::host::zones::{Access, Zones};
use crate::process::Invocation;

/// Devices that every program may expect. Pseudo-terminals are not among them: without a namespace
/// they would be those of the user.
const DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// What is allowed on and below a path; rules only ever add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Grant {
    Read,
    Write,
    Device,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) path: PathBuf,
    pub(super) grant: Grant,
}

/// What the helper is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Confinement {
    pub(super) rules: Vec<Rule>,
    pub(super) sockets: Sockets,
}

/// How to start the helper.
#[derive(Debug)]
pub(crate) struct Landlock {
    pub(super) helper: HelperCommand,
    pub(super) network: bool,
}

impl Landlock {
    /// `helper … FD command`
    pub(super) fn wrap(&self, mut invocation: Invocation, zones: &Zones) -> io::Result<Invocation> {
        let sockets = if self.network { Sockets::InternetOnly } else { Sockets::PairsOnly };
        let rules = rules(zones).map_err(io::Error::other)?;
        let fd = memory_file("canon-rules", &serde_json::to_vec(&Confinement { rules, sockets })?)?;
        let mut argv = vec![self.helper.program.clone().into()];
        argv.extend(self.helper.args.iter().cloned());
        argv.push(fd.as_raw_fd().to_string().into());
        argv.append(&mut invocation.argv);
        invocation.inherited.push(fd);
        invocation.argv = argv;
        Ok(invocation)
    }
}

/// The rules that come nearest to the zones from below.
///
/// # Errors
/// A hidden place inside a writable one cannot be had: rules only add.
pub(super) fn rules(zones: &Zones) -> Result<Vec<Rule>, String> {
    let mut rules: Vec<Rule> =
        DEVICES.iter().map(|path| rule(Path::new(path), Grant::Device)).collect();
    for zone in zones.iter() {
        match zone.access {
            Access::Write => {
                match zones.below(&zone.path).find(|below| below.access == Access::Hidden) {
                    Some(hidden) => {
                        let (hidden, zone) = (hidden.path.display(), zone.path.display());
                        return Err(format!("it cannot hide {hidden} inside the writable {zone}"));
                    }
                    None => rules.push(rule(&zone.path, Grant::Write)),
                }
            }
            Access::Read => readable(&zone.path, zones, &mut rules),
            // Its entries that belong to other processes are closed by the kernel: a confined
            // process may not look into unconfined ones.
            Access::Hidden if zone.special && zone.path != Path::new("/dev") => {
                readable(&zone.path, zones, &mut rules);
            }
            Access::Hidden => {}
        }
    }
    Ok(rules)
}

/// A rule covers everything below it, so the way down to a hidden place is taken child by child.
/// Links are left out: a rule on one would be a rule on where it leads.
fn readable(path: &Path, zones: &Zones, rules: &mut Vec<Rule>) {
    let hides = |path: &Path| zones.below(path).any(|zone| zone.access == Access::Hidden);
    if !hides(path) {
        rules.push(rule(path, Grant::Read));
        return;
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let child = entry.path();
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let has_zone = zones.iter().any(|zone| zone.path == child);
        if !is_link && !has_zone {
            readable(&child, zones, rules);
        }
    }
}

fn rule(path: &Path, grant: Grant) -> Rule {
    Rule { path: path.to_owned(), grant }
}
