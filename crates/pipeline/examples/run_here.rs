//! Runs a graph whose stages are shell commands in a repository, or goes on with it, and prints how
//! it ended as JSON: `run_here REPOSITORY LOGS GRAPH`. The tests kill it.

// A panic here is the report of the test that started it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use canon_pipeline::Graph;
use canon_pipeline::engine::Budget;
use canon_pipeline::run::{Environment, From, NewRun, RunDirectory, journal, resume, start};
use canon_runtime::secret::Redactor;
use tokio_util::sync::CancellationToken;

#[path = "../tests/it/repository/shell.rs"]
mod shell;

#[tokio::main]
async fn main() {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [repository, logs, graph] = paths.as_slice() else {
        panic!("usage: run_here REPOSITORY LOGS GRAPH")
    };
    let source = std::fs::read_to_string(graph).unwrap();
    let graph = Graph::parse(&source).unwrap().graph;
    let directory = RunDirectory::new(logs);
    let environment = Environment {
        registry: shell::registry(),
        workspaces: Arc::new(shell::workspaces(repository, logs, "r1").await),
        events: None,
        cancel: CancellationToken::new(),
        budget: Budget::default(),
        wall: None,
        redactor: Arc::new(Redactor::new([])),
    };
    // Killed before the first record was whole, it has not begun.
    let begun = journal::read(&directory.journal()).is_ok();
    let end = if begun {
        resume(graph, directory, From::Here, environment).await
    } else {
        let _ = std::fs::remove_file(directory.journal());
        let new = NewRun {
            id: "r1".to_owned(),
            seed: 1,
            inputs: BTreeMap::new(),
            context: BTreeMap::new(),
            repository: Some(repository.clone()),
            base: None,
            depth: 0,
        };
        start(graph, &source, directory, new, environment).await
    };
    let end = end.unwrap();
    let outcomes: Vec<_> =
        end.outcomes.iter().map(|(node, o)| (node, o.status, &o.notes)).collect();
    let told = serde_json::json!({
        "status": end.finish.status, "path": end.path, "outcomes": outcomes, "context": end.context,
    });
    println!("{told}");
}
