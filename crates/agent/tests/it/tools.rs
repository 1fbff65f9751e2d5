//! Each tool on a real directory.

use std::sync::Arc;

use canon_agent::tools::{
    ApplyPatch, CommandTimeouts, ListDir, OutputDeltas, ReadManyFiles, ToolRegistry, core_tools,
};
use canon_agent::{Tool, ToolContext, ToolOutput};
use canon_exec::ExecutionEnvironment;
use canon_llm::{ToolCall, ToolCallData};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::Place;

pub(crate) async fn call(place: &Place, tool: &str, arguments: Value) -> ToolOutput {
    call_in(place.env(), Default::default(), tool, arguments).await
}

fn every_tool() -> Vec<Arc<dyn Tool>> {
    let mut tools = core_tools();
    let others: [Arc<dyn Tool>; 3] =
        [Arc::new(ApplyPatch), Arc::new(ListDir), Arc::new(ReadManyFiles)];
    tools.extend(others);
    tools
}

pub(crate) async fn call_in(
    env: Arc<dyn ExecutionEnvironment>,
    cancel: CancellationToken,
    tool: &str,
    arguments: Value,
) -> ToolOutput {
    call_from(every_tool(), env, cancel, tool, arguments).await
}

/// One tool that no list has.
pub(crate) async fn call_tool(
    env: Arc<dyn ExecutionEnvironment>,
    tool: Arc<dyn Tool>,
    arguments: Value,
) -> ToolOutput {
    let name = tool.definition().name;
    call_from(vec![tool], env, CancellationToken::new(), &name, arguments).await
}

async fn call_from(
    tools: Vec<Arc<dyn Tool>>,
    env: Arc<dyn ExecutionEnvironment>,
    cancel: CancellationToken,
    tool: &str,
    arguments: Value,
) -> ToolOutput {
    let registry = ToolRegistry::new(tools).unwrap();
    let prepared = match registry.prepare(&ToolCall::from(&ToolCallData::new("c", tool, arguments)))
    {
        Ok(prepared) => prepared,
        Err(error) => return ToolOutput::error(error.to_string()),
    };
    let context = ToolContext {
        env,
        cancel,
        call_id: "c".to_owned(),
        output: OutputDeltas::default(),
        timeouts: CommandTimeouts { default_ms: 10_000, max_ms: 600_000 },
    };
    Arc::clone(&prepared.tool).run(prepared.arguments, context).await
}

#[tokio::test]
async fn read_file_numbers_lines_relative_and_absolute() {
    let place = Place::new();
    place.write("src/a.txt", "one\ntwo\n");
    let relative = call(&place, "read_file", json!({"file_path": "src/../src/a.txt"})).await;
    assert_eq!(relative, ToolOutput::ok("  1 | one\n  2 | two\n"));
    let absolute = place.path("src/a.txt").canonicalize().unwrap();
    let part =
        call(&place, "read_file", json!({"file_path": absolute, "offset": 2, "limit": 1})).await;
    assert_eq!(part.text, "  2 | two\n");
}

#[tokio::test]
async fn read_file_knows_pictures_binaries_and_what_is_missing() {
    let place = Place::new();
    let png = b"\x89PNG\r\n\x1a\nnot really";
    place.write("p.txt", png);
    place.write("b", b"a\0b");
    let picture = call(&place, "read_file", json!({"file_path": "p.txt"})).await;
    assert_eq!(picture.images[0].data, png);
    assert_eq!(picture.images[0].media_type, "image/png");
    assert!(!picture.is_error);
    let binary = call(&place, "read_file", json!({"file_path": "b"})).await;
    assert!(binary.is_error && binary.text.contains("binary"), "{}", binary.text);
    for missing in ["nowhere", "."] {
        assert!(call(&place, "read_file", json!({"file_path": missing})).await.is_error);
    }
}

#[tokio::test]
async fn write_file_creates_directories_and_replaces() {
    let place = Place::new();
    let output =
        call(&place, "write_file", json!({"file_path": "a/b/c", "content": "héllo"})).await;
    assert_eq!(output.text, "Wrote 6 bytes to a/b/c (created).");
    let output = call(&place, "write_file", json!({"file_path": "a/b/c", "content": ""})).await;
    assert_eq!(output.text, "Wrote 0 bytes to a/b/c (replaced).");
    assert_eq!(output.details["change"], "update");
    assert!(call(&place, "write_file", json!({"file_path": "a", "content": ""})).await.is_error);
}

