//! `canon ask`: one model call.

mod answer;
mod failure;
mod out;
pub(in crate::cli) mod prompt;
mod request;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use canon_llm::{AbortSignal, Generate, LlmError, Request, RetryPolicy, StreamEvent};
use canon_runtime::schema::Schema;
use canon_runtime::task::{self, TaskSpec};
use serde_json::Value;

use self::answer::{Answer, Form};
use self::failure::Failure;
use self::out::Out;
use super::exec::told_to_end;
use super::{logs, print, runtime};
use crate::bridge::agent::{Model, model_name};
use crate::error::{Error, Kind};

/// How long an interrupt waits for a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the help says below the options.
const NOTES: &str = "\
The answer goes to standard output and ends with a newline: verbatim to a pipe or a file, and to a
terminal without anything that it would act on. Warnings, then tokens and price, go to standard error.
Failed calls are tried again twice, as long as nothing of the answer has come. An interrupt closes the
connection; what has come stays.

Exit code 1: the model or its provider refused or failed, a time limit passed, or no object fitted the
schema. 2: a flag, a file or the request is wrong. 3: no key, a key that is refused, no quota, or no
network. 130: interrupted.";

/// One question to a model.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// What to ask; `-`, or nothing, reads it from standard input. What is piped in beside a prompt
    /// follows it
    #[arg(conflicts_with = "request")]
    prompt: Option<String>,
    /// [PROVIDER/]MODEL; for the scripted provider the path of its transcript
    #[arg(long)]
    model: Option<String>,
    /// openai, anthropic, gemini, openai-compatible or scripted
    #[arg(long)]
    provider: Option<String>,
    /// Instructions that stand before the prompt
    #[arg(long, value_name = "TEXT", conflicts_with = "request")]
    system: Option<String>,
    /// An image to look at, a file or a URL; may be repeated
    #[arg(long, value_name = "PATH|URL", conflicts_with = "request")]
    image: Vec<String>,
    /// A document to read; a text file is sent as text under its name. May be repeated
    #[arg(long, value_name = "PATH", conflicts_with = "request")]
    file: Vec<PathBuf>,
    /// Ask what FILE says, a request as JSON; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Print the whole response as JSON on one line; with --stream one event a line, a failure last
    #[arg(long)]
    json: bool,
    /// Print the answer as it comes; with --schema the object as it grows, one line each time
    #[arg(long)]
    stream: bool,
    /// Print one JSON object that fits the JSON Schema in FILE; with --json the response, and the
    /// object as its `output`
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Most tokens to generate, reasoning included
    #[arg(long, value_name = "N", conflicts_with = "request",
          value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,
    /// How much to think: low, medium, high, or what the provider knows beside
    #[arg(long, value_name = "EFFORT", conflicts_with = "request")]
    reasoning_effort: Option<String>,
    /// Sampling temperature
    #[arg(long, value_name = "X", conflicts_with = "request")]
    temperature: Option<f64>,
    /// Most seconds for everything, retries included
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Append the exchange to FILE, as a transcript for the scripted provider
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Say nothing on standard error but errors
    #[arg(long, short)]
    quiet: bool,
}

/// Asks, and prints the answer.
pub fn run(args: Args) -> Result<ExitCode, Error> {
    logs::to_stderr(tracing::Level::WARN);
    let timeout = args.timeout.map(seconds).transpose()?;
    let schema = args.schema.as_deref().map(schema).transpose()?;
    let request = match &args.request {
        Some(path) => request::read(path)?,
        None => prompt::request(&args)?,
    };
    let form = Form { json: args.json, stream: args.stream, schema };
    if form.schema.is_some() && request.response_format.is_some() {
        return Err(Error::input("--schema: the request has a `response_format` already"));
    }
    let out = Out::standard();
    let answer = connect(&args, &request).and_then(|model| {
        let model = match &args.record {
            Some(path) => model.recorded(path)?,
            None => model,
        };
        let answer = Answer { form: &form, out: &out, quiet: args.quiet };
        runtime()?.block_on(ask(&model, request, timeout, &answer))
    });
    match answer {
        Ok(code) => Ok(code),
        Err(Failure::Closed) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            out.end_line();
            if form.is_events()
                && let Failure::Model(error) = &failure
            {
                let event = StreamEvent::Error { error: error.clone() };
                // The exit code says it as well to whoever does not read it.
                let _ = out.json(&failure::redacted(&event));
            }
            Err(failure.into_error())
        }
    }
}

/// The model: the flags' wish, else the request's, else as everywhere.
fn connect(args: &Args, request: &Request) -> Result<Model, Failure> {
    let named = Some(request.model.as_str()).filter(|model| !model.is_empty());
    let name = match &args.model {
        Some(model) => model_name(args.provider.as_deref(), Some(model))?,
        None => {
            let provider = args.provider.as_deref().or(request.provider.as_deref());
            model_name(provider, named)?
        }
    };
    Ok(Model::try_connect(name.as_deref())?)
}

async fn ask(
    model: &Model,
    mut request: Request,
    timeout: Option<Duration>,
    answer: &Answer<'_>,
) -> Result<ExitCode, Failure> {
    model.id().clone_into(&mut request.model);
    request.provider = Some(model.provider().to_owned());
    let abort = AbortSignal::new();
    let signal = abort.clone();
    // A task of its own: printing may wait for a reader.
    let listening = task::spawn(TaskSpec::new("interrupt"), async move {
        told_to_end().await;
        signal.cancel();
        tokio::time::sleep(PATIENCE).await;
        std::process::exit(130);
    });
    let mut options = Generate::from_request(request)
        .client(model.client().clone())
        .retry(policy(answer.quiet))
        .abort_signal(abort);
    if let Some(timeout) = timeout {
        options = options.timeout(timeout);
    }
    let outcome = answer.get(options, model).await;
    listening.abort();
    outcome
}

fn policy(quiet: bool) -> RetryPolicy {
    let tell = move |error: &LlmError, _attempt: u32, wait: Duration| {
        if !quiet {
            let wait = wait.as_secs_f64();
            let error = failure::plain(&error.to_string());
            print::note(format_args!("{error}; trying again in {wait:.1} s"));
        }
    };
    RetryPolicy { on_retry: Some(Arc::new(tell)), ..RetryPolicy::default() }
}

fn seconds(timeout: f64) -> Result<Duration, Error> {
    match Duration::try_from_secs_f64(timeout) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err(Error::input("--timeout: expected a number of seconds above 0")),
    }
}

fn schema(path: &Path) -> Result<Value, Error> {
    let wrong = |why: String| Error::input(format!("--schema {}: {why}", path.display()));
    let text = prompt::text_of(path).map_err(wrong)?;
    let schema = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Schema::compile(&schema).map_err(|error| wrong(error.to_string()))?;
    Ok(schema)
}

/// A person or a service manager ended it.
fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "interrupted")
}
