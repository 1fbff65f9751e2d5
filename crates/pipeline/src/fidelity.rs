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
    /// The session that it shares (ruling 15): with `full`, and after a resumption that degraded
    /// it, so that the stages after it go on with a session that was told what happened.
    pub thread: Option<String>,
    /// What stands before the instruction.
    pub preamble: String,
    /// What a session that begins is told; empty without a thread.
    pub opening: String,
    /// What the context keeps, so that later stages find the thread of this one.
    pub remember: Option<(String, Value)>,
}

/// Finds out what is carried into a stage. The first stage after a resumption cannot have `full`,
/// for sessions are not kept on disk: it has `summary:high`.
pub fn carried(stage: &Stage) -> Carried {
    let wanted = wanted(stage);
    if wanted != Fidelity::Full {
        let preamble = told(stage, wanted);
        let opening = String::new();
        return Carried { fidelity: wanted, thread: None, preamble, opening, remember: None };
    }
    let key = thread::key(stage);
    let thread = Some(thread::qualified(stage, &key));
    let remember = Some((thread::memory(stage.node().id()), Value::from(key)));
    if stage.resumed {
        let fidelity = Fidelity::SummaryHigh;
        let preamble = told(stage, fidelity);
        return Carried { fidelity, thread, preamble, opening: String::new(), remember };
    }
    let opening = told(stage, Fidelity::Truncate);
    Carried { fidelity: wanted, thread, preamble: String::new(), opening, remember }
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
