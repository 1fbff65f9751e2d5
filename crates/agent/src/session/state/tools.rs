//! Rounds of tool calls: every call gets exactly one result before the model is asked again.

use std::time::Duration;

use canon_llm::{ImageData, ToolCall, ToolCallData, ToolResultData};
use serde_json::Value;

use super::{Machine, Phase};
use crate::approval::refusal;
use crate::events::{EventData, WarningCode};
use crate::session::effect::Effect;
use crate::session::event::ToolNews;
use crate::session::turn::{ToolResultEntry, Turn};
use crate::tools::ToolOutput;

/// How long cancelled tools may take to end: TERM, two seconds, KILL, and some air.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// The tool calls of one reply.
pub(super) struct Round {
    id: u64,
    calls: Vec<PendingCall>,
}

struct PendingCall {
    call: ToolCall,
    started: Option<u64>,
    result: Option<ToolResultEntry>,
}

impl Machine {
    pub(super) fn run_tools(&mut self, calls: Vec<ToolCall>) {
        let id = self.fresh_id();
        self.tool_calls += u32::try_from(calls.len()).unwrap_or(u32::MAX);
        let pending = calls
            .iter()
            .map(|call| PendingCall { call: call.clone(), started: None, result: None })
            .collect();
        self.phase = Phase::Running(Round { id, calls: pending });
        self.fx.push(Effect::RunTools { round: id, calls });
    }

    pub(super) fn on_tool(&mut self, round: u64, index: usize, news: ToolNews) {
        let (Phase::Running(current) | Phase::Stopping { round: current, .. }) = &mut self.phase
        else {
            return;
        };
        if current.id != round {
            return;
        }
        let Some(pending) = current.calls.get_mut(index) else { return };
        if pending.result.is_some() {
            return;
        }
        match news {
            ToolNews::Started { arguments } => {
                if pending.started.is_none() {
                    pending.started = Some(self.now);
                    let call = pending.call.clone();
                    self.emit_start(call, arguments);
                }
            }
            ToolNews::Reviewed => pending.started = pending.started.map(|_| self.now),
            ToolNews::Abort => {
                self.finish_call(index, ToolOutput::error(refusal("The user gave the task up.")));
                // Not a round that is being stopped already: how that ends is decided.
                if matches!(self.phase, Phase::Running(_)) {
                    self.stop_work(false);
                }
                self.check_round_complete();
            }
            ToolNews::Output(delta) => {
                let call_id = self.agent.call_id(&pending.call.id);
                self.emit(EventData::ToolCallOutputDelta { call_id, delta });
            }
            ToolNews::Finished(output) => {
                self.finish_call(index, output);
                self.check_round_complete();
            }
        }
    }

    fn round_mut(&mut self) -> Option<&mut Round> {
        match &mut self.phase {
            Phase::Running(round) | Phase::Stopping { round, .. } => Some(round),
            _ => None,
        }
    }

    /// Takes the result of one call: in full for the host, cut for the model.
    fn finish_call(&mut self, index: usize, output: ToolOutput) {
        let now = self.now;
        let limits = self.config.output_limits.clone();
        let Some(round) = self.round_mut() else { return };
        let Some(pending) = round.calls.get_mut(index) else { return };
        let seen = limits.apply(&pending.call.name, &output.text);
        let truncated = seen != output.text;
        let mut result = ToolResultData::new(pending.call.id.clone(), seen, output.is_error);
        let mut images = output.images.into_iter();
        if let Some(first) = images.next() {
            result.image_media_type = Some(first.media_type);
            result.image_data = Some(first.data);
        }
        let more_images = images.map(ImageData::from).collect();
        pending.result = Some(ToolResultEntry { result, more_images });
        let begun = pending.started;
        let call = pending.call.clone();
        if begun.is_none() {
            self.emit_start(call.clone(), ToolCallData::from(call.clone()).arguments);
        }
        self.emit(EventData::ToolCallEnd {
            tool_name: call.name,
            call_id: self.agent.call_id(&call.id),
            output: output.text,
            is_error: output.is_error,
            truncated,
            details: output.details,
            duration_ms: begun.map_or(0, |begun| now.saturating_sub(begun)),
        });
    }

    fn emit_start(&mut self, call: ToolCall, arguments: Value) {
        let call_id = self.agent.call_id(&call.id);
        self.emit(EventData::ToolCallStart { tool_name: call.name, call_id, arguments });
    }

    fn check_round_complete(&mut self) {
        let Some(round) = self.round_mut() else { return };
        if round.calls.iter().any(|pending| pending.result.is_none()) {
            return;
        }
        match std::mem::replace(&mut self.phase, Phase::Quiet) {
            Phase::Running(round) => {
                self.push_results(round);
                self.rounds += 1;
                self.drain_steering();
                self.warn_of_loop();
                self.next_round();
            }
            Phase::Stopping { round, then_close, .. } => {
                self.push_results(round);
                self.work_stopped(then_close);
            }
            other => self.phase = other,
        }
    }

    fn push_results(&mut self, round: Round) {
        for pending in &round.calls {
            let arguments = ToolCallData::from(pending.call.clone()).arguments;
            self.loops.record(&pending.call.name, &arguments);
        }
        let results = round.calls.into_iter().filter_map(|pending| pending.result).collect();
        self.push_turn(Turn::ToolResults { results, timestamp: self.now });
    }

    fn warn_of_loop(&mut self) {
        if !self.config.enable_loop_detection {
            return;
        }
        let Some(found) = self.loops.check() else { return };
        let message = format!(
            "Loop detected: the last {} tool calls follow a repeating pattern. Try a different \
             approach.",
            found.calls
        );
        self.push_turn(Turn::Steering {
            content: message.clone(),
            images: Vec::new(),
            timestamp: self.now,
        });
        self.emit(EventData::LoopDetection { message, pattern_length: found.pattern });
    }

    /// Gives every call of a round that never began this answer.
    pub(super) fn answer_open_calls(&mut self, text: &str) {
        let Phase::Running(round) = &self.phase else { return };
        for index in 0..round.calls.len() {
            self.finish_call(index, ToolOutput::error(text));
        }
        if let Phase::Running(round) = std::mem::replace(&mut self.phase, Phase::Quiet) {
            self.push_results(round);
        }
    }

    pub(super) fn cancel_tools(&mut self, round: Round, then_close: bool) {
        self.fx.push(Effect::CancelTools { round: round.id });
        let timer = self.fresh_id();
        self.fx.push(Effect::SetTimer { timer, after: STOP_GRACE });
        self.phase = Phase::Stopping { round, timer, then_close };
    }

    /// The cancelled tools that did not end are answered for.
    pub(super) fn give_up_on_tools(&mut self) {
        let Some(round) = self.round_mut() else { return };
        let open: Vec<(usize, String)> = round
            .calls
            .iter()
            .enumerate()
            .filter(|(_, pending)| pending.result.is_none())
            .map(|(index, pending)| (index, pending.call.name.clone()))
            .collect();
        let round = round.id;
        self.fx.push(Effect::DropTools { round });
        for (index, name) in open {
            self.warn(
                WarningCode::ToolDidNotEnd,
                format!(
                    "tool `{name}` did not end within {} s of being cancelled",
                    STOP_GRACE.as_secs()
                ),
            );
            let text = "[ERROR: The tool was cancelled and did not end.]";
            self.finish_call(index, ToolOutput::error(text));
        }
        self.check_round_complete();
    }
}

#[cfg(test)]
impl Round {
    /// Its id and the number of its calls.
    pub(super) fn shape(&self) -> (u64, usize) {
        (self.id, self.calls.len())
    }
}
