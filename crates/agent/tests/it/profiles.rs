//! The boxes of loop spec §9.2, and what each family is sent, over its own wire.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canon_agent::{
    CommandTimeouts, Family, Profile, Session, SessionOptions, Status, Tool, ToolContext,
    ToolOutput,
};
use canon_llm::{
    Anthropic, AnthropicConfig, Gemini, GeminiConfig, OpenAi, OpenAiConfig, ProviderAdapter,
    ToolDefinition,
};
use canon_runtime::secret::Secret;
use canon_testkit::model_server::{ModelServer, Reply};
use serde_json::{Map, Value, json};

use crate::support::{Does, Place, calls, ends, run, says, shell};

fn profile(family: Family) -> Profile {
    Profile::of_family(family, "scripted", "test-model")
}

#[tokio::test]
async fn loop_9_2_custom_tools_stand_on_top_of_any_profile() {
    for family in Family::ALL {
        let place = Place::new();
        let mut options = place.options(&[
            calls(&[("run_tests", json!({})), ("shell", json!({}))]),
            json!({"when": {"tool_results": [{"equals": "all pass"}, {"equals": "mine"}]}, "reply": {"text": "ok"}}),
        ]);
        options.profile = profile(family);
        options.config.max_subagent_depth = 0;
        let before = options.profile.tools.len();
        options.extra_tools = vec![
            Arc::new(Does("run_tests", || ToolOutput::ok("all pass"))),
            Arc::new(Does("shell", || ToolOutput::ok("mine"))),
        ];
        let (outcome, _) = run(&mut Session::new(options).unwrap(), "go").await;
        assert_eq!(outcome.text, "ok", "{family}");
        let offered = &place.requests.all()[0].tools;
        assert_eq!(offered.len(), before + 1, "{family}: a tool of the same name takes its place");
        assert!(place.requests.system(0).contains("- run_tests: A tool of a test."));
    }
}

/// Over real HTTP, against a server that validates what it is sent; returns the bodies.
async fn edit_over(
    provider: &str,
    model: &str,
    adapter: impl FnOnce(&ModelServer) -> Arc<dyn ProviderAdapter>,
    edit: (&str, Value),
) -> Vec<Value> {
    let place = Place::new();
    place.write("f.txt", "one\ntwo\ntwo\n");
    let server = ModelServer::start().unwrap();
    server.extend([
        Reply::tool_call("call_1", "read_file", &json!({"file_path": "f.txt"})),
        Reply::tool_call("call_2", edit.0, &edit.1),
        Reply::text("edited"),
    ]);
    let mut options = place.options_with(provider, adapter(&server));
    options.profile = Profile::for_model(provider, model).unwrap();
    let (outcome, events) = run(&mut Session::new(options).unwrap(), "edit").await;
    assert_eq!(server.violations(), Vec::<String>::new());
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "edited"));
    assert!(ends(&events).iter().all(|(_, _, is_error)| !is_error), "{:?}", ends(&events));
    assert_eq!(place.read("f.txt"), "one\n2\n2\n");
    server.requests().iter().map(|request| request.body.clone()).collect()
}

fn key() -> Secret {
    Secret::new("key".to_owned())
}

#[tokio::test]
async fn loop_9_2_openai_edits_by_patch_over_its_own_wire() {
    let patch =
        "*** Begin Patch\n*** Update File: f.txt\n@@\n one\n-two\n-two\n+2\n+2\n*** End Patch";
    let bodies = edit_over(
        "openai",
        "gpt-5.2-codex",
        |server| {
            let mut config = OpenAiConfig::new(key());
            config.base_url = server.base_url();
            Arc::new(OpenAi::new(config).unwrap())
        },
        ("apply_patch", json!({"patch": patch})),
    )
    .await;
    let text = bodies[0].to_string();
    assert!(text.contains("apply_patch") && !text.contains("edit_file"));
    assert_eq!(bodies[0]["store"], false);
}

#[tokio::test]
async fn loop_9_2_anthropic_edits_by_exact_text_over_its_own_wire() {
    let bodies = edit_over(
        "anthropic",
        "claude-opus-5-5",
        |server| {
            let mut config = AnthropicConfig::new(key());
            config.base_url = server.root_url();
            Arc::new(Anthropic::new(config).unwrap())
        },
        (
            "edit_file",
            json!({"file_path": "f.txt", "old_string": "two", "new_string": "2", "replace_all": true}),
        ),
    )
    .await;
    let text = bodies[0].to_string();
    assert!(text.contains("edit_file") && !text.contains("apply_patch"));
    // Its thinking would be refused once anything before it is shortened; it is to be dropped then.
    for body in &bodies {
        let binding = &body["thinking"]["block_binding"];
        assert_eq!(binding["prefix_mismatch_behavior"], "drop_block");
    }
}

