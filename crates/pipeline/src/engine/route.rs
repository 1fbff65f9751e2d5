//! Which way a run goes after a stage (Attractor §3.3, §3.7, rulings 2, 4, 10, 26).

use serde::{Deserialize, Serialize};

use super::plan::{Guard, Plan};
use super::random::Random;
use crate::context::Context;
use crate::outcome::{Outcome, Status};

/// The rule behind a decision: a section of the specification, or a ruling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// §3.5: the stage is tried again.
    Retry,
    /// Ruling 10: the edge that the answer named.
    Answer,
    /// §3.3 step 1, and §3.7 step 1 after a failure: a condition that is true.
    Condition,
    /// §3.3 step 2: the label that the outcome prefers.
    PreferredLabel,
    /// §3.3 step 3: the node that the outcome suggests.
    SuggestedId,
    /// §3.3 step 4: the highest weight.
    Weight,
    /// §3.3 step 5: the first of equal weight by target.
    Lexical,
    /// A seeded choice among edges: `selection=random`.
    Random,
    /// Dialect 2026-02: any edge, before the run is given up.
    AnyEdge,
    /// §3.7 step 2: the node's `retry_target`.
    RetryTarget,
    /// §3.7 step 3: the node's `fallback_retry_target`.
    FallbackRetryTarget,
    /// Ruling 2: a failure is carried into a conditional, or on as `continue_on_fail` says.
    CarriedFailure,
    /// §3.4: an unsatisfied goal gate sends the run back.
    GoalGate,
    /// A gate judged another tree than the one at the exit, and is asked again.
    StaleGate,
    /// A stale gate held again, back to the exit.
    Rechecked,
    /// Ruling 8: on from the fan-out to where its branches meet.
    Join,
    /// The branch is where its fan-out's branches meet.
    BranchEnd,
    /// §3.2: the exit, with every visited gate satisfied.
    Exit,
    /// Ruling 4: no edge leads on from here, and every visited gate is satisfied.
    End,
    /// §3.7 step 4: nothing takes the failure.
    Failed,
    /// Ruling 4: edges, none of them eligible.
    NoMatchingEdge,
    /// §3.4: a gate is unsatisfied, and nothing to go back to.
    GateUnsatisfied,
    /// Ruling 19: a cap or a budget.
    Limit,
    /// It was told to stop.
    Stopped,
}

impl Rule {
    /// Where it stands written.
    pub const fn cite(self) -> &'static str {
        match self {
            Self::Retry => "Attractor §3.5, ruling 3",
            Self::Answer => "ruling 10",
            Self::Condition => "Attractor §3.3 step 1",
            Self::PreferredLabel => "Attractor §3.3 step 2",
            Self::SuggestedId => "Attractor §3.3 step 3",
            Self::Weight => "Attractor §3.3 step 4",
            Self::Lexical => "Attractor §3.3 step 5, ruling 26",
            Self::Random => "`selection=random`",
            Self::AnyEdge => "dialect 2026-02, §3.3",
            Self::RetryTarget => "Attractor §3.7 step 2",
            Self::FallbackRetryTarget => "Attractor §3.7 step 3",
            Self::CarriedFailure => "ruling 2",
            Self::GoalGate => "Attractor §3.4, ruling 5",
            Self::StaleGate | Self::Rechecked => "stale gates",
            Self::Join | Self::BranchEnd => "ruling 8",
            Self::Exit => "Attractor §3.2 step 1",
            Self::End | Self::NoMatchingEdge => "ruling 4",
            Self::Failed => "Attractor §3.7 step 4",
            Self::GateUnsatisfied => "Attractor §3.4 step 4",
            Self::Limit => "ruling 19",
            Self::Stopped => "stopped from outside",
        }
    }
}

/// What follows a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// Along an edge.
    Edge { edge: usize, rule: Rule, detail: String },
    /// To a node, by no edge.
    Jump { node: usize, rule: Rule, detail: String },
    /// From the end back to a node, because of a gate.
    Back { node: usize, gate: usize, stale: bool, rule: Rule, detail: String },
    /// No edge leads on.
    End,
    /// The run succeeded.
    Done { rule: Rule },
    /// The frame failed.
    Fail { rule: Rule, reason: String },
}

