//! A graph as the machine needs it: attributes read, targets resolved, joins found.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::retry::RetryPolicy;
use super::route::normalize_label;
use crate::condition::{Condition, Lookup};
use crate::context::{Context, text};
use crate::graph::{Dialect, Edge, Graph, JoinPolicy, Kind, NodeIx};
use crate::outcome::Outcome;

/// What the machine does at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Goes on.
    Start,
    /// Ends the run, if the gates let it.
    Exit,
    /// Reports the stage before (ruling 1).
    Conditional,
    /// Opens branches.
    Parallel,
    /// Has a handler do the work.
    Work,
}

/// Where the branches of a fan-out meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// No node is reached by all.
    None,
    /// The nearest that all reach.
    At {
        /// The node.
        node: usize,
        /// Whether it is a fan-in, which decides.
        fan_in: bool,
    },
}

impl Join {
    pub(crate) const fn node(self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::At { node, .. } => Some(node),
        }
    }
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct PlanNode {
    pub(crate) id: Arc<str>,
    pub(crate) role: Role,
    /// Edges that leave it, by their place among all edges.
    pub(crate) out: Vec<usize>,
    pub(crate) policy: RetryPolicy,
    pub(crate) allow_partial: bool,
    pub(crate) goal_gate: bool,
    pub(crate) retry_target: Option<usize>,
    pub(crate) fallback_retry_target: Option<usize>,
    pub(crate) continue_on_fail: bool,
    pub(crate) max_visits: u32,
    /// `selection=random`.
    pub(crate) random: bool,
    pub(crate) first_success: bool,
    pub(crate) max_parallel: usize,
    pub(crate) join: Join,
}

impl PlanNode {
    pub(crate) fn is_conditional(&self) -> bool {
        self.role == Role::Conditional
    }
}

/// An edge.
#[derive(Debug, Clone)]
pub(crate) struct PlanEdge {
    pub(crate) to: usize,
    pub(crate) label: String,
    pub(crate) normalized: String,
    pub(crate) condition: Option<Guard>,
    pub(crate) weight: i64,
    pub(crate) loop_restart: bool,
}

/// A graph that can be run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) name: String,
    pub(crate) nodes: Vec<PlanNode>,
    ids: HashMap<Arc<str>, usize>,
    pub(crate) edges: Vec<PlanEdge>,
    pub(crate) start: usize,
    /// Dialect 2026-02.
    pub(crate) old_dialect: bool,
    /// The graph's own `retry_target` and `fallback_retry_target`.
    pub(crate) retry_targets: [Option<usize>; 2],
    /// `graph.*` of the context.
    pub(crate) mirrored: Vec<(String, Value)>,
    pub(crate) max_stages: u64,
    pub(crate) max_goal_redirects: u32,
    pub(crate) max_restarts: u32,
}

impl Plan {
    /// A graph that can be run: transforms applied, checked.
    ///
    /// # Errors
    /// What keeps it from being run at all.
    pub fn of(graph: &Graph) -> Result<Self, String> {
        let start = graph.start().ok_or("it has no start, or several")?;
        let target = |id: Option<&str>| id.and_then(|id| graph.find(id)).map(NodeIx::index);
        let edges: Result<_, _> = graph.edges().iter().map(|edge| plan_edge(graph, edge)).collect();
        let mut plan = Self {
            name: graph.name().to_owned(),
            ids: HashMap::new(),
            nodes: graph.node_indexes().map(|node| plan_node(graph, node)).collect(),
            edges: edges?,
            start: start.index(),
            old_dialect: graph.dialect() == Dialect::February2026,
            retry_targets: [target(graph.retry_target()), target(graph.fallback_retry_target())],
            mirrored: mirrored(graph),
            max_stages: graph.max_stages().into(),
            max_goal_redirects: graph.max_goal_redirects(),
            max_restarts: graph.max_restarts(),
        };
        let id = |(at, node): (usize, &PlanNode)| (Arc::clone(&node.id), at);
        plan.ids = plan.nodes.iter().enumerate().map(id).collect();
        let is_fan_in = |node: usize| graph.kind(NodeIx::new(node)) == Kind::FanIn;
        for node in 0..plan.nodes.len() {
            if plan.nodes[node].role == Role::Parallel {
                plan.nodes[node].join = plan.find_join(node, is_fan_in);
            }
        }
        Ok(plan)
    }

    /// Whether a handler works on a node; the machine settles the others itself.
    pub fn is_work(&self, id: &str) -> bool {
        self.ids.get(id).is_some_and(|at| self.nodes[*at].role == Role::Work)
    }

    /// Nodes that a run can come to from `node`, itself included; retry targets count as edges.
    pub(crate) fn reachable(&self, node: usize) -> HashSet<usize> {
        let mut seen = HashSet::from([node]);
        let mut todo = VecDeque::from([node]);
        while let Some(node) = todo.pop_front() {
            let at = &self.nodes[node];
            let jumps = at.retry_target.into_iter().chain(at.fallback_retry_target);
            let next = at.out.iter().map(|edge| self.edges[*edge].to).chain(jumps);
            todo.extend(next.filter(|node| seen.insert(*node)));
        }
        seen
    }

