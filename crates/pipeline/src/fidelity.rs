//! What a stage is told of the run before it (Attractor §5.4, ruling 15).

mod answer;
mod preamble;
mod thread;

use serde_json::Value;

use crate::graph::Fidelity;
use crate::handler::Stage;

pub use preamble::{Told, preamble};

/// What is carried into a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// The mode: that of the edge, else of the node, else of the graph, else `compact`.
    pub fidelity: Fidelity,
    /// The session that it shares, where the mode is `full` (ruling 15).
    pub thread: Option<String>,
    /// What stands before the instruction; empty where a session goes on.
    pub preamble: String,
    /// What the context keeps, so that later stages find the thread of this one.
    pub remember: Option<(String, Value)>,
}

/// Finds out what is carried into a stage; `holds` says whether there is a session of a thread.
///
/// Sessions are not kept on disk: a stage that would go on with one that is gone has `summary:high`
/// instead, and so has the first stage after a resumption (§5.3). It begins the thread's session
/// anew, with which the stages after it go on.
pub fn carried(stage: &Stage, holds: impl Fn(&str) -> bool) -> Carried {
    let wanted = wanted(stage);
    if wanted != Fidelity::Full {
        let preamble = told(stage, wanted);
        return Carried { fidelity: wanted, thread: None, preamble, remember: None };
    }
    let key = thread::key(stage);
    let thread = thread::qualified(stage, &key);
    let (fidelity, preamble) = if holds(&thread) {
        (Fidelity::Full, String::new())
    } else if stage.resumed || thread::was_used(&stage.context, &key) {
        (Fidelity::SummaryHigh, told(stage, Fidelity::SummaryHigh))
    } else {
        (Fidelity::Full, told(stage, Fidelity::Truncate))
    };
    let remember = Some((thread::memory(stage.node().id()), Value::from(key)));
    Carried { fidelity, thread: Some(thread), preamble, remember }
}

/// The mode before a resumption is looked at.
fn wanted(stage: &Stage) -> Fidelity {
    let edge = stage.via.and_then(|via| stage.graph.edge(via).fidelity());
    edge.or_else(|| stage.node().fidelity()).unwrap_or_else(|| stage.graph.default_fidelity())
}

fn told(stage: &Stage, mode: Fidelity) -> String {
    let answer = answer::latest(stage, preamble::answer_limit(mode));
    let told = Told {
        goal: stage.graph.goal(),
        run: &stage.run.id,
        node: stage.node().id(),
        history: &stage.history,
        context: &stage.context,
        answer: answer.as_ref().map(|(node, text)| (node.as_str(), text.as_str())),
    };
    preamble(mode, &told)
}
