//! Random hosts, models and tools against the machine.

use std::collections::BTreeMap;

use canon_llm::{ErrorKind, LlmError, RetryPolicy};
use proptest::prelude::*;
use serde_json::Value;

use super::tests::{Rig, response};
use super::*;
use crate::config::Budget;
use crate::session::event::{ModelNews, ToolNews};
use crate::tools::ToolOutput;

/// What happens next; numbers choose among what is possible then.
#[derive(Debug, Clone)]
enum Step {
    Submit,
    Steer,
    Interrupt,
    Abort,
    Close,
    Delta,
    Reply(usize),
    Fail(ErrorKind),
    ToolStarted(usize),
    ToolReviewed(usize),
    ToolAbort(usize),
    ToolOutput(usize),
    ToolFinished(usize),
    Timer(usize),
    /// The subagent begins a task, is done with it, or is gone.
    Subagent(u8),
    /// The next turn cannot be kept.
    JournalBreaks,
    /// An answer to something that was never, or is no longer, asked.
    Stale(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = prop::sample::select(vec![
        ErrorKind::Server,
        ErrorKind::Network,
        ErrorKind::RateLimit,
        ErrorKind::RequestTimeout,
        ErrorKind::ContextLength,
        ErrorKind::Stream,
    ]);
    prop_oneof![
        6 => Just(Step::Submit),
        3 => Just(Step::Steer),
        1 => Just(Step::Interrupt),
        1 => (0u8..8).prop_map(|n| if n == 0 { Step::Abort } else { Step::Submit }),
        1 => (0u8..8).prop_map(|n| if n == 0 { Step::Close } else { Step::Steer }),
        6 => Just(Step::Delta),
        16 => (0usize..4).prop_map(Step::Reply),
        3 => kinds.prop_map(Step::Fail),
        6 => any::<usize>().prop_map(Step::ToolStarted),
        2 => any::<usize>().prop_map(Step::ToolReviewed),
        1 => any::<usize>().prop_map(Step::ToolAbort),
        4 => any::<usize>().prop_map(Step::ToolOutput),
        24 => any::<usize>().prop_map(Step::ToolFinished),
        4 => any::<usize>().prop_map(Step::Timer),
        2 => (0u8..4).prop_map(Step::Subagent),
        1 => (0u8..8).prop_map(|n| if n == 0 { Step::JournalBreaks } else { Step::Submit }),
        2 => (0u64..60).prop_map(Step::Stale),
    ]
}

fn config() -> impl Strategy<Value = SessionConfig> {
    (0u32..6, 0u32..4, prop::option::of(200u64..2000), 0usize..6, any::<bool>()).prop_map(
        |(max_turns, rounds, max_tokens, window, interactive)| SessionConfig {
            max_turns,
            max_tool_rounds_per_input: rounds,
            budget: Budget { max_tokens, max_cost_usd: None },
            loop_detection_window: window,
            interactive,
            retry: RetryPolicy { max_retries: 2, ..RetryPolicy::default() },
            ..SessionConfig::default()
        },
    )
}

/// What a host and a model saw, to be checked after each step.
#[derive(Default)]
struct Watcher {
    submitted: u64,
    steered: u64,
    ended: bool,
    stopped: bool,
    rounds_of_input: u32,
    replies: u32,
    timers: Vec<u64>,
    journal_breaks: bool,
    open_calls: BTreeMap<String, usize>,
}

impl Watcher {
    fn see(&mut self, rig: &Rig, effects: &[Effect]) {
        for effect in effects {
            assert!(!self.stopped, "{effect:?} after stop");
            match effect {
                Effect::Emit(event) => self.see_event(&event.data),
                Effect::CallModel { .. } => check_history(rig.machine.history()),
                Effect::RunTools { .. } => self.rounds_of_input += 1,
                Effect::SetTimer { timer, .. } => self.timers.push(*timer),
                Effect::Stop => self.stopped = true,
                _ => {}
            }
        }
        let config = rig.machine.config();
        assert!(config.max_turns == 0 || self.replies <= config.max_turns);
        let rounds = config.max_tool_rounds_per_input;
        assert!(rounds == 0 || self.rounds_of_input <= rounds);
        assert_eq!(self.ended, rig.machine.state() == SessionState::Closed);
        assert_eq!(self.ended, self.stopped);
        let working = !matches!(rig.machine.phase, Phase::Quiet);
        assert_eq!(working, rig.machine.state() == SessionState::Processing);
    }

