use std::collections::HashMap;

use super::*;
use crate::error::ErrorKind;
use crate::types::{Message, Request};

fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    let map: HashMap<&str, &str> = pairs.iter().copied().collect();
    move |name| map.get(name).map(|value| (*value).to_owned())
}

fn refusal(error: LlmError) -> String {
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

fn transcript() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"reply\": {\"text\": \"hi\"}}\n").unwrap();
    file
}

#[test]
fn llm_8_1_keys_in_the_environment_register_providers_and_the_first_is_the_default() {
    let client = Client::from_env_with(env(&[("OPENAI_API_KEY", "k")])).unwrap();
    assert_eq!(client.default_provider(), Some("openai"));
    assert_eq!(client.provider_names().collect::<Vec<_>>(), ["openai"]);
}

#[test]
fn a_compatible_endpoint_needs_a_url_but_no_key_and_a_model_by_name() {
    let url = ("OPENAI_COMPATIBLE_BASE_URL", "http://localhost:8000/v1");
    let client = Client::from_env_with(env(&[url])).unwrap();
    assert_eq!(client.default_provider(), Some("openai-compatible"));
    let both = [url, ("OPENAI_API_KEY", "k"), ("OPENAI_COMPATIBLE_API_KEY", "k")];
    let client = Client::from_env_with(env(&both)).unwrap();
    assert_eq!(client.provider_names().collect::<Vec<_>>(), ["openai", "openai-compatible"]);
    let key_alone = [("OPENAI_COMPATIBLE_API_KEY", "k")];
    let message = refusal(Client::from_env_with(env(&key_alone)).unwrap_err());
    assert!(message.contains("OPENAI_COMPATIBLE_BASE_URL"), "{message}");
    let message = refusal(Client::connect(None, env(&[url])).unwrap_err());
    assert!(message.contains("name one"), "{message}");
    let named = Client::connect(Some("openai-compatible/org/model"), env(&[url])).unwrap();
    assert_eq!(named.model.model, "org/model");
}

#[test]
fn llm_8_1_nothing_configured_is_a_configuration_error_that_says_what_to_do() {
    let message = refusal(Client::from_env_with(env(&[])).unwrap_err());
    assert!(message.contains("OPENAI_API_KEY"), "{message}");
    let blank = refusal(Client::from_env_with(env(&[("OPENAI_API_KEY", " ")])).unwrap_err());
    assert_eq!(blank, message);
    let bad = [("OPENAI_API_KEY", "k"), ("OPENAI_BASE_URL", "api.openai.com")];
    assert!(refusal(Client::from_env_with(env(&bad)).unwrap_err()).contains("OPENAI_BASE_URL"));
    let key = [("OPENAI_API_KEY", "line\nbreak")];
    let message = refusal(Client::from_env_with(env(&key)).unwrap_err());
    assert!(!message.contains("break"), "{message}");
}

#[test]
fn connect_takes_the_flag_then_the_variable_then_the_newest_model() {
    let key = [("OPENAI_API_KEY", "k"), ("CANON_MODEL", "gpt-5.1")];
    let model = |flag, env_pairs: &[(&str, &str)]| {
        Client::connect(flag, env(env_pairs)).unwrap().model.to_string()
    };
    assert_eq!(model(Some("gpt-5.2"), &key), "openai/gpt-5.2");
    assert_eq!(model(None, &key), "openai/gpt-5.1");
    let newest = get_latest_model("openai", None).unwrap();
    assert_eq!(model(None, &key[..1]), format!("openai/{}", newest.id));
    assert_eq!(model(Some("brand-new"), &key), "openai/brand-new");
}

#[test]
fn connect_refuses_what_it_cannot_reach() {
    let refused = |model, pairs: &[(&str, &str)]| {
        refusal(Client::connect(Some(model), env(pairs)).unwrap_err())
    };
    assert!(refused("openai/gpt-5.2", &[]).contains("OPENAI_API_KEY is not set"));
    assert!(refused("mystery", &[]).contains("no model provider is configured"));
    assert!(refused("scripted/./nowhere.jsonl", &[]).contains("nowhere.jsonl"));
}

#[tokio::test]
async fn a_scripted_session_needs_no_key() {
    let file = transcript();
    let name = format!("scripted/{}", file.path().display());
    let connected = Client::connect(Some(&name), env(&[])).unwrap();
    assert_eq!(connected.model.provider.as_deref(), Some("scripted"));
    let request = Request::new(connected.model.model.clone(), vec![Message::user("x")]);
    let response = connected.client.complete(request.clone()).await.unwrap();
    assert_eq!((response.text().as_str(), response.provider.as_str()), ("hi", "scripted"));

    let pairs = [("CANON_MODEL", name.as_str()), ("OPENAI_API_KEY", "k")];
    let client = Client::from_env_with(env(&pairs)).unwrap();
    assert_eq!(client.default_provider(), Some("scripted"));
    assert_eq!(client.complete(request).await.unwrap().text(), "hi");
}

#[test]
fn what_is_configured_is_known_without_a_client() {
    let status = |pairs: &[(&str, &str)]| Client::providers(env(pairs));
    assert!(status(&[]).iter().all(|provider| !provider.configured));
    let one = status(&[("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", " ")]);
    let configured: Vec<_> = one.iter().filter(|provider| provider.configured).collect();
    assert_eq!(configured.len(), 1, "{one:?}");
    assert_eq!((configured[0].name, configured[0].variables), ("openai", &["OPENAI_API_KEY"][..]));

    let model = |pairs: &[(&str, &str)]| Client::default_model(env(pairs));
    let newest = get_latest_model("openai", None).unwrap();
    let of_key = model(&[("OPENAI_API_KEY", "k")]).unwrap();
    assert_eq!(of_key.to_string(), format!("openai/{}", newest.id));
    assert_eq!(model(&[("CANON_MODEL", "gpt-5.1")]).unwrap().to_string(), "gpt-5.1");
    assert_eq!(model(&[]).unwrap_err().error_code(), Some(super::NOT_CONFIGURED));
}
