use std::path::Path;

use serde_json::json;

use super::*;
use crate::workflow;

const TRACKER: &str = "tracker: {kind: files}\n";

fn run(yaml: &str) -> Result<Resolved, ConfigErrors> {
    let env = Environment::of([("HOME", "/home/me"), ("ROOT", "/srv/w"), ("EMPTY", "")]);
    let text = format!("---\n{yaml}---\nbody");
    resolve(&workflow::parse(Path::new("/repo/WORKFLOW.md"), text.as_bytes()).unwrap(), &env)
}

fn good(yaml: &str) -> Config {
    let resolved = run(&format!("{TRACKER}{yaml}")).unwrap();
    assert_eq!(resolved.warnings, [], "{yaml}");
    resolved.config
}

fn errors(yaml: &str) -> Vec<Complaint> {
    run(&format!("{TRACKER}{yaml}")).unwrap_err().errors
}

#[test]
fn s17_1_defaults_apply_when_optional_values_are_missing() {
    let config = good("");
    assert_eq!(config.polling.interval_ms, 30_000);
    assert_eq!(config.workspace.root, Path::new("/tmp/symphony_workspaces"));
    assert_eq!(
        config.hooks,
        HooksConfig {
            after_create: None,
            before_run: None,
            after_run: None,
            before_remove: None,
            timeout_ms: 60_000
        }
    );
    assert_eq!(config.agent.kind, AgentKind::Codex);
    assert_eq!(config.agent.max_concurrent_agents, 10);
    assert_eq!(config.agent.max_turns, 20);
    assert_eq!(config.agent.max_retry_backoff_ms, 300_000);
    assert!(config.agent.max_concurrent_agents_by_state.is_empty());
    assert_eq!(config.agent.on_input_required, OnInputRequired::Block);
    assert_eq!(config.agent.verify, None);
    assert_eq!(config.codex.command, "codex app-server");
    assert_eq!(config.codex.turn_timeout_ms, 3_600_000);
    assert_eq!(config.codex.read_timeout_ms, 5_000);
    assert_eq!(config.codex.stall_timeout_ms, Some(300_000));
    assert_eq!(config.server, ServerConfig { port: None, host: "127.0.0.1".into() });
    assert_eq!(config.tracker.active_states, ["Todo", "In Progress"]);
    assert_eq!(
        config.tracker.terminal_states,
        ["Done", "Cancelled", "Canceled", "Closed", "Duplicate"]
    );
    assert!(config.tracker.required_labels.is_empty() && config.tracker.provider.is_empty());
}

#[test]
fn null_counts_as_missing() {
    assert_eq!(good("polling:\nagent:\n  max_turns: ~\ncodex: {command: null}\n"), good(""));
}

#[test]
fn ruling_13_default_policy_is_never_and_workspace_write_without_network() {
    let codex = good("").codex;
    assert_eq!(codex.approval_policy, "never");
    assert_eq!(codex.thread_sandbox, "workspace-write");
    let policy = codex.turn_sandbox_policy_for(Path::new("/srv/w/CAN-1"));
    assert_eq!(policy["type"], "workspaceWrite");
    assert_eq!(policy["networkAccess"], false);
    assert_eq!(policy["writableRoots"], json!(["/srv/w/CAN-1"]));
}

#[test]
fn ruling_13_policies_of_the_workflow_are_passed_through() {
    let codex = good(
        "codex:\n  approval_policy: {granular: {rules: true}}\n  thread_sandbox: danger-full-access\n  turn_sandbox_policy: {type: workspaceWrite, networkAccess: true, extra: 1}\n",
    )
    .codex;
    assert_eq!(codex.approval_policy, json!({"granular": {"rules": true}}));
    assert_eq!(codex.thread_sandbox, "danger-full-access");
    assert_eq!(
        codex.turn_sandbox_policy_for(Path::new("/x")),
        json!({"type": "workspaceWrite", "networkAccess": true, "extra": 1})
    );
}

#[test]
fn ruling_12_invalid_state_limits_are_ignored_with_a_warning() {
    let resolved = run(&format!(
        "{TRACKER}agent:\n  max_concurrent_agents_by_state:\n    ' In Progress ': 2\n    Todo: 0\n    Rework: many\n    Review: -1\n    Merging: '3'\n"
    ))
    .unwrap();
    let limits = &resolved.config.agent.max_concurrent_agents_by_state;
    assert_eq!(
        limits.iter().collect::<Vec<_>>(),
        [(&"in progress".to_owned(), &2), (&"merging".to_owned(), &3)]
    );
    assert_eq!(resolved.config.agent.limit_for_state("IN PROGRESS"), 2);
    assert_eq!(resolved.config.agent.limit_for_state("Todo"), 10);
    let keys: Vec<&str> = resolved.warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "agent.max_concurrent_agents_by_state.Todo",
            "agent.max_concurrent_agents_by_state.Rework",
            "agent.max_concurrent_agents_by_state.Review"
        ]
    );
}

