//! `canon models`.

use serde_json::{Value, json};

use super::super::up::env::{TestEnv, assert_refused};
use super::KEY;

fn listed(env: &TestEnv, args: &[&str]) -> Value {
    let ended = env.run(&[&["models", "--json"], args].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stdout.contains(KEY), "{}", ended.stdout);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn llm_8_1_model_catalogue_is_listed_with_what_is_configured_here() {
    let mut env = TestEnv::new();
    let found = listed(&env, &[]);
    assert_eq!((&found["v"], &found["default"]), (&json!(1), &Value::Null));
    let models = found["models"].as_array().unwrap();
    let model = models.iter().find(|model| model["id"] == "claude-opus-4-6").unwrap();
    for field in [
        "provider",
        "display_name",
        "context_window",
        "max_output",
        "supports_tools",
        "supports_vision",
        "supports_reasoning",
        "input_cost_per_million",
        "output_cost_per_million",
        "cache_read_cost_per_million",
        "cache_write_cost_per_million",
        "aliases",
    ] {
        assert!(!model[field].is_null(), "{field} is missing: {model:#}");
    }
    let providers = found["providers"].as_array().unwrap();
    assert!(providers.iter().all(|provider| provider["configured"] == false), "{providers:?}");

    env.set("ANTHROPIC_API_KEY", KEY);
    let found = listed(&env, &[]);
    let newest = models.iter().find(|model| model["provider"] == "anthropic").unwrap();
    let id = newest["id"].as_str().unwrap();
    assert_eq!(found["default"], format!("anthropic/{id}"));
    let configured = |name: &str| {
        let providers = found["providers"].as_array().unwrap();
        providers.iter().find(|provider| provider["name"] == name).unwrap()["configured"].clone()
    };
    assert_eq!((configured("anthropic"), configured("openai")), (json!(true), json!(false)));

    let ended = env.run(&["models"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stdout.contains(KEY));
    for wanted in [
        &format!("\n* {id} "),
        "anthropic: configured (ANTHROPIC_API_KEY)",
        "openai: not configured; set OPENAI_API_KEY",
        &format!("without --model: anthropic/{id}"),
        "also gpt-5.2-2025-12-11",
    ] {
        assert!(ended.stdout.contains(wanted), "{wanted:?} is missing: {}", ended.stdout);
    }
}

#[test]
fn one_provider_is_listed_alone_and_an_unknown_one_is_refused() {
    let env = TestEnv::new();
    let found = listed(&env, &["--provider", "gemini"]);
    let models = found["models"].as_array().unwrap();
    assert!(models.len() > 3 && models.iter().all(|model| model["provider"] == "gemini"));
    assert_refused(
        &env.run(&["models", "--provider", "gemni"]),
        2,
        &["no provider `gemni`", "gemini"],
    );
    let none = env.run(&["models", "--provider", "scripted"]);
    assert_eq!(none.code, Some(0), "{}", none.stderr);
    let mut env = env;
    env.set("CANON_MODEL", "scripted/t.jsonl");
    assert_eq!(listed(&env, &[])["default"], "scripted/t.jsonl");
}
