use serde_json::json;

use super::*;

/// A list in LiteLLM's form, written for these tests.
fn litellm() -> Value {
    let model = |provider: &str, input: f64| {
        json!({
            "litellm_provider": provider, "mode": "chat", "max_input_tokens": 100_000,
            "max_output_tokens": 8_000, "input_cost_per_token": input,
            "output_cost_per_token": 4.0 * input, "cache_read_input_token_cost": 0.1 * input,
            "supports_function_calling": true, "supports_vision": true,
        })
    };
    let mut list = json!({
        "sample_spec": { "mode": "one of: chat, …" },
        "gpt-9": model("openai", 1.75e-6),
        "gpt-9-2031-02-03": model("openai", 1.75e-6),
        "gpt-9-2030-01-01": model("openai", 3e-6),
        "gpt-10-mini": model("openai", 1e-7),
        "gpt-9.5": model("openai", 2e-6),
        "gpt-9-realtime-preview": model("openai", 1e-6),
        "ft:gpt-9": model("openai", 9e-6),
        "azure/gpt-9": model("azure", 1e-6),
        "gpt-7": model("openai", 1e-6),
        "gpt-9-old": model("openai", 1e-6),
        "claude-opus-9-1-20310101": model("anthropic", 5e-6),
        "gemini-9-pro": model("vertex_ai-language-models", 7e-6),
        "gemini/gemini-9-pro": model("gemini", 2e-6),
        "text-embedding-9": { "litellm_provider": "openai", "mode": "embedding" },
    });
    list["claude-opus-9-1-20310101"]["cache_creation_input_token_cost"] = json!(6.25e-6);
    list["claude-opus-9-1-20310101"]["supports_reasoning"] = json!(true);
    list["gpt-9.5"]["input_cost_per_token_above_272k_tokens"] = json!(4e-6);
    list["gpt-9.5"]["output_cost_per_token_above_272k_tokens"] = json!(1.2e-5);
    list["gpt-10-mini"]["mode"] = json!("responses");
    list["gpt-9-old"]["deprecation_date"] = json!("2030-05-05");
    list
}

fn rules() -> Rules {
    serde_json::from_value(json!({
        "families": [
            { "provider": "openai", "id": "gpt-{v}", "name": "GPT-{v}" },
            { "provider": "openai", "id": "gpt-{v}-mini", "name": "GPT-{v} Mini" },
            { "provider": "openai", "id": "gpt-{v}-old", "name": "GPT-{v} Old" },
            { "provider": "anthropic", "id": "claude-opus-{v}", "name": "Claude Opus {v}" },
            { "provider": "gemini", "id": "gemini-{v}-pro", "name": "Gemini {v} Pro" },
        ],
        "aliases": {},
        "retires": { "gpt-9": "2032-01-01" },
        "not_served": ["gpt-7"],
        "by_hand": [
            { "id": "gpt-9", "provider": "openai", "context_window": 400_000 },
            { "id": "gpt-8", "provider": "openai", "context_window": 1 },
            { "id": "gemini-10-pro", "provider": "gemini", "context_window": 5, "max_output": null,
              "supports_tools": true, "supports_vision": false, "supports_reasoning": false },
        ],
    }))
    .unwrap()
}

fn ids(models: &[Entry]) -> Vec<&str> {
    models.iter().map(|entry| entry.id.as_str()).collect()
}

#[test]
fn a_list_becomes_the_catalogue_in_the_order_of_families_and_versions() {
    let models = make(&litellm(), &rules(), "2031-06-01").unwrap();
    assert_eq!(
        ids(&models),
        [
            "gpt-9.5",
            "gpt-9",
            "gpt-9-2030-01-01",
            "gpt-10-mini",
            "claude-opus-9-1-20310101",
            "gemini-10-pro",
            "gemini-9-pro"
        ]
    );
    let find = |id: &str| models.iter().find(|entry| entry.id == id).unwrap();
    let gpt = find("gpt-9");
    assert_eq!((gpt.context_window, gpt.max_output), (400_000, Some(8_000)));
    assert_eq!(gpt.aliases, ["gpt-9-2031-02-03"], "other prices are another model");
    assert_eq!(gpt.prices.input_cost_per_million, Some(1.75));
    assert_eq!(gpt.prices.cache_read_cost_per_million, Some(0.175));
    assert_eq!((gpt.display_name.as_str(), gpt.retires.as_deref()), ("GPT-9", Some("2032-01-01")));
    let long = find("gpt-9.5").long_context.clone().unwrap();
    assert_eq!((long.above_tokens, long.prices.output_cost_per_million), (272_000, Some(12.0)));
    let opus = find("claude-opus-9-1-20310101");
    assert_eq!(opus.display_name, "Claude Opus 9.1 (20310101)");
    assert_eq!(opus.prices.cache_write_cost_per_million, Some(6.25));
    assert!(opus.supports_reasoning && !gpt.supports_reasoning);
    assert_eq!(
        find("gemini-9-pro").prices.input_cost_per_million,
        Some(2.0),
        "the API's own price"
    );
    assert_eq!(find("gemini-10-pro").prices, Prices::default(), "by hand alone");
}

