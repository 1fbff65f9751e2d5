use serde_json::json;

use super::*;

fn call(tool: &str, arguments: Value) -> ToolCall {
    begun("c", tool, &arguments, &Places::plain("/w"), Some("one\ntwo\nthree\n"))
}

fn diff(path: &str, old: Option<&str>, new: &str) -> ToolContent {
    let old_text = old.map(str::to_owned);
    ToolContent::Diff { path: path.into(), old_text, new_text: new.to_owned() }
}

#[test]
fn a_call_has_a_title_and_a_kind() {
    for (tool, arguments, kind, title) in [
        ("shell", json!({ "command": "\n cargo test\necho" }), ToolKind::Execute, "cargo test…"),
        ("read_file", json!({ "file_path": "/w/a/b.rs" }), ToolKind::Read, "Read a/b.rs"),
        ("read_many_files", json!({ "paths": ["a", "b"] }), ToolKind::Read, "Read a, b"),
        ("grep", json!({ "pattern": "x\u{1b}[2J" }), ToolKind::Search, "Search for x [2J"),
        ("glob", json!({}), ToolKind::Search, "Find"),
        ("shell", json!({}), ToolKind::Execute, "shell"),
        ("server__tool", json!({ "path": 7 }), ToolKind::Other, "server__tool"),
        ("shell", json!("no object"), ToolKind::Execute, "shell"),
    ] {
        let call = call(tool, arguments);
        assert_eq!((call.kind, call.title.as_deref()), (Some(kind), Some(title)));
    }
    let long = call("shell", json!({ "command": "é".repeat(500) })).title.unwrap();
    assert_eq!(long.chars().count(), TITLE_LIMIT + 1);
}

#[test]
fn an_edit_shows_its_change_and_where_it_is() {
    let edit = json!({ "file_path": "a", "old_string": "three", "new_string": "3" });
    let edit = call("edit_file", edit);
    assert_eq!(edit.content, Some(vec![diff("/w/a", Some("three"), "3")]));
    assert_eq!(edit.locations, Some(vec![ToolLocation { path: "/w/a".into(), line: Some(3) }]));
    let write = call("write_file", json!({ "file_path": "/w/a", "content": "new" }));
    assert_eq!(write.content, Some(vec![diff("/w/a", Some("one\ntwo\nthree\n"), "new")]));
    let read = call("read_file", json!({ "file_path": "a", "offset": 0 }));
    assert_eq!(read.content, None);
    assert_eq!(read.locations, Some(vec![ToolLocation { path: "/w/a".into(), line: Some(1) }]));
}

#[test]
fn a_patch_shows_each_of_its_changes() {
    let patch = "*** Begin Patch\n*** Add File: a\n+x\n*** Update File: b\n*** Move to: c\n@@ d\n k\n\
                 -e\n+f\n@@\n-g\n*** Delete File: h\n*** End Patch";
    let call_of = |patch: &str| call("apply_patch", json!({ "patch": patch }));
    let edit = call_of(patch);
    assert_eq!(
        edit.content,
        Some(vec![
            diff("/w/a", None, "x\n"),
            diff("/w/c", Some("k\ne\n"), "k\nf\n"),
            diff("/w/c", Some("g\n"), ""),
        ])
    );
    let places = edit.locations.unwrap();
    let paths: Vec<&str> = places.iter().filter_map(|place| place.path.to_str()).collect();
    assert_eq!(paths, ["/w/a", "/w/b", "/w/h"]);
    assert_eq!((edit.kind, edit.title.as_deref()), (Some(ToolKind::Edit), Some("Edit a, b, h")));
    let delete = call_of("*** Begin Patch\n*** Delete File: h\n*** End Patch");
    assert_eq!(delete.kind, Some(ToolKind::Delete));
    let rename = call_of("*** Begin Patch\n*** Update File: b\n*** Move to: c\n*** End Patch");
    assert_eq!(rename.kind, Some(ToolKind::Move));
    let broken = call_of("*** Begin");
    assert_eq!((broken.kind, broken.content), (Some(ToolKind::Edit), None));
}

#[test]
fn an_end_shows_the_change_or_the_output() {
    let edit =
        || call("edit_file", json!({ "file_path": "a", "old_string": "b", "new_string": "c" }));
    let details = json!({ "change": "update" });
    let end = |is_error| Ending { output: "text\n", is_error, details: &details };
    let made = ended(edit(), &end(false));
    assert_eq!(made.status, Some(ToolStatus::Completed));
    assert_eq!(made.content, Some(vec![diff("/w/a", Some("b"), "c")]));
    assert_eq!((made.raw_output, made.raw_input, made.title), (Some(details.clone()), None, None));
    let failed = ended(edit(), &end(true));
    assert_eq!(failed.status, Some(ToolStatus::Failed));
    assert_eq!(failed.content, Some(vec![ToolContent::text("```\ntext\n```")]));
    let silent = Ending { output: "", is_error: false, details: &Value::Null };
    let silent = ended(call("shell", json!({ "command": "true" })), &silent);
    assert_eq!((silent.content, silent.raw_output), (Some(Vec::new()), None));
}

#[test]
fn nothing_in_an_output_ends_its_fence() {
    assert_eq!(fenced("a ````` b"), "``````\na ````` b\n``````");
    let long = fenced(&format!("{}{}", "x".repeat(10), "é".repeat(OUTPUT_LIMIT)));
    assert!(long.starts_with("```\n[the first 10 characters are left out]\né"), "{}", &long[..80]);
}

#[test]
fn only_tools_that_change_one_file_name_it() {
    let arguments = json!({ "file_path": "a" });
    let changed = |tool: &str| changed_file(tool, &arguments, &Places::plain("/w"));
    assert_eq!(changed("edit_file"), Some("/w/a".into()));
    assert_eq!(changed("read_file"), None);
}
