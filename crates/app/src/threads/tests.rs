use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use canon_agent::{AssistantTurn, ToolResultEntry};
use canon_llm::{ContentPart, Message, ProviderRaw, Role, ToolCallData, ToolResultData, Usage};
use canon_runtime::secret::Secret;
use serde_json::json;

use super::*;

const KEY: &str = "the-key-of-a-provider";

struct Place {
    dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redactor = Redactor::new([Secret::new(KEY)]);
        let store = Store::at(dir.path().join("threads"), redactor);
        Self { dir, store }
    }

    fn create(&self, cwd: &str) -> Thread {
        self.store.create(Origin {
            cwd: cwd.into(),
            provider: "openai".to_owned(),
            model: "m".to_owned(),
            source: "test".to_owned(),
            ..Origin::default()
        })
    }

    fn file(&self, id: &str) -> PathBuf {
        self.dir.path().join(format!("threads/{id}.jsonl"))
    }

    fn append(&self, id: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).open(self.file(id)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

fn user(text: &str) -> Turn {
    serde_json::from_value(json!({ "turn": "user", "content": text, "timestamp": 1 })).unwrap()
}

fn reply(parts: Vec<ContentPart>) -> Turn {
    Turn::Assistant(Box::new(AssistantTurn {
        message: Message::new(Role::Assistant, parts),
        usage: Usage::default(),
        response_id: "r".to_owned(),
        cost_usd: None,
        timestamp: 2,
    }))
}

fn results(text: &str) -> Turn {
    let result = ToolResultData::new("c", text, false);
    let entry = ToolResultEntry { result, more_images: Vec::new() };
    Turn::ToolResults { results: vec![entry], timestamp: 3 }
}

#[test]
fn a_conversation_is_read_as_it_was_recorded() {
    let place = Place::new();
    let thread = place.create("/w");
    let raw = json!({ "type": "reasoning", "encrypted_content": "gAAA", "z": 1, "a": [1.5, null] });
    let turns = vec![
        user("do it"),
        reply(vec![
            ContentPart::thinking("hm").with_provider_raw(ProviderRaw::new("openai", raw)),
            ContentPart::tool_call(ToolCallData::new("c", "shell", json!({ "command": "ls" }))),
        ]),
        results("a\nb"),
        reply(vec![ContentPart::text("done")]),
    ];
    assert!(!place.dir.path().join("threads").exists(), "a thread without a turn leaves nothing");
    for turn in &turns {
        thread.record(turn).unwrap();
    }
    thread.mark("test/mark", json!({ "x": 1 })).unwrap();
    let read = place.store.read(&thread.id()).unwrap();
    assert_eq!(read.turns(), turns);
    let mark = Entry::Mark { label: "test/mark".to_owned(), data: json!({ "x": 1 }) };
    assert_eq!(read.entries.last(), Some(&mark));
    assert!(read.notices.is_empty(), "{:?}", read.notices);
    let Meta { preview, turns, source, .. } = &read.meta;
    assert_eq!((preview.as_str(), *turns, source.as_str()), ("do it", 4, "test"));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.file(&thread.id())), 0o600);
    assert_eq!(mode(&place.dir.path().join("threads")), 0o700);
}

#[test]
fn one_process_holds_a_thread_and_all_may_read_it() {
    let place = Place::new();
    let thread = place.create("/w");
    let id = thread.id();
    thread.record(&user("do it")).unwrap();
    assert!(matches!(place.store.open(&id), Err(ThreadError::InUse { .. })));
    assert!(matches!(place.store.delete(&id), Err(ThreadError::InUse { .. })));
    assert_eq!(place.store.read(&id).unwrap().turns(), [user("do it")]);
    drop(thread);
    let (thread, stored) = place.store.open(&id).unwrap();
    assert_eq!(stored.turns(), [user("do it")]);
    assert!(matches!(place.store.open(&id), Err(ThreadError::InUse { .. })));
    thread.record(&user("go on")).unwrap();
    drop(thread);
    assert_eq!(place.store.open(&id).unwrap().1.turns().len(), 2);
    place.store.delete(&id).unwrap();
    for gone in [place.store.open(&id).err(), place.store.delete(&id).err()] {
        assert!(matches!(gone, Some(ThreadError::Unknown { .. })), "{gone:?}");
    }
}

