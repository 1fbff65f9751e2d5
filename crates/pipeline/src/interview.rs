//! Asking people (Attractor §6).
//!
//! A gate puts a [`Question`] to an [`Interviewer`] and gets an [`Answer`]: from a terminal
//! ([`Console`]), from any other front end ([`Callback`]), from nobody ([`AutoApprove`]), or from
//! what was answered before ([`Queue`], which [`Recording`] fills).

mod auto_approve;
mod callback;
mod console;
mod question;
mod queue;
mod record;
mod recording;

use std::future::Future;
use std::path::PathBuf;

use async_trait::async_trait;

pub use auto_approve::AutoApprove;
pub use callback::Callback;
pub use console::Console;
pub use question::{Answer, AnswerValue, Question, QuestionOption, QuestionType};
pub use queue::Queue;
pub use record::Record;
pub use recording::Recording;

/// A question that could not be put, or whose answer cannot be used. An answer that does not fit
/// the question is none: whoever asked decides about it.
#[derive(Debug, thiserror::Error)]
pub enum InterviewError {
    /// A replay came to a question that was not asked when the answers were recorded.
    #[error(
        "{source_name} holds no answer for stage `{stage}` to the question `{question}`{instead}; \
         record the answers anew"
    )]
    NotRecorded {
        /// Where the answers come from.
        source_name: String,
        /// The stage that asks.
        stage: String,
        /// What it asks.
        question: String,
        /// What it holds for this stage instead; empty where there is nothing.
        instead: String,
    },
    /// A line of a file of answers is none.
    #[error("{}: line {line} is no recorded answer: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A file of answers, or the terminal.
    #[error("{what}: {source}")]
    Io {
        /// The file, or what was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An embedder's front end failed.
    #[error("{0}")]
    Failed(String),
}

/// Puts questions to people, or to what stands in for them (§6.1).
///
/// A future that is dropped withdraws its question. Questions may come from several branches at
/// the same time.
#[async_trait]
pub trait Interviewer: Send + Sync {
    /// Puts one question and waits for the answer, at most for the question's time.
    ///
    /// # Errors
    /// [`InterviewError`]; silence and a refusal to answer are answers.
    async fn ask(&self, question: &Question) -> Result<Answer, InterviewError>;

    /// Puts several questions, one after the other.
    ///
    /// # Errors
    /// That of the first that fails.
    async fn ask_multiple(&self, questions: &[Question]) -> Result<Vec<Answer>, InterviewError> {
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            answers.push(self.ask(question).await?);
        }
        Ok(answers)
    }

    /// Tells people something that wants no answer.
    async fn inform(&self, _message: &str, _stage: &str) {}
}

/// Waits for an answer as long as the question lets it. After that the question's default counts,
/// else the answer is [`AnswerValue::Timeout`] (§6.5).
///
/// # Errors
/// Those of `asking`.
pub async fn within<F>(question: &Question, asking: F) -> Result<Answer, InterviewError>
where
    F: Future<Output = Result<Answer, InterviewError>> + Send,
{
    let Some(limit) = question.timeout() else { return asking.await };
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => answer,
        Err(_) => Ok(question.default.clone().unwrap_or_else(Answer::timeout)),
    }
}

#[cfg(test)]
mod tests;