#[tokio::test]
async fn edit_file_replaces_once_or_says_why_not() {
    let place = Place::new();
    place.write("f", "alpha\nbeta\nalpha\n");
    let edit = |old: &str, new: &str, all: bool| json!({"file_path": "f", "old_string": old, "new_string": new, "replace_all": all});
    let twice = call(&place, "edit_file", edit("alpha", "x", false)).await;
    assert!(twice.is_error);
    assert!(twice.text.contains("occurs 2 times (at lines 1, 3)"), "{}", twice.text);
    assert_eq!(place.read("f"), "alpha\nbeta\nalpha\n");
    let all = call(&place, "edit_file", edit("alpha", "x", true)).await;
    assert_eq!(all.text, "Made 2 replacements in f.");
    let fuzzy = call(&place, "edit_file", edit("beta  ", "y", false)).await;
    assert!(fuzzy.text.contains("ignoring white space"), "{}", fuzzy.text);
    assert_eq!(place.read("f"), "x\ny\nx\n");
    let missing = call(&place, "edit_file", edit("gamma", "z", false)).await;
    assert!(missing.is_error && missing.text.contains("not found"));
    place.write("latin", b"gr\xfcn");
    let refused = call(
        &place,
        "edit_file",
        json!({"file_path": "latin", "old_string": "g", "new_string": "G"}),
    )
    .await;
    assert!(refused.is_error, "an old encoding is not rewritten");
}

#[tokio::test]
async fn shell_joins_both_streams_and_reports_the_exit() {
    let place = Place::new();
    let output = call(&place, "shell", json!({"command": "echo out; echo err >&2; exit 7"})).await;
    assert!(output.is_error);
    let lines: Vec<&str> = output.text.lines().collect();
    assert_eq!(lines[0], "Exit code: 7");
    assert!(lines[1].starts_with("Duration: ") && lines[1].ends_with(" ms"));
    let mut rest = lines[3..].to_vec();
    rest.sort_unstable();
    assert_eq!((lines[2], rest), ("Output:", vec!["err", "out"]));
    assert_eq!(output.details["exit_code"], 7);
}

#[tokio::test]
async fn grep_finds_lines_and_explains_bad_patterns() {
    let place = Place::new();
    place.write("a.py", "import os\nImport sys\n");
    place.write("sub/b.rs", "import none\n");
    let all = call(&place, "grep", json!({"pattern": "^import"})).await;
    assert_eq!(all.text, "a.py:1:import os\nsub/b.rs:1:import none\n");
    let some = json!({"pattern": "^import", "glob_filter": "*.py", "case_insensitive": true});
    assert_eq!(call(&place, "grep", some).await.text, "a.py:1:import os\na.py:2:Import sys\n");
    let one = call(&place, "grep", json!({"pattern": "import", "max_results": 1})).await;
    assert!(one.text.contains("[Only the first 1 matches are shown."), "{}", one.text);
    let none = call(&place, "grep", json!({"pattern": "zzz"})).await;
    assert_eq!(none, ToolOutput::ok("No matches found."));
    for bad in [json!({"pattern": "("}), json!({"pattern": "x", "path": "nowhere"})] {
        assert!(call(&place, "grep", bad).await.is_error);
    }
}

#[tokio::test]
async fn glob_lists_files_below_a_path() {
    let place = Place::new();
    place.write("a/x.ts", "");
    place.write("a/b/y.ts", "");
    place.write("z.ts", "");
    let below = call(&place, "glob", json!({"pattern": "**/*.ts", "path": "a"})).await;
    let mut names: Vec<&str> = below.text.lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["a/b/y.ts", "a/x.ts"]);
    let none = call(&place, "glob", json!({"pattern": "*.none"})).await;
    assert!(!none.is_error && none.text.starts_with("No files found."), "{}", none.text);
    for bad in [json!({"pattern": "["}), json!({"pattern": "*", "path": "nowhere"})] {
        assert!(call(&place, "glob", bad).await.is_error);
    }
}

