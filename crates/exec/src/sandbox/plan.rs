//! From a policy to zones.

use std::path::{Path, PathBuf};

use super::git::Layout;
use super::{SandboxError, SandboxPolicy};
use crate::host::zones::{Access, Zone, Zones};

/// A backend that shows a private directory as `/tmp` takes the first, one that cannot the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tmp {
    /// commands see it as `/tmp`
    Shown(PathBuf),
    /// commands see it where it is, and learn of it from `TMPDIR`
    InPlace(PathBuf),
    /// there is none
    No,
}

const READ_ONLY: &str = "only reading is allowed there; writable are the workspace and $TMPDIR";
const SECRET: &str = "the place is hidden: it may hold secrets";
const SYSTEM: &str = "devices, processes and sockets of the machine are not for file tools";
const WORKSPACE: &str = "it is writable";
const TEMPORARY: &str = "it is writable";

/// Places that the backends provide in their own way and that file tools have no business in.
const SPECIAL: [&str; 3] = ["/proc", "/dev", "/run"];

/// What a host says about reading, beside the policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// neither read nor written
    pub(super) masked: &'a [PathBuf],
    /// only read, also below what is masked or writable
    pub(super) readable: &'a [PathBuf],
}

/// The zones of a policy other than full access, and where git's files of each writable root are.
pub(super) fn zones(
    policy: &SandboxPolicy,
    cwd: &Path,
    seen: Seen<'_>,
    tmp: &Tmp,
) -> Result<(Zones, Vec<Layout>), SandboxError> {
    let mut zones = vec![zone("/", Access::Read, READ_ONLY)];
    zones.extend(SPECIAL.map(|path| Zone { special: true, ..zone(path, Access::Hidden, SYSTEM) }));
    let roots = writable_roots(policy, cwd)?;
    let mut layouts = Vec::new();
    for root in &roots {
        zones.push(zone(root, Access::Write, WORKSPACE));
        let layout = Layout::of(root)?;
        zones.extend(layout.zones());
        layouts.push(layout);
    }
    let hidden = hidden(policy, seen.masked)?;
    if let Some(root) = roots.iter().find(|root| hidden.contains(root)) {
        return Err(bad(root, "it is both writable and hidden"));
    }
    if roots.is_empty() {
        zones.push(zone(cwd, Access::Read, READ_ONLY));
    }
    for path in seen.readable {
        let canonical = path.canonicalize().map_err(|error| bad(path, error.to_string()))?;
        zones.push(zone(canonical, Access::Read, READ_ONLY));
    }
    zones.extend(hidden.into_iter().map(|path| zone(path, Access::Hidden, SECRET)));
    zones.extend(pins(&zones));
    Ok((add_tmp(zones, tmp), layouts))
}

/// Directories between a writable place and a zone further down. A zone of its own keeps each where
/// it is: moved away with what it holds, the zone below would be about another place.
fn pins(zones: &[Zone]) -> Vec<Zone> {
    let mut pins = Vec::new();
    for zone in zones {
        let above = zones
            .iter()
            .filter(|other| other.path != zone.path && zone.path.starts_with(&other.path));
        let Some(holder) = above.max_by_key(|other| other.path.components().count()) else {
            continue;
        };
        if holder.access == Access::Write {
            let between = zone.path.ancestors().skip(1).take_while(|path| *path != holder.path);
            pins.extend(between.map(|path| self::zone(path, Access::Write, WORKSPACE)));
        }
    }
    pins
}

fn add_tmp(mut zones: Vec<Zone>, tmp: &Tmp) -> Zones {
    match tmp {
        Tmp::No => Zones::new(zones),
        Tmp::InPlace(place) => {
            zones.push(zone(place, Access::Write, TEMPORARY));
            Zones::new(zones)
        }
        Tmp::Shown(place) => {
            let view = Path::new("/tmp");
            // A root that is `/tmp` itself is shown as it is.
            if zones.iter().any(|zone| zone.path == view) {
                return Zones::new(zones);
            }
            zones.push(zone(view, Access::Write, TEMPORARY));
            let shown = Zones::new(zones.clone()).with_private_tmp(view.into(), place.clone());
            // What is hidden in the machine's `/tmp` is not in the private one at all.
            zones.retain(|zone| zone.access != Access::Hidden || !shown.is_replaced(&zone.path));
            Zones::new(zones).with_private_tmp(view.into(), place.clone())
        }
    }
}

fn writable_roots(policy: &SandboxPolicy, cwd: &Path) -> Result<Vec<PathBuf>, SandboxError> {
    let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = policy else {
        return Ok(Vec::new());
    };
    let mut roots = Vec::new();
    for root in std::iter::once(cwd).chain(writable_roots.iter().map(PathBuf::as_path)) {
        if !root.is_absolute() {
            return Err(bad(root, "a writable root must be an absolute path"));
        }
        let canonical = root.canonicalize().map_err(|error| bad(root, error.to_string()))?;
        if !canonical.is_dir() {
            return Err(bad(root, "a writable root must be a directory"));
        }
        if canonical == Path::new("/")
            || ["/proc", "/sys", "/dev"].iter().any(|system| canonical.starts_with(system))
        {
            return Err(bad(
                root,
                "the system itself cannot be a writable root; choose danger-full-access",
            ));
        }
        roots.push(canonical);
    }
    Ok(roots)
}

/// Places that are there and shall not be seen. What is not there cannot be seen either.
fn hidden(policy: &SandboxPolicy, masked: &[PathBuf]) -> Result<Vec<PathBuf>, SandboxError> {
    let mut hidden = Vec::new();
    for path in policy.denied_reads().iter().chain(masked) {
        if !path.is_absolute() {
            return Err(bad(path, "a hidden place must be an absolute path"));
        }
        match path.canonicalize() {
            Ok(canonical) if canonical == Path::new("/") => {
                return Err(bad(path, "everything cannot be hidden"));
            }
            Ok(canonical) => hidden.push(canonical),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(bad(path, error.to_string())),
        }
    }
    Ok(hidden)
}

pub(super) fn zone(path: impl Into<PathBuf>, access: Access, why: &'static str) -> Zone {
    Zone { path: path.into(), access, why, special: false }
}

fn bad(path: &Path, why: impl Into<String>) -> SandboxError {
    SandboxError::BadPath { path: path.to_owned(), why: why.into() }
}
