//! Model calls: asking, retrying, taking replies.

use std::time::Duration;

use canon_llm::{ErrorKind, FinishReasonKind, LlmError, Response};

use super::context::tokens;
use super::{Call, Machine, Phase};
use crate::events::{EventData, Status, WarningCode};
use crate::session::effect::Effect;
use crate::session::event::ModelNews;
use crate::session::turn::{AssistantTurn, Turn, chars_of};

/// How often a reply that broke off is asked for again.
const MAX_DISCARDED: u32 = 2;

/// What went wrong before in getting one reply.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attempt {
    /// Failures before the first delta.
    failures: u32,
    /// Replies that broke off.
    discarded: u32,
    /// Old tool outputs were shortened for this call.
    trimmed: bool,
}

impl Machine {
    pub(super) fn call_model(&mut self, attempt: Attempt) {
        if !self.prefix_known {
            self.phase = Phase::Preparing { attempt };
            return;
        }
        self.check_context_usage();
        let id = self.fresh_id();
        let reserved = self.reservation();
        let (begun, text_begun) = (false, false);
        self.phase = Phase::Calling(Call { id, attempt, begun, text_begun, bytes: 0, reserved });
        self.fx.push(Effect::CallModel { call: id });
    }

    pub(super) fn on_model(&mut self, call: u64, news: ModelNews) {
        let Phase::Calling(current) = &mut self.phase else { return };
        if current.id != call {
            return;
        }
        match news {
            ModelNews::Text(delta) => {
                current.begun = true;
                current.bytes += delta.len() as u64;
                if !std::mem::replace(&mut current.text_begun, true) {
                    self.emit(EventData::AssistantTextStart {});
                }
                self.emit(EventData::AssistantTextDelta { delta });
            }
            ModelNews::Reasoning(delta) => {
                current.begun = true;
                current.bytes += delta.len() as u64;
                self.emit(EventData::ReasoningDelta { delta });
            }
            ModelNews::Other => current.begun = true,
            ModelNews::Replied(reply) => {
                let (attempt, begun, text_begun) =
                    (current.attempt, current.begun, current.text_begun);
                if reply.finish_reason.reason == FinishReasonKind::Error {
                    let raw = reply.finish_reason.raw.as_deref().unwrap_or("no reason given");
                    let message = format!("the model's reply ended in an error: {raw}");
                    self.on_failure(attempt, begun, &LlmError::new(ErrorKind::Stream, message));
                } else {
                    self.on_reply(*reply, text_begun);
                }
            }
            ModelNews::Failed(error) => {
                let (attempt, begun) = (current.attempt, current.begun);
                self.on_failure(attempt, begun, &error);
            }
        }
    }

    fn on_reply(&mut self, mut reply: Response, text_begun: bool) {
        self.phase = Phase::Quiet;
        self.call_ids.make_distinct(&mut reply.message);
        let (text, calls) = (reply.text(), reply.tool_calls());
        let empty = text.is_empty() && calls.is_empty();
        if !text.is_empty() {
            self.last_text.clone_from(&text);
        }
        if !text_begun {
            self.emit(EventData::AssistantTextStart {});
        }
        self.emit(EventData::AssistantTextEnd {
            text,
            reasoning: reply.reasoning(),
            response_id: (!reply.id.is_empty()).then(|| reply.id.clone()),
        });
        let reason = reply.finish_reason.reason;
        self.take_reply(reply);
        self.warn_of_finish(reason, empty);
        if !calls.is_empty() {
            self.run_tools(calls);
        } else if !self.steering.is_empty() {
            self.drain_steering();
            self.next_round();
        } else {
            self.end_with_text(reason, empty);
        }
    }

    /// A reply without tool calls ends the input, one way or another.
    fn end_with_text(&mut self, reason: FinishReasonKind, empty: bool) {
        if reason == FinishReasonKind::ContentFilter && empty {
            let message = "a content filter of the provider withheld the whole reply";
            self.fail(code_of(ErrorKind::ContentFilter), message.to_owned());
            return;
        }
        // A reply may be cut because a budget left it no more room.
        let limit = if reason == FinishReasonKind::Length { self.limit_reached() } else { None };
        self.end_input(match limit {
            Some(limit) => Status::Limit { limit },
            None if self.config.interactive && asks_a_question(&self.last_text) => {
                Status::AwaitingInput
            }
            None => Status::Completed,
        });
    }

