//! The agent's questions: what they ask, and what an answer to them looks like on the wire.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::event::{InputKind, Question};

/// How a question is answered on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `{decision: accept | acceptForSession | decline | cancel}`.
    Decision,
    /// `{decision: approved | approved_for_session | {denied} | abort}`, of older requests.
    Review,
    /// `{permissions, scope}`.
    Permissions,
    /// `{answers}`.
    UserInput,
    /// `{action, content}`.
    Elicitation,
}

/// What a person, or policy in a person's place, decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept { for_session: bool },
    Decline,
    Cancel,
}

impl Form {
    /// The form of a request, if it is a question.
    pub(super) fn of(method: &str) -> Option<Form> {
        match method {
            "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => {
                Some(Form::Decision)
            }
            "execCommandApproval" | "applyPatchApproval" => Some(Form::Review),
            "item/permissions/requestApproval" => Some(Form::Permissions),
            "item/tool/requestUserInput" => Some(Form::UserInput),
            "mcpServer/elicitation/request" => Some(Form::Elicitation),
            _ => None,
        }
    }

    pub(super) fn kind(self) -> InputKind {
        match self {
            Form::Decision | Form::Review => InputKind::Approval,
            Form::Permissions => InputKind::Permissions,
            Form::UserInput => InputKind::UserInput,
            Form::Elicitation => InputKind::Elicitation,
        }
    }

    /// True for what policy alone may grant or refuse.
    pub(super) fn is_approval(self) -> bool {
        matches!(self, Form::Decision | Form::Review | Form::Permissions)
    }

    /// The result that says this verdict.
    pub(super) fn verdict(self, verdict: Verdict, raw: &Value) -> Value {
        match (self, verdict) {
            (Form::Decision, Verdict::Accept { for_session }) => {
                let offered = raw["availableDecisions"].as_array();
                let lasting = offered.is_none_or(|all| all.iter().any(|d| d == "acceptForSession"));
                let for_session = for_session && lasting;
                json!({ "decision": if for_session { "acceptForSession" } else { "accept" } })
            }
            (Form::Decision, Verdict::Decline) => json!({ "decision": "decline" }),
            (Form::Decision, Verdict::Cancel) => json!({ "decision": "cancel" }),
            (Form::Review, Verdict::Accept { for_session: true }) => {
                json!({ "decision": "approved_for_session" })
            }
            (Form::Review, Verdict::Accept { .. }) => json!({ "decision": "approved" }),
            (Form::Review, Verdict::Decline) => {
                json!({ "decision": { "denied": { "rejection": "declined" } } })
            }
            (Form::Review, Verdict::Cancel) => json!({ "decision": "abort" }),
            (Form::Permissions, Verdict::Accept { for_session }) => json!({
                "permissions": granted(&raw["permissions"]),
                "scope": if for_session { "session" } else { "turn" },
            }),
            (Form::Permissions, _) => json!({ "permissions": {}, "scope": "turn" }),
            (Form::UserInput, _) => json!({ "answers": {} }),
            (Form::Elicitation, Verdict::Accept { .. }) => {
                let form = raw.get("requestedSchema").is_some();
                let content = if form { json!({}) } else { Value::Null };
                json!({ "action": "accept", "content": content })
            }
            (Form::Elicitation, Verdict::Decline) => json!({ "action": "decline" }),
            (Form::Elicitation, Verdict::Cancel) => json!({ "action": "cancel" }),
        }
    }

    /// The result that says this answer; `Err` tells what would do instead.
    pub(super) fn result(
        self,
        answer: &Answer,
        raw: &Value,
        questions: &[Question],
    ) -> Result<Value, String> {
        let accepts = matches!(answer, Answer::Accept { .. });
        match (self, answer) {
            (_, Answer::Raw { result }) => Ok(result.clone()),
            (Form::UserInput, _) if accepts => Err(questions_expected(questions)),
            (Form::Elicitation, _) if accepts && !fields(raw).is_empty() => Err(form_expected(raw)),
            (_, Answer::Accept { for_session }) => {
                Ok(self.verdict(Verdict::Accept { for_session: *for_session }, raw))
            }
            (_, Answer::Decline) => Ok(self.verdict(Verdict::Decline, raw)),
            (_, Answer::Cancel) => Ok(self.verdict(Verdict::Cancel, raw)),
            (Form::UserInput, Answer::UserInput { answers }) => Ok(user_input(answers)),
            (Form::UserInput, Answer::Text { text }) => user_input_text(text, questions),
            (Form::Elicitation, Answer::Form { content }) if content.is_object() => {
                Ok(json!({ "action": "accept", "content": content }))
            }
            (Form::Elicitation, Answer::Text { text }) => elicitation_text(text, raw),
            (_, Answer::Text { text }) => match decision(text) {
                Some(verdict) => Ok(self.verdict(verdict, raw)),
                None => Err("yes, always, no or stop".to_owned()),
            },
            (Form::UserInput, _) => Err(questions_expected(questions)),
            (Form::Elicitation, _) => Err(form_expected(raw)),
            _ => Err("a decision: accept, decline or cancel".to_owned()),
        }
    }
}

