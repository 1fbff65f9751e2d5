//! Which tool calls are asked about.

use std::collections::HashSet;
use std::path::PathBuf;

use canon_agent::{Access, PendingCall};
use canon_protocol::jsonrpc::RpcError;
use serde_json::{Value, json};

use super::{escalate, invalid};

/// When the client is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Policy {
    /// Never: what the sandbox forbids fails.
    #[default]
    Never,
    /// When the model wants a command to run outside the sandbox.
    OnRequest,
    /// The same or never, as its `sandbox_approval` says; the whole as the client gave it. What else
    /// it names there is nothing here that would ask for.
    Granular(Value),
    /// About every command and every change of a file.
    Untrusted,
}

/// Members of the granular form.
const GRANULAR: [&str; 5] =
    ["sandbox_approval", "rules", "skill_approval", "request_permissions", "mcp_elicitations"];

impl Policy {
    /// Reads a policy. Older clients send `on-failure`, here the same as `on-request`, and `reject`,
    /// the granular form turned round.
    ///
    /// # Errors
    /// What is none of the protocol's.
    pub(super) fn read(policy: Option<&Value>) -> Result<Option<Self>, RpcError> {
        let Some(policy) = policy.filter(|policy| !policy.is_null()) else { return Ok(None) };
        match policy.as_str() {
            Some("never") => return Ok(Some(Self::Never)),
            Some("on-request" | "on-failure") => return Ok(Some(Self::OnRequest)),
            Some("untrusted") => return Ok(Some(Self::Untrusted)),
            _ => {}
        }
        if is_granular(&policy["granular"]) {
            return Ok(Some(Self::Granular(policy["granular"].clone())));
        }
        if is_granular(&policy["reject"]) {
            let rejected = policy["reject"]["sandbox_approval"] != false;
            return Ok(Some(if rejected { Self::Never } else { Self::OnRequest }));
        }
        Err(invalid(format!(
            "approvalPolicy: {policy} is none of untrusted, on-request, never, {{granular}}"
        )))
    }

    /// As on the wire.
    pub(super) fn wire(&self) -> Value {
        match self {
            Self::Never => json!("never"),
            Self::OnRequest => json!("on-request"),
            Self::Granular(members) => {
                let mut members = members.clone();
                for name in GRANULAR {
                    if members[name].is_null() {
                        members[name] = json!(false);
                    }
                }
                json!({ "granular": members })
            }
            Self::Untrusted => json!("untrusted"),
        }
    }

    /// Whether the client can be asked to let a command out of the sandbox.
    pub(super) fn lets_out(&self) -> bool {
        match self {
            Self::Never => false,
            Self::OnRequest | Self::Untrusted => true,
            Self::Granular(members) => members["sandbox_approval"] == true,
        }
    }
}

fn is_granular(members: &Value) -> bool {
    members.as_object().is_some_and(|members| {
        members.iter().all(|(name, on)| GRANULAR.contains(&name.as_str()) && on.is_boolean())
    })
}

/// What a call would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Run this command.
    Command(Command),
    /// Change these files.
    Files(Vec<PathBuf>),
}

/// A command that would run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Command {
    pub(super) text: String,
    pub(super) cwd: PathBuf,
    /// Outside the sandbox.
    pub(super) outside: bool,
    /// Why, in the model's words; of no matter to whether it is the same.
    pub(super) reason: Option<String>,
}

/// What is to become of a call.
#[derive(Debug, PartialEq)]
pub(super) enum Ruling {
    /// It may run.
    Run,
    /// The client is asked.
    Ask(Kind),
    /// It may not run, and why.
    Refuse(&'static str),
}

/// What is asked about, and what was allowed for good.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) policy: Policy,
    commands: HashSet<Command>,
    files: HashSet<PathBuf>,
}

impl Rules {
    /// What is to become of a call.
    pub(super) fn ruling(&self, call: &PendingCall) -> Ruling {
        let outside = escalate::is_wanted(call);
        if outside && !self.policy.lets_out() {
            return Ruling::Refuse("Nobody is asked to let commands out of the sandbox.");
        }
        if !outside && self.policy != Policy::Untrusted {
            return Ruling::Run;
        }
        match kind(call, outside) {
            Some(kind) if !self.allows(&kind) => Ruling::Ask(kind),
            _ => Ruling::Run,
        }
    }

    fn allows(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Command(command) => self.commands.contains(&command.clone().without_reason()),
            Kind::Files(files) => files.iter().all(|file| self.files.contains(file)),
        }
    }

    /// The same command in the same place, or changes of the same files, need not be asked about
    /// again.
    pub(super) fn allow(&mut self, kind: Kind) {
        match kind {
            Kind::Command(command) => drop(self.commands.insert(command.without_reason())),
            Kind::Files(files) => self.files.extend(files),
        }
    }
}

impl Command {
    fn without_reason(self) -> Self {
        Self { reason: None, ..self }
    }
}

