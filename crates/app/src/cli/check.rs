//! `canon check`: a pipeline is read and judged, and nothing is run.

mod snippet;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use canon_pipeline::graph::{Attrs, Scalar, Value as Attribute};
use canon_pipeline::{Checked, Diagnostic, Dialect, Graph, Lines, Prepare, Severity};
use serde_json::{Map, Value, json};

use super::print;
use crate::error::Error;

/// Findings that are shown to people; `--json` has all of them.
const MOST_SHOWN: usize = 100;

/// What to check.
///
/// Exit code 0 also with warnings, 2 with errors. docs/pipeline-language.md lists the rules.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline, a DOT file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print `{"v": 1, "ok": …, "graph": {…}, "diagnostics": […]}`
    #[arg(long)]
    json: bool,
    /// Read it as written for another text of the specification (`2026-02`, or `current`),
    /// whatever it says itself
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    dialect: Option<Dialect>,
}

pub(super) fn dialect(name: &str) -> Result<Dialect, String> {
    Dialect::parse(name)
        .filter(|_| !name.trim().is_empty())
        .ok_or_else(|| "the dialects are `2026-02` and `current`".to_owned())
}

/// Checks it.
pub fn run(args: &Args) -> Result<ExitCode, Error> {
    let source = read(&args.file)?;
    let mut prepare = Prepare::new();
    if let Some(directory) = args.file.parent().filter(|_| args.file.as_os_str() != "-") {
        prepare = prepare.base(directory);
    }
    if let Some(dialect) = args.dialect {
        prepare = prepare.dialect(dialect);
    }
    let checked = prepare.check(&source);
    let lines = Lines::new(&source);
    if args.json {
        print::data(json(&checked, &lines));
    } else {
        show(&args.file, &checked, &lines);
    }
    Ok(if checked.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// The text of a pipeline, no larger than the parser takes.
pub(super) fn read(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    // One byte more than the parser takes: enough for it to say so.
    let limit = canon_pipeline::limits::MAX_SOURCE as u64 + 1;
    let mut bytes = Vec::new();
    let outcome = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    outcome.map_err(|error| Error::input(format!("cannot read {shown}: {error}")))?;
    if bytes.len() as u64 == limit {
        let most = canon_pipeline::limits::MAX_SOURCE / 1024 / 1024;
        return Err(Error::input(format!("{shown} is larger than {most} MiB")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::input(format!("{shown} is no UTF-8 text: byte {at} is of no character"))
            .hint("save it as UTF-8")
    })
}

/// Findings with their lines, then how many there are.
fn show(path: &Path, checked: &Checked, lines: &Lines<'_>) {
    show_findings(path, &checked.diagnostics, lines);
    print::note(format!("{}: {}", path.display(), summary(checked)));
}

/// Findings with their lines.
pub(super) fn show_findings(path: &Path, found: &[Diagnostic], lines: &Lines<'_>) {
    for diagnostic in found.iter().take(MOST_SHOWN) {
        print::note(snippet::render(path, diagnostic, lines));
        print::note(" ");
    }
    if found.len() > MOST_SHOWN {
        let more = found.len() - MOST_SHOWN;
        print::note(format!("… {more} more findings; `canon check --json` lists all"));
    }
}

fn summary(checked: &Checked) -> String {
    let count = |severity: Severity, name: &str| {
        let found = checked.diagnostics.iter().filter(|found| found.severity == severity).count();
        (found > 0).then(|| format!("{found} {name}{}", if found == 1 { "" } else { "s" }))
    };
    let counts: Vec<String> = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Info, "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match &checked.graph {
        _ if !counts.is_empty() => counts.join(", "),
        Some(graph) => {
            format!("no findings ({} nodes, {} edges)", graph.nodes().len(), graph.edges().len())
        }
        None => "no graph".to_owned(),
    }
}

fn json(checked: &Checked, lines: &Lines<'_>) -> Value {
    json!({
        "v": 1,
        "ok": checked.is_ok(),
        "graph": checked.graph.as_ref().map(graph),
        "diagnostics":
            checked.diagnostics.iter().map(|found| diagnostic(found, lines)).collect::<Vec<_>>(),
    })
}

fn graph(graph: &Graph) -> Value {
    let nodes: Vec<Value> = graph
        .node_indexes()
        .map(|at| {
            let node = graph.node(at);
            json!({
                "id": node.id(), "kind": graph.kind(at).as_str(), "shape": node.shape(),
                "attrs": attributes(node.attrs()),
            })
        })
        .collect();
    let edges: Vec<Value> = graph
        .edges()
        .iter()
        .map(|edge| {
            json!({
                "from": graph.id(edge.from()), "to": graph.id(edge.to()), "label": edge.label(),
                "condition": edge.condition().unwrap_or_default(), "weight": edge.weight(),
                "attrs": attributes(edge.attrs()),
            })
        })
        .collect();
    json!({ "name": graph.name(), "goal": graph.goal(), "nodes": nodes, "edges": edges })
}

/// Numbers and truth values as such, all else as text; durations as they are written.
fn attributes(attrs: &Attrs) -> Map<String, Value> {
    let value = |value: &Attribute| match value.scalar() {
        Scalar::Integer(number) => json!(number),
        Scalar::Float(number) => json!(number),
        Scalar::Boolean(truth) => json!(truth),
        Scalar::String | Scalar::Duration(_) => json!(value.text()),
    };
    attrs.iter().map(|attr| (attr.key.to_string(), value(&attr.value))).collect()
}

/// What a finding is not about is left out.
fn diagnostic(found: &Diagnostic, lines: &Lines<'_>) -> Value {
    let mut object = Map::new();
    object.insert("rule".to_owned(), json!(found.rule));
    object.insert("severity".to_owned(), json!(found.severity.as_str()));
    object.insert("message".to_owned(), json!(found.message));
    if let Some(node) = &found.node {
        object.insert("node".to_owned(), json!(node));
    }
    if let Some((from, to)) = &found.edge {
        object.insert("edge".to_owned(), json!({ "from": from, "to": to }));
    }
    if let Some(span) = found.span {
        let at = lines.locate(span.start);
        object.insert(
            "span".to_owned(),
            json!({ "start": span.start, "end": span.end, "line": at.line, "column": at.column }),
        );
    }
    if let Some(fix) = &found.fix {
        object.insert("fix".to_owned(), json!(fix));
    }
    Value::Object(object)
}
