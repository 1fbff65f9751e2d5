//! Questions on a terminal (Attractor §6.4).

mod input;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::{Mutex as StdMutex, PoisonError};

use async_trait::async_trait;
use tokio::io::AsyncBufRead;
use tokio::sync::Mutex;

use crate::engine::without_accelerator;

use super::{Answer, AnswerValue, InterviewError, Interviewer, Question, QuestionType, within};
use input::{Input, Line};

/// Asks on a terminal: questions go to one stream, by default standard error, so that standard
/// output stays data; lines come from another.
///
/// Questions of several branches come one after the other, each with its own time, which runs from
/// when it was asked. The end of the input is a skipped question, now and later. What is typed
/// after a question's time is over answers nothing: it is thrown away when the next question
/// comes, and a first line after that has to be confirmed.
pub struct Console {
    name: String,
    input: Mutex<Input>,
    output: StdMutex<Box<dyn Write + Send>>,
}

impl Console {
    /// Reads standard input, from the first question on, and writes to standard error. `name` is
    /// who sits there. A read that nobody waits for any more does not keep the process.
    pub fn stdio(name: impl Into<String>) -> Self {
        Self::new(name, input::stdin(), io::stderr())
    }

    /// Reads and writes other streams.
    pub fn new(
        name: impl Into<String>,
        input: impl AsyncBufRead + Send + Unpin + 'static,
        output: impl Write + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            input: Mutex::new(Input::new(Box::new(input))),
            output: StdMutex::new(Box::new(output)),
        }
    }

    fn show(&self, text: &str) -> Result<(), InterviewError> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        shown.map_err(|source| InterviewError::Io { what: "cannot show a question".into(), source })
    }

    /// Puts a question and waits for the line that answers it.
    async fn put(&self, question: &Question) -> Result<Answer, InterviewError> {
        let mut input = self.input.lock().await;
        let mut confirm = input.forget_late().await;
        self.show(&describe(question))?;
        loop {
            self.show(prompt(question.kind))?;
            let mut line = match input.line().await {
                Ok(line) => line,
                Err(source) => {
                    let what = "cannot read an answer".to_owned();
                    return Err(InterviewError::Io { what, source });
                }
            };
            if confirm && let Line::Text(typed) = &line {
                confirm = false;
                self.show(&format!(
                    "The question before ran out of time. Press Enter if `{}` answers this one, or \
                     type the answer: ",
                    plain(typed)
                ))?;
                let typed = Line::Text(typed.clone());
                line = match input.line().await {
                    Ok(Line::Text(again)) if again.is_empty() => typed,
                    Ok(other) => other,
                    Err(source) => {
                        let what = "cannot read an answer".to_owned();
                        return Err(InterviewError::Io { what, source });
                    }
                };
            }
            match line {
                Line::End => {
                    self.show("\n")?;
                    return Ok(Answer::skipped());
                }
                Line::TooLong => self.show("That is too long.\n")?,
                // An empty line is a slip of the finger, not an answer.
                Line::Text(text) if text.trim().is_empty() => {}
                Line::Text(text) => return Ok(answer(question, text.trim()).by(&self.name)),
            }
        }
    }
}

#[async_trait]
impl Interviewer for Console {
    async fn ask(&self, question: &Question) -> Result<Answer, InterviewError> {
        let answer = within(question, self.put(question)).await?;
        if answer.value == AnswerValue::Timeout {
            self.show("\nTime is up.\n")?;
        }
        Ok(answer)
    }

    async fn inform(&self, message: &str, stage: &str) {
        // What only informs may be lost with the terminal.
        let _ = self.show(&format!("[{}] {}\n", plain(stage), plain(message)));
    }
}

/// The question as it is shown.
fn describe(question: &Question) -> String {
    let mut text = format!("[?] {}  ({})\n", plain(&question.text), plain(&question.stage));
    let meta = |key: &str| question.metadata.get(key).and_then(serde_json::Value::as_str);
    if let Some(after) = meta("after") {
        let notes = meta("after_notes").map(|notes| format!(": {}", plain(notes)));
        text.push_str(&format!("  after {}{}\n", plain(after), notes.unwrap_or_default()));
    }
    for option in &question.options {
        let label = without_accelerator(&option.label);
        text.push_str(&format!("  [{}] {}\n", plain(&option.key), plain(label)));
    }
    if let Some(seconds) = question.timeout().map(|limit| limit.as_secs_f64()) {
        let then = match meta("default_choice") {
            Some(choice) => format!("after that `{}` is taken", plain(choice)),
            None => "after that nothing is taken".to_owned(),
        };
        text.push_str(&format!("  {seconds} s to answer; {then}\n"));
    }
    text
}

fn prompt(kind: QuestionType) -> &'static str {
    match kind {
        QuestionType::YesNo | QuestionType::Confirmation => "[Y/N]: ",
        QuestionType::MultipleChoice => "Select: ",
        QuestionType::Freeform => "> ",
    }
}

/// What a line says. One that fits nothing is handed on as it is, for whoever asked to refuse.
fn answer(question: &Question, line: &str) -> Answer {
    let option = || {
        let same = |text: &str| text.trim().to_lowercase() == line.to_lowercase();
        let options = question.options.iter();
        let by_key = options.clone().find(|option| same(&option.key));
        by_key.or_else(|| options.clone().find(|option| same(&option.label)))
    };
    match question.kind {
        QuestionType::YesNo | QuestionType::Confirmation => {
            match line.to_ascii_lowercase().as_str() {
                "y" | "yes" => Answer::yes(),
                "n" | "no" => Answer::no(),
                _ => Answer::text(line),
            }
        }
        QuestionType::MultipleChoice => option().map_or_else(|| Answer::text(line), Answer::option),
        QuestionType::Freeform => Answer::text(line),
    }
}

/// A text without characters that a terminal acts on.
fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}
