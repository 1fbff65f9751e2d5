use super::Place;
use crate::check::Rule;
use crate::check::explore::Explored;
use crate::check::paths::Paths;
use crate::check::routing;
use crate::limits::MAX_STEPS;
use crate::{Diagnostic, Graph, NodeIx};

/// What the exploration of all states finds: states from which no exit can be reached, goal gates
/// that no redirect can satisfy, loops without a limit of their own.
pub(super) struct Explore;

impl Rule for Explore {
    fn name(&self) -> &str {
        "explore"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let Some(start) = graph.start() else { return Vec::new() };
        if !graph.node_indexes().all(|node| routing::readable(graph, node)) {
            return Vec::new();
        }
        let Some(explored) = Explored::new(graph, start) else {
            let message = "the graph is too large to be explored";
            return vec![Diagnostic::info("explore", message).at(graph.span())];
        };
        let mut found = no_exit(graph, &explored);
        found.extend(never_run(graph, start, &explored));
        found.extend(gates(graph, &explored));
        found.extend(loops(graph, &explored));
        found
    }
}

/// A run that goes on for ever, or until a limit stops it.
fn no_exit(graph: &Graph, explored: &Explored) -> Vec<Diagnostic> {
    if graph.roles().exits.is_empty() {
        return Vec::new();
    }
    let nothing_else = !explored.reaches_exit(explored.start());
    let state = match explored.trapped() {
        Some(state) => state,
        None if nothing_else => explored.dead_end(),
        None => return Vec::new(),
    };
    let node = explored.node(state);
    let after = format!(
        "`{}` ({}): {}",
        graph.id(node),
        explored.status(state),
        explored.told(graph, state)
    );
    let (found, fix) = if nothing_else {
        let message = format!("no run can reach an exit; one gets as far as {after}");
        (Diagnostic::error("exit_reachable", message), "add a way to the exit that can be taken")
    } else {
        let message = format!(
            "no exit can be reached, and the run goes on until a limit stops it, after {after}"
        );
        (Diagnostic::warning("exit_reachable", message), "add a way out of the loop")
    };
    vec![found.on_node(graph, node).fix(fix)]
}

/// Stages that edges lead to, but no run: the edges before them are never taken.
fn never_run(graph: &Graph, start: NodeIx, explored: &Explored) -> Vec<Diagnostic> {
    // Without a way to the exit that is what must be mended first.
    if !explored.reaches_exit(explored.start()) {
        return Vec::new();
    }
    let run = explored.visited(graph);
    let paths = Paths::from(graph, start);
    let lost = graph.node_indexes().filter(|node| paths.reaches(*node) && !graph.is_exit(*node));
    let is_run = |node: NodeIx| run.get(node.index()).copied().unwrap_or(true);
    // What follows such a stage alone is not told of as well.
    let first =
        |node: &NodeIx| graph.incoming(*node).iter().any(|edge| is_run(graph.edge(*edge).from()));
    lost.filter(|node| !is_run(*node))
        .filter(first)
        .map(|node| {
            let message = format!(
                "`{}` is never run: on every way to it, an edge is never taken: {}",
                graph.id(node),
                paths.told(graph, node)
            );
            Diagnostic::warning("never_run", message).on_node(graph, node).fix(
                "look at the conditions on the way; a failed stage takes an edge without a \
                 condition only into a conditional node, or with `continue_on_fail=true`",
            )
        })
        .collect()
}

/// Goal gates that a redirect does not lead to again, or that never succeed.
fn gates(graph: &Graph, explored: &Explored) -> Vec<Diagnostic> {
    let gates: Vec<_> = graph.node_indexes().filter(|node| graph.node(*node).goal_gate()).collect();
    let mut found = Vec::new();
    if gates.len().saturating_mul(explored.len()) > MAX_STEPS {
        return found;
    }
    for gate in gates {
        let Some(target) = graph.gate_target(gate) else { continue };
        if !explored.can_fail_and_exit(graph, gate) || explored.leads(target, gate) {
            continue;
        }
        let message = format!(
            "the goal gate `{}` cannot be satisfied by going back to `{}`: no way leads from there \
             to the gate",
            graph.id(gate),
            graph.id(target)
        );
        found.push(
            Diagnostic::warning("gate_satisfiable", message)
                .on_node(graph, gate)
                .fix("let `retry_target` name the gate itself or a stage before it"),
        );
    }
    found
}

/// Loops that only the default limits end.
fn loops(graph: &Graph, explored: &Explored) -> Vec<Diagnostic> {
    let limited = |key: &str| graph.attrs().get(key).is_some();
    if limited("max_visits") || limited("max_stages") {
        return Vec::new();
    }
    let unbounded = explored.loops(graph).into_iter().filter(|nodes| {
        !nodes.iter().any(|node| {
            graph.node(*node).attrs().get("max_visits").is_some()
                || graph.kind(*node) == crate::Kind::WaitHuman
        })
    });
    unbounded
        .filter_map(|nodes| {
            let first = *nodes.first()?;
            let names: Vec<&str> = nodes.iter().take(8).map(|node| graph.id(*node)).collect();
            let more = if nodes.len() > 8 { ", …" } else { "" };
            let message = format!(
                "the loop through {}{more} has no limit of its own; after {} visits of a stage \
                 the run fails",
                names.join(", "),
                graph.max_visits(first)
            );
            Some(
                Diagnostic::info("loop_bounded", message)
                    .on_node(graph, first)
                    .fix("set `max_visits` on a stage of the loop, or on the graph"),
            )
        })
        .collect()
}