/// What reads, and what touches nothing here, is not asked about.
fn kind(call: &PendingCall, outside: bool) -> Option<Kind> {
    match &call.access {
        Access::Reads(_) | Access::Independent => None,
        Access::Writes(files) => Some(Kind::Files(files.clone())),
        Access::Anything => Some(Kind::Command(Command {
            text: match call.arguments.get("command") {
                Some(Value::String(command)) => command.clone(),
                _ => format!("{} {}", call.tool_name, Value::Object(call.arguments.clone())),
            },
            cwd: call.working_directory.clone(),
            outside,
            reason: escalate::reason(call).filter(|_| outside).map(str::to_owned),
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
            agent_id: None,
            arguments: arguments.as_object().cloned().unwrap_or_default(),
            access,
            working_directory: PathBuf::from("/w"),
        }
    }

    fn shell(command: &str) -> PendingCall {
        call(Access::Anything, json!({ "command": command }))
    }

    fn escalated(command: &str) -> PendingCall {
        let arguments = json!({ "command": command, "sandbox_permissions": "require_escalated",
            "justification": "May I?" });
        PendingCall { tool_name: "shell".to_owned(), ..call(Access::Anything, arguments) }
    }

    fn writes(files: &[&str]) -> PendingCall {
        call(Access::Writes(files.iter().map(PathBuf::from).collect()), json!({}))
    }

    fn command(text: &str, outside: bool) -> Kind {
        let reason = outside.then(|| "May I?".to_owned());
        Kind::Command(Command { text: text.to_owned(), cwd: "/w".into(), outside, reason })
    }

    fn under(policy: &Value) -> Rules {
        Rules { policy: Policy::read(Some(policy)).unwrap().unwrap(), ..Rules::default() }
    }

    #[test]
    fn policies_of_the_protocol_are_read_and_others_refused() {
        for (given, lets_out, wire) in [
            (json!("never"), false, json!("never")),
            (json!("on-request"), true, json!("on-request")),
            (json!("on-failure"), true, json!("on-request")),
            (json!("untrusted"), true, json!("untrusted")),
            (json!({"reject": {"sandbox_approval": true, "rules": true}}), false, json!("never")),
            (json!({"reject": {"sandbox_approval": false}}), true, json!("on-request")),
            (json!({"reject": {}}), false, json!("never")),
        ] {
            let policy = Policy::read(Some(&given)).unwrap().unwrap();
            assert_eq!((policy.lets_out(), policy.wire()), (lets_out, wire), "{given}");
        }
        let granular = Policy::read(Some(&json!({"granular": {"sandbox_approval": true}})));
        let granular = granular.unwrap().unwrap();
        assert!(granular.lets_out());
        assert_eq!(granular.wire()["granular"]["mcp_elicitations"], false);
        assert!(!under(&json!({"granular": {"rules": true}})).policy.lets_out());
        assert_eq!(Policy::read(Some(&Value::Null)).unwrap(), None);
        assert_eq!(Policy::read(None).unwrap(), None);
        for wrong in [
            json!("always"),
            json!(3),
            json!({"gran": {}}),
            json!({"granular": 1}),
            json!({"granular": {"rules": "yes"}}),
            json!({"granular": {"everything": true}}),
        ] {
            assert!(Policy::read(Some(&wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn untrusted_asks_about_commands_and_changes_and_never_about_nothing() {
        let never = Rules::default();
        assert_eq!(never.ruling(&shell("rm x")), Ruling::Run);
        let rules = under(&json!("untrusted"));
        assert_eq!(rules.ruling(&shell("rm x")), Ruling::Ask(command("rm x", false)));
        assert!(matches!(rules.ruling(&writes(&["/w/a"])), Ruling::Ask(Kind::Files(_))));
        assert_eq!(rules.ruling(&call(Access::Reads("/w".into()), json!({}))), Ruling::Run);
        assert_eq!(rules.ruling(&call(Access::Independent, json!({}))), Ruling::Run);
        let odd = rules.ruling(&call(Access::Anything, json!({"a": 1})));
        assert_eq!(odd, Ruling::Ask(command("t {\"a\":1}", false)));
    }

    #[test]
    fn only_a_command_that_wants_out_is_asked_about_on_request() {
        let asked = Ruling::Ask(command("rm x", true));
        for policy in [json!("on-request"), json!({"granular": {"sandbox_approval": true}})] {
            let rules = under(&policy);
            assert_eq!(rules.ruling(&shell("rm x")), Ruling::Run);
            assert_eq!(rules.ruling(&writes(&["/w/a"])), Ruling::Run);
            assert_eq!(rules.ruling(&escalated("rm x")), asked);
        }
        assert_eq!(under(&json!("untrusted")).ruling(&escalated("rm x")), asked);
        // Whatever offered the model the argument: without somebody who is asked, nothing gets out.
        for policy in [json!("never"), json!({"granular": {"sandbox_approval": false}})] {
            assert!(matches!(under(&policy).ruling(&escalated("rm x")), Ruling::Refuse(_)));
        }
    }

    #[test]
    fn what_was_allowed_for_the_session_is_that_and_no_more() {
        let mut rules = under(&json!("untrusted"));
        rules.allow(command("ls", false));
        rules.allow(Kind::Files(vec!["/w/a".into(), "/w/b".into()]));
        let asked = |call: &PendingCall| matches!(rules.ruling(call), Ruling::Ask(_));
        assert!(!asked(&shell("ls")));
        assert!(asked(&shell("ls -l")));
        assert!(asked(&escalated("ls")));
        assert!(asked(&PendingCall { working_directory: "/other".into(), ..shell("ls") }));
        assert!(!asked(&writes(&["/w/b"])));
        assert!(asked(&writes(&["/w/b", "/w/c"])));
        rules.allow(command("ls", true));
        let otherwise = |why: &str| {
            let mut call = escalated("ls");
            call.arguments.insert("justification".to_owned(), json!(why));
            call
        };
        assert_eq!(rules.ruling(&otherwise("for another reason")), Ruling::Run);
    }
}
