//! What a gate asks, and what follows from an answer. Pure.

use std::time::Duration;

use serde_json::json;

use super::choices::{self, Choice};
use super::shown;
use crate::handler::Stage;
use crate::interview::{Answer, AnswerValue, Question, QuestionType};
use crate::outcome::{Approval, FailureClass, Outcome, Status};

/// Bytes of a free answer.
const MAX_TEXT: usize = 64 * 1024;

/// What a gate wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wants {
    /// Which way to go on.
    Choice,
    /// Whether to go on.
    Consent,
    /// Words.
    Text,
}

/// A gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gate {
    wants: Wants,
    choices: Vec<Choice>,
    unanswered: Unanswered,
}

/// What follows when nobody answers in time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unanswered {
    /// It is asked again, as far as the node's retries go.
    Retry,
    /// This edge is taken.
    Take(Choice),
    /// The default is no.
    Decline,
}

impl Gate {
    /// The gate of a stage, and its question.
    pub(super) fn of(stage: &Stage) -> Result<(Self, Question), String> {
        let node = stage.node();
        let choices = choices::of(&stage.graph, stage.node);
        let wants = wants(stage, &choices)?;
        let unanswered = unanswered(node.default_choice(), &wants, &choices)?;
        let kind = match wants {
            Wants::Choice => QuestionType::MultipleChoice,
            Wants::Consent => QuestionType::Confirmation,
            Wants::Text => QuestionType::Freeform,
        };
        let mut question = Question::new(node.id(), kind, node.label());
        if wants == Wants::Choice {
            question.options = choices.iter().map(Choice::option).collect();
        }
        let limit = node.attrs().duration("human.timeout").or_else(|| node.timeout());
        question.timeout_seconds = limit.as_ref().map(Duration::as_secs_f64);
        let then = match &unanswered {
            Unanswered::Retry => None,
            Unanswered::Take(choice) => Some(choice.label.clone()),
            Unanswered::Decline => Some("no".to_owned()),
        };
        question.metadata.extend(then.map(|then| ("default_choice".to_owned(), json!(then))));
        if let Some(done) = stage.history.iter().next() {
            let after = format!("{}: {}", done.node, done.status);
            question.metadata.insert("after".to_owned(), json!(after));
            if !done.notes.is_empty() {
                let notes = shown(&Answer::text(&done.notes));
                question.metadata.insert("after_notes".to_owned(), json!(notes));
            }
        }
        Ok((Self { wants, choices, unanswered }, question))
    }

    /// What follows from an answer, or why it fits nothing.
    pub(super) fn outcome(&self, question: &Question, answer: &Answer) -> Result<Outcome, String> {
        let outcome = match self.wants {
            Wants::Choice => {
                let choice = choices::matching(&self.choices, answer).ok_or_else(|| {
                    let keys: Vec<_> = self.choices.iter().map(|c| c.key.as_str()).collect();
                    format!("`{}` is none of {}", shown(answer), keys.join(", "))
                })?;
                take(choice)
            }
            Wants::Consent => match consent(answer) {
                Some(true) => self.choices.first().map_or_else(agreed, take),
                Some(false) => declined(),
                None => return Err(format!("`{}` is neither yes nor no", shown(answer))),
            },
            Wants::Text => Outcome::success("").with("human.gate.text", words(answer)?),
        };
        let notes = match answer.by.as_str() {
            "" => shown(answer),
            by => format!("{by}: {}", shown(answer)),
        };
        let approval = Approval {
            by: answer.by.clone(),
            at: answer.at,
            question: question.text.clone(),
            answer: shown(answer),
        };
        let outcome = Outcome { notes, approval: Some(approval), ..outcome };
        Ok(if outcome.status == Status::Fail {
            let reason = format!("{} by {}", outcome.failure_reason, answer.by);
            Outcome { failure_reason: reason, ..outcome }
        } else {
            outcome
        })
    }

