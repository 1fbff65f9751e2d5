//! Answers to what clients ask before they begin: models, configuration, account.

use canon_llm::ModelInfo;
use canon_protocol::codex::server::call::PageOf;
use canon_protocol::codex::server::outgoing;
use canon_protocol::jsonrpc::RpcError;
use serde_json::{Value, json};

use super::{Setup, invalid};

/// Most models of a page when the client does not say.
const PAGE: usize = 100;

/// `model/list`: the catalogue, the server's own model first among equals as the default.
pub(super) fn models(setup: &Setup, wish: &PageOf) -> Result<Value, RpcError> {
    let models: Vec<_> = canon_llm::list_models(wish.model_provider.as_deref()).collect();
    let from = cursor(wish.cursor.as_deref(), models.len())?;
    let limit = wish.limit.map_or(PAGE, |limit| limit.max(1) as usize);
    let end = models.len().min(from.saturating_add(limit));
    let data = models[from..end].iter().map(|info| model(setup, info)).collect();
    let next = (end < models.len()).then(|| end.to_string());
    Ok(outgoing::page(data, next.as_deref()))
}

/// A place in a list of this length.
pub(super) fn cursor(cursor: Option<&str>, length: usize) -> Result<usize, RpcError> {
    let Some(cursor) = cursor else { return Ok(0) };
    let at: Option<usize> = cursor.parse().ok();
    at.filter(|at| *at <= length).ok_or_else(|| invalid(format!("invalid cursor: {cursor}")))
}

fn model(setup: &Setup, info: &ModelInfo) -> Value {
    let name = format!("{}/{}", info.provider, info.id);
    let efforts = ["low", "medium", "high"].map(|effort| {
        json!({ "reasoningEffort": effort, "description": format!("{effort} reasoning effort") })
    });
    let efforts = if info.supports_reasoning { efforts.to_vec() } else { Vec::new() };
    let images = if info.supports_vision { vec!["text", "image"] } else { vec!["text"] };
    json!({
        "id": name, "model": name, "displayName": info.display_name,
        "description": format!("{} of {}", info.display_name, info.provider),
        "hidden": false, "isDefault": setup.model.as_deref() == Some(name.as_str()),
        "defaultReasoningEffort": "medium", "supportedReasoningEfforts": efforts,
        "inputModalities": images,
    })
}

/// `config/read`: what threads get that wish nothing else.
pub(super) fn config(setup: &Setup) -> Value {
    let name = setup.model.as_deref().unwrap_or_default();
    let (provider, model) = match name.split_once('/') {
        Some((provider, model)) => (Some(provider), Some(model)),
        None => (None, Some(name).filter(|name| !name.is_empty())),
    };
    json!({
        "config": {
            "model": model, "model_provider": provider, "approval_policy": "never",
            "sandbox_mode": "workspace-write",
        },
        "origins": {},
    })
}

/// `account/read`: keys of providers come from the environment; there is no account to log in to.
pub(super) fn account() -> Value {
    json!({ "account": null, "requiresOpenaiAuth": false })
}

/// `configRequirements/read`: nobody manages this server from elsewhere.
pub(super) fn requirements() -> Value {
    json!({ "requirements": null })
}