#[tokio::test]
async fn read_file_reads_parts_of_files_that_are_too_large_as_a_whole() {
    let place = Place::new();
    let file = std::fs::File::create(place.path("it's big")).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    let whole = call(&place, "read_file", json!({"file_path": "it's big"})).await;
    assert!(whole.is_error && whole.text.contains("offset and limit"), "{}", whole.text);
    let line = format!("{}\n", "x".repeat(1023));
    std::fs::write(place.path("it's big"), line.repeat(65 * 1024)).unwrap();
    let read = |offset: usize| json!({"file_path": "it's big", "offset": offset, "limit": 2});
    let part = call(&place, "read_file", read(65 * 1024)).await;
    assert!(!part.is_error && part.text.starts_with("66560 | xxx"), "{}", part.text);
    assert_eq!(part.text.lines().count(), 1);
    let beyond = call(&place, "read_file", read(65 * 1024 + 1)).await;
    assert!(beyond.is_error && beyond.text.contains("beyond the end"), "{}", beyond.text);
}

#[tokio::test]
async fn write_file_keeps_the_mode_and_refuses_what_is_no_file() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("run.sh", "old");
    std::fs::set_permissions(place.path("run.sh"), PermissionsExt::from_mode(0o750)).unwrap();
    call(&place, "write_file", json!({"file_path": "run.sh", "content": "new"})).await;
    assert_eq!(place.read("run.sh"), "new");
    assert_eq!(place.path("run.sh").metadata().unwrap().permissions().mode() & 0o777, 0o750);
    let below = call(&place, "write_file", json!({"file_path": "run.sh/x", "content": ""})).await;
    assert!(below.is_error, "{}", below.text);
}

#[tokio::test]
async fn edit_file_makes_new_files_and_keeps_marks() {
    let place = Place::new();
    let edit = |file: &str, old: &str, new: &str| json!({"file_path": file, "old_string": old, "new_string": new});
    let made = call(&place, "edit_file", edit("a/new", "", "text\n")).await;
    assert_eq!(made.text, "Wrote 5 bytes to a/new (new text).");
    assert_eq!(made.details["change"], "add");
    let again = call(&place, "edit_file", edit("a/new", "", "other")).await;
    assert!(again.is_error && again.text.contains("old_string is empty"), "{}", again.text);
    assert!(call(&place, "edit_file", edit("a", "", "x")).await.is_error);
    assert_eq!(place.read("a/new"), "text\n");
    place.write("bom", "\u{feff}first \r\nsecond\r\n");
    let fuzzy = call(&place, "edit_file", edit("bom", "first\nsecond", "1\n2")).await;
    assert!(fuzzy.text.contains("from line 1; not there exactly"), "{}", fuzzy.text);
    assert_eq!(place.read("bom"), "\u{feff}1\r\n2\r\n");
    let same = call(&place, "edit_file", edit("bom", "1", "1")).await;
    assert!(same.is_error && same.text.contains("are the same"), "{}", same.text);
}

#[tokio::test]
async fn shell_runs_where_it_is_told_without_input_and_bounds_a_flood() {
    let place = Place::new();
    place.write("sub/x", "");
    let there = call(&place, "shell", json!({"command": "cat; pwd; ls", "workdir": "sub"})).await;
    assert!(there.text.ends_with("/sub\nx\n"), "{}", there.text);
    let nowhere = call(&place, "shell", json!({"command": "pwd", "workdir": "none"})).await;
    assert!(nowhere.is_error && nowhere.text.contains("none"), "{}", nowhere.text);
    let flood = "echo begin; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end";
    let flood = call(&place, "shell", json!({"command": flood})).await;
    assert!(flood.text.len() < 1_100_000, "{}", flood.text.len());
    assert!(flood.text.contains("\nbegin\n") && flood.text.ends_with("\nend\n"));
    assert!(flood.text.contains(" bytes omitted ...]"));
    assert!(flood.details["omitted_bytes"].as_u64().unwrap() > 3_900_000);
}

#[tokio::test]
async fn shell_ends_with_its_command_whatever_runs_in_the_background() {
    let place = Place::new();
    let command = "sleep 1000 & echo $! > pid; echo done";
    let output = call(&place, "shell", json!({"command": command})).await;
    assert!(!output.is_error && output.text.ends_with("done\n"), "{}", output.text);
    let pid = place.read("pid").trim().parse().unwrap();
    assert!(!crate::support::is_alive(pid));
}

#[tokio::test]
async fn glob_finds_hidden_files_when_they_are_named() {
    let place = Place::new();
    place.write(".github/ci.yml", "");
    place.write("a.yml", "");
    let visible = call(&place, "glob", json!({"pattern": "**/*.yml"})).await;
    assert_eq!(visible.text, "a.yml\n");
    let hidden = call(&place, "glob", json!({"pattern": ".github/*.yml"})).await;
    assert_eq!(hidden.text, ".github/ci.yml\n");
}
