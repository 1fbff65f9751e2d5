//! The boxes of loop spec §9.8, with a real repository.

use std::process::Command;
use std::sync::Arc;

use canon_agent::{Family, Profile, Session};
use canon_exec::LocalExecutionEnvironment;
use serde_json::json;

use crate::support::{Place, run, says, shell};

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
