//! From a reply to an outcome (ruling 6).

use super::instruction;
use crate::backend::Reply;
use crate::handler::Stage;
use crate::outcome::{FailureClass, Outcome, Status};
use crate::verdict;

/// Characters of a response that the context holds (§4.5); `response.md` holds it whole.
const LAST_RESPONSE: usize = 200;

/// What a reply makes of its stage: an explicit verdict counts, be it an outcome or a JSON object
/// at the end of the words. Words alone succeed, except at a goal gate whose backend did not judge.
pub(super) fn outcome(stage: &Stage, reply: Reply, text_is_verdict: bool) -> Outcome {
    let Reply { text, outcome, usage, notes, .. } = reply;
    let id = stage.node().id();
    let written = || match instruction::wants_verdict(stage) {
        true => verdict::trailing(&text),
        false => verdict::trailing_unasked(&text),
    };
    let mut ended = match outcome.or_else(written) {
        Some(explicit) => explicit,
        None if stage.node().goal_gate() && !text_is_verdict => no_verdict(id),
        None => Outcome::of(Status::Success),
    };
    if ended.notes.is_empty() {
        let done = ended.status.satisfies_gate();
        ended.notes = match notes {
            notes if notes.is_empty() && done => format!("Stage completed: {id}"),
            notes => notes,
        };
    }
    let said = text.chars().take(LAST_RESPONSE).collect::<String>();
    for (key, value) in [("last_stage", id.to_owned()), ("last_response", said)] {
        ended.context_updates.entry(key.to_owned()).or_insert_with(|| value.into());
    }
    Outcome { usage, ..ended }
}

fn no_verdict(id: &str) -> Outcome {
    let reason = format!(
        "no_verdict: the answer of the goal gate `{id}` is words without a verdict; it has to end \
         with a JSON object such as {{\"outcome\": \"success\"}}, or to write status.json"
    );
    Outcome::retry(reason, FailureClass::NoVerdict)
}