#[test]
fn ruling_12_a_stall_timeout_of_zero_or_less_disables() {
    assert_eq!(good("codex: {stall_timeout_ms: 0}\n").codex.stall_timeout_ms, None);
    assert_eq!(good("codex: {stall_timeout_ms: -5}\n").codex.stall_timeout_ms, None);
    assert_eq!(good("codex: {stall_timeout_ms: 7}\n").codex.stall_timeout_ms, Some(7));
}

#[test]
fn numbers_are_coerced() {
    assert_eq!(good("polling: {interval_ms: '5000'}\n").polling.interval_ms, 5000);
    assert_eq!(good("agent: {max_turns: 3.0}\n").agent.max_turns, 3);
}

#[test]
fn every_invalid_value_is_told_at_once_with_key_line_found_and_expected() {
    let errors = errors(
        "polling:\n  interval_ms: fast\nhooks:\n  timeout_ms: 0\n  before_run: [a]\nagent:\n  max_turns: 0\n  kind: robot\ncodex:\n  command: ''\n  turn_sandbox_policy: workspaceWrite\nserver: {port: 70000, host: example.org}\n",
    );
    let keys: Vec<(&str, Option<usize>)> =
        errors.iter().map(|error| (error.key.as_str(), error.line)).collect();
    for expected in [
        ("polling.interval_ms", Some(4)),
        ("hooks.timeout_ms", Some(6)),
        ("hooks.before_run", Some(7)),
        ("agent.max_turns", Some(9)),
        ("agent.kind", Some(10)),
        ("codex.command", Some(12)),
        ("codex.turn_sandbox_policy", Some(13)),
        ("server.port", None),
        ("server.host", None),
    ] {
        assert!(keys.contains(&expected), "{expected:?} in {keys:?}");
    }
    assert_eq!(keys.len(), 9);
    let interval = errors.iter().find(|error| error.key == "polling.interval_ms").unwrap();
    assert_eq!(
        interval.to_string(),
        "line 4: polling.interval_ms: found \"fast\", expected a whole number of milliseconds, at least 1"
    );
}

#[test]
fn sections_and_lists_of_the_wrong_kind_are_errors() {
    assert_eq!(errors("polling: often\n")[0].key, "polling");
    assert_eq!(
        errors("agent: {max_concurrent_agents_by_state: 3}\n")[0].key,
        "agent.max_concurrent_agents_by_state"
    );
    let error = run("tracker: {kind: files, active_states: Todo}\n").unwrap_err();
    assert_eq!(error.errors[0].key, "tracker.active_states");
    let error = run("tracker: {kind: files, active_states: [Todo, [x]]}\n").unwrap_err();
    assert!(error.errors[0].message.contains("entry 2"), "{error}");
}

#[test]
fn unknown_keys_are_ignored_with_a_warning_that_names_a_near_one() {
    let resolved =
        run(&format!("{TRACKER}poling: {{}}\nagent: {{max_turn: 3}}\nweather: nice\n")).unwrap();
    let warnings: Vec<String> = resolved.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("agent.max_turn: unknown key, ignored; did you mean `max_turns`?")),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("poling: unknown key, ignored; did you mean `polling`?")),
        "{warnings:?}"
    );
    assert!(warnings.iter().any(|w| w.ends_with("weather: unknown key, ignored")), "{warnings:?}");
    assert_eq!(resolved.config.agent.max_turns, 20);
}

#[test]
fn s17_1_workspace_root_expands_tilde_and_variables_and_is_relative_to_the_workflow() {
    let root = |text: &str| good(&format!("workspace: {{root: \"{text}\"}}\n")).workspace.root;
    assert_eq!(root("~/w"), Path::new("/home/me/w"));
    assert_eq!(root("$ROOT"), Path::new("/srv/w"));
    assert_eq!(root("./work"), Path::new("/repo/work"));
    assert_eq!(root("../work"), Path::new("/work"));
    assert!(errors("workspace: {root: $NOPE}\n")[0].message.contains("NOPE"));
    assert!(errors("workspace: {root: $EMPTY}\n")[0].message.contains("EMPTY"));
    assert_eq!(errors("workspace: {root: /}\n")[0].key, "workspace.root");
}