/// A label as labels are compared: lower case, trimmed, without an accelerator (§3.3 step 2).
pub fn normalize_label(label: &str) -> String {
    without_accelerator(label).to_lowercase()
}

/// A label without what says how to pick it.
pub(crate) fn without_accelerator(label: &str) -> &str {
    let label = label.trim();
    strip_accelerator(label).unwrap_or(label).trim()
}

/// What follows `[K] `, `K) ` or `K - `.
fn strip_accelerator(label: &str) -> Option<&str> {
    if let Some(rest) = label.strip_prefix('[') {
        let (key, rest) = rest.split_once(']')?;
        return (!key.is_empty() && key.chars().all(char::is_alphanumeric)).then_some(rest);
    }
    let mut chars = label.chars();
    chars.next().filter(|key| key.is_alphanumeric())?;
    let rest = chars.as_str();
    rest.strip_prefix(") ").or_else(|| rest.strip_prefix(" - "))
}

/// The way on from `node` after `outcome`.
pub(crate) fn way(
    plan: &Plan,
    node: usize,
    outcome: &Outcome,
    context: &Context,
    random: &mut Random,
) -> Way {
    let edges: Vec<usize> = plan.nodes[node].out.clone();
    if let Some(edge) = outcome.edge.filter(|edge| edges.contains(edge)) {
        return Way::Edge { edge, rule: Rule::Answer, detail: plan.edges[edge].label.clone() };
    }
    if let Some(way) = by_condition(plan, node, &edges, outcome, context, random) {
        return way;
    }
    let lenient = plan.old_dialect;
    if outcome.status == Status::Fail && !lenient {
        return after_failure(plan, node, &edges, outcome, random);
    }
    let open = |edge: &usize| lenient || plan.edges[*edge].condition.is_none();
    let labelled: Vec<usize> = edges.iter().copied().filter(open).collect();
    if let Some(way) = by_outcome(plan, &labelled, outcome) {
        return way;
    }
    let free = unconditional(plan, &edges);
    if !free.is_empty() {
        return best(plan, node, &free, random);
    }
    if lenient && !edges.is_empty() {
        return match best(plan, node, &edges, random) {
            Way::Edge { edge, detail, .. } => Way::Edge { edge, rule: Rule::AnyEdge, detail },
            way => way,
        };
    }
    if outcome.status == Status::Fail {
        return after_failure(plan, node, &edges, outcome, random);
    }
    if edges.is_empty() {
        return Way::End;
    }
    Way::Fail { rule: Rule::NoMatchingEdge, reason: no_matching_edge(plan, node, outcome) }
}

fn no_matching_edge(plan: &Plan, node: usize, outcome: &Outcome) -> String {
    format!(
        "no_matching_edge: `{}` ended with {}, and none of its {} conditional edges is true; add an \
         edge without a condition, or one for this case",
        plan.nodes[node].id,
        outcome.status,
        plan.nodes[node].out.len()
    )
}

fn unconditional(plan: &Plan, edges: &[usize]) -> Vec<usize> {
    edges.iter().copied().filter(|edge| plan.edges[*edge].condition.is_none()).collect()
}

fn by_condition(
    plan: &Plan,
    node: usize,
    edges: &[usize],
    outcome: &Outcome,
    context: &Context,
    random: &mut Random,
) -> Option<Way> {
    let those = |holds: &dyn Fn(&Guard) -> bool| -> Vec<usize> {
        let matches = |at: &usize| plan.edges[*at].condition.as_ref().is_some_and(holds);
        edges.iter().copied().filter(matches).collect()
    };
    let mut matched = those(&|guard| guard.holds(outcome, context));
    if matched.is_empty() {
        matched = those(&|guard| guard.holds_like_success(outcome, context));
    }
    if matched.is_empty() {
        return None;
    }
    let Way::Edge { edge, .. } = best(plan, node, &matched, random) else { return None };
    let detail = plan.edges[edge].condition.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(Way::Edge { edge, rule: Rule::Condition, detail })
}

