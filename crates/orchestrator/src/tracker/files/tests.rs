use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::json;

use super::*;
use crate::config;
use crate::workflow;

struct Fixture {
    dir: tempfile::TempDir,
    tracker: FilesTracker,
}

fn fixture_with(provider: &str) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("issues")).unwrap();
    let tracker = open(dir.path(), provider).unwrap();
    Fixture { dir, tracker }
}

fn open(base: &Path, provider: &str) -> Result<FilesTracker, TrackerError> {
    let text = format!("---\ntracker:\n  kind: files\n  provider: {provider}\n---\n");
    let workflow = workflow::parse(&base.join("WORKFLOW.md"), text.as_bytes()).unwrap();
    let env = Environment::of([("ISSUES", "issues")]);
    let resolved = config::resolve(&workflow, &env).unwrap();
    FilesTracker::open(&resolved.config.tracker, &env)
}

fn fixture() -> Fixture {
    fixture_with("{states: [Human Review]}")
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

impl Fixture {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("issues").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn issue(&self, name: &str, fields: &str) {
        self.write(
            &format!("{name}.md"),
            &format!("---\ntitle: {name}\nstate: Todo\n{fields}---\nDo {name}.\n"),
        );
    }

    async fn active(&self) -> Vec<Issue> {
        self.tracker.fetch_issues_by_states(&strings(&["todo", "IN PROGRESS"])).await.unwrap()
    }

    async fn active_ids(&self) -> Vec<String> {
        self.active().await.into_iter().map(|issue| issue.id).collect()
    }

    async fn by_id(&self, id: &str) -> Result<Option<Issue>, TrackerError> {
        Ok(self.tracker.fetch_issues_by_ids(&strings(&[id])).await?.pop())
    }

    async fn update(&self, id: &str, arguments: Value) -> ToolResult {
        let issue = self.by_id(id).await.unwrap().unwrap();
        self.tracker.execute_tool("issue_update", &arguments, &ToolContext { issue }).await
    }
}

fn code(result: &ToolResult) -> &str {
    assert!(!result.success);
    result.output["error"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn s17_3_a_record_is_normalised() {
    let fixture = fixture();
    fixture.write(
        "0007-fix.md",
        "---\nid: 7\nidentifier: CAN-7\ntitle: ' Fix it '\nstate: In Progress\npriority: 2\nlabels: [' Bug ', bug, '', UI]\nblocked_by: 6\nassignee: u17\nbranch: fix/it\nurl: https://example.org/7\ncreated_at: 2026-01-02\nupdated_at: 2026-01-03T04:05:06+01:00\nteam: {x: 1}\n---\n\n# Why\n\nBecause.\n\n## Comments\n\n### then\n\n> old\n",
    );
    let issue = fixture.by_id("7").await.unwrap().unwrap();
    let expected = json!({
        "id": "7", "native_ref": {"file": "0007-fix.md"}, "identifier": "CAN-7", "title": "Fix it",
        "description": "# Why\n\nBecause.", "priority": 2, "state": "In Progress", "branch_name": "fix/it",
        "url": "https://example.org/7", "assignee_id": "u17", "labels": ["bug", "ui"],
        "blocked_by": [{"id": null, "identifier": "6", "state": null}], "dispatchable": false,
        "created_at": "2026-01-02T00:00:00Z", "updated_at": "2026-01-03T03:05:06Z",
    });
    assert_eq!(serde_json::to_value(issue).unwrap(), expected);
}

#[tokio::test]
async fn s17_3_defaults_come_from_the_file_name_and_absent_is_null() {
    let fixture = fixture();
    fixture.issue("CAN-1", "");
    let issue = fixture.active().await.pop().unwrap();
    assert_eq!((issue.id.as_str(), issue.identifier.as_str()), ("CAN-1", "CAN-1"));
    assert!(
        issue.dispatchable
            && issue.labels.is_empty()
            && issue.priority.is_none()
            && issue.created_at.is_none()
    );
}

#[tokio::test]
async fn s17_3_unusable_optional_fields_are_null_and_hide_nothing() {
    let fixture = fixture();
    fixture.issue(
        "CAN-1",
        "priority: high\nlabels: {a: b}\ncreated_at: yesterday\nassignee: [x]\nurl: {}\n",
    );
    let issue = fixture.active().await.pop().unwrap();
    assert_eq!(
        (issue.priority, issue.created_at, issue.assignee_id, issue.url),
        (None, None, None, None)
    );
    assert!(issue.labels.is_empty());
    assert_eq!(fixture.tracker.problems(), []);
}

#[tokio::test]
async fn s17_3_state_reads_select_by_state_in_file_order() {
    let fixture = fixture();
    for (name, state) in [("b", "In progress"), ("a", "Todo"), ("c", "Done"), ("d", "Human Review")]
    {
        fixture.write(&format!("{name}.md"), &format!("---\ntitle: t\nstate: {state}\n---\n"));
    }
    assert_eq!(fixture.active_ids().await, ["a", "b"]);
    let done = fixture.tracker.fetch_issues_by_states(&strings(&[" DONE "])).await.unwrap();
    assert_eq!(done[0].id, "c");
}

#[tokio::test]
async fn s17_3_empty_requests_read_nothing() {
    let fixture = fixture();
    fs::remove_dir(fixture.path("")).unwrap();
    assert_eq!(fixture.tracker.fetch_issues_by_states(&[]).await.unwrap(), []);
    assert_eq!(fixture.tracker.fetch_issues_by_ids(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn only_issue_files_are_read() {
    let fixture = fixture();
    fixture.issue("CAN-1", "");
    for name in [".hidden.md", "_draft.md", "README.md", "readme.md", "notes.txt", "CAN-2.md~"] {
        fixture.write(name, "---\ntitle: t\nstate: Todo\n---\n");
    }
    fs::create_dir(fixture.path("sub.md")).unwrap();
    assert_eq!(fixture.active_ids().await, ["CAN-1"]);
    assert_eq!(fixture.tracker.problems(), []);
}

#[tokio::test]
async fn s17_3_blockers_decide_what_is_dispatchable() {
    let fixture = fixture();
    fixture.issue("done", "identifier: CAN-1\n");
    fixture.write("done.md", "---\nidentifier: CAN-1\ntitle: t\nstate: closed\n---\n");
    fixture.issue("open", "");
    fixture.issue("by-id", "blocked_by: [done]\n");
    fixture.issue("by-identifier", "blocked_by: [CAN-1]\n");
    fixture.issue("waiting", "blocked_by: [done, open]\n");
    fixture.issue("dangling", "blocked_by: [nobody]\n");
    let free: Vec<String> = fixture
        .active()
        .await
        .into_iter()
        .filter(|issue| issue.dispatchable)
        .map(|issue| issue.id)
        .collect();
    assert_eq!(free, ["by-id", "by-identifier", "open"]);
    let waiting = fixture.by_id("waiting").await.unwrap().unwrap();
    assert_eq!(waiting.blocked_by[0].identifier.as_deref(), Some("CAN-1"));
    assert_eq!(waiting.blocked_by[1].state.as_deref(), Some("Todo"));
    let problems = fixture.tracker.problems();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].to_string().contains("dangling.md: blocked_by names \"nobody\""),
        "{}",
        problems[0]
    );
}

#[tokio::test]
async fn s17_3_a_malformed_file_is_reported_with_path_and_line_and_hides_nothing_else() {
    let fixture = fixture();
    fixture.issue("good", "");
    fixture.write("no-state.md", "---\ntitle: t\n---\n");
    fixture.write("bad-yaml.md", "---\nid: B-1\ntitle: t\nstate: [\n---\n");
    fixture.write("plain.md", "just text\n");
    fixture.write("blank.md", "---\nstate: Todo\ntitle: ' '\n---\n");
    assert_eq!(fixture.active_ids().await, ["good"]);
    let problems: Vec<String> = fixture
        .tracker
        .problems()
        .iter()
        .map(|problem| problem.to_string().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems[0].starts_with("bad-yaml.md:"), "{problems:?}");
    assert_eq!(problems[1], "blank.md:3: `title` is blank, expected text");
    assert_eq!(problems[2].split(": ").next(), Some("no-state.md:1"));
    assert_eq!(problems[3].split(": ").next(), Some("plain.md:1"));
}

#[tokio::test]
async fn ruling_11_an_id_refresh_fails_on_a_malformed_record() {
    let fixture = fixture();
    fixture.issue("good", "");
    fixture.write("no-state.md", "---\ntitle: t\n---\n");
    fixture.write("file.md", "---\nid: B-1\ntitle: [\n---\n");
    for id in ["no-state", "B-1"] {
        let error = fixture.by_id(id).await.unwrap_err();
        assert_eq!(error.category(), "tracker_response", "{id}");
    }
    assert!(fixture.by_id("good").await.unwrap().is_some());
    assert_eq!(fixture.by_id("elsewhere").await.unwrap(), None);
}

#[tokio::test]
async fn ruling_11_a_file_that_no_longer_tells_its_id_is_not_an_issue_that_is_gone() {
    let fixture = fixture();
    fixture.issue("file", "id: CAN-1\n");
    assert!(fixture.by_id("CAN-1").await.unwrap().is_some());
    fixture.write("file.md", "");
    assert!(fixture.by_id("CAN-1").await.is_err());
    // A reader that never saw it whole cannot tell whose it is.
    let fresh = open(fixture.dir.path(), "{}").unwrap();
    assert!(fresh.fetch_issues_by_ids(&strings(&["CAN-1"])).await.is_err());
    fs::remove_file(fixture.path("file.md")).unwrap();
    assert_eq!(fixture.by_id("CAN-1").await.unwrap(), None);
}

#[tokio::test]
async fn ruling_11_an_unreadable_directory_is_an_error_and_not_an_empty_tracker() {
    let fixture = fixture();
    fixture.issue("CAN-1", "");
    fs::rename(fixture.path(""), fixture.dir.path().join("moved")).unwrap();
    let error = fixture.by_id("CAN-1").await.unwrap_err();
    assert_eq!(error.category(), "tracker_request");
    assert!(error.retryable() && error.to_string().contains("issues"));
    assert!(fixture.tracker.fetch_issues_by_states(&strings(&["Todo"])).await.is_err());
}

#[tokio::test]
async fn ruling_11_a_broken_id_line_makes_no_issue_go() {
    for line in ["id: [a", "id: A-", "id: {", "id: 'a", "id: a: b"] {
        let fixture = fixture();
        fixture.issue("one", "id: A-2\n");
        fixture.issue("two", "");
        assert_eq!(fixture.active_ids().await, ["A-2", "two"]);
        fixture.write("one.md", &format!("---\n{line}\ntitle: {{\nstate: Todo\n---\n"));
        for _ in 0..3 {
            let error = fixture.by_id("A-2").await.unwrap_err();
            assert_eq!(error.category(), "tracker_response", "{line}");
            assert!(fixture.by_id("two").await.unwrap().is_some());
            fixture.active().await;
        }
        fixture.issue("one", "id: A-2\n");
        assert!(fixture.by_id("A-2").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn repeated_ids_and_identifiers_are_all_malformed() {
    let fixture = fixture();
    fixture.issue("a", "id: X\n");
    fixture.issue("b", "id: X\nidentifier: B\n");
    fixture.issue("c", "identifier: Same\n");
    fixture.issue("d", "identifier: Same\n");
    fixture.issue("e", "");
    assert_eq!(fixture.active_ids().await, ["e"]);
    let messages: Vec<String> =
        fixture.tracker.problems().into_iter().map(|problem| problem.message).collect();
    assert_eq!(messages.len(), 4);
    assert!(messages[0].contains("id \"X\" is also that of b.md"), "{messages:?}");
    assert!(fixture.by_id("X").await.is_err());
}

#[tokio::test]
async fn a_symbolic_link_is_reported_and_not_followed() {
    let fixture = fixture();
    let outside = fixture.dir.path().join("outside.md");
    fs::write(&outside, "---\ntitle: t\nstate: Todo\n---\n").unwrap();
    symlink(&outside, fixture.path("link.md")).unwrap();
    assert_eq!(fixture.active_ids().await, Vec::<String>::new());
    assert!(fixture.tracker.problems()[0].message.contains("symbolic links are not followed"));
}

#[tokio::test]
async fn unchanged_files_are_not_read_again() {
    let fixture = fixture();
    fixture.issue("CAN-1", "");
    let scanner = &fixture.tracker.shared.scanner;
    let dir = fixture.path("");
    let ids = ["CAN-1".to_owned()];
    let record = |all: &super::catalogue::Catalogue| all.record("CAN-1").unwrap();
    let read = || scanner.all(&dir, record).unwrap();
    let read_one = || scanner.some(&dir, &ids, record).unwrap();
    // A file that has just been written is not trusted to its times yet.
    let begun = std::time::Instant::now();
    let mut last = read();
    loop {
        let next = read();
        if Arc::ptr_eq(&last, &next) {
            break;
        }
        assert!(begun.elapsed().as_secs() < 60, "the file is read again and again");
        last = next;
    }
    assert!(Arc::ptr_eq(&last, &read_one()));
    fixture.issue("CAN-1", "priority: 1\n");
    assert!(!Arc::ptr_eq(&last, &read_one()));
    assert!(!Arc::ptr_eq(&last, &read()));
    assert_eq!(fixture.active().await[0].priority, Some(1));
}

#[tokio::test]
async fn an_issue_read_by_id_is_as_current_as_all_of_them() {
    let fixture = fixture();
    fixture.issue("CAN-1", "");
    fixture.issue("CAN-2", "blocked_by: [CAN-1]\n");
    let ids = ["CAN-2".to_owned()];
    let by_id = || async { fixture.tracker.fetch_issues_by_ids(&ids).await.unwrap().remove(0) };
    assert!(!by_id().await.dispatchable);
    // The blocker's file changes, the issue's own does not.
    fixture.write("CAN-1.md", "---\ntitle: t\nstate: Done\n---\n");
    let issue = by_id().await;
    assert!(issue.dispatchable);
    assert_eq!(issue.blocked_by[0].state.as_deref(), Some("Done"));
    assert_eq!(fixture.active_ids().await, ["CAN-2"]);
    // Names and blockers that change concern more than one file.
    fixture.write("CAN-2.md", "---\ntitle: t\nstate: Todo\nblocked_by: [CAN-9]\n---\n");
    assert!(!by_id().await.dispatchable);
    fixture.write("CAN-2.md", "---\ntitle: t\nstate: Todo\nid: other\n---\n");
    assert!(fixture.tracker.fetch_issues_by_ids(&ids).await.unwrap().is_empty());
    std::fs::remove_file(fixture.path("CAN-1.md")).unwrap();
    let gone = ["CAN-1".to_owned()];
    assert!(fixture.tracker.fetch_issues_by_ids(&gone).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_second_change_at_the_same_moment_is_seen() {
    let fixture = fixture();
    for round in 0..200 {
        fixture.write("CAN-1.md", &format!("---\ntitle: t{round:03}\nstate: Todo\n---\n"));
        assert_eq!(fixture.active().await[0].title, format!("t{round:03}"));
    }
}

#[tokio::test]
async fn s17_3_a_directory_that_is_not_there_is_invalid_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let error = open(dir.path(), "{path: nowhere}").unwrap_err();
    assert_eq!(error.category(), "invalid_tracker_config");
    assert!(error.to_string().contains("nowhere"), "{error}");
    fs::create_dir(dir.path().join("issues")).unwrap();
    assert!(open(dir.path(), "{path: $ISSUES}").is_ok());
}

#[tokio::test]
async fn issue_update_moves_the_issue_and_appends_a_comment() {
    let fixture = fixture();
    let text = "---\n# by hand\ntitle: t\nstate: Todo  # start\nx: [1,  2]\n---\nBody\n";
    fixture.write("CAN-1.md", text);
    fs::set_permissions(fixture.path("CAN-1.md"), fs::Permissions::from_mode(0o640)).unwrap();
    let result = fixture
        .update("CAN-1", json!({"state": "human review", "comment": "Done.\n\n## Comments"}))
        .await;
    assert!(result.success, "{result:?}");
    assert_eq!(
        result.output,
        json!({"id": "CAN-1", "identifier": "CAN-1", "previous_state": "Todo", "state": "Human Review", "comment_added": true})
    );
    let after = fs::read_to_string(fixture.path("CAN-1.md")).unwrap();
    let head = text.replace("state: Todo", "state: Human Review");
    assert!(after.starts_with(&format!("{head}\n## Comments\n\n### ")), "{after}");
    assert!(after.ends_with("\n\n> Done.\n>\n> ## Comments\n"), "{after}");
    let issue = fixture.by_id("CAN-1").await.unwrap().unwrap();
    assert_eq!(
        (issue.state.as_str(), issue.description.as_deref()),
        ("Human Review", Some("Body"))
    );
    let mode = fs::metadata(fixture.path("CAN-1.md")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let names: BTreeSet<String> = fs::read_dir(fixture.path(""))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from([".canon.lock".to_owned(), "CAN-1.md".to_owned()]));
}

#[tokio::test]
async fn issue_update_refuses_what_it_must_with_a_reason() {
    let fixture = fixture();
    fixture.issue("CAN-1", "");
    let before = fs::read_to_string(fixture.path("CAN-1.md")).unwrap();
    let unknown = fixture.update("CAN-1", json!({"state": "Shipped"})).await;
    assert_eq!(code(&unknown), "unknown_state");
    let allowed: Vec<String> =
        serde_json::from_value(unknown.output["error"]["allowed_states"].clone()).unwrap();
    assert!(allowed.contains(&"Human Review".to_owned()) && allowed.contains(&"Todo".to_owned()));
    for (arguments, expected) in [
        (json!({}), "invalid_arguments"),
        (json!([]), "invalid_arguments"),
        (json!({"state": 3}), "invalid_arguments"),
        (json!({"comment": " \n "}), "invalid_arguments"),
        (json!({"comment": "x", "id": "CAN-2"}), "invalid_arguments"),
        (json!({"comment": "x".repeat(40_000)}), "comment_too_long"),
    ] {
        assert_eq!(
            code(&fixture.update("CAN-1", arguments.clone()).await),
            expected,
            "{arguments}"
        );
    }
    assert_eq!(fs::read_to_string(fixture.path("CAN-1.md")).unwrap(), before);
    let issue = fixture.by_id("CAN-1").await.unwrap().unwrap();
    let context = ToolContext { issue };
    let other = fixture.tracker.execute_tool("issue_delete", &json!({}), &context).await;
    assert_eq!(code(&other), "unsupported_tool");
    fs::remove_file(fixture.path("CAN-1.md")).unwrap();
    let gone =
        fixture.tracker.execute_tool("issue_update", &json!({"comment": "x"}), &context).await;
    assert_eq!(code(&gone), "issue_not_found");
}

#[tokio::test]
async fn the_tool_describes_itself_with_the_states_that_there_are() {
    let specs = fixture().tracker.tool_specs();
    assert_eq!(specs[0].name, "issue_update");
    let schema = canon_runtime::schema::Schema::compile(&specs[0].input_schema).unwrap();
    assert!(schema.check(&json!({"state": "Human Review"})).is_ok());
    assert!(schema.check(&json!({"state": "Shipped"})).is_err());
    assert!(schema.check(&json!({})).is_err());
}

#[tokio::test]
async fn a_file_that_cannot_be_edited_safely_is_left_alone() {
    let fixture = fixture();
    let text = "---\n{title: t, state: Todo}\n---\n";
    fixture.write("CAN-1.md", text);
    assert_eq!(code(&fixture.update("CAN-1", json!({"state": "Done"})).await), "not_editable");
    assert!(fixture.update("CAN-1", json!({"comment": "still works"})).await.success);
    assert!(fs::read_to_string(fixture.path("CAN-1.md")).unwrap().starts_with(text));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_lose_no_comment() {
    let fixture = fixture();
    fixture.issue("CAN-1", "");
    let trackers: Vec<FilesTracker> =
        (0..8).map(|_| open(fixture.dir.path(), "{states: [Human Review]}").unwrap()).collect();
    let issue = fixture.by_id("CAN-1").await.unwrap().unwrap();
    let context = ToolContext { issue };
    let writes = trackers.iter().enumerate().map(|(index, tracker)| {
        let context = &context;
        async move {
            for round in 0..5 {
                let arguments = json!({"comment": format!("note {index}-{round}")});
                assert!(tracker.execute_tool("issue_update", &arguments, context).await.success);
            }
        }
    });
    let mut pending: Vec<_> = writes.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|write| write.as_mut().poll(cx).is_pending());
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    let text = fs::read_to_string(fixture.path("CAN-1.md")).unwrap();
    for index in 0..8 {
        for round in 0..5 {
            assert!(text.contains(&format!("> note {index}-{round}\n")), "{index}-{round}");
        }
    }
    assert_eq!(text.matches("## Comments\n").count(), 1);
}

#[tokio::test]
async fn thousands_of_files_with_a_broken_one_among_them() {
    let fixture = fixture();
    for number in 0..2_000 {
        let state = if number % 4 == 0 { "Done" } else { "Todo" };
        fixture.write(
            &format!("I-{number:05}.md"),
            &format!("---\ntitle: t\nstate: {state}\n---\nx\n"),
        );
    }
    fixture.write("broken.md", "---\n");
    assert_eq!(fixture.active().await.len(), 1_500);
    assert_eq!(fixture.tracker.problems().len(), 1);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_record_or_malformed(
        front in "((id|title|state|labels|blocked_by|priority): ?[ -~]{0,12}\n){0,6}",
        tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
    ) {
        let mut bytes = format!("---\n{front}---\n").into_bytes();
        bytes.extend(tail);
        if let Ok(record) = record::parse(Path::new("CAN-1.md"), &bytes) {
            let issue = record.issue;
            for field in [&issue.id, &issue.identifier, &issue.title, &issue.state] {
                proptest::prop_assert!(!field.trim().is_empty());
            }
        }
    }
}
