//! What of a server's tools a model is offered: names, descriptions and schemas that every provider
//! takes.

use std::collections::BTreeMap;

use canon_llm::ToolDefinition;
use canon_runtime::schema::Schema;
use rmcp::model::Tool;
use serde_json::{Map, Value, json};

use super::{MOST_WORDS, clean};

/// Characters of a name that providers take.
const MOST_NAME: usize = 64;
/// Bytes of a schema, as JSON.
const MOST_SCHEMA: usize = 64 * 1024;
/// Parts of a schema when every reference in it is followed: each may be tried for each value.
const MOST_PARTS: usize = 20_000;
/// References that lead from one to the next.
const MOST_REFERENCES: usize = 32;
/// Bytes of a server's definitions that people are told of: they go with every request.
const MUCH: usize = 64 * 1024;

/// A tool that a model can be offered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offered {
    /// What the model sees; the name begins with the server's.
    pub(super) definition: ToolDefinition,
    /// The server's own name of it.
    pub(super) remote: String,
}

/// The tools of a server that `allowed` names, in the server's order, and what had to be left out,
/// in words.
///
/// # Errors
/// Two tools that would have one name.
pub(super) fn offer(
    server: &str,
    tools: Vec<Tool>,
    allowed: Option<&[String]>,
) -> Result<(Vec<Offered>, Vec<String>), String> {
    let mut notes = Vec::new();
    for name in allowed.unwrap_or_default() {
        if !tools.iter().any(|tool| tool.name == *name) {
            notes
                .push(format!("has no tool `{}`, which the configuration lists", clean(name, 100)));
        }
    }
    let is_allowed =
        |tool: &Tool| allowed.is_none_or(|names| names.iter().any(|n| tool.name == *n));
    let mut remotes: BTreeMap<String, String> = BTreeMap::new();
    let mut offered = Vec::new();
    for tool in tools.into_iter().filter(is_allowed) {
        let name = tool_name(server, &tool.name);
        if let Some(other) = remotes.insert(name.clone(), tool.name.to_string()) {
            let tool = clean(&tool.name, 100);
            let other = clean(&other, 100);
            return Err(format!("tools `{other}` and `{tool}` would both be called `{name}`"));
        }
        match parameters(&tool.input_schema) {
            Ok(parameters) => offered.push(Offered {
                definition: ToolDefinition { name, description: description(&tool), parameters },
                remote: tool.name.into_owned(),
            }),
            Err(why) => {
                notes.push(format!("tool `{}` is left out: {why}", clean(&tool.name, 100)));
            }
        }
    }
    let bytes: usize = offered.iter().map(bytes).sum();
    if bytes > MUCH {
        let (count, kib) = (offered.len(), bytes / 1024);
        notes.push(format!(
            "its {count} tools are {kib} KiB of every request; name those that are wanted under `tools`"
        ));
    }
    Ok((offered, notes))
}

fn bytes(Offered { definition, .. }: &Offered) -> usize {
    definition.description.len() + definition.parameters.to_string().len()
}

/// `SERVER__TOOL` in letters, digits and `_`; a name that is too long keeps its beginning and gets a
/// number that follows from the whole.
fn tool_name(server: &str, tool: &str) -> String {
    let whole = format!("{server}__{tool}");
    let mut name: String =
        whole.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.len() > MOST_NAME {
        name.truncate(MOST_NAME - 9);
        name.push_str(&format!("_{:08x}", number_of(&whole)));
    }
    name
}

/// FNV-1a: the same in every build.
fn number_of(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn description(tool: &Tool) -> String {
    let own = tool.description.as_deref().filter(|text| !text.trim().is_empty());
    clean(own.or(tool.title.as_deref()).unwrap_or(&tool.name).trim(), MOST_WORDS)
}

/// The schema of the arguments with an object at its root and no alternatives there, which providers
/// refuse; the server checks what that loses.
fn parameters(schema: &Map<String, Value>) -> Result<Value, String> {
    let mut root = schema.clone();
    for key in ["$schema", "$id"] {
        root.remove(key);
    }
    let is_object = match root.get("type") {
        None => true,
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.contains(&json!("object")),
        Some(_) => false,
    };
    if !is_object {
        return Err("its arguments are no object".to_owned());
    }
    root.insert("type".to_owned(), json!("object"));
    for key in ["allOf", "anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = root.remove(key) {
            for branch in &branches {
                take_in(&mut root, branch, key == "allOf");
            }
        }
    }
    root.entry("properties").or_insert_with(|| json!({}));
    let mut parameters = Value::Object(root);
    clean_words(&mut parameters);
    let size = parameters.to_string().len();
    if size > MOST_SCHEMA {
        return Err(format!("its schema has {size} bytes, {MOST_SCHEMA} are allowed"));
    }
    if !is_checkable(&parameters) {
        return Err("its schema has too many references to be checked".to_owned());
    }
    Schema::compile(&parameters).map_err(|error| clean(&error.to_string(), 300))?;
    Ok(parameters)
}

