//! How turns end, in the words of the protocol.

use canon_agent::{Limit, Outcome, Status};
use canon_llm::RateLimitInfo;
use canon_protocol::codex::server::outgoing::{self, Turn, TurnError, TurnStatus, Window};
use canon_protocol::jsonrpc::RpcError;
use canon_runtime::clock;
use serde_json::{Value, json};

use super::Running;
use crate::bridge::app_server::invalid;
use crate::bridge::shape::{CORRECTIONS, Shape};

/// What the last message of a turn has to be.
pub(super) struct Form {
    shape: Shape,
    corrections: u32,
    /// What is wrong with the last message, when it may not be corrected any more.
    pub(super) misfit: Option<String>,
}

impl Form {
    /// The form that a client wants.
    pub(super) fn wanted(schema: Option<&Value>) -> Result<Option<Self>, RpcError> {
        let Some(schema) = schema.filter(|schema| !schema.is_null()) else { return Ok(None) };
        let shape =
            Shape::new(schema.clone()).map_err(|why| invalid(format!("outputSchema: {why}")))?;
        Ok(Some(Self { shape, corrections: 0, misfit: None }))
    }

    pub(super) fn instructions(&self) -> String {
        self.shape.instructions()
    }

    /// What the model is to be told of its last message; `None` when there is nothing to correct, or
    /// it had its chances.
    pub(super) fn correction(&mut self, text: &str) -> Option<String> {
        let violations = self.shape.value(text).err()?;
        if self.corrections < CORRECTIONS {
            self.corrections += 1;
            return Some(Shape::again(&violations));
        }
        let what = violations.join("; ");
        self.misfit = Some(format!("the last message does not fit outputSchema: {what}"));
        None
    }
}

/// The turn as it ended, with its last message.
pub(super) fn ended(running: Running, outcome: &Outcome) -> Turn {
    let now = clock::now_ms();
    let misfit = running.form.and_then(|form| form.misfit);
    let (status, error) = match &outcome.status {
        Status::Completed | Status::AwaitingInput if misfit.is_some() => {
            (TurnStatus::Failed, misfit.map(|why| turn_error("form", why)))
        }
        Status::Completed | Status::AwaitingInput => (TurnStatus::Completed, None),
        Status::Aborted => (TurnStatus::Interrupted, None),
        Status::Limit { limit } => {
            let message = || "a limit of the session was reached".to_owned();
            let error = running.error.unwrap_or_else(|| turn_error(code_of(*limit), message()));
            (TurnStatus::Failed, Some(error))
        }
        Status::Failed { code, message } => {
            (TurnStatus::Failed, Some(turn_error(code, message.clone())))
        }
    };
    let status = if running.interrupted && status == TurnStatus::Completed {
        TurnStatus::Interrupted
    } else {
        status
    };
    Turn {
        status,
        error,
        completed_at: Some(seconds(now)),
        duration_ms: Some(now.saturating_sub(running.started_ms)),
        ..running.turn
    }
}

/// The code of a limit, as [`turn_error`] knows it.
pub(super) fn code_of(limit: Limit) -> &'static str {
    match limit {
        Limit::Tokens | Limit::Cost => "budget",
        _ => "limit",
    }
}

/// The code in the spelling of Codex, where it has one.
pub(super) fn turn_error(code: &str, message: String) -> TurnError {
    let info = match code {
        "context_length" => json!("contextWindowExceeded"),
        "budget" => json!("sessionBudgetExceeded"),
        "limit" | "quota_exceeded" => json!("usageLimitExceeded"),
        "rate_limit" => json!("rateLimitExceeded"),
        "authentication" | "access_denied" => json!("unauthorized"),
        "not_found" => json!("modelNotFound"),
        "server" => json!("internalServerError"),
        "network" | "request_timeout" => json!({ "httpConnectionFailed": {} }),
        "stream" => json!({ "responseStreamDisconnected": {} }),
        "invalid_request" | "configuration" => json!("badRequest"),
        "environment" => json!("sandboxError"),
        _ => json!("other"),
    };
    TurnError { message, info: Some(info), details: None }
}

/// What a provider said of its limits: tokens first, then requests; `None` when it said nothing.
pub(super) fn rate_limits(limits: &RateLimitInfo) -> Option<Value> {
    let reset = limits.reset_at.as_deref().and_then(clock::parse_rfc3339);
    let resets_at = reset.map(seconds);
    let window = |remaining: Option<u64>, limit: Option<u64>| {
        let (remaining, limit) = (remaining?, limit.filter(|limit| *limit > 0)?);
        let used = limit.saturating_sub(remaining).saturating_mul(100) / limit;
        Some(Window { used_percent: u8::try_from(used).unwrap_or(100), resets_at })
    };
    let tokens = window(limits.tokens_remaining, limits.tokens_limit);
    let requests = window(limits.requests_remaining, limits.requests_limit);
    let any = tokens.is_some() || requests.is_some();
    any.then(|| outgoing::rate_limits(tokens.as_ref(), requests.as_ref()))
}

pub(super) fn seconds(ms: u64) -> i64 {
    i64::try_from(ms / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_a_provider_are_shares_of_what_it_allows() {
        let limits = RateLimitInfo {
            tokens_remaining: Some(25),
            tokens_limit: Some(100),
            requests_remaining: Some(7),
            requests_limit: None,
            reset_at: Some("2026-02-24T20:15:30Z".to_owned()),
        };
        let said = rate_limits(&limits).unwrap();
        assert_eq!(said["rateLimits"]["primary"]["usedPercent"], 75);
        assert_eq!(said["rateLimits"]["primary"]["resetsAt"], 1_771_964_130);
        assert!(said["rateLimits"]["secondary"].is_null());
        let none = RateLimitInfo { tokens_limit: Some(0), tokens_remaining: Some(0), ..limits };
        assert!(rate_limits(&none).is_none());
    }

    #[test]
    fn failures_have_the_schemas_names() {
        let info = |code| turn_error(code, String::new()).info.unwrap();
        assert_eq!(info("authentication"), "unauthorized");
        assert_eq!(info("rate_limit"), "rateLimitExceeded");
        assert_eq!(info("context_length"), "contextWindowExceeded");
        assert_eq!(info(code_of(Limit::Cost)), "sessionBudgetExceeded");
        assert_eq!(info("something new"), "other");
    }
}