    /// What follows when nobody answers in time (§6.5).
    pub(super) fn unanswered(&self) -> Outcome {
        match &self.unanswered {
            Unanswered::Retry => {
                Outcome::retry("human gate timeout, no default", FailureClass::Timeout)
            }
            Unanswered::Take(choice) => {
                let notes = format!("nobody answered in time: `{}` by default", choice.label);
                Outcome { notes, ..take(choice) }
            }
            Unanswered::Decline => Outcome {
                failure_reason: "nobody answered in time: no by default".to_owned(),
                ..declined()
            },
        }
    }
}

/// `human.input`; else a choice, or consent where there is but one way on and nothing is written
/// on it.
fn wants(stage: &Stage, choices: &[Choice]) -> Result<Wants, String> {
    let node = stage.node();
    let wants = match node.attrs().non_empty("human.input") {
        Some("choice") => Wants::Choice,
        Some("confirm") => Wants::Consent,
        Some("text") => Wants::Text,
        Some(other) => {
            return Err(format!("`human.input` is `{other}`: write choice, confirm or text"));
        }
        None => match choices {
            [only] if stage.graph.edge(only.edge).label().trim().is_empty() => Wants::Consent,
            _ => Wants::Choice,
        },
    };
    match wants {
        Wants::Choice if choices.is_empty() => {
            Err("no outgoing edges for human gate: add one without a condition for each choice"
                .to_owned())
        }
        Wants::Consent if choices.len() > 1 => {
            Err("`human.input=confirm` goes with one edge without a condition".to_owned())
        }
        wants => Ok(wants),
    }
}

fn unanswered(
    default: Option<&str>,
    wants: &Wants,
    choices: &[Choice],
) -> Result<Unanswered, String> {
    let Some(default) = default else { return Ok(Unanswered::Retry) };
    if let Some(choice) = choices::named(choices, default) {
        return Ok(Unanswered::Take(choice.clone()));
    }
    match (wants, default.to_ascii_lowercase().as_str(), choices.first()) {
        (Wants::Consent, "yes" | "y", Some(only)) => Ok(Unanswered::Take(only.clone())),
        (Wants::Consent, "no" | "n", _) => Ok(Unanswered::Decline),
        _ => Err(format!(
            "`human.default_choice` is `{default}`, which is no choice: name a target or a label"
        )),
    }
}

/// Along the edge of a choice.
fn take(choice: &Choice) -> Outcome {
    let outcome = Outcome::success("")
        .with("human.gate.selected", choice.key.as_str())
        .with("human.gate.label", choice.label.as_str());
    Outcome {
        preferred_label: choice.label.clone(),
        suggested_next_ids: vec![choice.target.clone()],
        edge: Some(choice.edge.index()),
        ..outcome
    }
}

/// Yes, where no edge is left to take by it.
fn agreed() -> Outcome {
    Outcome::success("").with("human.gate.selected", "yes").with("human.gate.label", "yes")
}

fn declined() -> Outcome {
    Outcome::fail("declined").with("human.gate.selected", "no").with("human.gate.label", "no")
}

fn consent(answer: &Answer) -> Option<bool> {
    match &answer.value {
        AnswerValue::Yes => Some(true),
        AnswerValue::No => Some(false),
        AnswerValue::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Some(true),
            "n" | "no" => Some(false),
            _ => None,
        },
        AnswerValue::Skipped | AnswerValue::Timeout => None,
    }
}

fn words(answer: &Answer) -> Result<&str, String> {
    let text = match &answer.value {
        _ if !answer.text.is_empty() => &answer.text,
        AnswerValue::Text(text) => text,
        _ => return Err("words were wanted".to_owned()),
    };
    match text.trim() {
        "" => Err("nothing was written".to_owned()),
        text if text.len() > MAX_TEXT => Err(format!("it is longer than {MAX_TEXT} bytes")),
        text => Ok(text),
    }
}