/// Whether checking a value takes a bounded time: references that branch again and again are few bytes
/// and hours of work.
fn is_checkable(root: &Value) -> bool {
    fn walk<'a>(part: &'a Value, root: &'a Value, on: &mut Vec<&'a str>, left: &mut usize) -> bool {
        let Some(rest) = left.checked_sub(1) else { return false };
        *left = rest;
        match part {
            Value::Array(items) => items.iter().all(|item| walk(item, root, on, left)),
            Value::Object(members) => {
                let pointer = members.get("$ref").and_then(Value::as_str).unwrap_or_default();
                let target = pointer.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
                // What leads back to itself is followed as deep as the value goes.
                if let Some(target) = target.filter(|_| !on.contains(&pointer)) {
                    on.push(pointer);
                    if on.len() > MOST_REFERENCES || !walk(target, root, on, left) {
                        return false;
                    }
                    on.pop();
                }
                // What is only defined costs nothing until it is referred to.
                let used = members
                    .iter()
                    .filter(|(key, _)| !matches!(key.as_str(), "$defs" | "definitions"));
                used.map(|(_, value)| value).all(|value| walk(value, root, on, left))
            }
            _ => true,
        }
    }
    walk(root, root, &mut Vec::new(), &mut MOST_PARTS.clone())
}

/// Puts the properties of an alternative beside those of the root; they are demanded only where the
/// alternative is none.
fn take_in(root: &mut Map<String, Value>, branch: &Value, always: bool) {
    let properties = root.entry("properties").or_insert_with(|| json!({}));
    if let (Some(all), Some(more)) = (properties.as_object_mut(), branch["properties"].as_object())
    {
        for (name, schema) in more {
            all.entry(name.as_str()).or_insert_with(|| schema.clone());
        }
    }
    if let Some(more) = branch["required"].as_array().filter(|_| always)
        && let Some(all) = root.entry("required").or_insert_with(|| json!([])).as_array_mut()
    {
        let fresh: Vec<Value> = more.iter().filter(|name| !all.contains(name)).cloned().collect();
        all.extend(fresh);
    }
}

