//! Branches as candidates, and which of them is best. Pure.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::backend::Reply;
use crate::outcome::{Outcome, Status};
use crate::verdict;

/// Characters of what a model is told about one branch.
const MAX_TOLD: usize = 8_000;

/// A branch, as `parallel.results` holds it (ruling 8).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Candidate {
    pub id: String,
    #[serde(alias = "outcome")]
    pub status: Status,
    #[serde(default)]
    pub notes: String,
    #[serde(default)]
    pub context_updates: BTreeMap<String, Value>,
    #[serde(default)]
    pub score: Option<f64>,
    #[serde(default)]
    pub commit: Option<String>,
}

impl Candidate {
    /// Whether it did not fail, and was not dropped.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.status, Status::Fail | Status::Skipped)
    }

    fn order(&self, other: &Self) -> Ordering {
        let score = |one: &Self| one.score.unwrap_or(0.0);
        rank(self.status)
            .cmp(&rank(other.status))
            .then_with(|| score(other).total_cmp(&score(self)))
            .then_with(|| self.id.as_bytes().cmp(other.id.as_bytes()))
    }
}

const fn rank(status: Status) -> u8 {
    match status {
        Status::Success => 0,
        Status::PartialSuccess => 1,
        Status::Retry => 2,
        Status::Fail | Status::Skipped => 3,
    }
}

/// What a model said.
#[derive(Debug, PartialEq)]
pub(super) enum Named<'a> {
    /// This one.
    One(&'a Candidate),
    /// None of them is good enough, and why.
    Refused(String),
    /// Nothing that names a branch.
    Nothing,
}

/// The branches of the last fan-out.
pub(super) fn candidates(results: Option<&Value>) -> Result<Vec<Candidate>, String> {
    let all: Vec<Candidate> = match results {
        None => Vec::new(),
        Some(results) => serde_json::from_value(results.clone())
            .map_err(|error| format!("`parallel.results` cannot be read: {error}"))?,
    };
    if all.is_empty() { Err("no parallel results to evaluate".to_owned()) } else { Ok(all) }
}

/// The best by status, score and id, of those that did not fail (§4.9).
pub(super) fn best(all: &[Candidate]) -> Option<&Candidate> {
    all.iter().filter(|one| one.is_open()).min_by(|one, other| one.order(other))
}

/// What a model is told: the instruction, the branches, and how to answer.
pub(super) fn instruction(prompt: &str, all: &[Candidate]) -> String {
    let mut text = format!("{}\n\n# Candidates\n", prompt.trim());
    for one in all.iter().filter(|one| one.is_open()) {
        text.push_str(&format!("\n## {}\nstatus: {}\n", one.id, one.status));
        if let Some(score) = one.score {
            text.push_str(&format!("score: {score}\n"));
        }
        if let Some(commit) = &one.commit {
            text.push_str(&format!("commit: {commit}\n"));
        }
        let mut told = format!("notes: {}\n", one.notes);
        for (key, value) in &one.context_updates {
            told.push_str(&format!("{key}: {}\n", crate::context::text(value)));
        }
        let end = told.char_indices().nth(MAX_TOLD).map_or(told.len(), |(at, _)| at);
        text.push_str(&told[..end]);
        if end < told.len() {
            text.push_str(&format!("\n[{} bytes are left out here]\n", told.len() - end));
        }
    }
    text.push_str(
        "\n# Answer\nDecide which candidate is best. End your answer with one JSON object that \
         names it by its id: {\"best_id\": \"…\"}. If none of them will do, end with \
         {\"outcome\": \"fail\", \"notes\": \"why\"}.\n",
    );
    text
}

/// Which branch a reply names: at its end as `best_id`, or in its outcome.
pub(super) fn named<'a>(all: &'a [Candidate], reply: &Reply) -> Named<'a> {
    let find = |id: &str| all.iter().find(|one| one.is_open() && one.id == id);
    if let Some(object) = verdict::trailing_object(&reply.text)
        && let Some(one) = object.get("best_id").and_then(Value::as_str).and_then(find)
    {
        return Named::One(one);
    }
    let Some(outcome) = reply.outcome.clone().or_else(|| verdict::trailing(&reply.text)) else {
        return Named::Nothing;
    };
    if matches!(outcome.status, Status::Fail | Status::Retry) {
        return Named::Refused(refusal(outcome));
    }
    let updates = &outcome.context_updates;
    let key = ["parallel.fan_in.best_id", "best_id"].into_iter().find_map(|key| updates.get(key));
    match key.and_then(Value::as_str).and_then(find) {
        Some(one) => Named::One(one),
        None => Named::Nothing,
    }
}

fn refusal(outcome: Outcome) -> String {
    let why = [outcome.failure_reason, outcome.notes].into_iter().find(|why| !why.is_empty());
    format!("no candidate will do: {}", why.as_deref().unwrap_or("no reason was given"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn all() -> Vec<Candidate> {
        candidates(Some(&json!([
            {"id": "d", "status": "fail", "score": 99},
            {"id": "c", "status": "partial_success", "score": 50},
            {"id": "b", "status": "success", "score": 1.5},
            {"id": "a", "status": "success"},
            {"id": "e", "status": "skipped"},
        ])))
        .unwrap()
    }

    #[test]
    fn status_then_score_then_id_decide_among_those_that_did_not_fail() {
        let mut left = all();
        let mut order = Vec::new();
        while let Some(one) = best(&left).cloned() {
            left.retain(|other| other.id != one.id);
            order.push(one.id);
        }
        assert_eq!(order, ["b", "a", "c"]);
    }

    #[test]
    fn a_model_names_a_branch_that_is_there_and_did_not_fail() {
        let all = all();
        let says = |text: &str| match named(&all, &Reply::text(text)) {
            Named::One(one) => one.id.clone(),
            Named::Refused(why) => why,
            Named::Nothing => String::new(),
        };
        assert_eq!(says("Well.\n{\"best_id\": \"c\"}"), "c");
        assert_eq!(says("```json\n{\"best_id\": \"a\"}\n```"), "a");
        let outcome = "{\"outcome\":\"success\",\"context_updates\":{\"best_id\":\"b\"}}";
        assert_eq!(says(outcome), "b");
        for text in
            ["b is best", "{\"best_id\": \"d\"}", "{\"best_id\": \"x\"}", "{\"best_id\": 3}"]
        {
            assert_eq!(says(text), "", "{text}");
        }
        let refused = says("{\"outcome\": \"fail\", \"notes\": \"all broken\"}");
        assert_eq!(refused, "no candidate will do: all broken");
    }

    #[test]
    fn a_model_is_told_of_the_open_branches_within_bounds() {
        let mut all = all();
        all[2].notes = "é".repeat(20_000);
        let told = instruction("Which?", &all);
        assert!(told.contains("## a\n") && told.contains("score: 50") && !told.contains("## d"));
        assert!(told.len() < 20_000 && told.contains("bytes are left out"), "{}", told.len());
    }
}
