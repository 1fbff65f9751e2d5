//! What the author asks for, and how the model says what came of it.

use crate::graph::Origin;
use crate::handler::Stage;
use crate::run::attempt_dir;
use crate::transform::expand_goal;
use crate::verdict;

/// The instruction of a stage (§4.5): its prompt, else its label, `$goal` replaced; then, where the
/// run depends on it, how to give a verdict.
pub(super) fn of(stage: &Stage, ask_for_verdict: bool) -> String {
    let report = ask_for_verdict.then(|| report(stage)).flatten();
    let parts = [Some(task(stage)), earlier(stage), report];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

/// Characters that are told of why the attempt before did not succeed.
const REASON: usize = 2_000;

/// What came of the attempt before, if the model answered in it: the same answer would come to the
/// same.
fn earlier(stage: &Stage) -> Option<String> {
    let before = stage.attempt.attempt.checked_sub(1).filter(|before| *before > 0)?;
    let dir = attempt_dir(&stage.dir, before);
    if !dir.join("response.md").exists() {
        return None;
    }
    let outcome = verdict::read(&dir).ok().flatten()?;
    let reason: String = outcome.failure_reason.trim().chars().take(REASON).collect();
    (!reason.is_empty())
        .then(|| format!("# Tried before\nThe last attempt at this task did not succeed: {reason}"))
}

/// What a transform gave is final: values in it are data and not looked at again.
fn task(stage: &Stage) -> String {
    let attrs = stage.node().attrs();
    let prompt = attrs.get("prompt").filter(|attr| !attr.value.text().trim().is_empty());
    let given = prompt.or_else(|| attrs.get("label"));
    let instruction = stage.node().instruction();
    match given {
        Some(attr) if attr.origin == Origin::Transform => instruction.to_owned(),
        _ => expand_goal(instruction, stage.graph.goal()),
    }
}

/// Whether the run depends on a verdict: at goal gates, and where several ways lead on.
pub(super) fn wants_verdict(stage: &Stage) -> bool {
    stage.node().goal_gate() || stage.graph.outgoing(stage.node).len() > 1
}

fn report(stage: &Stage) -> Option<String> {
    if !wants_verdict(stage) {
        return None;
    }
    let mut lines = vec![
        "# How to report".to_owned(),
        "End your last message with one JSON object and nothing after it, for example:".to_owned(),
        "{\"outcome\": \"success\", \"notes\": \"what was done, in one sentence\"}".to_owned(),
        "`outcome` is `success` if the task is done and you have checked it, `partial_success` if \
         it is done with gaps that `notes` names, `fail` if it is not done or what you judged does \
         not hold, `retry` if trying again may help; `failure_reason` says why."
            .to_owned(),
    ];
    let labels = labels(stage);
    if labels.len() > 1 {
        let labels: Vec<String> = labels.iter().map(|label| format!("{label:?}")).collect();
        lines.push(format!(
            "Add `preferred_label` to choose what comes next: one of {}.",
            labels.join(", ")
        ));
    }
    let without = if stage.node().goal_gate() {
        "Without this object your work does not count, whatever else you write."
    } else {
        "Without this object the task counts as done."
    };
    lines.push(without.to_owned());
    Some(lines.join("\n"))
}

/// The labels that can be chosen: those of edges without a condition.
fn labels(stage: &Stage) -> Vec<&str> {
    let mut labels = Vec::new();
    for edge in stage.graph.outgoing(stage.node) {
        let edge = stage.graph.edge(*edge);
        let label = edge.label().trim();
        if edge.condition().is_none() && !label.is_empty() && !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}
