//! A family of models: its provider over HTTP, its profile, and its own way of editing.

use canon_agent::{EventData, Outcome, Profile, Session, SessionOptions};
use canon_llm::Client;
use canon_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use crate::support::{Place, run};

/// What differs between families.
pub(super) struct Family {
    pub(super) provider: &'static str,
    pub(super) model: &'static str,
    /// The tool and the arguments that make a file.
    pub(super) create: fn(path: &str, content: &str) -> (&'static str, Value),
    /// The tool and the arguments that replace a line of a file.
    pub(super) edit: fn(path: &str, old: &str, new: &str) -> (&'static str, Value),
    /// What a request says of the effort.
    pub(super) effort: fn(body: &Value) -> Value,
}

pub(super) const OPENAI: Family = Family {
    provider: "openai",
    model: "gpt-5.2",
    create: |path, content| {
        let lines: String = content.lines().map(|line| format!("+{line}\n")).collect();
        let patch = format!("*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n");
        ("apply_patch", json!({ "patch": patch }))
    },
    edit: |path, old, new| {
        let patch = format!(
            "*** Begin Patch\n*** Update File: {path}\n@@\n-{old}\n+{new}\n*** End Patch\n"
        );
        ("apply_patch", json!({ "patch": patch }))
    },
    effort: |body| body["reasoning"]["effort"].clone(),
};

pub(super) const ANTHROPIC: Family = Family {
    provider: "anthropic",
    model: "claude-opus-4-7",
    create: |path, content| ("write_file", json!({ "file_path": path, "content": content })),
    edit: |path, old, new| {
        ("edit_file", json!({ "file_path": path, "old_string": old, "new_string": new }))
    },
    effort: |body| body["output_config"]["effort"].clone(),
};

pub(super) const GEMINI: Family = Family {
    provider: "gemini",
    model: "gemini-3.1-pro-preview",
    create: |path, content| ("write_file", json!({ "file_path": path, "content": content })),
    edit: |path, old, new| {
        ("edit_file", json!({ "file_path": path, "old_string": old, "new_string": new }))
    },
    effort: |body| body["generationConfig"]["thinkingConfig"]["thinkingLevel"].clone(),
};

/// A session of a family, with the server that plays its model.
pub(super) struct World {
    pub(super) family: &'static Family,
    pub(super) place: Place,
    pub(super) server: ModelServer,
    calls: std::cell::Cell<usize>,
}

impl World {
    pub(super) fn new(family: &'static Family) -> Self {
        let (place, server) = (Place::new(), ModelServer::start().unwrap());
        Self { family, place, server, calls: std::cell::Cell::default() }
    }

    pub(super) fn options(&self) -> SessionOptions {
        let client = Client::from_env_with(|name| match name {
            _ if name.ends_with("_API_KEY") => Some("key".to_owned()),
            _ if name.starts_with("OPENAI") && name.ends_with("_BASE_URL") => {
                Some(self.server.base_url())
            }
            _ if name.ends_with("_BASE_URL") => Some(self.server.root_url()),
            _ => None,
        });
        let profile = Profile::for_model(self.family.provider, self.family.model).unwrap();
        SessionOptions::new(client.unwrap(), profile, self.place.env())
    }

    pub(super) fn session(&self) -> Session {
        Session::new(self.options()).unwrap()
    }

    /// The model calls these tools, in one reply.
    pub(super) fn calls(&self, calls: &[(&str, Value)]) {
        self.server.push(self.reply(calls));
    }

    pub(super) fn reply(&self, calls: &[(&str, Value)]) -> Reply {
        calls.iter().fold(Reply::new(), |reply, (name, arguments)| {
            self.calls.set(self.calls.get() + 1);
            let id = format!("call_{}", self.calls.get());
            reply.and_tool_call(&id, name, &arguments.to_string())
        })
    }

    pub(super) fn says(&self, text: &str) {
        self.server.push(Reply::text(text));
    }

    /// One input to the end of a fresh session, all of whose requests the server must have found
    /// sound and all of whose replies must have been asked for.
    pub(super) async fn play(&self) -> (Outcome, Vec<EventData>) {
        let played = run(&mut self.session(), "do it").await;
        self.check();
        played
    }

    pub(super) fn check(&self) {
        assert_eq!(self.server.violations(), Vec::<String>::new(), "{}", self.family.provider);
        assert_eq!(self.server.replies_left(), 0, "{}", self.family.provider);
    }

    /// The body of request `at`, counted from 0.
    pub(super) fn body(&self, at: usize) -> Value {
        self.server.requests()[at].body.clone()
    }

    pub(super) fn last_body(&self) -> String {
        self.server.requests().last().unwrap().body.to_string()
    }
}