#[tokio::test]
async fn loop_9_2_gemini_edits_by_instruction_over_its_own_wire() {
    let bodies = edit_over(
        "gemini",
        "gemini-3.8-flash",
        |server| {
            let mut config = GeminiConfig::new(key());
            config.base_url = server.root_url();
            Arc::new(Gemini::new(config).unwrap())
        },
        (
            "edit_file",
            json!({
                "file_path": "f.txt", "instruction": "Write the numbers as digits.",
                "old_string": "two", "new_string": "2", "allow_multiple": true,
            }),
        ),
    )
    .await;
    assert_eq!(bodies[0]["safetySettings"][0]["threshold"], "BLOCK_NONE");
    let text = bodies[0].to_string();
    for tool in ["read_many_files", "list_dir", "allow_multiple"] {
        assert!(text.contains(tool), "{tool}");
    }
}

/// What a command was given.
struct Limits(Arc<Mutex<Option<CommandTimeouts>>>);

#[async_trait]
impl Tool for Limits {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition::new("limits", "Notes its limits.", json!({"type": "object"})).unwrap()
    }

    async fn run(&self, _: Map<String, Value>, context: ToolContext) -> ToolOutput {
        *self.0.lock().unwrap() = Some(context.timeouts);
        ToolOutput::ok("noted")
    }
}

async fn limits(mut options: SessionOptions) -> CommandTimeouts {
    let noted = Arc::new(Mutex::new(None));
    options.extra_tools = vec![Arc::new(Limits(Arc::clone(&noted)))];
    run(&mut Session::new(options).unwrap(), "go").await;
    let limits = noted.lock().unwrap().take();
    limits.unwrap()
}

#[tokio::test]
async fn ruling_the_anthropic_shell_default_is_120_s_the_others_10_s() {
    for family in Family::ALL {
        let place = Place::new();
        let mut options = place.options(&[calls(&[("limits", json!({}))]), says("done")]);
        options.profile = profile(family);
        let expected = if family == Family::Anthropic { 120_000 } else { 10_000 };
        let limits = limits(options).await;
        assert_eq!((limits.default_ms, limits.max_ms), (expected, 600_000), "{family}");
    }
}

/// Time is not waited for: it goes on by itself as soon as nothing else can.
#[tokio::test(start_paused = true)]
async fn ruling_the_anthropic_shell_stops_a_command_after_120_s_and_others_after_10_s() {
    for (family, limit) in [(Family::Anthropic, "120000ms"), (Family::OpenAi, "10000ms")] {
        let place = Place::new();
        let (_, events) =
            place.play_as(family, &[shell("echo begun; sleep 100000"), says("done")]).await;
        let expected = format!("[ERROR: Command timed out after {limit}.");
        assert!(ends(&events)[0].1.contains(&expected), "{family}: {}", ends(&events)[0].1);
    }
}

#[tokio::test]
async fn names_that_a_model_knows_from_elsewhere_are_understood() {
    let place = Place::new();
    place.write("sub/a.py", "import os\n");
    let (_, events) = place
        .play_as(
            Family::OpenAi,
            &[
                calls(&[
                    ("shell", json!({"cmd": "pwd", "workdir": "sub", "timeout": 5000})),
                    ("grep", json!({"pattern": "IMPORT", "-i": true, "glob": "*.py"})),
                    ("glob", json!({"pattern": "*.py", "dir_path": "sub"})),
                    ("read_file", json!({"path": "sub/a.py"})),
                ]),
                says("done"),
            ],
        )
        .await;
    let results = ends(&events);
    assert!(results.iter().all(|(_, _, is_error)| !is_error), "{results:?}");
    for (tool, expected) in [
        ("shell", "/sub\n"),
        ("grep", "sub/a.py:1:import os"),
        ("glob", "sub/a.py"),
        ("read_file", "1 | import os"),
    ] {
        let output = results.iter().find(|(name, ..)| *name == tool).unwrap().1;
        assert!(output.contains(expected), "{tool}: {output}");
    }
}