#[test]
fn the_same_list_is_written_the_same_and_reads_back() {
    let models = make(&litellm(), &rules(), "2031-06-01").unwrap();
    let text = written(&models, "2031-06-01");
    assert_eq!(text, written(&make(&litellm(), &rules(), "2031-06-01").unwrap(), "2031-06-01"));
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["as_of"], "2031-06-01");
    let read: Vec<Entry> = serde_json::from_value(read["models"].clone()).unwrap();
    assert_eq!(read, models);
    assert_eq!(text.lines().count(), models.len() + 5, "a model a line");
}

#[test]
fn what_is_retired_by_then_is_left_out() {
    assert!(!ids(&make(&litellm(), &rules(), "2031-06-01").unwrap()).contains(&"gpt-9-old"));
    assert!(ids(&make(&litellm(), &rules(), "2030-05-04").unwrap()).contains(&"gpt-9-old"));
    assert!(!ids(&make(&litellm(), &rules(), "2032-01-01").unwrap()).contains(&"gpt-9"));
}

#[test]
fn the_other_list_gives_the_same_form() {
    let list = json!({
        "google": { "models": { "gemini-9-pro": {
            "id": "gemini-9-pro", "name": "Gemini 9 Pro", "reasoning": true, "tool_call": true,
            "modalities": { "input": ["text", "image"], "output": ["text"] },
            "cost": { "input": 2, "output": 12, "cache_read": 0.2,
                      "context_over_200k": { "input": 4, "output": 18 } },
            "limit": { "context": 1_000_000, "output": 65_536 },
        } } },
        "openai": { "models": {
            "gpt-9": { "modalities": { "output": ["image"] }, "limit": { "context": 1 } },
        } },
    });
    let models = make(&list, &rules(), "2031-06-01").unwrap();
    assert_eq!(ids(&models), ["gemini-10-pro", "gemini-9-pro"]);
    let pro = &models[1];
    assert_eq!((pro.context_window, pro.max_output), (1_000_000, Some(65_536)));
    assert!(pro.supports_tools && pro.supports_vision && pro.supports_reasoning);
    assert_eq!(pro.prices.output_cost_per_million, Some(12.0));
    assert_eq!(pro.long_context.as_ref().unwrap().prices.input_cost_per_million, Some(4.0));
}

#[test]
fn what_is_no_list_is_said_to_be_none() {
    assert!(make(&json!([1]), &rules(), "2031-06-01").unwrap_err().contains("JSON object"));
    let mut none = rules();
    none.by_hand.clear();
    assert!(make(&json!({}), &none, "2031-06-01").unwrap_err().contains("price list"));
    let mut typo = rules();
    typo.by_hand = vec![
        json!({ "id": "gpt-9", "provider": "openai", "windw": 1 }).as_object().unwrap().clone(),
    ];
    let error = make(&litellm(), &typo, "2031-06-01").unwrap_err();
    assert!(error.contains("gpt-9") && error.contains("windw"), "{error}");
    let flags = |args: &[&str]| run(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
    assert!(flags(&[]).unwrap_err().is_usage());
    assert!(flags(&["--from", "x", "--as-of", "today"]).unwrap_err().is_usage());
    assert!(!flags(&["--from", "/nowhere/list.json"]).unwrap_err().is_usage());
}

/// Nobody edits the generated file: what differs from the list stands in the rules.
#[test]
fn the_committed_catalogue_is_in_the_order_of_the_committed_rules() {
    let rules: Rules = serde_json::from_str(RULES).unwrap();
    let catalogue = read(&root().join(CATALOGUE)).unwrap();
    let as_of = catalogue["as_of"].as_str().unwrap();
    let models: Vec<Entry> = serde_json::from_value(catalogue["models"].clone()).unwrap();
    let places: Vec<_> = models
        .iter()
        .map(|entry| {
            rules.place(&entry.provider, &entry.id).unwrap_or_else(|| panic!("{}", entry.id))
        })
        .collect();
    assert!(places.is_sorted());
    for fields in &rules.by_hand {
        let id = fields["id"].as_str().unwrap();
        let gone = |date: &String| date.as_str() <= as_of;
        if rules.retires.get(id).is_some_and(gone) {
            continue;
        }
        let entry = models.iter().find(|entry| entry.id == id).unwrap_or_else(|| panic!("{id}"));
        let entry = serde_json::to_value(entry).unwrap();
        for (name, value) in fields {
            assert_eq!(&entry[name], value, "{id}: {name}");
        }
    }
    let text = fs::read_to_string(root().join(CATALOGUE)).unwrap();
    assert_eq!(written(&models, as_of), text);
}
