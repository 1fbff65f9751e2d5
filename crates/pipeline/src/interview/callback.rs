//! Questions go to a function (Attractor §6.4).

use std::future::Future;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::{Answer, InterviewError, Interviewer, Question, within};

type Ask = dyn Fn(Question) -> BoxFuture<'static, Result<Answer, InterviewError>> + Send + Sync;
type Inform = dyn Fn(String, String) + Send + Sync;

/// Hands questions to an embedder's own front end: a web page, a chat, a ticket. The question's time
/// is kept here; the future of a question that ran out is dropped.
pub struct Callback {
    name: String,
    ask: Box<Ask>,
    inform: Option<Box<Inform>>,
}

impl Callback {
    /// `name` signs answers that do not say themselves who gave them.
    pub fn new<F, A>(name: impl Into<String>, ask: F) -> Self
    where
        F: Fn(Question) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Answer, InterviewError>> + Send + 'static,
    {
        let ask: Box<Ask> = Box::new(move |question| Box::pin(ask(question)));
        Self { name: name.into(), ask, inform: None }
    }

    /// Also hands on what only informs: the message, and the stage that it comes from.
    #[must_use]
    pub fn on_inform(self, inform: impl Fn(String, String) + Send + Sync + 'static) -> Self {
        Self { inform: Some(Box::new(inform)), ..self }
    }
}

#[async_trait]
impl Interviewer for Callback {
    async fn ask(&self, question: &Question) -> Result<Answer, InterviewError> {
        let answer = within(question, (self.ask)(question.clone())).await?;
        Ok(if answer.by.is_empty() { answer.by(&self.name) } else { answer })
    }

    async fn inform(&self, message: &str, stage: &str) {
        if let Some(inform) = &self.inform {
            inform(message.to_owned(), stage.to_owned());
        }
    }
}