    fn see_event(&mut self, data: &EventData) {
        assert!(!self.ended, "{data:?} after the end");
        match data {
            EventData::SessionEnd { state, .. } => {
                assert_eq!(*state, SessionState::Closed);
                assert!(self.open_calls.is_empty(), "tool calls without an end");
                self.ended = true;
            }
            EventData::UserInput { .. } => self.rounds_of_input = 0,
            EventData::TokenUsage { .. } => self.replies += 1,
            EventData::ToolCallStart { call_id, .. } => {
                *self.open_calls.entry(call_id.clone()).or_default() += 1;
                assert_eq!(self.open_calls[call_id], 1, "started twice");
            }
            EventData::ToolCallEnd { call_id, .. } => {
                assert_eq!(self.open_calls.remove(call_id), Some(1), "ended without a start");
            }
            EventData::ProcessingEnd { .. } => assert!(self.open_calls.is_empty()),
            _ => {}
        }
    }
}

/// Every reply with calls is followed by exactly one result for each of them, in order.
pub(crate) fn check_history(history: &[Turn]) {
    let mut turns = history.iter().peekable();
    while let Some(turn) = turns.next() {
        match turn {
            Turn::Assistant(reply) if !reply.tool_calls().is_empty() => {
                let Some(Turn::ToolResults { results, .. }) = turns.next() else {
                    panic!("calls without results");
                };
                let wanted: Vec<String> =
                    reply.tool_calls().into_iter().map(|call| call.id).collect();
                let found: Vec<&String> =
                    results.iter().map(|entry| &entry.result.tool_call_id).collect();
                assert_eq!(found, wanted.iter().collect::<Vec<_>>());
            }
            Turn::ToolResults { .. } => panic!("results without calls"),
            _ => {}
        }
    }
}

fn subagent(what: u8) -> Event {
    let agent_id = "agent-1".to_owned();
    let data = match what {
        0 => EventData::UserInput { content: "task".to_owned(), images: 0 },
        1 => EventData::AssistantTextStart {},
        2 => return Event::SubagentGone { agent_id },
        _ => return Event::SubagentsClosed,
    };
    let event = SessionEvent { timestamp: 0, session_id: "child".to_owned(), data };
    Event::Subagent { agent_id, event: Box::new(event) }
}

fn event_of(step: &Step, rig: &Rig, watcher: &mut Watcher) -> Option<Event> {
    let tool = |choice: usize, news: ToolNews| {
        let (round, calls) = rig.open_round()?;
        Some(Event::Tool { round, index: choice % calls, news })
    };
    let model = |news: ModelNews| rig.open_call().map(|call| Event::Model { call, news });
    match step {
        Step::Submit => {
            watcher.submitted += 1;
            Some(Event::Submit { input: format!("input {}", watcher.submitted).into() })
        }
        Step::Steer => {
            watcher.steered += 1;
            Some(Event::Steer { input: format!("steer {}", watcher.steered).into() })
        }
        Step::Interrupt => Some(Event::Interrupt),
        Step::Abort => Some(Event::Abort),
        Step::Close => Some(Event::Close),
        Step::Delta => model(ModelNews::Text("t".to_owned())),
        Step::Reply(calls) => {
            let commands = ["one", "two", "three"];
            model(ModelNews::Replied(Box::new(response("text?", &commands[..*calls]))))
        }
        Step::Fail(kind) => model(ModelNews::Failed(LlmError::new(*kind, "x"))),
        Step::ToolStarted(choice) => tool(*choice, ToolNews::Started { arguments: Value::Null }),
        Step::ToolReviewed(choice) => tool(*choice, ToolNews::Reviewed),
        Step::ToolAbort(choice) => tool(*choice, ToolNews::Abort),
        Step::ToolOutput(choice) => tool(*choice, ToolNews::Output("o".to_owned())),
        Step::ToolFinished(choice) => {
            tool(*choice, ToolNews::Finished(ToolOutput::ok("out\n".repeat(50))))
        }
        Step::Timer(choice) => {
            let timers = &watcher.timers;
            (!timers.is_empty()).then(|| Event::Timer { timer: timers[choice % timers.len()] })
        }
        Step::Subagent(what) => Some(subagent(*what)),
        Step::JournalBreaks => {
            watcher.journal_breaks = true;
            None
        }
        Step::Stale(id) => {
            let current = rig.open_call() == Some(*id);
            let news = ModelNews::Replied(Box::new(response("stale", &[])));
            (!current).then_some(Event::Model { call: *id, news })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_happens_the_invariants_hold(config in config(), steps in prop::collection::vec(step(), 0..120)) {
        let mut rig = Rig::new(config);
        let mut watcher = Watcher::default();
        for step in &steps {
            let Some(event) = event_of(step, &rig, &mut watcher) else { continue };
            let closed = rig.machine.state() == SessionState::Closed;
            let effects = rig.apply(event);
            if closed {
                prop_assert!(effects.is_empty());
            }
            watcher.see(&rig, &effects);
            let recorded = effects.iter().any(|effect| matches!(effect, Effect::Record { .. }));
            if recorded && watcher.journal_breaks {
                let effects = rig.apply(Event::JournalFailed { why: "full".to_owned() });
                watcher.see(&rig, &effects);
                let closing = matches!(rig.machine.phase, Phase::Closing { .. });
                prop_assert!(closing || rig.machine.state() == SessionState::Closed);
            }
        }
        // However it goes on, everything ends when the host wants it to.
        let effects = rig.apply(Event::Abort);
        watcher.see(&rig, &effects);
        while let Some((round, calls)) = rig.open_round() {
            for index in 0..calls {
                let news = ToolNews::Finished(ToolOutput::error("cancelled"));
                let effects = rig.apply(Event::Tool { round, index, news });
                watcher.see(&rig, &effects);
            }
        }
        let effects = rig.apply(Event::SubagentsClosed);
        watcher.see(&rig, &effects);
        prop_assert_eq!(rig.machine.state(), SessionState::Closed);
        check_history(rig.machine.history());

        // Each message entered the conversation at most once, in order, and is queued otherwise.
        let entered = |prefix: &str| -> Vec<u64> {
            rig.machine.history().iter().filter_map(|turn| match turn {
                Turn::User { content, .. } | Turn::Steering { content, .. } => {
                    content.strip_prefix(prefix)?.parse().ok()
                }
                _ => None,
            }).collect()
        };
        let accepted = |queue: &VecDeque<Input>, prefix: &str| -> Vec<u64> {
            queue.iter().filter_map(|input| input.text.strip_prefix(prefix)?.parse().ok()).collect()
        };
        for (prefix, queue, count) in [
            ("input ", &rig.machine.inputs, watcher.submitted),
            ("steer ", &rig.machine.steering, watcher.steered),
        ] {
            let mut all = entered(prefix);
            all.extend(accepted(queue, prefix));
            // What came after the end was refused.
            let last = all.len() as u64;
            prop_assert!(last <= count);
            prop_assert_eq!(all, (1..=last).collect::<Vec<u64>>());
        }
    }
}
