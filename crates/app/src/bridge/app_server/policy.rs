//! Which tool calls are asked about.

use std::collections::HashSet;
use std::path::PathBuf;

use canon_agent::{Access, PendingCall};
use canon_protocol::jsonrpc::RpcError;
use serde_json::{Value, json};

use super::invalid;

/// When the client is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Policy {
    /// Never: what the sandbox forbids fails.
    #[default]
    Never,
    /// About every command and every change of a file.
    Untrusted,
}

impl Policy {
    /// Reads a policy. `on-request` and its granular form let the model ask to leave the sandbox,
    /// which this agent never does: `never` is in force, and the answer to the client says so. So
    /// it is with `reject`, which older clients send for the same.
    ///
    /// # Errors
    /// What is none of the protocol's.
    pub(super) fn read(policy: Option<&Value>) -> Result<Option<Self>, RpcError> {
        let Some(policy) = policy.filter(|policy| !policy.is_null()) else { return Ok(None) };
        match policy.as_str() {
            Some("never" | "on-request" | "on-failure") => Ok(Some(Self::Never)),
            Some("untrusted") => Ok(Some(Self::Untrusted)),
            None if policy["granular"].is_object() || policy["reject"].is_object() => {
                Ok(Some(Self::Never))
            }
            _ => Err(invalid(format!(
                "approvalPolicy: {policy} is none of untrusted, on-request, never, {{granular}}"
            ))),
        }
    }

    /// As on the wire.
    pub(super) fn wire(self) -> Value {
        match self {
            Self::Never => json!("never"),
            Self::Untrusted => json!("untrusted"),
        }
    }
}

/// What a call would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Run this command.
    Command(String),
    /// Change these files.
    Files(Vec<PathBuf>),
}

/// What is asked about, and what was allowed for good.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) policy: Policy,
    commands: HashSet<String>,
    files: HashSet<PathBuf>,
}

impl Rules {
    /// What the client must be asked about a call; `None` when it may run.
    pub(super) fn question(&self, call: &PendingCall) -> Option<Kind> {
        if self.policy == Policy::Never {
            return None;
        }
        let kind = kind(call)?;
        let allowed = match &kind {
            Kind::Command(command) => self.commands.contains(command),
            Kind::Files(files) => files.iter().all(|file| self.files.contains(file)),
        };
        (!allowed).then_some(kind)
    }

    /// The same command, or changes of the same files, need not be asked about again.
    pub(super) fn allow(&mut self, kind: Kind) {
        match kind {
            Kind::Command(command) => drop(self.commands.insert(command)),
            Kind::Files(files) => self.files.extend(files),
        }
    }
}

/// What reads, and what touches nothing here, is not asked about.
fn kind(call: &PendingCall) -> Option<Kind> {
    match &call.access {
        Access::Reads(_) | Access::Independent => None,
        Access::Writes(files) => Some(Kind::Files(files.clone())),
        Access::Anything => Some(Kind::Command(match call.arguments.get("command") {
            Some(Value::String(command)) => command.clone(),
            _ => format!("{} {}", call.tool_name, Value::Object(call.arguments.clone())),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(access: Access, arguments: Value) -> PendingCall {
        PendingCall {
            tool_name: "t".to_owned(),
            call_id: "c".to_owned(),
            arguments: arguments.as_object().cloned().unwrap_or_default(),
            agent_id: None,
            access,
            working_directory: PathBuf::from("/w"),
        }
    }

    fn shell(command: &str) -> PendingCall {
        call(Access::Anything, json!({ "command": command }))
    }

    fn writes(files: &[&str]) -> PendingCall {
        call(Access::Writes(files.iter().map(PathBuf::from).collect()), json!({}))
    }

    #[test]
    fn policies_of_the_protocol_are_read_and_others_refused() {
        for never in [
            json!("never"),
            json!("on-request"),
            json!({"granular": {"rules": true}}),
            json!({"reject": {"rules": true}}),
        ] {
            assert_eq!(Policy::read(Some(&never)).unwrap(), Some(Policy::Never), "{never}");
        }
        assert_eq!(Policy::read(Some(&json!("untrusted"))).unwrap(), Some(Policy::Untrusted));
        assert_eq!(Policy::read(Some(&Value::Null)).unwrap(), None);
        assert_eq!(Policy::read(None).unwrap(), None);
        for wrong in [json!("always"), json!(3), json!({"gran": {}}), json!({"granular": 1})] {
            assert!(Policy::read(Some(&wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn untrusted_asks_about_commands_and_changes_and_never_about_nothing() {
        let mut rules = Rules::default();
        assert_eq!(rules.question(&shell("rm x")), None);
        rules.policy = Policy::Untrusted;
        assert_eq!(rules.question(&shell("rm x")), Some(Kind::Command("rm x".to_owned())));
        assert!(rules.question(&writes(&["/w/a"])).is_some());
        assert!(rules.question(&call(Access::Reads("/w".into()), json!({}))).is_none());
        assert!(rules.question(&call(Access::Independent, json!({}))).is_none());
        let odd = rules.question(&call(Access::Anything, json!({"a": 1})));
        assert_eq!(odd, Some(Kind::Command("t {\"a\":1}".to_owned())));
    }

    #[test]
    fn what_was_allowed_for_the_session_is_that_and_no_more() {
        let mut rules = Rules { policy: Policy::Untrusted, ..Rules::default() };
        rules.allow(Kind::Command("ls".to_owned()));
        rules.allow(Kind::Files(vec!["/w/a".into(), "/w/b".into()]));
        assert!(rules.question(&shell("ls")).is_none());
        assert!(rules.question(&shell("ls; rm x")).is_some());
        assert!(rules.question(&writes(&["/w/a"])).is_none());
        assert!(rules.question(&writes(&["/w/a", "/w/c"])).is_some());
    }
}
