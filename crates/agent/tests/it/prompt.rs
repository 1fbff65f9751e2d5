//! The boxes of loop spec §9.8, with a real repository.

use std::process::Command;
use std::sync::Arc;

use canon_agent::{Family, Profile, Session, ToolOutput};
use canon_exec::LocalExecutionEnvironment;
use serde_json::json;

use crate::support::{Does, Place, run, says, shell};

fn git(place: &Place, arguments: &[&str]) {
    let status = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "init.defaultBranch=trunk",
        ])
        .args(arguments)
        .current_dir(place.dir.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn loop_9_8_the_prompt_describes_the_repository_and_its_rules() {
    let place = Place::new();
    git(&place, &["init", "-q"]);
    place.write("AGENTS.md", "rule of the root");
    place.write(".codex/instructions.md", "codex rule of the root");
    place.write("CLAUDE.md", "for another family");
    place.write("sub/deep/AGENTS.md", "rule of the deep");
    git(&place, &["add", "AGENTS.md"]);
    git(&place, &["commit", "-q", "-m", "begin at the beginning"]);
    place.write("AGENTS.md", "rule of the root, changed");
    let mut options = place.options(&[
        shell("echo more > /dev/null"),
        json!({"reply": {"text": "ok"}, "repeat": true}),
    ]);
    options.env = Arc::new(LocalExecutionEnvironment::new(place.path("sub/deep")).unwrap());
    options.profile = Profile::of_family(Family::OpenAi, "scripted", "test-model");
    options.user_instructions = Some("speak softly".to_owned());
    let mut session = Session::new(options).unwrap();
    run(&mut session, "go").await;
    place.write("sub/deep/AGENTS.md", "changed meanwhile");
    run(&mut session, "again").await;

    let prompt = place.requests.system(0);
    let at = |part: &str| {
        prompt.find(part).unwrap_or_else(|| panic!("`{part}` is missing in:\n{prompt}"))
    };
    let places = [
        "You are a coding agent.",
        "Is git repository: true\nGit branch: trunk\nPlatform: linux\nOS version: ",
        "Model: test-model\n</environment>",
        "1 modified, 3 untracked files",
        "begin at the beginning",
        "- read_file: ",
        "## AGENTS.md\nrule of the root, changed",
        "## .codex/instructions.md\ncodex rule of the root",
        "## sub/deep/AGENTS.md\nrule of the deep",
        "# User instructions\nspeak softly",
    ]
    .map(at);
    assert!(places.is_sorted(), "{places:?}\n{prompt}");
    assert!(!prompt.contains("another family"));
    let date = &prompt[at("Today's date: ") + 14..][..10];
    assert_eq!(date.matches('-').count(), 2, "{date}");
    // Built once per session, so that caches hold.
    for later in 1..place.requests.all().len() {
        assert_eq!(place.requests.system(later), prompt);
    }
}

#[tokio::test]
async fn without_a_repository_only_the_working_directory_is_read() {
    let place = Place::new();
    place.write("AGENTS.md", "outside");
    place.write("sub/AGENTS.md", "inside");
    let mut options = place.options(&[says("ok")]);
    options.env = Arc::new(LocalExecutionEnvironment::new(place.path("sub")).unwrap());
    run(&mut Session::new(options).unwrap(), "go").await;
    let prompt = place.requests.system(0);
    assert!(prompt.contains("Is git repository: false\n"));
    assert!(prompt.contains("inside") && !prompt.contains("outside"));
}

#[tokio::test]
async fn loop_9_8_only_the_documents_of_the_family_are_read() {
    let all = ["AGENTS.md", "CLAUDE.md", "GEMINI.md", ".codex/instructions.md"];
    for (family, own) in [
        (Family::OpenAi, Some(".codex/instructions.md")),
        (Family::Anthropic, Some("CLAUDE.md")),
        (Family::Gemini, Some("GEMINI.md")),
        (Family::Generic, None),
    ] {
        let place = Place::new();
        for name in all {
            place.write(name, format!("rule of {name}"));
        }
        place.play_as(family, &[says("ok")]).await;
        let prompt = place.requests.system(0);
        for name in all {
            let expected = name == "AGENTS.md" || Some(name) == own;
            assert_eq!(prompt.contains(&format!("rule of {name}")), expected, "{family} {name}");
        }
    }
}

#[tokio::test]
async fn ruling_the_system_prompt_is_built_once() {
    let place = Place::new();
    place.write("AGENTS.md", "first");
    let mut session = place.session(&[json!({"reply": {"text": "ok"}, "repeat": true})]);
    run(&mut session, "go").await;
    place.write("AGENTS.md", "second");
    git(&place, &["init", "-q"]);
    session.add_tool(Arc::new(Does("late", || ToolOutput::ok("")))).unwrap();
    run(&mut session, "again").await;
    let requests = place.requests.all();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].tools.last().unwrap().name, "late");
    assert_eq!(place.requests.system(0), place.requests.system(1));
    assert!(place.requests.system(1).contains("first"));
}

#[tokio::test]
async fn documents_that_cannot_be_shown_are_named_with_the_reason() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "password=hunter2").unwrap();
    let place = Place::new();
    place.write("AGENTS.md/inner", "a directory");
    std::os::unix::fs::symlink(outside.path().join("secret"), place.path("CLAUDE.md")).unwrap();
    place.write("it's/AGENTS.md", b"binary\0");
    place.write("it's/CLAUDE.md", "x".repeat(2 * 1024 * 1024));
    place.write("it's/a b/AGENTS.md", "the rule");
    std::os::unix::fs::symlink("AGENTS.md", place.path("it's/a b/CLAUDE.md")).unwrap();
    git(&place, &["init", "-q"]);
    let mut options = place.options(&[says("ok")]);
    options.profile = Profile::of_family(Family::Anthropic, "scripted", "test-model");
    options.env = Arc::new(LocalExecutionEnvironment::new(place.path("it's/a b")).unwrap());
    let (outcome, _) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!(outcome.text, "ok");
    let prompt = place.requests.system(0);
    let left_out = "[The text of this file is left out: ";
    for (path, why) in [
        ("AGENTS.md", "is a directory"),
        ("CLAUDE.md", "it is a link out of the repository"),
        ("it's/AGENTS.md", "is a binary file"),
        ("it's/CLAUDE.md", "2097152 bytes, more than the limit"),
    ] {
        let at = prompt
            .find(&format!("## {path}\n{left_out}"))
            .unwrap_or_else(|| panic!("{path}\n{prompt}"));
        let note = prompt[at..].lines().nth(1).unwrap();
        assert!(note.contains(why), "{path}: {note}");
    }
    assert!(!prompt.contains("hunter2"));
    assert_eq!(prompt.matches("the rule").count(), 1, "two names of one file count once");
}
