//! Which edges can be taken after a stage, as far as that is known before a run: a model of §3.3
//! and §3.7 with rulings 1, 2 and 4.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::condition::{Condition, Key, Lookup, Test};
use crate::graph::{EdgeIx, Graph, Kind, NodeIx};

/// How a stage can end. RETRY is none of them: it ends in FAIL or PARTIAL_SUCCESS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Status {
    Success,
    Partial,
    Skipped,
    Fail,
}

impl Status {
    /// As conditions see it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial_success",
            Self::Skipped => "skipped",
            Self::Fail => "fail",
        }
    }

    /// `success or fail`.
    pub(super) fn list(all: &[Self]) -> String {
        if all.len() == Self::ALL.len() {
            return "any status".to_owned();
        }
        all.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(" or ")
    }

    const ALL: [Self; 4] = [Self::Success, Self::Partial, Self::Skipped, Self::Fail];
}

/// How a node can end. A conditional node reports what came before it (ruling 1), so anything.
pub(super) fn statuses(graph: &Graph, node: NodeIx) -> Vec<Status> {
    match graph.kind(node) {
        Kind::Start | Kind::Exit | Kind::Wait => vec![Status::Success],
        Kind::WaitHuman | Kind::Tool => vec![Status::Success, Status::Fail],
        _ => Status::ALL.to_vec(),
    }
}

/// Whether all conditions of a node's edges can be read; otherwise nothing is known of them.
pub(super) fn readable(graph: &Graph, node: NodeIx) -> bool {
    let conditions = graph.outgoing(node).iter().filter_map(|edge| graph.edge(*edge).condition());
    conditions.into_iter().all(|condition| Condition::parse(condition).is_ok())
}

/// Combinations of values that are tried for one node at most.
const MOST_CASES: usize = 1_024;

/// Whether a condition holds in every case of a status. True also when there are too many cases
/// to tell.
pub(super) fn covered(graph: &Graph, node: NodeIx, status: Status) -> bool {
    taken(graph, node, status).is_none_or(|taken| !taken.contains(&None))
}

/// The conditional edges that can be taken with a status; none among them stands for a case in
/// which no condition holds. None when there are too many cases to tell.
pub(super) fn taken(
    graph: &Graph,
    node: NodeIx,
    status: Status,
) -> Option<BTreeSet<Option<EdgeIx>>> {
    let edges: Vec<(EdgeIx, Condition)> = graph
        .outgoing(node)
        .iter()
        .filter_map(|edge| {
            let text = graph.edge(*edge).condition()?;
            Some((*edge, Condition::parse(text).ok()?))
        })
        .collect();
    let values = values(&edges);
    let cases = values.values().try_fold(1usize, |product, values| {
        product.checked_mul(values.len()).filter(|product| *product <= MOST_CASES)
    })?;
    if cases.saturating_mul(edges.len()) > 100 * MOST_CASES {
        return None;
    }
    let mut taken = BTreeSet::new();
    for case in 0..cases {
        let case = Case::new(&values, case, status);
        // Ruling 24: a status that counts as success takes what asks for success, where no
        // condition is true of it as it is.
        let mut holding: Vec<&(EdgeIx, Condition)> =
            edges.iter().filter(|(_, condition)| condition.holds(&case)).collect();
        if holding.is_empty() {
            holding.extend(edges.iter().filter(|(_, at)| at.holds_like_success(&case)));
        }
        // §3.3: the highest weight, then the target's id, then the declaration (ruling 26).
        let best = holding.iter().map(|(edge, _)| *edge).min_by_key(|edge| {
            let at = graph.edge(*edge);
            (std::cmp::Reverse(at.weight()), graph.id(at.to()), *edge)
        });
        taken.insert(best);
    }
    Some(taken)
}

/// The values that tell cases apart, by key: those that conditions name, and another one.
fn values(edges: &[(EdgeIx, Condition)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for clause in edges.iter().flat_map(|(_, condition)| condition.clauses()) {
        let key = match &clause.key {
            Key::Outcome => continue,
            Key::PreferredLabel => "preferred_label",
            Key::Context(key) | Key::Bare(key) => plain(key),
        };
        let of_key = values
            .entry(key.to_owned())
            .or_insert_with(|| BTreeSet::from([String::new(), "\u{1}another".to_owned()]));
        if let Test::Equals(value) | Test::Differs(value) = &clause.test {
            of_key.insert(value.clone());
        }
    }
    values
}

fn plain(key: &str) -> &str {
    key.strip_prefix("context.").unwrap_or(key)
}

/// One combination of values.
struct Case<'a> {
    values: BTreeMap<&'a str, &'a str>,
    outcome: &'static str,
}

impl<'a> Case<'a> {
    fn new(
        values: &'a BTreeMap<String, BTreeSet<String>>,
        mut number: usize,
        status: Status,
    ) -> Self {
        let mut case = BTreeMap::new();
        for (key, values) in values {
            if let Some(value) = values.iter().nth(number % values.len()) {
                case.insert(key.as_str(), value.as_str());
            }
            number /= values.len();
        }
        Self { values: case, outcome: status.as_str() }
    }
}

impl Lookup for Case<'_> {
    fn outcome(&self) -> &str {
        self.outcome
    }

    fn preferred_label(&self) -> &str {
        self.values.get("preferred_label").copied().unwrap_or_default()
    }

    fn context(&self, key: &str) -> Option<Cow<'_, str>> {
        self.values.get(plain(key)).map(|value| Cow::Borrowed(*value))
    }
}