#[test]
fn whatever_a_kill_leaves_is_healed_and_told() {
    let place = Place::new();
    let thread = place.create("/w");
    let id = thread.id();
    thread.record(&user("one")).unwrap();
    thread.record(&results("two")).unwrap();
    drop(thread);
    let whole = std::fs::read(place.file(&id)).unwrap();
    let lines: Vec<usize> = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    for cut in 0..whole.len() {
        std::fs::write(place.file(&id), &whole[..cut]).unwrap();
        let complete = lines.iter().filter(|end| **end <= cut).count();
        let opened = place.store.open(&id);
        if complete == 0 {
            assert!(matches!(opened, Err(ThreadError::Damaged { line: 1, .. })), "{cut}");
            assert!(place.store.list(&Query::default()).unwrap().problems.len() == 1, "{cut}");
            continue;
        }
        let (thread, stored) = opened.unwrap();
        assert_eq!(stored.turns().len(), complete - 1, "{cut}");
        assert_eq!(stored.notices.len(), usize::from(!lines.contains(&cut)), "{cut}");
        thread.record(&user("three")).unwrap();
        drop(thread);
        let again = place.store.read(&id).unwrap();
        assert_eq!(again.turns().last(), Some(&user("three")), "{cut}");
        assert!(again.notices.is_empty(), "{cut}");
    }
}

#[test]
fn what_this_version_does_not_know_is_told_and_survives() {
    let place = Place::new();
    let thread = place.create("/w");
    let id = thread.id();
    thread.record(&user("one")).unwrap();
    drop(thread);
    let unknown = "{\"kind\":\"of_tomorrow\",\"x\":1}\n{\"turn\":\"of_tomorrow\"}\n";
    place.append(&id, unknown);
    place
        .append(&id, "{\"turn\":\"user\",\"content\":\"two\",\"timestamp\":1,\"mood\":\"good\"}\n");
    let (thread, stored) = place.store.open(&id).unwrap();
    assert_eq!(stored.turns(), [user("one"), user("two")]);
    assert_eq!(stored.notices.len(), 2, "{:?}", stored.notices);
    thread.record(&user("three")).unwrap();
    let text = std::fs::read_to_string(place.file(&id)).unwrap();
    assert!(text.contains(unknown) && text.contains("\"mood\":\"good\""), "{text}");
    let (fork, copy) = place.store.fork(&id, None, None).unwrap();
    assert_eq!(copy.turns().len(), 3);
    let text = std::fs::read_to_string(place.file(&fork.id())).unwrap();
    assert!(text.contains(unknown) && text.contains("\"mood\":\"good\""), "{text}");
}

#[test]
fn a_later_version_and_a_damaged_file_are_refused() {
    let place = Place::new();
    let thread = place.create("/w");
    let id = thread.id();
    thread.record(&user("one")).unwrap();
    drop(thread);
    let text = std::fs::read_to_string(place.file(&id)).unwrap();
    std::fs::write(place.file(&id), text.replace("\"v\":1", "\"v\":2")).unwrap();
    assert!(matches!(place.store.open(&id), Err(ThreadError::Newer { version: 2, .. })));
    std::fs::write(place.file(&id), text.replace("one", "\"")).unwrap();
    assert!(matches!(place.store.read(&id), Err(ThreadError::Damaged { line: 2, .. })));
    std::fs::write(place.file(&id), b"\xff\xfe\n").unwrap();
    assert!(matches!(place.store.open(&id), Err(ThreadError::Damaged { line: 1, .. })));
}

#[test]
fn ids_that_come_from_outside_reach_no_other_file() {
    let place = Place::new();
    std::fs::write(place.dir.path().join("other.jsonl"), "{}\n").unwrap();
    std::fs::create_dir(place.dir.path().join("threads")).unwrap();
    for id in ["", "../other", "a/b", "a\0b", "..", "thread", &"x".repeat(300)] {
        assert!(matches!(place.store.read(id), Err(ThreadError::Unknown { .. })), "{id}");
        assert!(matches!(place.store.delete(id), Err(ThreadError::Unknown { .. })), "{id}");
        assert!(matches!(place.store.fork(id, None, None), Err(ThreadError::Unknown { .. })));
    }
    assert!(place.dir.path().join("other.jsonl").exists());
}