/// The requested permissions that are set, and no other member.
fn granted(requested: &Value) -> Value {
    let mut granted = Map::new();
    for name in ["fileSystem", "network"] {
        if let Some(permission) = requested.get(name).filter(|value| !value.is_null()) {
            granted.insert(name.to_owned(), permission.clone());
        }
    }
    Value::Object(granted)
}

fn decision(text: &str) -> Option<Verdict> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "y" | "ok" | "approve" | "accept" => Some(Verdict::Accept { for_session: false }),
        "always" | "session" => Some(Verdict::Accept { for_session: true }),
        "no" | "n" | "deny" | "decline" | "reject" => Some(Verdict::Decline),
        "stop" | "cancel" | "abort" => Some(Verdict::Cancel),
        _ => None,
    }
}

fn user_input(answers: &BTreeMap<String, Vec<String>>) -> Value {
    let answers: Map<String, Value> =
        answers.iter().map(|(id, answers)| (id.clone(), json!({ "answers": answers }))).collect();
    json!({ "answers": answers })
}

/// One line for one question, or a JSON object of answers by question id.
fn user_input_text(text: &str, questions: &[Question]) -> Result<Value, String> {
    if let Some(answers) = answers_object(text, questions) {
        return Ok(user_input(&answers));
    }
    match questions {
        [one] => Ok(user_input(&BTreeMap::from([(one.id.clone(), vec![text.to_owned()])]))),
        _ => Err(questions_expected(questions)),
    }
}

fn answers_object(text: &str, questions: &[Question]) -> Option<BTreeMap<String, Vec<String>>> {
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let known = |id: &String| questions.iter().any(|question| question.id == *id);
    if object.is_empty() || !object.keys().all(known) {
        return None;
    }
    object
        .into_iter()
        .map(|(id, answer)| match answer {
            Value::String(one) => Some((id, vec![one])),
            Value::Array(all) => {
                let all: Option<Vec<_>> =
                    all.iter().map(|one| one.as_str().map(str::to_owned)).collect();
                Some((id, all?))
            }
            _ => None,
        })
        .collect()
}

fn questions_expected(questions: &[Question]) -> String {
    let ids: Vec<&str> = questions.iter().map(|question| question.id.as_str()).collect();
    format!("answers to the questions {}, as an object by id", ids.join(", "))
}

