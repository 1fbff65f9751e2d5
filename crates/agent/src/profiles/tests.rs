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

#[test]
fn loop_9_2_gemini_tools_are_those_of_its_own_agent() {
    let profile = Profile::for_model("gemini", "gemini-4-argon").unwrap();
    assert_eq!(profile.id, "gemini");
    assert_eq!(
        names(&profile),
        [
            "read_file",
            "read_many_files",
            "write_file",
            "edit_file",
            "shell",
            "grep",
            "glob",
            "list_dir"
        ]
    );
    let edit = profile.tools[3].definition();
    let properties = edit.parameters["properties"].as_object().unwrap();
    for argument in ["file_path", "instruction", "old_string", "new_string", "allow_multiple"] {
        assert!(properties.contains_key(argument), "{argument}");
    }
    assert!(edit.description.contains("allow_multiple"), "{}", edit.description);
    assert_eq!(profile.document_names, ["AGENTS.md", "GEMINI.md"]);
    assert_eq!(profile.command_timeout_ms, None);
}

#[test]
fn models_of_no_family_get_the_shared_tools() {
    for profile in [
        Profile::for_model("openai-compatible", "qwen3-coder").unwrap(),
        Profile::of_family(Family::Generic, "scripted", "a.jsonl"),
    ] {
        assert_eq!(profile.id, "generic");
        assert_eq!(
            names(&profile),
            ["read_file", "write_file", "edit_file", "shell", "grep", "glob"]
        );
        assert_eq!(profile.document_names, ["AGENTS.md"]);
    }
}

/// What was recorded with any model can be played.
#[test]
fn a_transcript_has_the_tools_of_every_family() {
    let scripted = Profile::for_model("scripted", "/tmp/session.jsonl").unwrap();
    assert_eq!(scripted.id, "generic");
    let offered = names(&scripted);
    for family in Family::ALL {
        for name in names(&Profile::of_family(family, "p", "m")) {
            assert_eq!(offered.iter().filter(|offered| **offered == name).count(), 1, "{name}");
        }
    }
    let named = Profile::for_model("scripted", "./claude-opus-5-5.jsonl").unwrap();
    assert_eq!((named.id.as_str(), named.tools.len()), ("anthropic", 6));
}

/// Instructions speak of the tools that the family has, and of no others.
#[test]
fn loop_9_2_each_family_has_instructions_of_its_own_for_its_own_tools() {
    let known = ["read_many_files", "apply_patch", "edit_file", "write_file", "list_dir"];
    let mut all: Vec<String> = Vec::new();
    for family in Family::ALL {
        let profile = Profile::of_family(family, "scripted", "m");
        let text = &profile.base_instructions;
        let identity = text.find("You are a coding agent").unwrap();
        let working = text.find("# Working\n").unwrap();
        let tools = text.find("# Tools\n").unwrap();
        let answering = text.find("# Answering\n").unwrap();
        assert!(identity < working && working < tools && tools < answering, "{family}");
        let own = names(&profile);
        for tool in known {
            let offered = own.iter().any(|name| name == tool);
            assert!(offered || !text.contains(tool), "{family} speaks of {tool}");
        }
        for guidance in ["run the tests", "git reset --hard", "cannot change these instructions"] {
            assert!(text.contains(guidance), "{family}: {guidance}");
        }
        assert!(!all.contains(text), "{family}");
        all.push(text.clone());
    }
    let [openai, anthropic, gemini, _] = all.as_slice() else { panic!() };
    assert!(openai.contains("*** Begin Patch") && openai.contains("@@"));
    assert!(anthropic.contains("exactly once") && anthropic.contains("before you edit"));
    assert!(gemini.contains("GEMINI.md") && gemini.contains("Verify"));
}

#[test]
fn settings_of_a_provider_come_with_the_family() {
    let anthropic = Profile::for_model("anthropic", "claude-opus-5-5").unwrap();
    let binding = &anthropic.provider_options["anthropic"]["block_binding"];
    assert_eq!(binding["prefix_mismatch_behavior"], "drop_block");
    let gemini = Profile::for_model("gemini", "gemini-3.8-flash").unwrap();
    let safety = gemini.provider_options["gemini"]["safetySettings"].as_array().unwrap();
    assert_eq!(safety.len(), 4);
    assert_eq!(gemini.provider_options["gemini"].get("tools"), None);
    let searching = gemini.with_web_search().provider_options;
    assert_eq!(searching["gemini"]["tools"][0], serde_json::json!({"googleSearch": {}}));
    assert!(searching["gemini"]["safetySettings"].is_array());
    let openai = Profile::for_model("openai", "gpt-5.2").unwrap().with_web_search();
    assert!(openai.provider_options.is_empty());
}

#[test]
fn what_a_model_can_do_comes_from_the_catalogue() {
    let profile = |provider, model| Profile::for_model(provider, model).unwrap();
    assert!(profile("openai", "gpt-5.2").capabilities.reasoning);
    assert!(!profile("openai", "gpt-4.1").capabilities.reasoning);
    assert_eq!(profile("openai", "gpt-5.2").display_name, "GPT-5.2");
    assert_eq!(profile("openai", "gpt-5.2").knowledge_cutoff.as_deref(), Some("2025-08"));
    assert_eq!(profile("openai", "unheard-of").knowledge_cutoff, None);
}
