//! The real Codex CLI under `canon up`, offline: its model is a fake one on a local port.

pub(crate) mod model;

use std::path::PathBuf;

use canon_orchestrator::dispatch::Event;
use serde_json::json;

use super::up::env::{PATIENCE, TestEnv};
use model::{Model, Reply};

/// The real Codex, where there is one.
pub(crate) fn real_codex() -> Option<PathBuf> {
    let found = match std::env::var_os("CANON_CODEX_BIN") {
        Some(path) => Some(PathBuf::from(path)),
        None => std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|dir| dir.join("codex")).find(|file| file.is_file())
        }),
    };
    if found.is_none() {
        println!("skipped: codex: no CANON_CODEX_BIN and no codex in PATH");
    }
    found
}

fn place(codex: &std::path::Path, model: &Model) -> TestEnv {
    let mut env = TestEnv::new();
    let config = format!(
        "model = \"canon-test-model\"\nmodel_provider = \"local\"\n\n\
         [model_providers.local]\nname = \"local\"\nbase_url = \"{}\"\n\
         wire_api = \"responses\"\nenv_key = \"CANON_TEST_KEY\"\n\
         request_max_retries = 0\nstream_max_retries = 0\n",
        model.base_url()
    );
    env.write("codex/config.toml", &config);
    env.set("CODEX_HOME", env.path("codex").to_str().unwrap());
    env.set("CANON_TEST_KEY", "dummy");
    let front_matter = format!(
        "tracker:\n  kind: files\n  provider: {{ path: issues, states: [Review] }}\n  \
         active_states: [Todo]\n  terminal_states: [Done]\n\
         polling: {{ interval_ms: 60000 }}\nworkspace: {{ root: workspaces }}\n\
         agent: {{ kind: codex, max_retry_backoff_ms: 200 }}\n\
         codex: {{ command: '{} app-server', read_timeout_ms: 60000 }}\n",
        codex.display()
    );
    env.workflow(&front_matter, "Work on {{ issue.identifier }}: {{ issue.title }}.");
    env.issue("A-1");
    env
}

#[test]
fn codex_works_on_an_issue_and_moves_it_with_our_tool() {
    let Some(codex) = real_codex() else { return };
    let model = Model::start();
    let env = place(&codex, &model);
    model.push(Reply::Tool("issue_update", json!({ "state": "Review", "comment": "it is done" })));
    model.push(Reply::Text("the issue is done"));
    let ended = env.spawn(&["up", "--until-idle"]).wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}\n{:#?}", ended.stderr, model.requests());
    assert_eq!(env.state_of("A-1"), "Review");
    assert!(env.read("project/issues/A-1.md").contains("it is done"));
    let requests = model.requests();
    assert_eq!(requests.len(), 2, "{requests:#?}");
    assert!(requests[0].contains("Work on A-1: the issue A-1."), "{}", requests[0]);
    assert!(requests[1].contains("comment_added"), "{}", requests[1]);
    // 110 tokens for each reply.
    let totals = "1 attempts (1 completed, 0 failed, 0 stopped), 220 tokens";
    assert!(ended.stdout.contains(totals), "{}", ended.stdout);
    let evidence = env.events().into_iter().find_map(|(_, event)| match event {
        Event::AttemptEnded { evidence, .. } => Some(evidence),
        _ => None,
    });
    let evidence = evidence.unwrap();
    assert_eq!(evidence["agent_kind"], "codex", "{evidence:#}");
    assert_eq!(evidence["model"], "canon-test-model", "{evidence:#}");
    assert_eq!(evidence["tools"]["issue_update"], 1, "{evidence:#}");
    env.assert_nothing_left();
}

#[test]
fn a_model_that_refuses_fails_the_attempt_and_it_is_tried_again() {
    let Some(codex) = real_codex() else { return };
    let model = Model::start();
    let env = place(&codex, &model);
    model.push(Reply::Refuse("this will not do"));
    model.push(Reply::Tool("issue_update", json!({ "state": "Done" })));
    model.push(Reply::Text("done"));
    let ended = env.spawn(&["up", "--until-idle"]).wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("this will not do"), "{}", ended.stderr);
    assert_eq!(env.state_of("A-1"), "Done");
    assert!(ended.stdout.contains("2 attempts ("), "{}", ended.stdout);
    env.assert_nothing_left();
}