    /// Where the branches of `component` meet (ruling 8): the nearest node that all of them reach
    /// without passing the component again, a fan-in if there is one.
    pub(crate) fn find_join(&self, component: usize, is_fan_in: impl Fn(usize) -> bool) -> Join {
        let targets = self.nodes[component].out.iter().map(|edge| self.edges[*edge].to);
        let distances: Vec<Vec<Option<u32>>> =
            targets.map(|target| self.distances(target, component)).collect();
        if distances.is_empty() {
            return Join::None;
        }
        let far = |node: usize| -> Option<u32> {
            distances.iter().map(|from| from[node]).try_fold(0, |far, d| d.map(|d| d.max(far)))
        };
        let met = (0..self.nodes.len()).filter_map(|node| Some((far(node)?, node)));
        let nearest = |fan_in: bool| {
            met.clone().filter(|(_, node)| !fan_in || is_fan_in(*node)).min().map(|(_, node)| node)
        };
        match (nearest(true), nearest(false)) {
            (Some(node), _) => Join::At { node, fan_in: true },
            (None, Some(node)) => Join::At { node, fan_in: false },
            (None, None) => Join::None,
        }
    }

    /// Edges from `from` to each node, never through `wall`.
    fn distances(&self, from: usize, wall: usize) -> Vec<Option<u32>> {
        let mut distance = vec![None; self.nodes.len()];
        if from == wall {
            return distance;
        }
        distance[from] = Some(0);
        let mut todo = VecDeque::from([(from, 0)]);
        while let Some((node, so_far)) = todo.pop_front() {
            for edge in &self.nodes[node].out {
                let to = self.edges[*edge].to;
                if to != wall && distance[to].is_none() {
                    distance[to] = Some(so_far + 1);
                    todo.push_back((to, so_far + 1));
                }
            }
        }
        distance
    }
}

fn plan_node(graph: &Graph, at: NodeIx) -> PlanNode {
    let node = graph.node(at);
    let target = |id: Option<&str>| id.and_then(|id| graph.find(id)).map(NodeIx::index);
    PlanNode {
        id: node.id().into(),
        role: match graph.kind(at) {
            Kind::Start => Role::Start,
            Kind::Exit => Role::Exit,
            Kind::Conditional => Role::Conditional,
            Kind::Parallel => Role::Parallel,
            _ => Role::Work,
        },
        out: graph.outgoing(at).iter().map(|edge| edge.index()).collect(),
        policy: policy(graph, at),
        allow_partial: node.allow_partial(),
        goal_gate: node.goal_gate(),
        retry_target: target(node.retry_target()),
        fallback_retry_target: target(node.fallback_retry_target()),
        continue_on_fail: node.continue_on_fail(),
        max_visits: graph.max_visits(at),
        random: node.attrs().non_empty("selection") == Some("random"),
        first_success: node.join_policy() == JoinPolicy::FirstSuccess,
        max_parallel: node.max_parallel() as usize,
        join: Join::None,
    }
}

/// §3.5: `max_retries` says how often, a preset how long is waited and, where nothing else does,
/// how often.
fn policy(graph: &Graph, at: NodeIx) -> RetryPolicy {
    let attrs = graph.node(at).attrs();
    let explicit = attrs.count("max_retries");
    let preset = attrs.non_empty("retry_policy").and_then(RetryPolicy::preset);
    let mut policy = preset.unwrap_or_else(|| RetryPolicy::retries(graph.max_retries(at)));
    if let Some(retries) = explicit {
        policy.max_attempts = retries.saturating_add(1);
        policy.retry_failures = true;
    }
    policy
}

fn plan_edge(graph: &Graph, edge: &Edge) -> Result<PlanEdge, String> {
    let condition = edge.condition().map(|source| {
        Condition::parse(source)
            .map(|condition| Guard { source: source.into(), condition })
            .map_err(|error| {
                let (from, to) = (graph.id(edge.from()), graph.id(edge.to()));
                format!("the condition of {from} -> {to}: {error}")
            })
    });
    Ok(PlanEdge {
        to: edge.to().index(),
        label: edge.label().to_owned(),
        normalized: normalize_label(edge.label()),
        condition: condition.transpose()?,
        weight: edge.weight(),
        loop_restart: edge.loop_restart(),
    })
}

/// Graph attributes as the context holds them (§5.1).
fn mirrored(graph: &Graph) -> Vec<(String, Value)> {
    let attrs = graph.attrs().iter().filter(|attr| &*attr.key != "goal");
    let goal = ("graph.goal".to_owned(), Value::from(graph.goal()));
    let attr =
        |attr: &crate::graph::Attr| (format!("graph.{}", attr.key), Value::from(attr.value.text()));
    std::iter::once(goal).chain(attrs.map(attr)).collect()
}

/// A condition that can be evaluated.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    source: Arc<str>,
    condition: Condition,
}

impl Guard {
    pub(crate) fn holds(&self, outcome: &Outcome, context: &Context) -> bool {
        self.condition.holds(&Seen { outcome, context })
    }

    pub(crate) fn holds_like_success(&self, outcome: &Outcome, context: &Context) -> bool {
        self.condition.holds_like_success(&Seen { outcome, context })
    }
}

impl std::fmt::Display for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.source)
    }
}

/// What a condition sees.
pub(crate) struct Seen<'a> {
    pub(crate) outcome: &'a Outcome,
    pub(crate) context: &'a Context,
}

impl Lookup for Seen<'_> {
    fn outcome(&self) -> &str {
        self.outcome.status.as_str()
    }

    fn preferred_label(&self) -> &str {
        &self.outcome.preferred_label
    }

    fn context(&self, key: &str) -> Option<Cow<'_, str>> {
        self.context.get(key).map(|value| match value {
            Value::String(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(text(other)),
        })
    }
}
