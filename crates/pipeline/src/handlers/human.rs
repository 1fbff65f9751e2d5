//! Gates that a person opens (Attractor §4.6, ruling 10).

mod choices;
mod gate;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::engine::EventKind;
use crate::handler::{Handler, Stage};
use crate::interview::{Answer, AnswerValue, InterviewError, Interviewer, Question};
use crate::outcome::{FailureClass, Outcome};
use gate::Gate;

/// How often one question is put when its answers fit nothing.
const MAX_ASKED: u32 = 3;

/// How long an interviewer may take to notice itself that a question's time is over.
const LATE: Duration = Duration::from_secs(1);

/// Characters of an answer in events and notes.
const SHOWN: usize = 200;

/// Asks a person which way to go on, whether to go on, or for words. A gate waits without limit,
/// or as long as `human.timeout`, else `timeout` says.
pub struct Human {
    interviewer: Arc<dyn Interviewer>,
}

impl Human {
    /// Gates whose questions `interviewer` puts.
    pub fn new(interviewer: Arc<dyn Interviewer>) -> Self {
        Self { interviewer }
    }

    async fn gate(&self, stage: &Stage, gate: &Gate, question: Question) -> Outcome {
        let deadline = question.timeout().map(|limit| Instant::now() + limit);
        let mut question = question;
        let mut why = String::new();
        for _ in 0..MAX_ASKED {
            question.timeout_seconds =
                deadline.map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64());
            let answer = match self.ask(stage, &question).await {
                Ok(answer) => answer,
                Err(error) => return Outcome::fail(format!("the gate cannot ask: {error}")),
            };
            match answer.value {
                AnswerValue::Timeout => return gate.unanswered(),
                AnswerValue::Skipped => return Outcome::fail("human skipped interaction"),
                _ => {}
            }
            match gate.outcome(&question, &answer) {
                Ok(outcome) => return outcome,
                Err(unfit) => why = unfit,
            }
            self.interviewer.inform(&why, &question.stage).await;
        }
        Outcome::fail(format!("asked {MAX_ASKED} times, and still {why}"))
    }

    /// Puts the question, and tells those who watch.
    async fn ask(&self, stage: &Stage, question: &Question) -> Result<Answer, InterviewError> {
        let (name, text) = (&question.stage, &question.text);
        let started = EventKind::InterviewStarted { stage: name.clone(), question: text.clone() };
        stage.events.emit(started);
        let begun = Instant::now();
        let answer = self.in_time(question).await?;
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (stage_name, question) = (name.clone(), text.clone());
        stage.events.emit(if answer.value == AnswerValue::Timeout {
            EventKind::InterviewTimeout { stage: stage_name, question, duration_ms }
        } else {
            EventKind::InterviewCompleted {
                stage: stage_name,
                question,
                answer: shown(&answer),
                by: answer.by.clone(),
                duration_ms,
            }
        });
        Ok(answer)
    }

    /// Also where an interviewer does not mind the time.
    async fn in_time(&self, question: &Question) -> Result<Answer, InterviewError> {
        let asking = self.interviewer.ask(question);
        let Some(limit) = question.timeout() else { return asking.await };
        match tokio::time::timeout(limit.saturating_add(LATE), asking).await {
            Ok(answer) => answer,
            Err(_) => Ok(Answer::timeout()),
        }
    }
}

#[async_trait]
impl Handler for Human {
    async fn execute(&self, stage: &Stage) -> Outcome {
        let (gate, question) = match Gate::of(stage) {
            Ok(gate) => gate,
            Err(why) => return Outcome::fail(why),
        };
        tokio::select! {
            outcome = self.gate(stage, &gate, question) => outcome,
            () = stage.cancel.cancelled() => {
                Outcome::fail("canceled").class(FailureClass::Canceled)
            }
        }
    }

    fn keeps_time(&self) -> bool {
        true
    }

    fn takes_written_verdict(&self) -> bool {
        false
    }
}

/// An answer in few words.
fn shown(answer: &Answer) -> String {
    let summary = answer.summary();
    match summary.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &summary[..at]),
        None => summary,
    }
}
