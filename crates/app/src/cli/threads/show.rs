//! A thread as text, or as data.

use std::process::ExitCode;

use canon_agent::Turn;
use canon_llm::ToolCallData;
use canon_runtime::clock::rfc3339;
use serde_json::json;

use crate::cli::print;
use crate::error::Error;
use crate::threads::{Entry, Store};

pub(super) fn show(store: &Store, id: &str, as_json: bool) -> Result<ExitCode, Error> {
    let stored = store
        .read(id)
        .map_err(|error| Error::from(error).hint("`canon threads list --all` shows the ids"))?;
    for notice in &stored.notices {
        print::note(format_args!("warning: {notice}"));
    }
    if as_json {
        print::data(json!({ "v": 1, "thread": stored.meta, "entries": stored.entries }));
        return Ok(ExitCode::SUCCESS);
    }
    let meta = &stored.meta;
    let name = meta.name.as_deref().map(|name| format!(" “{name}”")).unwrap_or_default();
    print::text(&format!(
        "{}{name}\nin {}, with {}/{}, by canon {}, from {} to {}",
        meta.id,
        meta.cwd.display(),
        meta.provider,
        meta.model,
        meta.source,
        rfc3339(meta.created_at),
        rfc3339(meta.updated_at),
    ));
    for entry in &stored.entries {
        if let Entry::Turn(turn) = entry {
            print::text(&text(turn));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One turn, below an empty line.
fn text(turn: &Turn) -> String {
    match turn {
        Turn::User { content, images, .. } => said("user", content, images.len()),
        Turn::Steering { content, images, .. } => said("user, meanwhile", content, images.len()),
        Turn::System { content, .. } => said("system", content, 0),
        Turn::Assistant(reply) => {
            let mut out = String::new();
            let text = reply.content();
            if !text.trim().is_empty() {
                out.push_str(&said("model", &text, 0));
            }
            for call in reply.tool_calls() {
                let call = ToolCallData::from(call);
                out.push_str(&format!("\n[{}] {}", call.name, call.arguments_text()));
            }
            out
        }
        Turn::ToolResults { results, .. } => results
            .iter()
            .map(|entry| {
                let failed = if entry.result.is_error { " (failed)" } else { "" };
                format!("\n[result]{failed}\n{}", entry.result.content_text().trim_end())
            })
            .collect(),
    }
}

fn said(who: &str, text: &str, images: usize) -> String {
    let images = if images == 0 { String::new() } else { format!(" [{images} images]") };
    format!("\n{who}:{images} {}", text.trim_end())
}
