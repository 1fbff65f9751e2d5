//! Who answers the questions of a run.

use std::io::IsTerminal as _;
use std::sync::Arc;

use async_trait::async_trait;
use canon_pipeline::interview::{
    Answer, AnswerValue, AutoApprove, Console, InterviewError, Interviewer, Question, Queue,
    Recording, within,
};

use super::Args;
use crate::cli::print;
use crate::error::Error;

/// What to do where nobody answers.
const HINT: &str = "run it on a terminal, or say --auto-approve or --answers FILE";

/// As the flags say: an automaton, a recording, or whoever sits at standard input.
pub(super) fn interviewer(args: &Args) -> Result<Arc<dyn Interviewer>, Error> {
    let of_file = |error: InterviewError| Error::input(error.to_string());
    let who: Arc<dyn Interviewer> = if args.auto_approve {
        Arc::new(AutoApprove)
    } else if let Some(path) = &args.answers {
        Arc::new(Queue::replay(path).map_err(of_file)?)
    } else if std::io::stdin().is_terminal() {
        Arc::new(Console::stdio(login_name()))
    } else {
        Arc::new(Unattended(Console::stdio(login_name())))
    };
    match &args.record_answers {
        Some(path) => Ok(Arc::new(Recording::to_file(who, path).map_err(of_file)?)),
        None => Ok(who),
    }
}

/// Who runs this program, for the record of an approval.
fn login_name() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    set("USER")
        .or_else(|| set("LOGNAME"))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// Standard input that is no terminal: lines that are there are answers; after them there is
/// nobody, so that a question waits for its time limit, or fails where it has none.
struct Unattended(Console);

#[async_trait]
impl Interviewer for Unattended {
    async fn ask(&self, question: &Question) -> Result<Answer, InterviewError> {
        let answer = self.0.ask(question).await?;
        if answer.value != AnswerValue::Skipped {
            return Ok(answer);
        }
        let stage = &question.stage;
        let Some(limit) = question.timeout() else {
            return Err(InterviewError::Failed(format!(
                "nobody is there to answer stage `{stage}`, and it has no time limit; {HINT}"
            )));
        };
        print::note(format_args!(
            "stage {stage}: nobody is there to answer; it waits {} s: {HINT}",
            limit.as_secs_f64()
        ));
        within(question, std::future::pending()).await
    }

    async fn inform(&self, message: &str, stage: &str) {
        self.0.inform(message, stage).await;
    }
}
