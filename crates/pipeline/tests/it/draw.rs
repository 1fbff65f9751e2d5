//! Pictures, compared with those that people have looked at. `CANON_BLESS=1` writes them anew:
//! look at them before they are committed.

use std::fs;
use std::path::{Path, PathBuf};

use canon_pipeline::Graph;
use canon_pipeline::draw::{Options, svg};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn assert_picture(name: &str, expected: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name);
    let graph = Graph::parse(&fs::read_to_string(source).unwrap()).unwrap().graph;
    let drawn = svg(&graph, &Options::default()).unwrap();
    if std::env::var_os("CANON_BLESS").is_some() {
        fs::write(expected, &drawn).unwrap();
    }
    let known = fs::read_to_string(expected).unwrap_or_default();
    assert!(drawn == known, "{} has changed: CANON_BLESS=1, and look at it", expected.display());
}

#[test]
fn pictures_are_those_that_were_looked_at() {
    for name in ["clusters", "loops"] {
        let expected = root().join(format!("crates/pipeline/tests/pictures/{name}.svg"));
        assert_picture(&format!("{name}.dot"), &expected);
    }
}

#[test]
fn the_picture_in_the_documentation_is_drawn_by_this_program() {
    assert_picture("review.dot", &root().join("docs/images/pipeline.svg"));
}
