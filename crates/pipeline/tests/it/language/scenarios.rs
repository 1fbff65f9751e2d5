//! Directories with a source and what is said of it. `CANON_BLESS=1` writes what is said now.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use canon_pipeline::{Checked, Graph, Lines};

use super::support::check;

/// What is found, one line each, with its fix below.
fn findings(checked: &Checked, source: &str) -> String {
    let lines = Lines::new(source);
    let mut out = String::new();
    for found in &checked.diagnostics {
        let place = found.span.map_or("-".to_owned(), |span| {
            let (from, to) = (lines.locate(span.start), lines.locate(span.end));
            format!("{}:{}-{}:{}", from.line, from.column, to.line, to.column)
        });
        let _ = writeln!(out, "{place} {found}");
        if let Some(fix) = &found.fix {
            let _ = writeln!(out, "    fix: {fix}");
        }
    }
    out
}

fn described(graph: &Graph) -> String {
    let mut out = format!("graph {:?} goal {:?}\n", graph.name(), graph.goal());
    let attrs = |attrs: &canon_pipeline::graph::Attrs| {
        let text =
            |attr: &canon_pipeline::graph::Attr| format!("{}={:?}", attr.key, attr.value.text());
        attrs.iter().map(text).collect::<Vec<_>>().join(" ")
    };
    for at in graph.node_indexes() {
        let node = graph.node(at);
        let classes = graph.classes(at).join(",");
        let line =
            format!("node {} {} [{classes}] {}", node.id(), graph.kind(at), attrs(node.attrs()));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for edge in graph.edges() {
        let (from, to) = (graph.id(edge.from()), graph.id(edge.to()));
        let _ =
            writeln!(out, "{}", format!("edge {from} -> {to} {}", attrs(edge.attrs())).trim_end());
    }
    out
}

fn run(part: &str, say: impl Fn(&Checked, &str) -> String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(part);
    let mut names: Vec<_> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 3, "{}", root.display());
    let mut wrong = Vec::new();
    for directory in names {
        let source = fs::read_to_string(directory.join("input.dot")).unwrap();
        let said = say(&check(&source), &source);
        let expected = directory.join("expected");
        if std::env::var_os("CANON_BLESS").is_some() {
            fs::write(&expected, &said).unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if said != wanted {
            wrong.push(format!("{}\n--- said\n{said}--- wanted\n{wanted}", directory.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sources_mean_what_they_say() {
    run("dot", |checked, source| {
        let graph = checked.graph.as_ref().map(described).unwrap_or_default();
        format!("{graph}{}", findings(checked, source))
    });
}

#[test]
fn pipelines_are_judged() {
    run("check", findings);
}