#[test]
fn lists_are_newest_first_by_directory_and_in_pages() {
    let place = Place::new();
    let mut ids = Vec::new();
    for index in 0..7 {
        let thread = place.create(if index % 2 == 0 { "/even" } else { "/odd" });
        thread.record(&user(&format!("task {index}"))).unwrap();
        ids.push(thread.id());
    }
    // The order of use, not of creation; times of files may be coarse.
    let used = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    OpenOptions::new().append(true).open(place.file(&ids[2])).unwrap().set_modified(used).unwrap();
    let listed = |query: &Query| {
        let page = place.store.list(query).unwrap();
        (page.threads.into_iter().map(|meta| meta.preview).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = listed(&Query { limit: 4, ..Query::default() });
    let (second, end) = listed(&Query { limit: 4, cursor: next, ..Query::default() });
    assert_eq!((first.len(), second.len(), end), (4, 3, None));
    assert_eq!(first[0], "task 2");
    let mut all = [first, second].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 7);
    let (even, _) = listed(&Query { cwd: Some("/even".into()), ..Query::default() });
    assert_eq!(even.len(), 4);
    assert_eq!(place.store.last(Path::new("/even")).unwrap().unwrap().id, ids[2]);
    assert_eq!(place.store.last(Path::new("/elsewhere")).unwrap(), None);
    let (thread, _) = place.store.open(&ids[2]).unwrap();
    thread.archive(true).unwrap();
    assert_ne!(place.store.last(Path::new("/even")).unwrap().unwrap().id, ids[2]);
    let away = Query { archived: Some(true), ..Query::default() };
    assert_eq!(listed(&away).0, ["task 2"]);
    let bad = Query { cursor: Some("x".to_owned()), ..Query::default() };
    assert!(matches!(place.store.list(&bad), Err(ThreadError::Cursor { .. })));
}

#[test]
fn changes_are_remembered() {
    let place = Place::new();
    let thread = place.create("/w");
    let id = thread.id();
    thread.rename(Some("early".to_owned())).unwrap();
    assert!(!place.file(&id).exists());
    thread.record(&user("one")).unwrap();
    assert_eq!(place.store.read(&id).unwrap().meta.name.as_deref(), Some("early"));
    thread.record(&results("two")).unwrap();
    thread.record(&user("three")).unwrap();
    thread.rename(Some("late".to_owned())).unwrap();
    thread.set_model("gemini", "g").unwrap();
    thread.cut(1).unwrap();
    thread.record(&user("four")).unwrap();
    let read = place.store.read(&id).unwrap();
    assert_eq!(read.turns(), [user("one"), user("four")]);
    assert_eq!(read.meta.name.as_deref(), Some("late"));
    assert_eq!((read.meta.provider.as_str(), read.meta.model.as_str()), ("gemini", "g"));
    let listed = place.store.list(&Query::default()).unwrap().threads;
    assert_eq!(listed, vec![read.meta]);
    assert_eq!(thread.meta().turns, 2);
}

#[test]
fn a_fork_has_the_first_turns_and_leaves_the_other_alone() {
    let place = Place::new();
    let thread = place.create("/w");
    for text in ["one", "two", "three"] {
        thread.record(&user(text)).unwrap();
        thread.mark("after", json!(text)).unwrap();
    }
    thread.set_model("gemini", "g").unwrap();
    // Held by another: a copy needs no hold.
    let (fork, copy) = place.store.fork(&thread.id(), Some(2), Some("copy".to_owned())).unwrap();
    assert_eq!(copy.turns(), [user("one"), user("two")]);
    assert_eq!(copy.entries.len(), 4, "what stands behind the last turn comes along");
    assert_eq!(copy.meta.forked_from, Some(thread.id()));
    assert_eq!((copy.meta.name.as_deref(), copy.meta.model.as_str()), (Some("copy"), "g"));
    fork.record(&user("other")).unwrap();
    assert_eq!(place.store.read(&thread.id()).unwrap().turns().len(), 3);
    let stored = place.store.read(&fork.id()).unwrap();
    assert_eq!(stored.turns(), [user("one"), user("two"), user("other")]);
    let names = std::fs::read_dir(place.dir.path().join("threads")).unwrap().count();
    assert_eq!(names, 2, "nothing else is left");
}

#[test]
fn keys_are_not_kept_and_what_is_signed_is_not_touched() {
    let place = Place::new();
    let thread = place.create("/w");
    let signed = json!({ "signature": format!("x sk-{} y", "a".repeat(30)), "text": KEY });
    let part = ContentPart::thinking("t").with_provider_raw(ProviderRaw::new("a", signed.clone()));
    thread.record(&user(&format!("use {KEY}"))).unwrap();
    thread.record(&reply(vec![part])).unwrap();
    thread.record(&results(&format!("{KEY} ghp_{}", "a".repeat(36)))).unwrap();
    let text = std::fs::read_to_string(place.file(&thread.id())).unwrap();
    assert!(!text.contains(KEY) && !text.contains("ghp_"), "{text}");
    assert!(text.contains(signed["signature"].as_str().unwrap()), "{text}");
}

#[test]
fn a_write_that_fails_is_an_error_and_takes_nothing_with_it() {
    let place = Place::new();
    std::fs::write(place.dir.path().join("threads"), "a file in the way").unwrap();
    let thread = place.create("/w");
    assert!(matches!(thread.record(&user("one")), Err(ThreadError::Io { .. })));
    std::fs::remove_file(place.dir.path().join("threads")).unwrap();
    thread.record(&user("one")).unwrap();
    assert_eq!(place.store.read(&thread.id()).unwrap().turns(), [user("one")]);
}
