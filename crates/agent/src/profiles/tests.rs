use super::*;

fn names(profile: &Profile) -> Vec<String> {
    profile.tools.iter().map(|tool| tool.definition().name).collect()
}

#[test]
fn loop_9_2_openai_tools_are_those_of_its_own_agent() {
    let profile = Profile::for_model("openai", "gpt-5.2-codex").unwrap();
    assert_eq!(profile.id, "openai");
    assert_eq!(
        names(&profile),
        ["read_file", "apply_patch", "write_file", "shell", "grep", "glob"]
    );
    assert_eq!(profile.document_names, ["AGENTS.md", ".codex/instructions.md"]);
    assert_eq!(profile.command_timeout_ms, None);
}

#[test]
fn loop_9_2_anthropic_edits_by_exact_texts_and_has_no_patches() {
    let profile = Profile::for_model("anthropic", "claude-opus-5-5").unwrap();
    assert_eq!(profile.id, "anthropic");
    assert_eq!(names(&profile), ["read_file", "write_file", "edit_file", "shell", "grep", "glob"]);
    assert_eq!(profile.document_names, ["AGENTS.md", "CLAUDE.md"]);
    assert_eq!(profile.command_timeout_ms, Some(120_000));
}

#[test]
fn a_host_may_know_the_family_better_than_the_names_do() {
    let error = Profile::for_model("my-gateway", "llama-4").unwrap_err().to_string();
    assert!(error.contains("`llama-4`") && error.contains("`my-gateway`"), "{error}");
    let profile = Profile::of_family(Family::Gemini, "my-gateway", "llama-4");
    assert_eq!((profile.id.as_str(), profile.provider.as_str()), ("gemini", "my-gateway"));
    assert_eq!(profile.document_names, ["AGENTS.md", "GEMINI.md"]);
}

#[test]
fn the_window_comes_from_the_catalogue_of_that_provider() {
    let window = |provider, model| Profile::for_model(provider, model).unwrap().context_window;
    assert!(window("openai", "gpt-5.2").is_some());
    assert_eq!(window("openai", "unheard-of"), None);
    assert_eq!(window("openai-compatible", "gpt-5.2"), None);
}
