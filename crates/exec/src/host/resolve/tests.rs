use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::host::zones::Zone;

fn zone(path: &Path, access: Access) -> Zone {
    Zone { path: path.to_owned(), access, why: "the test says so", special: false }
}

struct Place {
    _dir: tempfile::TempDir,
    base: PathBuf,
    zones: Zones,
}

/// `base/in` is writable but for `base/in/no`, `base/out` is readable, `base/hid` is hidden but for
/// `base/hid/ok`.
fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    for directory in ["in/deep", "in/no", "out/deep", "hid/ok"] {
        fs::create_dir_all(base.join(directory)).unwrap();
    }
    let zones = Zones::new(vec![
        zone(Path::new("/"), Access::Read),
        zone(&base.join("in"), Access::Write),
        zone(&base.join("in/no"), Access::Read),
        zone(&base.join("hid"), Access::Hidden),
        zone(&base.join("hid/ok"), Access::Write),
    ]);
    Place { _dir: dir, base, zones }
}

#[test]
fn the_deepest_zone_decides() {
    let Place { base, zones, _dir } = place();
    let may =
        |path: &str, wanted| resolve(&zones, &base.join("in"), Path::new(path), wanted).is_ok();
    assert!(
        may("x", Wanted::Write)
            && may("deep/new/x", Wanted::Write)
            && may("../hid/ok/x", Wanted::Write)
    );
    assert!(!may("no/x", Wanted::Write) && may("no/x", Wanted::Read));
    assert!(!may("../out/x", Wanted::Write) && may("../out/x", Wanted::Read));
    assert!(!may("../hid/x", Wanted::Read) && !may("../hid", Wanted::Read));
    // A name that only begins alike is another place.
    assert!(!may("../inside", Wanted::Write));
}

#[test]
fn the_stricter_of_two_zones_for_one_path_holds() {
    let path = Path::new("/a");
    let zones = Zones::new(vec![
        zone(Path::new("/"), Access::Read),
        zone(path, Access::Write),
        zone(path, Access::Hidden),
    ]);
    assert_eq!(zones.deciding(&path.join("b")).access, Access::Hidden);
}

#[test]
fn a_private_directory_stands_in_for_tmp() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let private = dir.path().canonicalize().unwrap();
    let root = Path::new("/tmp/a/root");
    let zones = Zones::new(vec![
        zone(Path::new("/"), Access::Read),
        zone(Path::new("/tmp"), Access::Write),
        zone(root, Access::Write),
    ])
    .with_private_tmp("/tmp".into(), private.clone());
    assert_eq!(zones.to_host(Path::new("/tmp/x")), private.join("x"));
    assert_eq!(zones.to_host(Path::new("/tmp")), private);
    assert_eq!(zones.to_host(&root.join("x")), root.join("x"));
    assert_eq!(zones.to_view(&private.join("x")), Path::new("/tmp/x"));
    symlink("/tmp/y", private.join("link")).unwrap();
    let found = resolve(&zones, Path::new("/"), Path::new("/tmp/link"), Wanted::Write).unwrap();
    assert_eq!(found.host, private.join("y"), "a link is followed as a command would follow it");
    symlink("../../etc/passwd", private.join("out")).unwrap();
    assert!(resolve(&zones, Path::new("/"), Path::new("/tmp/out"), Wanted::Write).is_err());
}

fn component() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "..", "..", ".", "in", "out", "hid", "ok", "no", "deep", "l0", "l1", "l2", "new",
    ])
}

fn relative() -> impl Strategy<Value = String> {
    prop::collection::vec(component(), 1..8).prop_map(|parts| parts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever links lie about: what is allowed lies, according to the kernel, where it is allowed.
    #[test]
    fn no_path_leads_out(
        links in prop::collection::vec((prop::sample::select(vec!["in", "in/deep", "out", "hid/ok"]), relative(), any::<bool>()), 3),
        path in relative(),
        wanted in prop::sample::select(vec![Wanted::Read, Wanted::Write]),
    ) {
        let Place { base, zones, _dir } = place();
        for (number, (directory, target, absolute)) in links.iter().enumerate() {
            let target = if *absolute { base.join(target) } else { PathBuf::from(target) };
            symlink(target, base.join(directory).join(format!("l{number}"))).unwrap();
        }
        let cwd = base.join("in");
        let asked = cwd.join(&path);
        if let Ok(found) = resolve(&zones, &cwd, Path::new(&path), wanted) {
            prop_assert!(found.host.components().all(|part| !matches!(part, Component::ParentDir)));
            let zone = zones.deciding(&found.view);
            let needed = if wanted == Wanted::Read { Access::Read } else { Access::Write };
            prop_assert!(zone.access >= needed);
            match asked.canonicalize() {
                Ok(kernel) => prop_assert_eq!(&found.view, &kernel),
                // The kernel finds nothing there; then neither may this.
                Err(_) => prop_assert!(!found.exists),
            }
            if found.exists {
                let canonical = found.host.canonicalize().unwrap();
                prop_assert_eq!(canonical, found.host, "no link is left in what will be opened");
            }
        }
    }
}