    /// Counts a reply and puts it into the history.
    fn take_reply(&mut self, reply: Response) {
        self.turns += 1;
        if reply.usage.total_tokens == 0 {
            self.write_off(tokens(chars_of(&reply.message)));
        }
        self.usage += reply.usage.clone();
        let cost_usd = self.model.price.map(|price| price.cost_usd(&reply.usage));
        self.cost_usd += cost_usd.unwrap_or(0.0);
        for warning in &reply.warnings {
            // Most are about the request, and come again with each.
            if self.told_of.insert(warning.message.clone()) {
                self.warn(WarningCode::ModelClient, warning.message.clone());
            }
        }
        self.emit(EventData::TokenUsage {
            last: reply.usage.clone(),
            total: self.total_usage(),
            cost_usd: self.total_cost(),
            context_window: self.model.context_window,
            rate_limit: reply.rate_limit,
        });
        let tokens = reply.usage.total_tokens;
        self.push_turn(Turn::Assistant(Box::new(AssistantTurn {
            message: reply.message,
            usage: reply.usage,
            response_id: reply.id,
            cost_usd,
            timestamp: self.now,
        })));
        self.last_call = (tokens > 0).then_some((tokens, self.history_chars));
    }

    fn warn_of_finish(&mut self, reason: FinishReasonKind, empty: bool) {
        match reason {
            FinishReasonKind::Length => self.warn(
                WarningCode::ReplyCut,
                "the reply reached its token limit and may be incomplete".to_owned(),
            ),
            FinishReasonKind::ContentFilter => self.warn(
                WarningCode::ReplyFiltered,
                "a content filter of the provider withheld the reply or a part of it".to_owned(),
            ),
            _ if empty => self.warn(
                WarningCode::ReplyEmpty,
                "the reply had neither text nor tool calls".to_owned(),
            ),
            _ => {}
        }
    }

    /// A call gave no reply: asked again, or the end of the session.
    fn on_failure(&mut self, mut attempt: Attempt, begun: bool, error: &LlmError) {
        if let Phase::Calling(call) = std::mem::replace(&mut self.phase, Phase::Quiet) {
            // A call that was refused cost nothing; one that broke off, or fell silent, did.
            let unheard = matches!(error.kind(), ErrorKind::RequestTimeout | ErrorKind::Stream);
            if begun || unheard {
                self.write_off(call.written());
            }
        }
        if error.kind() == ErrorKind::ContextLength && !attempt.trimmed && self.trim_context() {
            attempt.trimmed = true;
            if begun {
                self.warn(WarningCode::ReplyDiscarded, format!("the reply is discarded: {error}"));
            }
            self.call_model(attempt);
            return;
        }
        // A reply that broke off is asked for again whatever the retry count, and a stream that
        // fell silent counts as broken: only the policy's waits are taken from it.
        let random = self.random_unit();
        let wait = if begun {
            let broken = error.retryable() || error.kind() == ErrorKind::RequestTimeout;
            (broken && attempt.discarded < MAX_DISCARDED)
                .then(|| jittered(self.config.retry.base_delay, random))
        } else {
            self.config.retry.next_delay(error, attempt.failures, random)
        };
        let Some(wait) = wait else {
            self.fail(code_of(error.kind()), error.to_string());
            return;
        };
        if begun {
            attempt.discarded += 1;
            self.warn(
                WarningCode::ReplyDiscarded,
                format!(
                    "the reply broke off and is discarded, asking again ({} of {MAX_DISCARDED}): \
                     {error}",
                    attempt.discarded
                ),
            );
        } else {
            attempt.failures += 1;
            self.warn(
                WarningCode::ModelRetry,
                format!(
                    "model call failed, retry {} of {} in {} ms: {error}",
                    attempt.failures,
                    self.config.retry.max_retries,
                    wait.as_millis()
                ),
            );
        }
        let timer = self.fresh_id();
        self.phase = Phase::BackingOff { timer, attempt };
        self.fx.push(Effect::SetTimer { timer, after: wait });
    }
}

/// `wait` spread over 50 % to 150 % of its length.
fn jittered(wait: Duration, random: f64) -> Duration {
    Duration::try_from_secs_f64(wait.as_secs_f64() * (0.5 + random)).unwrap_or(wait)
}

/// The kind as it stands in JSON, such as `rate_limit`.
fn code_of(kind: ErrorKind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(code)) => code,
        _ => "unknown".to_owned(),
    }
}

/// Whether a text ends in a question, closing marks aside.
fn asks_a_question(text: &str) -> bool {
    text.trim_end_matches(|c: char| c.is_whitespace() || "*_`\"')»”’".contains(c))
        .ends_with(['?', '？', '؟'])
}

#[cfg(test)]
mod tests {
    use super::asks_a_question;

    #[test]
    fn questions_end_in_a_question_mark() {
        assert!(asks_a_question("Which one?"));
        assert!(asks_a_question("Done so far.\n\n**Shall I go on?**\n"));
        assert!(!asks_a_question("Why? Because."));
        assert!(!asks_a_question(""));
    }
}
