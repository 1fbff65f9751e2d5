//! Answers on disk: a JSON Lines file, one answer a line.

use serde::{Deserialize, Serialize};

use super::{Answer, Question, QuestionOption, QuestionType};

/// Version of the lines.
pub(super) const VERSION: u32 = 1;

/// One question and what was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this form.
    pub v: u32,
    /// The stage that asked.
    pub stage: String,
    /// What it asked.
    pub question: String,
    /// What kind of answer it wanted.
    #[serde(rename = "type")]
    pub kind: QuestionType,
    /// What there was to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<QuestionOption>,
    /// What was answered, by whom, and when.
    pub answer: Answer,
}

impl Record {
    /// What is kept of a question and its answer.
    pub fn new(question: &Question, answer: &Answer) -> Self {
        Self {
            v: VERSION,
            stage: question.stage.clone(),
            question: question.text.clone(),
            kind: question.kind,
            options: question.options.clone(),
            answer: answer.clone(),
        }
    }

    /// Whether it answers this question: the same stage asked the same thing with the same choices.
    pub fn answers(&self, question: &Question) -> bool {
        self.stage == question.stage
            && self.question == question.text
            && self.kind == question.kind
            && self.options == question.options
    }
}
