//! What a client may send, and when.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

/// The client's side of the conversation so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    initialize_seen: bool,
    pub(super) initialized: bool,
    experimental: bool,
    ids: HashSet<String>,
    pub(super) thread: Option<String>,
    /// All turns of the thread, the running one last.
    pub(super) turns: Vec<String>,
    pub(super) turn_runs: bool,
    /// Methods of our requests that wait for an answer, by id.
    pub(super) asked: HashMap<u64, String>,
}

impl Checker {
    /// Checks a request; the error to answer with, if it is wrong.
    pub(super) fn request(
        &mut self,
        id: &Value,
        method: &str,
        params: &Value,
    ) -> Result<(), String> {
        if !(id.is_string() || id.is_i64() || id.is_u64()) {
            return Err(format!("id {id} is neither a number nor a string"));
        }
        if !self.ids.insert(id.to_string()) {
            return Err(format!("id {id} was used before"));
        }
        if method == "initialize" {
            return self.initialize(params);
        }
        if !self.initialized {
            return Err(format!("{method} before initialize and initialized"));
        }
        match method {
            "thread/start" => self.thread_start(params),
            "thread/resume" => {
                text(params, "threadId")?;
                thread_settings(params)?;
                match params.get("dynamicTools") {
                    None => Ok(()),
                    Some(_) => Err("thread/resume takes no dynamicTools".to_owned()),
                }
            }
            "thread/name/set" => {
                self.known_thread(params)?;
                text(params, "name").map(drop)
            }
            "turn/start" => self.turn_start(params),
            "turn/steer" => {
                self.known_thread(params)?;
                input(params)?;
                self.running(text(params, "expectedTurnId")?)
            }
            "turn/interrupt" => {
                self.known_thread(params)?;
                self.known_turn(text(params, "turnId")?)
            }
            _ => Err(format!("unknown method {method}")),
        }
    }

    /// Checks a notification.
    pub(super) fn notification(&mut self, method: &str) -> Result<(), String> {
        match method {
            "initialized" if self.initialized => Err("initialized was sent twice".to_owned()),
            "initialized" if self.initialize_seen => {
                self.initialized = true;
                Ok(())
            }
            "initialized" => Err("initialized before initialize".to_owned()),
            _ => Err(format!("unknown notification {method}")),
        }
    }

