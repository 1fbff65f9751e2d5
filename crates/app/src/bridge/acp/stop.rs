//! How a prompt ended, in the protocol's words.

use canon_agent::{Limit, Outcome, Status, WarningCode};
use canon_protocol::acp::AUTH_REQUIRED;
use canon_protocol::acp::agent::StopReason;
use canon_protocol::jsonrpc::{INTERNAL_ERROR, RpcError};
use serde_json::json;

/// What a warning about the last reply makes of the end, if it is the end.
pub(super) fn of_warning(code: WarningCode) -> Option<StopReason> {
    match code {
        WarningCode::ReplyCut => Some(StopReason::MaxTokens),
        WarningCode::ReplyFiltered => Some(StopReason::Refusal),
        _ => None,
    }
}

/// Why the agent stopped, or what it failed of. `cancelled` says that the client cancelled, which
/// it is always told back; `last` is what was odd about the last reply.
pub(super) fn reason(
    outcome: &Outcome,
    cancelled: bool,
    last: Option<StopReason>,
) -> Result<StopReason, RpcError> {
    if cancelled {
        return Ok(StopReason::Cancelled);
    }
    match &outcome.status {
        Status::Completed | Status::AwaitingInput => Ok(last.unwrap_or(StopReason::EndTurn)),
        Status::Aborted => Ok(StopReason::Cancelled),
        Status::Limit { limit: Limit::Tokens | Limit::Cost } => Ok(StopReason::MaxTokens),
        Status::Limit { limit: Limit::Turns | Limit::ToolRounds } => {
            Ok(StopReason::MaxTurnRequests)
        }
        Status::Failed { code, .. } if code == "content_filter" => Ok(StopReason::Refusal),
        Status::Failed { code, message } => {
            let wire = match code.as_str() {
                "authentication" | "access_denied" => AUTH_REQUIRED,
                _ => INTERNAL_ERROR,
            };
            let mut error = RpcError::new(wire, message.clone());
            error.data = Some(json!({ "code": code }));
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: Status) -> Outcome {
        Outcome {
            status,
            text: String::new(),
            usage: canon_llm::Usage::default(),
            cost_usd: None,
            turns: 1,
            tool_calls: 0,
            earlier: None,
        }
    }

    #[test]
    fn every_end_has_its_reason() {
        let failed = |code: &str| Status::Failed { code: code.to_owned(), message: "m".to_owned() };
        for (status, last, wanted) in [
            (Status::Completed, None, StopReason::EndTurn),
            (Status::AwaitingInput, None, StopReason::EndTurn),
            (Status::Completed, of_warning(WarningCode::ReplyCut), StopReason::MaxTokens),
            (Status::Completed, of_warning(WarningCode::ReplyFiltered), StopReason::Refusal),
            (Status::Completed, of_warning(WarningCode::ModelRetry), StopReason::EndTurn),
            (Status::Limit { limit: Limit::Cost }, None, StopReason::MaxTokens),
            (Status::Limit { limit: Limit::Turns }, None, StopReason::MaxTurnRequests),
            (Status::Aborted, None, StopReason::Cancelled),
            (failed("content_filter"), None, StopReason::Refusal),
        ] {
            assert_eq!(reason(&outcome(status.clone()), false, last), Ok(wanted), "{status:?}");
        }
    }

    #[test]
    fn a_cancelled_prompt_is_cancelled_however_it_ended() {
        for status in [
            Status::Completed,
            Status::Aborted,
            Status::Failed { code: "network".to_owned(), message: String::new() },
        ] {
            assert_eq!(reason(&outcome(status), true, None), Ok(StopReason::Cancelled));
        }
    }

    #[test]
    fn a_failure_says_what_it_is_and_a_bad_key_is_the_clients_to_mend() {
        for (code, wire) in [("authentication", AUTH_REQUIRED), ("server", INTERNAL_ERROR)] {
            let status = Status::Failed { code: code.to_owned(), message: "why".to_owned() };
            let error = reason(&outcome(status), false, None).unwrap_err();
            assert_eq!((error.code, error.message.as_str()), (wire, "why"));
            assert_eq!(error.data, Some(json!({ "code": code })));
        }
    }
}
