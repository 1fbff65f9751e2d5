//! Other names of arguments. Models write by habit what the agent of their maker calls an argument;
//! to refuse a call for that costs a reply and teaches nothing.

use serde_json::{Map, Value};

/// A name, and the one that it is taken for.
type Alias = (&'static str, &'static str);

const FILE: &[Alias] = &[("path", "file_path"), ("absolute_path", "file_path")];

/// By tool. A name that the tool's schema knows itself is never taken for another.
const ALIASES: &[(&str, &[Alias])] = &[
    ("read_file", FILE),
    ("read_file", &[("start_line", "offset")]),
    ("write_file", FILE),
    ("edit_file", FILE),
    ("edit_file", &[("allow_multiple", "replace_all"), ("replace_all", "allow_multiple")]),
    ("edit_file", &[("old_str", "old_string"), ("new_str", "new_string")]),
    ("apply_patch", &[("input", "patch")]),
    ("shell", &[("cmd", "command"), ("timeout", "timeout_ms")]),
    ("shell", &[("cwd", "workdir"), ("dir_path", "workdir")]),
    ("grep", &[("dir_path", "path"), ("-i", "case_insensitive")]),
    ("grep", &[("glob", "glob_filter"), ("include", "glob_filter")]),
    ("grep", &[("include_pattern", "glob_filter"), ("total_max_matches", "max_results")]),
    ("grep", &[("head_limit", "max_results")]),
    ("glob", &[("dir_path", "path")]),
    ("list_dir", &[("dir_path", "path")]),
];

/// Gives arguments of `tool` the names that `properties`, those of its schema, know.
pub(super) fn rename(
    tool: &str,
    properties: &Map<String, Value>,
    arguments: &mut Map<String, Value>,
) {
    for (alias, name) in of(tool) {
        let applies = !properties.contains_key(alias)
            && properties.contains_key(name)
            && !arguments.contains_key(name);
        if applies && let Some(value) = arguments.remove(alias) {
            arguments.insert(name.to_owned(), value);
        }
    }
}

/// The arguments of a call to one of the tools of this crate by the names that those tools give
/// them, as in [`EventData::ToolCallStart`](crate::EventData::ToolCallStart): for who reads a
/// conversation that was kept, where they stand as the model wrote them. Others are left as they
/// are.
pub fn canonical_arguments(tool: &str, arguments: &Value) -> Value {
    let Value::Object(arguments) = arguments else { return arguments.clone() };
    let mut arguments = arguments.clone();
    for (alias, name) in of(tool) {
        // Of two names that stand for each other, each is some profile's own.
        let either = of(tool).any(|(other, own)| (other, own) == (name, alias));
        if !either
            && !arguments.contains_key(name)
            && let Some(value) = arguments.remove(alias)
        {
            arguments.insert(name.to_owned(), value);
        }
    }
    Value::Object(arguments)
}

fn of(tool: &str) -> impl Iterator<Item = Alias> {
    let rows = ALIASES.iter().filter(move |(name, _)| *name == tool);
    rows.flat_map(|(_, aliases)| aliases.iter().copied())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn renamed(tool: &str, properties: &[&str], arguments: Value) -> Value {
        let properties = properties.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        let Value::Object(mut arguments) = arguments else { panic!() };
        rename(tool, &properties, &mut arguments);
        Value::Object(arguments)
    }

    #[test]
    fn a_name_of_another_agent_is_taken_for_ours() {
        assert_eq!(
            renamed("shell", &["command", "timeout_ms"], json!({"cmd": "ls", "timeout": 5})),
            json!({"command": "ls", "timeout_ms": 5})
        );
        assert_eq!(
            renamed("grep", &["pattern", "glob_filter"], json!({"pattern": "x", "glob": "*.rs"})),
            json!({"pattern": "x", "glob_filter": "*.rs"})
        );
    }

    #[test]
    fn kept_arguments_are_read_by_the_tools_own_names() {
        let own = |tool, arguments| canonical_arguments(tool, &arguments);
        assert_eq!(own("shell", json!({"cmd": "ls"})), json!({"command": "ls"}));
        assert_eq!(own("shell", json!({"cmd": 1, "command": 2})), json!({"cmd": 1, "command": 2}));
        assert_eq!(own("apply_patch", json!({"input": "p"})), json!({"patch": "p"}));
        for kept in [json!({"replace_all": true}), json!({"allow_multiple": true}), json!("{")] {
            assert_eq!(own("edit_file", kept.clone()), kept);
        }
        assert_eq!(own("other", json!({"cmd": "ls"})), json!({"cmd": "ls"}));
    }

    #[test]
    fn what_the_schema_knows_or_the_call_has_twice_stays() {
        // A tool of a host may mean something else.
        let own = json!({"cmd": "ls"});
        assert_eq!(renamed("shell", &["cmd", "command"], own.clone()), own);
        assert_eq!(renamed("shell", &["line"], own.clone()), own);
        assert_eq!(renamed("run", &["command"], own.clone()), own);
        let both = json!({"cmd": "ls", "command": "pwd"});
        assert_eq!(renamed("shell", &["command"], both.clone()), both);
    }
}
