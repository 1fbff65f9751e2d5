//! Which path may be read, written, or seen at all: a list of places, of which the one deepest
//! above a path decides. Everything that confines is derived from it.

use std::path::{Path, PathBuf};

/// What may be done at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// neither read nor written
    Hidden,
    /// only read
    Read,
    /// read and written
    Write,
}

/// A place with its access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// canonical, as commands see it
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    /// for people: what a refusal here says
    pub(crate) why: &'static str,
    /// the backends have their own way to provide it (`/proc`, `/dev`, `/run`)
    pub(crate) special: bool,
}

/// All places, the root included.
#[derive(Debug, Clone)]
pub(crate) struct Zones {
    /// by depth, so that what is above comes first
    zones: Vec<Zone>,
    tmp: Option<PrivateTmp>,
}

/// A directory that commands see under another name.
#[derive(Debug, Clone)]
struct PrivateTmp {
    view: PathBuf,
    host: PathBuf,
    zone: Zone,
}

const EVERYTHING: Zone = Zone {
    path: PathBuf::new(),
    access: Access::Write,
    why: "everything is allowed",
    special: false,
};

impl Zones {
    /// No confinement.
    pub(crate) fn everything() -> Self {
        Self { zones: vec![Zone { path: "/".into(), ..EVERYTHING }], tmp: None }
    }

    /// Zones in any order; of two for one path, the stricter holds.
    pub(crate) fn new(mut zones: Vec<Zone>) -> Self {
        zones.sort_by(|a, b| {
            (a.path.components().count(), &a.path, a.access).cmp(&(
                b.path.components().count(),
                &b.path,
                b.access,
            ))
        });
        zones.dedup_by(|later, earlier| later.path == earlier.path);
        Self { zones, tmp: None }
    }

    /// Commands see `host` as `view`; whatever zone lies deeper keeps its own place.
    #[must_use]
    pub(crate) fn with_private_tmp(mut self, view: PathBuf, host: PathBuf) -> Self {
        if let Some(zone) = self.zones.iter().find(|zone| zone.path == view).cloned() {
            self.tmp = Some(PrivateTmp { view, host, zone });
        }
        self
    }

    /// By depth.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Zone> {
        self.zones.iter()
    }

    /// The zone that decides about a canonical path.
    pub(crate) fn deciding(&self, view: &Path) -> &Zone {
        self.zones.iter().rev().find(|zone| view.starts_with(&zone.path)).unwrap_or(&self.zones[0])
    }

    /// Zones strictly below a path.
    pub(crate) fn below(&self, view: &Path) -> impl Iterator<Item = &Zone> {
        self.zones.iter().filter(move |zone| zone.path != view && zone.path.starts_with(view))
    }

    /// Whether another place is shown to commands under this path or the one above it.
    pub(crate) fn is_replaced(&self, view: &Path) -> bool {
        let above = view.parent().unwrap_or(view);
        self.tmp.as_ref().is_some_and(|tmp| *self.deciding(above) == tmp.zone)
    }

    /// Where a path of the commands' view lies on this machine.
    pub(crate) fn to_host(&self, view: &Path) -> PathBuf {
        match &self.tmp {
            Some(tmp) if *self.deciding(view) == tmp.zone => view
                .strip_prefix(&tmp.view)
                .map_or_else(|_| view.to_owned(), |rest| join(&tmp.host, rest)),
            _ => view.to_owned(),
        }
    }

    /// What commands call a path of this machine.
    pub(crate) fn to_view(&self, host: &Path) -> PathBuf {
        match &self.tmp {
            Some(tmp) => host
                .strip_prefix(&tmp.host)
                .map_or_else(|_| host.to_owned(), |rest| join(&tmp.view, rest)),
            None => host.to_owned(),
        }
    }
}

/// `join` of an empty path would add a slash.
fn join(base: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { base.to_owned() } else { base.join(rest) }
}
