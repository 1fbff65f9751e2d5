//! Answers that were given before (Attractor §6.4).

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::record::VERSION;
use super::{Answer, InterviewError, Interviewer, Question, Record};

enum Held {
    /// Given in this order, whatever is asked.
    Answers(VecDeque<Answer>),
    /// Each given to the question that it was an answer to.
    Records(Vec<Record>),
}

/// Gives answers that are there already.
pub struct Queue {
    name: String,
    held: Mutex<Held>,
}

impl Queue {
    /// Gives these in order, and [`super::AnswerValue::Skipped`] when they are used up.
    pub fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let held = Mutex::new(Held::Answers(answers.into_iter().collect()));
        Self { name: "queue".to_owned(), held }
    }

    /// Gives what a [`super::Recording`] kept in a file: the first answer that was not given yet to
    /// the same question of the same stage, whatever order branches ask in. A question that was
    /// not recorded is an error.
    ///
    /// # Errors
    /// [`InterviewError`]: the file cannot be read, or a line is no record.
    pub fn replay(path: &Path) -> Result<Self, InterviewError> {
        let what = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| InterviewError::Io { what: what.clone(), source })?;
        let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let records = numbered.map(|(at, line)| {
            read(line).map_err(|why| InterviewError::Damaged {
                path: path.to_owned(),
                line: at + 1,
                why,
            })
        });
        let held = Mutex::new(Held::Records(records.collect::<Result<_, _>>()?));
        Ok(Self { name: format!("queue {what}"), held })
    }

    fn next(&self, question: &Question) -> Result<Answer, InterviewError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Held::Answers(answers) => Ok(answers.pop_front().unwrap_or_else(Answer::skipped)),
            Held::Records(records) => match records.iter().position(|r| r.answers(question)) {
                Some(at) => Ok(records.remove(at).answer),
                None => Err(self.not_recorded(records, question)),
            },
        }
    }

    fn not_recorded(&self, records: &[Record], question: &Question) -> InterviewError {
        let instead = records.iter().find(|record| record.stage == question.stage);
        let instead = instead.map(|record| {
            let labels: Vec<_> = record.options.iter().map(|o| o.label.as_str()).collect();
            format!(", but one to `{}` ({})", record.question, labels.join(", "))
        });
        InterviewError::NotRecorded {
            source_name: self.name.clone(),
            stage: question.stage.clone(),
            question: question.text.clone(),
            instead: instead.unwrap_or_default(),
        }
    }
}

#[async_trait]
impl Interviewer for Queue {
    async fn ask(&self, question: &Question) -> Result<Answer, InterviewError> {
        let answer = self.next(question)?;
        let at = canon_runtime::clock::now_ms();
        Ok(Answer { at, ..answer.by(&self.name) })
    }
}

fn read(line: &str) -> Result<Record, String> {
    let record: Record = serde_json::from_str(line).map_err(|error| error.to_string())?;
    match record.v {
        VERSION => Ok(record),
        other => Err(format!("format version {other}, this program reads {VERSION}")),
    }
}
