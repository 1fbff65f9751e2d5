//! The Gemini family (loop spec §3.6).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Parts, instructions};
use crate::tools::{EditFile, Glob, Grep, ListDir, ReadFile, ReadManyFiles, Shell, WriteFile};

/// The categories of harm that can be set.
const HARMS: [&str; 4] = ["HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT"];

pub(super) fn parts() -> Parts {
    Parts {
        base_instructions: instructions::put_together(
            include_str!("text/gemini.md"),
            include_str!("text/gemini_tools.md"),
        ),
        tools: vec![
            Arc::new(ReadFile),
            Arc::new(ReadManyFiles),
            Arc::new(WriteFile),
            Arc::new(EditFile::Instructed),
            Arc::new(Shell),
            Arc::new(Grep),
            Arc::new(Glob),
            Arc::new(ListDir),
        ],
        document_name: Some("GEMINI.md"),
        command_timeout_ms: None,
        provider_options: options(),
    }
}

/// A filter that takes code about weaknesses for harm would end the work of a night. Off is what
/// the newer models begin with; a host that wants filters sets them.
fn options() -> Map<String, Value> {
    let settings: Vec<Value> = HARMS
        .iter()
        .map(|harm| json!({"category": format!("HARM_CATEGORY_{harm}"), "threshold": "BLOCK_NONE"}))
        .collect();
    Map::from_iter([("gemini".to_owned(), json!({ "safetySettings": settings }))])
}

/// What lets a model search the web by itself, beside the tools of a session.
pub(super) fn add_web_search(options: &mut Map<String, Value>) {
    let own = options.entry("gemini").or_insert_with(|| json!({}));
    if let Value::Object(own) = own {
        own.insert("tools".into(), json!([{ "googleSearch": {} }]));
        own.insert("toolConfig".into(), json!({ "includeServerSideToolInvocations": true }));
    }
}
