//! Questions and answers (Attractor §6.2, §6.3).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What answers a question has, and how a front end shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum QuestionType {
    /// Yes or no.
    YesNo,
    /// One of the options.
    MultipleChoice,
    /// Any text.
    Freeform,
    /// Yes or no to something that then happens.
    Confirmation,
}

/// One of the answers to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionOption {
    /// The short form that is typed.
    pub key: String,
    /// The text that is shown.
    pub label: String,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// What answers it has.
    #[serde(rename = "type")]
    pub kind: QuestionType,
    /// The choices of a [`QuestionType::MultipleChoice`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<QuestionOption>,
    /// The answer that counts when nobody gives one in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Answer>,
    /// Seconds to wait for an answer; none is without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// The stage that asks.
    pub stage: String,
    /// Anything that a front end may want to show. Gates set texts: `default_choice`, the label of
    /// what is taken when nobody answers; `after`, the stage before and how it ended; `after_notes`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
}

impl Question {
    /// A question without options, limit or default.
    pub fn new(stage: impl Into<String>, kind: QuestionType, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind,
            options: Vec::new(),
            default: None,
            timeout_seconds: None,
            stage: stage.into(),
            metadata: BTreeMap::new(),
        }
    }

    /// How long to wait. A number that is no time (negative, infinite, not a number) is no limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerValue {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Whoever was asked did not want to answer, or nobody is there.
    Skipped,
    /// Nobody answered in time.
    Timeout,
    /// The key of an option, or a text.
    Text(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was answered.
    pub value: AnswerValue,
    /// The option that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_option: Option<QuestionOption>,
    /// The words of a free answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Who answered; empty where nobody did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// When, in Unix milliseconds.
    #[serde(default)]
    pub at: u64,
}

impl Answer {
    /// An answer of nobody yet, given now.
    pub fn of(value: AnswerValue) -> Self {
        let at = canon_runtime::clock::now_ms();
        Self { value, selected_option: None, text: String::new(), by: String::new(), at }
    }

    /// Yes.
    pub fn yes() -> Self {
        Self::of(AnswerValue::Yes)
    }

    /// No.
    pub fn no() -> Self {
        Self::of(AnswerValue::No)
    }

    /// No answer was wanted or to be had.
    pub fn skipped() -> Self {
        Self::of(AnswerValue::Skipped)
    }

    /// Nobody answered in time.
    pub fn timeout() -> Self {
        Self::of(AnswerValue::Timeout)
    }

    /// One of the options.
    pub fn option(option: &QuestionOption) -> Self {
        let value = AnswerValue::Text(option.key.clone());
        Self { selected_option: Some(option.clone()), ..Self::of(value) }
    }

    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text: text.clone(), ..Self::of(AnswerValue::Text(text)) }
    }

    /// The same, given by somebody.
    #[must_use]
    pub fn by(self, by: impl Into<String>) -> Self {
        Self { by: by.into(), ..self }
    }

    /// It in a few words, for records and those who watch.
    pub fn summary(&self) -> String {
        match (&self.selected_option, &self.value) {
            (Some(option), _) => option.label.clone(),
            (None, AnswerValue::Text(text)) => text.clone(),
            (None, AnswerValue::Yes) => "yes".to_owned(),
            (None, AnswerValue::No) => "no".to_owned(),
            (None, AnswerValue::Skipped) => "skipped".to_owned(),
            (None, AnswerValue::Timeout) => "timeout".to_owned(),
        }
    }
}