    /// Checks an answer to a request of ours.
    pub(super) fn answer(&mut self, message: &Value) -> Result<u64, String> {
        let id = message["id"].as_u64().ok_or("an answer without the id of a request")?;
        let Some(method) = self.asked.remove(&id) else {
            return Err(format!("an answer to {id}, which does not wait for one"));
        };
        let result = &message["result"];
        let refused = message
            .get("error")
            .is_some_and(|error| error["code"].is_i64() && error["message"].is_string());
        if message.get("error").is_some() && !refused {
            return Err(format!("the error answer to {method} lacks code or message"));
        }
        let decision = result["decision"].as_str().unwrap_or_default();
        let good = match method.as_str() {
            "item/tool/call" => {
                result["success"].is_boolean()
                    && result["contentItems"].as_array().is_some_and(|items| {
                        items
                            .iter()
                            .all(|item| item["type"] == "inputText" && item["text"].is_string())
                    })
            }
            "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => {
                ["accept", "acceptForSession", "decline", "cancel"].contains(&decision)
            }
            "item/permissions/requestApproval" => result["permissions"].is_object(),
            "item/tool/requestUserInput" => result["answers"]
                .as_object()
                .is_some_and(|answers| answers.values().all(|answer| answer["answers"].is_array())),
            "mcpServer/elicitation/request" => {
                let action = result["action"].as_str().unwrap_or_default();
                ["accept", "decline", "cancel"].contains(&action)
            }
            _ => return if refused { Ok(id) } else { Err(format!("{method} was not refused")) },
        };
        match good && !refused {
            true => Ok(id),
            false => Err(format!("bad answer to {method}: {message}")),
        }
    }

    fn initialize(&mut self, params: &Value) -> Result<(), String> {
        if self.initialize_seen {
            return Err("initialize was sent twice".to_owned());
        }
        self.initialize_seen = true;
        text(&params["clientInfo"], "name")?;
        text(&params["clientInfo"], "version")?;
        self.experimental = params["capabilities"]["experimentalApi"] == true;
        Ok(())
    }

    fn thread_start(&mut self, params: &Value) -> Result<(), String> {
        thread_settings(params)?;
        let Some(tools) = params.get("dynamicTools").filter(|tools| !tools.is_null()) else {
            return Ok(());
        };
        if !self.experimental {
            return Err("dynamicTools without capabilities.experimentalApi".to_owned());
        }
        for tool in tools.as_array().ok_or("dynamicTools is no array")? {
            text(tool, "name")?;
            text(tool, "description")?;
            if tool["type"] != "function" || !tool["inputSchema"].is_object() {
                return Err(format!("tool {} has no type or no inputSchema", tool["name"]));
            }
        }
        Ok(())
    }

    fn turn_start(&mut self, params: &Value) -> Result<(), String> {
        self.known_thread(params)?;
        input(params)?;
        if let Some(policy) = params.get("sandboxPolicy").filter(|policy| !policy.is_null()) {
            let kind = policy["type"].as_str().unwrap_or_default();
            let kinds = ["readOnly", "workspaceWrite", "dangerFullAccess", "externalSandbox"];
            if !kinds.contains(&kind) {
                return Err(format!("sandboxPolicy.type {kind:?}"));
            }
        }
        if let Some(cwd) = params["cwd"].as_str() {
            directory(cwd)?;
        }
        match self.turn_runs {
            true => Err("turn/start while a turn runs".to_owned()),
            false => Ok(()),
        }
    }

    fn known_thread(&self, params: &Value) -> Result<(), String> {
        let id = text(params, "threadId")?;
        match self.thread.as_deref() == Some(id) {
            true => Ok(()),
            false => Err(format!("thread not found: {id}")),
        }
    }

    fn known_turn(&self, id: &str) -> Result<(), String> {
        match self.turns.iter().any(|turn| turn == id) {
            true => Ok(()),
            false => Err(format!("turn not found: {id}")),
        }
    }

    fn running(&self, id: &str) -> Result<(), String> {
        match self.turn_runs && self.turns.last().is_some_and(|turn| turn == id) {
            true => Ok(()),
            false => Err(format!("turn {id} does not run")),
        }
    }
}

fn thread_settings(params: &Value) -> Result<(), String> {
    let cwd = text(params, "cwd")?;
    directory(cwd)?;
    let policy = &params["approvalPolicy"];
    let known = ["untrusted", "on-request", "never"].contains(&policy.as_str().unwrap_or_default());
    if !known && !policy["granular"].is_object() {
        return Err(format!("approvalPolicy {policy}"));
    }
    let sandbox = params["sandbox"].as_str().unwrap_or_default();
    if !["read-only", "workspace-write", "danger-full-access"].contains(&sandbox) {
        return Err(format!("sandbox {sandbox:?}"));
    }
    Ok(())
}

fn directory(cwd: &str) -> Result<(), String> {
    match Path::new(cwd).is_absolute() && Path::new(cwd).is_dir() {
        true => Ok(()),
        false => Err(format!("cwd {cwd:?} is no absolute path of a directory")),
    }
}

fn input(params: &Value) -> Result<(), String> {
    let input = params["input"].as_array().filter(|input| !input.is_empty());
    let good = input.is_some_and(|input| {
        input.iter().all(|part| part["type"] == "text" && part["text"].is_string())
    });
    if good { Ok(()) } else { Err(format!("input {}", params["input"])) }
}

fn text<'a>(params: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = params[name].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("{name} is missing"))
}
