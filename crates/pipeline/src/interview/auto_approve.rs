//! Nobody is asked (Attractor §6.4).

use async_trait::async_trait;

use super::{Answer, InterviewError, Interviewer, Question, QuestionType};

/// Says yes, takes the first option, and leaves `auto-approved` where words are wanted. Its name
/// stands in the record of every gate that it opens.
#[derive(Debug, Clone, Copy, Default)]
pub struct AutoApprove;

impl AutoApprove {
    /// The name that it signs with.
    pub const NAME: &'static str = "auto-approve";
}

#[async_trait]
impl Interviewer for AutoApprove {
    async fn ask(&self, question: &Question) -> Result<Answer, InterviewError> {
        let answer = match (question.kind, question.options.first()) {
            (QuestionType::YesNo | QuestionType::Confirmation, _) => Answer::yes(),
            (QuestionType::MultipleChoice, Some(first)) => Answer::option(first),
            _ => Answer::text("auto-approved"),
        };
        Ok(answer.by(Self::NAME))
    }
}