/// Cleans what is prose in a schema; names and values are the server's business.
fn clean_words(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if matches!(key.as_str(), "description" | "title") => {
                        *text = clean(text, MOST_WORDS);
                    }
                    other => clean_words(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(clean_words),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, schema: Value) -> Tool {
        serde_json::from_value(json!({"name": name, "description": "d", "inputSchema": schema}))
            .unwrap()
    }

    fn schema_of(schema: Value) -> Value {
        parameters(schema.as_object().unwrap()).unwrap()
    }

    #[test]
    fn names_are_those_that_every_provider_takes() {
        assert_eq!(tool_name("git-hub", "repo/create.pr"), "git_hub__repo_create_pr");
        let long = "x".repeat(100);
        let (a, b) = (tool_name("s", &long), tool_name("s", &format!("{long}y")));
        assert_eq!((a.len(), b.len()), (64, 64));
        assert_ne!(a, b);
        for name in [a, b, tool_name("s", "ü ")] {
            let definition = ToolDefinition {
                name,
                description: String::new(),
                parameters: json!({"type": "object"}),
            };
            definition.validate().unwrap();
        }
    }

    #[test]
    fn two_tools_of_one_name_are_an_error() {
        let tools = vec![tool("a.b", json!({})), tool("a_b", json!({}))];
        let error = offer("s", tools.clone(), None).unwrap_err();
        assert!(error.contains("`a.b`") && error.contains("`s__a_b`"), "{error}");
        let (offered, notes) = offer("s", tools, Some(&["a.b".to_owned()])).unwrap();
        assert_eq!((offered.len(), notes.len()), (1, 0));
        assert_eq!(offered[0].remote, "a.b");
    }

    #[test]
    fn a_listed_tool_that_is_not_there_is_noted() {
        let allowed = ["a".to_owned(), "b".to_owned()];
        let (offered, notes) = offer("s", vec![tool("a", json!({}))], Some(&allowed)).unwrap();
        assert_eq!(offered.len(), 1);
        assert!(notes[0].contains("no tool `b`"), "{notes:?}");
    }

    #[test]
    fn schemas_have_an_object_without_alternatives_at_the_root() {
        assert_eq!(schema_of(json!({})), json!({"type": "object", "properties": {}}));
        let schema = json!({"$schema": "http://json-schema.org/draft-07/schema#",
                            "type": ["object", "null"], "properties": {"a": {"type": "string"}}});
        let expected = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        assert_eq!(schema_of(schema), expected);
        let schema = json!({
            "properties": {"a": {"type": "string"}},
            "allOf": [{"properties": {"b": {}}, "required": ["b"]}],
            "oneOf": [{"properties": {"a": {}, "c": {}}, "required": ["c"]}],
        });
        let expected = json!({"properties": {"a": {"type": "string"}, "b": {}, "c": {}},
                              "type": "object", "required": ["b"]});
        assert_eq!(schema_of(schema), expected);
    }

    #[test]
    fn a_tool_whose_schema_is_of_no_use_is_left_out_and_noted() {
        let much = json!({"properties": {"a": {"enum": ["x".repeat(MOST_SCHEMA)]}}});
        let tools = vec![
            tool("text", json!({"type": "string"})),
            tool("broken", json!({"properties": {"a": {"type": 3}}})),
            tool("elsewhere", json!({"$ref": "https://example.com/schema.json"})),
            tool("much", much),
            tool("good", json!({"type": "object"})),
        ];
        let (offered, notes) = offer("s", tools, None).unwrap();
        let names: Vec<_> = offered.iter().map(|tool| tool.definition.name.as_str()).collect();
        assert_eq!(names, ["s__good"]);
        for (note, part) in notes.iter().zip(["no object", "broken", "elsewhere", "65536"]) {
            assert!(note.contains(part), "{part}: {note}");
        }
        assert_eq!(notes.len(), 4);
    }

    #[test]
    fn schemas_that_take_hours_to_check_are_refused_and_trees_are_not() {
        let chain = |count: usize, next: fn(Value) -> Value| {
            let mut defs = Map::new();
            defs.insert("x0".to_owned(), json!({"type": "string"}));
            for at in 1..count {
                let reference = json!({"$ref": format!("#/$defs/x{}", at - 1)});
                defs.insert(format!("x{at}"), next(reference));
            }
            json!({"$defs": defs, "properties": {"a": {"$ref": format!("#/$defs/x{}", count - 1)}}})
        };
        let refused = |schema: Value| parameters(schema.as_object().unwrap()).unwrap_err();
        let twice = |reference| json!({"anyOf": [reference, reference]});
        assert!(refused(chain(24, twice)).contains("too many references"));
        assert!(refused(chain(2000, |reference| reference)).contains("too many references"));
        schema_of(chain(8, twice));
        let tree = json!({"$defs": {"node": {"properties": {"children":
            {"type": "array", "items": {"$ref": "#/$defs/node"}}}}},
            "properties": {"root": {"$ref": "#/$defs/node"}}});
        schema_of(tree);
        schema_of(json!({"properties": {"a": {"$ref": "#/properties/a"}}}));
    }

    #[test]
    fn people_are_told_of_a_server_whose_tools_are_much() {
        let one = |at: usize| {
            let mut tool = tool(&format!("t{at}"), json!({}));
            tool.description = Some("w".repeat(1500).into());
            tool
        };
        let (_, notes) = offer("s", (0..10).map(one).collect(), None).unwrap();
        assert_eq!(notes, [] as [String; 0]);
        let (_, notes) = offer("s", (0..60).map(one).collect(), None).unwrap();
        assert!(notes[0].contains("60 tools are 8") && notes[0].contains("KiB"), "{notes:?}");
    }

    #[test]
    fn words_are_cleaned_and_bounded_and_values_are_not() {
        let schema = json!({"properties": {"description": {"description": "a\u{202e}b", "enum": ["\u{1b}"]}}});
        let expected = json!({"properties": {"description": {"description": "ab", "enum": ["\u{1b}"]}},
                              "type": "object"});
        assert_eq!(schema_of(schema), expected);
        let mut long = tool("t", json!({}));
        long.description = Some("w".repeat(9000).into());
        let (offered, _) = offer("s", vec![long], None).unwrap();
        assert_eq!(offered[0].definition.description.chars().count(), MOST_WORDS + 1);
    }
}
