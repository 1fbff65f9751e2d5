//! The commands that talk to a running `canon up` over its API: status, refresh, pause, resume,
//! answer, stop, retry.

mod call;
mod table;
mod target;

use std::process::ExitCode;

use serde_json::{Value, json};

pub use target::Target;

use super::print;
use crate::error::Error;
use call::Daemon;

/// What `canon status` is told.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    target: Target,
    /// Print the state as the API gives it (GET /api/v1/state)
    #[arg(long)]
    json: bool,
}

/// What `canon answer` is told.
#[derive(Debug, clap::Args)]
pub struct AnswerArgs {
    /// Identifier of the issue
    issue: String,
    /// The answer, in words: yes, no, an option, a text; or a JSON object with an answer by question
    #[arg(allow_hyphen_values = true)]
    answer: String,
    /// Which question, when the agent asks more than one (`canon status` shows their names)
    #[arg(long, value_name = "KEY")]
    request: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// What commands about one issue are told.
#[derive(Debug, clap::Args)]
pub struct IssueArgs {
    /// Identifier of the issue
    issue: String,
    #[command(flatten)]
    target: Target,
}

/// `canon status`.
pub fn status(args: StatusArgs) -> Result<ExitCode, Error> {
    let text = Daemon::of(&args.target)?.get(&["state"])?;
    if args.json {
        print::data(text);
        return Ok(ExitCode::SUCCESS);
    }
    let state: Value = serde_json::from_str(&text)
        .map_err(|error| Error::environment(format!("the daemon's answer is not JSON: {error}")))?;
    for line in table::lines(&state) {
        print::data(line);
    }
    for trouble in table::troubles(&state) {
        print::note(trouble);
    }
    Ok(ExitCode::SUCCESS)
}

/// `canon refresh`.
pub fn refresh(target: &Target) -> Result<ExitCode, Error> {
    post(target, &["refresh"], &json!({}), "the tracker is about to be polled")
}

/// `canon pause`.
pub fn pause(target: &Target) -> Result<ExitCode, Error> {
    post(target, &["pause"], &json!({}), "nothing new is dispatched until `canon resume`")
}

/// `canon resume`.
pub fn resume(target: &Target) -> Result<ExitCode, Error> {
    post(target, &["resume"], &json!({}), "issues are dispatched again")
}

/// `canon answer`.
pub fn answer(args: AnswerArgs) -> Result<ExitCode, Error> {
    let mut body = json!({ "answer": args.answer });
    if let Some(request) = args.request {
        body["request"] = request.into();
    }
    let done = format!("{}: the answer goes to the agent", args.issue);
    post(&args.target, &["issues", &args.issue, "answer"], &body, &done)
}

/// `canon stop`.
pub fn stop(args: &IssueArgs) -> Result<ExitCode, Error> {
    let done = format!("{} is being stopped, and held until `canon retry`", args.issue);
    post(&args.target, &["issues", &args.issue, "stop"], &json!({}), &done)
}

/// `canon retry`.
pub fn retry(args: &IssueArgs) -> Result<ExitCode, Error> {
    let done = format!("{} runs as soon as there is a slot", args.issue);
    post(&args.target, &["issues", &args.issue, "retry"], &json!({}), &done)
}

fn post(target: &Target, path: &[&str], body: &Value, done: &str) -> Result<ExitCode, Error> {
    Daemon::of(target)?.post(path, body)?;
    print::note(done);
    Ok(ExitCode::SUCCESS)
}