fn by_outcome(plan: &Plan, edges: &[usize], outcome: &Outcome) -> Option<Way> {
    let wanted = normalize_label(&outcome.preferred_label);
    if !wanted.is_empty()
        && let Some(edge) = edges.iter().copied().find(|at| plan.edges[*at].normalized == wanted)
    {
        let detail = outcome.preferred_label.clone();
        return Some(Way::Edge { edge, rule: Rule::PreferredLabel, detail });
    }
    outcome.suggested_next_ids.iter().find_map(|id| {
        let edge = edges.iter().copied().find(|at| *plan.nodes[plan.edges[*at].to].id == **id)?;
        Some(Way::Edge { edge, rule: Rule::SuggestedId, detail: id.clone() })
    })
}

/// §3.7 after its first step, then what ruling 2 lets through.
fn after_failure(
    plan: &Plan,
    node: usize,
    edges: &[usize],
    outcome: &Outcome,
    random: &mut Random,
) -> Way {
    let at = &plan.nodes[node];
    let why = || outcome.failure_reason.clone();
    if let Some(target) = at.retry_target {
        return Way::Jump { node: target, rule: Rule::RetryTarget, detail: why() };
    }
    if let Some(target) = at.fallback_retry_target {
        return Way::Jump { node: target, rule: Rule::FallbackRetryTarget, detail: why() };
    }
    let carries =
        |edge: &usize| at.continue_on_fail || plan.nodes[plan.edges[*edge].to].is_conditional();
    let free: Vec<usize> = unconditional(plan, edges).into_iter().filter(carries).collect();
    let way = by_outcome(plan, &free, outcome)
        .or_else(|| (!free.is_empty()).then(|| best(plan, node, &free, random)));
    if let Some(Way::Edge { edge, detail, .. }) = way {
        return Way::Edge { edge, rule: Rule::CarriedFailure, detail };
    }
    let why = match outcome.failure_reason.as_str() {
        "" => "no reason was given",
        why => why,
    };
    let hint = if unconditional(plan, edges).is_empty() {
        ""
    } else {
        " (a failure takes no edge without a condition: write condition=\"outcome=fail\", or \
         continue_on_fail=true)"
    };
    Way::Fail { rule: Rule::Failed, reason: format!("stage_failed: `{}`: {why}{hint}", at.id) }
}

/// The best of some edges: weight, then the target's id by bytes, then declaration (ruling 26); or
/// a draw in which weights are shares.
fn best(plan: &Plan, node: usize, edges: &[usize], random: &mut Random) -> Way {
    if plan.nodes[node].random && edges.len() > 1 {
        return draw(plan, edges, random);
    }
    let key = |at: &usize| {
        let edge = &plan.edges[*at];
        (std::cmp::Reverse(edge.weight), &plan.nodes[edge.to].id, *at)
    };
    let mut sorted = edges.to_vec();
    sorted.sort_by_key(key);
    let weight = |at: usize| plan.edges[at].weight;
    let by_weight = sorted.len() == 1 || weight(sorted[0]) > weight(sorted[1]);
    let rule = if by_weight { Rule::Weight } else { Rule::Lexical };
    let detail = format!("weight {} of {} edges", weight(sorted[0]), sorted.len());
    Way::Edge { edge: sorted[0], rule, detail }
}

fn draw(plan: &Plan, edges: &[usize], random: &mut Random) -> Way {
    let share = |at: &usize| u64::try_from(plan.edges[*at].weight).unwrap_or(0);
    let total: u64 = edges.iter().map(share).sum();
    let even = total == 0;
    let of = |at: &usize| if even { 1 } else { share(at) };
    let all: u64 = edges.iter().map(of).sum();
    let drawn = random.below(all);
    let mut left = drawn;
    let mut chosen = edges[0];
    for at in edges {
        if left < of(at) {
            chosen = *at;
            break;
        }
        left -= of(at);
    }
    Way::Edge { edge: chosen, rule: Rule::Random, detail: format!("{drawn} of {all}") }
}
