//! The program started again: confines itself, then becomes the command.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{FileType, OFlags};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::landlock::{Confinement, Grant, Rule};
use super::seccomp;
use crate::host::open::open_exact;

/// Argument that asks for the kernel's Landlock version instead.
pub(super) const ABI_QUESTION: &str = "--abi";
/// Exit status when the confinement could not be put on; the command did not run.
pub(super) const CANNOT_CONFINE: i32 = 126;
/// Older kernels leave truncation of files uncontrolled.
const LEAST: ABI = ABI::V3;
/// Rights that are used where the kernel has them.
const MOST: ABI = ABI::V5;
const SCOPES: ABI = ABI::V6;

/// Runs the sandbox helper. A program that offers itself as [`HelperCommand`](super::HelperCommand)
/// calls this with the arguments after those that it named there, before it starts threads, and
/// exits with the result. On success the process becomes the confined command and this does not
/// return.
pub fn helper_main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let mut args = args.into_iter();
    let Some(first) = args.next() else { return complain("no arguments") };
    if first == ABI_QUESTION {
        return answer_abi();
    }
    let mut command = args;
    let Some(program) = command.next() else { return complain("no command") };
    if let Err(error) = confine(&first) {
        return complain(&error.to_string());
    }
    let error = Command::new(&program).args(command).exec();
    complain(&format!("cannot start {}: {error}", program.to_string_lossy()))
}

fn complain(why: &str) -> i32 {
    let _nobody_listens = writeln!(io::stderr(), "sandbox: {why}");
    CANNOT_CONFINE
}

fn confine(descriptor: &OsString) -> io::Result<()> {
    let number: i32 = descriptor
        .to_str()
        .and_then(|number| number.parse().ok())
        .filter(|number| *number > 2)
        .ok_or_else(|| io::Error::other("the first argument must be a descriptor"))?;
    let told: Confinement = serde_json::from_slice(&fs::read(format!("/proc/self/fd/{number}"))?)?;
    crate::group::close_on_exec_above_streams()?;
    drop_privilege()?;
    let status = restrict(&told.rules).map_err(io::Error::other)?;
    if status.ruleset == RulesetStatus::NotEnforced || !status.no_new_privs {
        return Err(io::Error::other("the kernel does not enforce Landlock"));
    }
    for program in seccomp::programs(told.sockets, false)? {
        seccompiler::apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Root without capabilities is a user like any other, and stays one across exec.
fn drop_privilege() -> io::Result<()> {
    let held = rustix::thread::capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for bit in 0..u64::BITS {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            match rustix::thread::remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                // Beyond the last that this kernel knows.
                Err(rustix::io::Errno::INVAL) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: none, permitted: none, inheritable: none },
    )?;
    Ok(())
}

fn restrict(rules: &[Rule]) -> Result<RestrictionStatus, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(MOST))?
        .scope(Scope::from_all(SCOPES))?
        .create()?;
    for rule in rules {
        // What has gone meanwhile needs no rule; where an earlier command has put a link, a rule
        // would be one for the place that it leads to.
        let Ok(place) = open_exact(&rule.path, OFlags::PATH) else { continue };
        let is_directory = rustix::fs::fstat(&place)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        ruleset = ruleset.add_rule(PathBeneath::new(place, rights(rule.grant, is_directory)))?;
    }
    ruleset.restrict_self()
}

fn rights(grant: Grant, is_directory: bool) -> BitFlags<AccessFs> {
    let special = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    let rights = match grant {
        Grant::Read => AccessFs::from_read(MOST),
        Grant::Write => AccessFs::from_all(MOST) & !special,
        Grant::Device => {
            AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir | AccessFs::IoctlDev
        }
    };
    if is_directory { rights } else { rights & AccessFs::from_file(MOST) }
}

/// Restricts this process to learn what the kernel can do, and prints it.
fn answer_abi() -> i32 {
    let abi = match restrict(&[]).map(|status| status.landlock) {
        Ok(LandlockStatus::Available { effective_abi, kernel_abi }) => {
            kernel_abi.unwrap_or(effective_abi as i32)
        }
        Ok(LandlockStatus::NotEnabled) => {
            return complain("Landlock is not enabled in this kernel");
        }
        Ok(_) => return complain("this kernel has no Landlock"),
        Err(error) => return complain(&format!("this kernel's Landlock cannot be used: {error}")),
    };
    let written = writeln!(
        File::from(match rustix::io::dup(io::stdout()) {
            Ok(stdout) => stdout,
            Err(error) => return complain(&error.to_string()),
        }),
        "{abi}"
    );
    i32::from(written.is_err())
}