#[test]
fn s17_1_codex_command_is_kept_as_a_shell_command() {
    let command = "FOO=$HOME ~/bin/codex --config 'model=\"x\"' app-server";
    let yaml = format!("codex:\n  command: >-\n    {command}\n");
    assert_eq!(good(&yaml).codex.command, command);
}

#[test]
fn s17_1_tracker_kind_must_be_supported() {
    for kind in ["linear", "github", "gitlab", "jira", "asana", "trello"] {
        let errors = run(&format!("tracker: {{kind: {kind}}}\n")).unwrap_err().errors;
        assert_eq!(errors.len(), 1);
        assert_eq!(
            (errors[0].class, errors[0].key.as_str()),
            ("unsupported_tracker_kind", "tracker.kind")
        );
        assert!(errors[0].message.contains("this version supports: files"), "{}", errors[0]);
    }
    for yaml in ["", "tracker: {}\n", "tracker: {kind: }\n"] {
        assert_eq!(run(yaml).unwrap_err().errors[0].class, "missing_tracker_kind", "{yaml}");
    }
}

#[test]
fn s17_1_tracker_provider_is_kept_verbatim_and_checked_by_its_adapter() {
    let resolved = run("tracker: {kind: files, provider: {path: $ROOT, x: {y: [1]}}}\n").unwrap();
    assert_eq!(
        serde_json::Value::from(resolved.config.tracker.provider),
        json!({"path": "$ROOT", "x": {"y": [1]}})
    );
    assert_eq!(resolved.warnings[0].key, "tracker.provider.x");
    let errors =
        run("tracker: {kind: files, provider: {path: [a], states: x}}\n").unwrap_err().errors;
    let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["tracker.provider.path", "tracker.provider.states"]);
    assert!(errors.iter().all(|error| error.class == "invalid_tracker_config"));
}

#[test]
fn flat_aliases_are_kept() {
    let resolved =
        run("tracker: {kind: files, api_key: $KEY, project_slug: p, endpoint: e, assignee: me}\n")
            .unwrap();
    assert_eq!(resolved.warnings, []);
    let aliases: Vec<&String> = resolved.config.tracker.aliases.keys().collect();
    assert_eq!(aliases, ["api_key", "project_slug", "endpoint", "assignee"]);
}

#[test]
fn ruling_14_a_literal_secret_is_in_no_message() {
    let yaml =
        "tracker: {kind: linear, api_key: lin_secret_1, provider: {api_key: lin_secret_2}}\n";
    let error = run(yaml).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("lin_secret"));
    let config = run(&yaml.replace("linear", "files")).unwrap().config;
    assert!(!format!("{config:?}").contains("lin_secret"));
}

#[test]
fn our_extensions_of_the_agent_section() {
    let agent = good(
        "hooks: {timeout_ms: 9}\nagent: {kind: Canon, model: m, provider: scripted, on_input_required: fail, verify: {command: make test}}\n",
    )
    .agent;
    assert_eq!(agent.kind, AgentKind::Canon);
    assert_eq!((agent.model.as_deref(), agent.provider.as_deref()), (Some("m"), Some("scripted")));
    assert_eq!(agent.on_input_required, OnInputRequired::Fail);
    assert_eq!(agent.verify, Some(Verify { command: "make test".into(), timeout_ms: 9 }));
    assert_eq!(errors("agent: {kind: acp}\n")[0].class, "unsupported");
    assert_eq!(errors("agent: {verify: {timeout_ms: 5}}\n")[0].key, "agent.verify.command");
    assert_eq!(errors("agent: {verify: make}\n")[0].key, "agent.verify");
}

#[test]
fn server_port_zero_asks_for_any_free_one() {
    assert_eq!(good("server: {port: 0}\n").server.port, Some(0));
    assert_eq!(
        good("server: {port: 8080, host: '::1'}\n").server,
        ServerConfig { port: Some(8080), host: "::1".into() }
    );
    assert_eq!(good("server: {host: localhost}\n").server.port, None);
    assert_eq!(errors("server: {port: -1}\n")[0].key, "server.port");
}

#[test]
fn remote_workers_are_refused_and_never_ignored() {
    let errors = errors(
        "worker:\n  ssh_hosts: [a.example, b.example]\n  max_concurrent_agents_per_host: 2\n",
    );
    assert_eq!((errors[0].class, errors[0].key.as_str()), ("unsupported", "worker.ssh_hosts"));
    assert_eq!(
        good("worker: {ssh_hosts: []}\nobservability: {dashboard_enabled: true}\n")
            .polling
            .interval_ms,
        30_000
    );
}
