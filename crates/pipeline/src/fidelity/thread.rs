//! Which session a stage shares (Attractor §5.4, ruling 15).

use crate::context::Context;
use crate::graph::{Kind, Subgraph};
use crate::handler::Stage;

const MEMORY: &str = "internal.thread.";

/// The context's key for the thread that a node used last.
pub(super) fn memory(node: &str) -> String {
    format!("{MEMORY}{node}")
}

/// Whether a stage before this one used the thread.
pub(super) fn was_used(context: &Context, key: &str) -> bool {
    let threads = context.iter().filter(|(name, _)| name.starts_with(MEMORY));
    threads.map(|(_, thread)| thread.as_str()).any(|thread| thread == Some(key))
}

/// The thread of a stage: the node's own, else the edge's, else the graph's, else the class of the
/// innermost subgraph that has one, else that of the node before: the thread which that node used,
/// or, where it used none, its id.
pub(super) fn key(stage: &Stage) -> String {
    let edge = || stage.via.and_then(|via| stage.graph.edge(via).thread_id());
    let written = stage.node().thread_id().or_else(edge).or_else(|| stage.graph.default_thread());
    if let Some(key) = written.or_else(|| class(stage)) {
        return key.to_owned();
    }
    let previous = previous(stage);
    match stage.context.text(&memory(previous)) {
        key if key.is_empty() => previous.to_owned(),
        key => key,
    }
}

fn class(stage: &Stage) -> Option<&str> {
    let around = stage.node().subgraphs().iter().rev();
    around
        .filter_map(|subgraph| stage.graph.subgraphs().get(subgraph.index()))
        .find_map(Subgraph::class)
}

/// The node before; conditionals only pass on what came before them (ruling 1).
fn previous(stage: &Stage) -> &str {
    let passed_on = |node: &&str| {
        stage.graph.find(node).is_some_and(|node| stage.graph.kind(node) != Kind::Conditional)
    };
    let before = stage.history.iter().map(|done| done.node.as_str()).take(64).find(passed_on);
    before.or_else(|| stage.previous.map(|node| stage.graph.id(node))).unwrap_or_default()
}

/// The thread's name among all runs: other branches and restarts have their own.
pub(super) fn qualified(stage: &Stage, key: &str) -> String {
    format!("{}/{}/{}:{key}", stage.run.id, stage.attempt.restart, stage.attempt.frame)
}
