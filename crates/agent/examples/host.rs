//! A whole host: it gives a task, steers, and reads what happens. `cargo run --example host`
// It is a program for people.
#![allow(clippy::print_stdout)]

use std::{error::Error, path::Path, sync::Arc};

use canon_agent::{EventData, Profile, Session, SessionOptions};
use canon_exec::LocalExecutionEnvironment;
use canon_llm::{Client, Scripted};
use futures_util::StreamExt as _;

/// In place of a model; `Client::from_env()` has real ones.
const WORDS: &str = r#"
{"when": {"turn": 0}, "reply": {"tool_calls": [{"name": "shell", "arguments": {"command": "pwd"}}]}}
{"when": {"last_user": "Be brief."}, "reply": {"text": "Here."}}
"#;

pub(crate) async fn host(directory: &Path) -> Result<String, Box<dyn Error>> {
    let model = Scripted::parse(Path::new("host.jsonl"), WORDS)?;
    let client = Client::builder().provider(Arc::new(model)).build()?;
    let profile = Profile::for_model("scripted", "host.jsonl")?;
    let environment = Arc::new(LocalExecutionEnvironment::new(directory)?);
    let mut session = Session::new(SessionOptions::new(client, profile, environment))?;
    session.submit("Where are we?")?;
    while let Some(event) = session.next().await {
        match event.data {
            EventData::ToolCallStart { .. } => session.steer("Be brief.")?,
            EventData::ToolCallEnd { tool_name, output, .. } => println!("{tool_name}: {output}"),
            EventData::ProcessingEnd { .. } => session.close()?,
            EventData::SessionEnd { outcome, .. } => return Ok(outcome.text),
            _ => {}
        }
    }
    Err("the session ended without a word".into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", host(&std::env::current_dir()?).await?);
    Ok(())
}