/// Fields of an elicitation's form: name and JSON type.
fn fields(raw: &Value) -> Vec<(&str, &str)> {
    let properties = raw["requestedSchema"]["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.as_str(), schema["type"].as_str().unwrap_or("string")))
        .collect()
}

fn elicitation_text(text: &str, raw: &Value) -> Result<Value, String> {
    let content = |content: Value| Ok(json!({ "action": "accept", "content": content }));
    match fields(raw).as_slice() {
        [] => match decision(text) {
            Some(verdict) => Ok(Form::Elicitation.verdict(verdict, raw)),
            None => Err("yes, no or stop".to_owned()),
        },
        [(name, kind)] => {
            let value = match *kind {
                "string" => Some(json!(text)),
                "boolean" => match decision(text) {
                    Some(Verdict::Accept { .. }) => Some(json!(true)),
                    Some(Verdict::Decline) => Some(json!(false)),
                    _ => text.trim().parse::<bool>().ok().map(Value::from),
                },
                "integer" => text.trim().parse::<i64>().ok().map(Value::from),
                "number" => text.trim().parse::<f64>().ok().map(Value::from),
                _ => None,
            };
            match value {
                Some(value) => content(json!({ *name: value })),
                None => Err(form_expected(raw)),
            }
        }
        _ => match serde_json::from_str::<Value>(text) {
            Ok(object) if object.is_object() => content(object),
            _ => Err(form_expected(raw)),
        },
    }
}

fn form_expected(raw: &Value) -> String {
    let fields: Vec<String> =
        fields(raw).iter().map(|(name, kind)| format!("{name} ({kind})")).collect();
    format!("an object with the fields {}", fields.join(", "))
}

/// The single questions of a user input request.
pub(super) fn read(raw: &Value) -> Vec<Question> {
    let questions = raw["questions"].as_array().map(Vec::as_slice).unwrap_or_default();
    questions
        .iter()
        .map(|question| {
            let text = |name: &str| question[name].as_str().unwrap_or_default().to_owned();
            let options = question["options"].as_array().map(Vec::as_slice).unwrap_or_default();
            Question {
                id: text("id"),
                header: text("header"),
                question: text("question"),
                options: options
                    .iter()
                    .filter_map(|option| option["label"].as_str())
                    .map(str::to_owned)
                    .collect(),
                secret: question["isSecret"].as_bool().unwrap_or(false),
            }
        })
        .collect()
}

/// A request in words. `paths` are those of the file change that it is about.
pub(super) fn words(form: Form, raw: &Value, questions: &[Question], paths: &[String]) -> String {
    let text = |name: &str| raw[name].as_str().filter(|text| !text.is_empty());
    let because = text("reason").map(|reason| format!(" ({reason})")).unwrap_or_default();
    match form {
        Form::UserInput => questions
            .iter()
            .map(|question| match question.options.as_slice() {
                [] => question.question.clone(),
                options => format!("{} [{}]", question.question, options.join(" | ")),
            })
            .collect::<Vec<_>>()
            .join("\n"),
        Form::Elicitation => {
            let server = text("serverName").unwrap_or("a server");
            let message = text("message").or(text("description")).unwrap_or("needs input");
            let url = text("url").map(|url| format!(" <{url}>")).unwrap_or_default();
            format!("{server}: {message}{url}")
        }
        Form::Permissions => {
            format!("grant permissions {}{because}?", granted(&raw["permissions"]))
        }
        Form::Decision | Form::Review => match (command(raw), change(raw, paths)) {
            (Some(command), _) => format!("run `{command}`{because}?"),
            (None, Some(paths)) => format!("change {paths}{because}?"),
            (None, None) => format!("approve{because}?"),
        },
    }
}

fn command(raw: &Value) -> Option<String> {
    match &raw["command"] {
        Value::String(command) => Some(command.clone()),
        Value::Array(words) => {
            Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

fn change(raw: &Value, paths: &[String]) -> Option<String> {
    if !paths.is_empty() {
        return Some(paths.join(", "));
    }
    if let Some(changes) = raw["fileChanges"].as_object() {
        return Some(changes.keys().cloned().collect::<Vec<_>>().join(", "));
    }
    raw["grantRoot"].as_str().map(|root| format!("files under {root}"))
}
