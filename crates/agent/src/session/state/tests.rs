use std::time::Duration;

use canon_llm::{
    ContentPart, ErrorKind, FinishReason, FinishReasonKind, LlmError, Message, Response,
    RetryPolicy, Role, ToolCallData,
};
use serde_json::{Value, json};

use super::*;
use crate::account::Stake;
use crate::config::Budget;
use crate::pricing::Rates;
use crate::session::event::{ModelNews, ToolNews};
use crate::tools::ToolOutput;

/// A machine, and what it wants done.
pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) now: u64,
    pub(super) effects: Vec<Effect>,
}

pub(super) fn settings(context_window: Option<u64>, price: Option<Price>) -> ModelSettings {
    let (provider, model) = ("scripted".to_owned(), "m".to_owned());
    ModelSettings { provider, model, context_window, max_output: None, price }
}

impl Rig {
    pub(super) fn new(config: SessionConfig) -> Self {
        Self::with(config, settings(None, None))
    }

    fn with(config: SessionConfig, model: ModelSettings) -> Self {
        let options = MachineOptions {
            session_id: "s".to_owned(),
            agent: AgentPath::default(),
            config,
            model,
            history: Vec::new(),
            seed: 7,
        };
        let mut rig = Self { machine: Machine::new(options), now: 0, effects: Vec::new() };
        assert_eq!(rig.apply(Event::PrefixMeasured { chars: 0 }), []);
        rig
    }

    /// Applies an event; the effects are kept, and returned.
    pub(super) fn apply(&mut self, event: Event) -> Vec<Effect> {
        self.now += 1;
        let effects = self.machine.apply(event, self.now);
        self.effects.extend(effects.clone());
        effects
    }

    fn submit(&mut self, text: &str) {
        self.apply(Event::Submit { input: text.to_owned().into() });
    }

    fn steer(&mut self, text: &str) {
        self.apply(Event::Steer { input: text.to_owned().into() });
    }

    pub(super) fn open_call(&self) -> Option<u64> {
        match &self.machine.phase {
            Phase::Calling(call) => Some(call.id),
            _ => None,
        }
    }

    fn model(&mut self, news: ModelNews) -> Vec<Effect> {
        let call = self.open_call().expect("a model call is open");
        self.apply(Event::Model { call, news })
    }

    fn reply(&mut self, text: &str) -> Vec<Effect> {
        self.model(ModelNews::Replied(Box::new(response(text, &[]))))
    }

    fn reply_calls(&mut self, calls: &[&str]) -> Vec<Effect> {
        self.model(ModelNews::Replied(Box::new(response("", calls))))
    }

    fn fail(&mut self, kind: ErrorKind) -> Vec<Effect> {
        self.model(ModelNews::Failed(LlmError::new(kind, "broken")))
    }

    pub(super) fn open_round(&self) -> Option<(u64, usize)> {
        match &self.machine.phase {
            Phase::Running(round) | Phase::Stopping { round, .. } => Some(round.shape()),
            _ => None,
        }
    }

    fn finish(&mut self, index: usize, text: &str) -> Vec<Effect> {
        let (round, _) = self.open_round().expect("a round is open");
        let news = ToolNews::Finished(ToolOutput::ok(text));
        self.apply(Event::Tool { round, index, news })
    }

    /// Rings the timer that was set last.
    fn ring(&mut self) -> Vec<Effect> {
        let timer = self.timers().pop().expect("a timer is set").0;
        self.apply(Event::Timer { timer })
    }

    fn timers(&self) -> Vec<(u64, Duration)> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::SetTimer { timer, after } => Some((*timer, *after)),
                _ => None,
            })
            .collect()
    }

    fn data(&self) -> impl Iterator<Item = &EventData> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Emit(event) => Some(&event.data),
            _ => None,
        })
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.data().map(EventData::kind).collect()
    }

    fn warnings(&self) -> Vec<WarningCode> {
        self.data()
            .filter_map(|data| match data {
                EventData::Warning { code, .. } => Some(*code),
                _ => None,
            })
            .collect()
    }

    fn outcome(&self) -> Outcome {
        self.data()
            .filter_map(|data| match data {
                EventData::ProcessingEnd { outcome, .. }
                | EventData::SessionEnd { outcome, .. } => Some(outcome.clone()),
                _ => None,
            })
            .last()
            .expect("something ended")
    }

    fn count(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.effects.iter().filter(|effect| wanted(effect)).count()
    }

    fn model_calls(&self) -> usize {
        self.count(|effect| matches!(effect, Effect::CallModel { .. }))
    }
}

/// A reply with calls of the tool `shell`, one for each command.
pub(super) fn response(text: &str, commands: &[&str]) -> Response {
    let mut parts = vec![ContentPart::text(text)];
    for (at, command) in commands.iter().enumerate() {
        let call = ToolCallData::new(format!("c{at}"), "shell", json!({"command": command}));
        parts.push(ContentPart::tool_call(call));
    }
    Response {
        id: "r".to_owned(),
        model: "m".to_owned(),
        provider: "scripted".to_owned(),
        message: Message::new(Role::Assistant, parts),
        finish_reason: FinishReason::new(FinishReasonKind::Stop, None),
        usage: Usage::new(100, 10),
        raw: None,
        warnings: Vec::new(),
        rate_limit: None,
    }
}

fn no_jitter() -> SessionConfig {
    SessionConfig {
        retry: RetryPolicy { jitter: false, ..RetryPolicy::default() },
        ..SessionConfig::default()
    }
}

#[test]
fn loop_9_1_natural_completion() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.apply(Event::Start { working_directory: "/w".to_owned() });
    rig.submit("hello");
    rig.model(ModelNews::Text("hi ".to_owned()));
    rig.model(ModelNews::Text("there".to_owned()));
    rig.reply("hi there");
    assert_eq!(
        rig.kinds(),
        [
            "session_start",
            "user_input",
            "assistant_text_start",
            "assistant_text_delta",
            "assistant_text_delta",
            "assistant_text_end",
            "token_usage",
            "processing_end",
        ]
    );
    assert_eq!(rig.machine.state(), SessionState::Idle);
    let outcome = rig.outcome();
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "hi there"));
    assert_eq!((outcome.turns, outcome.usage.total_tokens), (1, 110));
}

#[test]
fn loop_9_1_rounds_go_on_until_text_alone() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    for _ in 0..3 {
        rig.reply_calls(&["ls", "pwd"]);
        rig.finish(1, "b");
        assert_eq!(rig.open_call(), None, "the model is not asked before all results are there");
        rig.finish(0, "a");
    }
    rig.reply("done");
    assert_eq!((rig.outcome().turns, rig.outcome().tool_calls), (4, 6));
    // Results stand in the order of the calls, whatever came first.
    let Turn::ToolResults { results, .. } = &rig.machine.history()[2] else { panic!() };
    let texts: Vec<String> = results.iter().map(|entry| entry.result.content_text()).collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn loop_9_1_round_limit_stops() {
    let mut rig =
        Rig::new(SessionConfig { max_tool_rounds_per_input: 2, ..SessionConfig::default() });
    rig.submit("work");
    for _ in 0..2 {
        rig.reply_calls(&["ls"]);
        rig.finish(0, "");
    }
    assert_eq!(rig.machine.state(), SessionState::Idle);
    assert_eq!(rig.outcome().status, Status::Limit { limit: Limit::ToolRounds });
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "turn_limit").count(), 1);
    // The limit is per input.
    rig.submit("more");
    assert!(rig.open_call().is_some());
}

#[test]
fn loop_9_1_turn_limit_stops_across_inputs() {
    let mut rig = Rig::new(SessionConfig { max_turns: 2, ..SessionConfig::default() });
    for text in ["one", "two", "three"] {
        rig.submit(text);
        if rig.open_call().is_some() {
            rig.reply("ok");
        }
    }
    assert_eq!(rig.model_calls(), 2);
    assert_eq!(rig.outcome().status, Status::Limit { limit: Limit::Turns });
}

#[test]
fn loop_9_1_sequential_inputs_share_the_history() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("one");
    rig.reply("first");
    rig.submit("two");
    rig.reply("second");
    assert_eq!(rig.machine.history().len(), 4);
    assert_eq!(rig.outcome().text, "second");
}

#[test]
fn loop_9_1_loop_detection_warns_the_model_once() {
    let mut rig = Rig::new(SessionConfig { loop_detection_window: 4, ..SessionConfig::default() });
    rig.submit("work");
    for _ in 0..6 {
        rig.reply_calls(&["make"]);
        rig.finish(0, "");
    }
    let told: Vec<&str> = rig
        .machine
        .history()
        .iter()
        .filter_map(|turn| match turn {
            Turn::Steering { content, .. } => Some(content.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        ["Loop detected: the last 4 tool calls follow a repeating pattern. Try a different \
          approach."]
    );
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "loop_detection").count(), 1);
}

#[test]
fn loop_detection_can_be_switched_off() {
    let mut rig = Rig::new(SessionConfig {
        enable_loop_detection: false,
        loop_detection_window: 2,
        ..SessionConfig::default()
    });
    rig.submit("work");
    for _ in 0..5 {
        rig.reply_calls(&["make"]);
        rig.finish(0, "");
    }
    assert!(!rig.kinds().contains(&"loop_detection"));
}

#[test]
fn a_lost_environment_ends_the_session_when_its_calls_have_ended() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.submit("and more");
    rig.reply_calls(&["a", "b"]);
    rig.apply(Event::EnvironmentLost { why: "nothing more runs here".to_owned() });
    rig.finish(0, "refused");
    assert_eq!(rig.machine.state(), SessionState::Processing);
    let effects = rig.finish(1, "refused");
    assert_eq!(effects.last(), Some(&Effect::Stop));
    assert!(rig.open_call().is_none(), "the model is not asked again");
    assert_eq!(rig.machine.state(), SessionState::Closed);
    let Status::Failed { code, message } = rig.outcome().status else { panic!("not failed") };
    assert_eq!((code.as_str(), message.as_str()), ("environment", "nothing more runs here"));
}

#[test]
fn loop_9_1_abort_stops_a_model_call_and_closes() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    let call = rig.open_call().unwrap();
    let effects = rig.apply(Event::Abort);
    assert_eq!(effects[0], Effect::CancelModel { call });
    assert_eq!(effects.last(), Some(&Effect::Stop));
    assert_eq!(rig.kinds().last(), Some(&"session_end"));
    assert_eq!(rig.machine.state(), SessionState::Closed);
    assert_eq!(rig.outcome().status, Status::Aborted);
    // The reply that was on its way changes nothing any more.
    let late = ModelNews::Replied(Box::new(response("late", &[])));
    assert_eq!(rig.apply(Event::Model { call, news: late }), []);
    assert_eq!(rig.apply(Event::Submit { input: "x".to_owned().into() }), []);
}

#[test]
fn loop_9_1_abort_waits_for_running_tools_to_end() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.reply_calls(&["a", "b"]);
    let (round, _) = rig.open_round().unwrap();
    rig.finish(0, "done");
    let effects = rig.apply(Event::Abort);
    assert_eq!(effects[0], Effect::CancelTools { round });
    assert_eq!(rig.machine.state(), SessionState::Processing);
    rig.finish(1, "killed");
    assert_eq!(rig.machine.state(), SessionState::Closed);
    let tail = &rig.kinds()[rig.kinds().len() - 2..];
    assert_eq!(tail, ["tool_call_end", "session_end"]);
    assert!(
        matches!(rig.machine.history().last(), Some(Turn::ToolResults { results, .. }) if results.len() == 2)
    );
}

#[test]
fn a_tool_that_ignores_being_cancelled_is_given_up() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.reply_calls(&["a"]);
    let (round, _) = rig.open_round().unwrap();
    rig.apply(Event::Abort);
    let effects = rig.ring();
    assert!(effects.contains(&Effect::DropTools { round }));
    assert_eq!(rig.warnings(), [WarningCode::ToolDidNotEnd]);
    assert_eq!(rig.machine.state(), SessionState::Closed);
}

#[test]
fn an_interrupt_gives_up_one_input_and_keeps_the_session() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.reply_calls(&["a"]);
    rig.apply(Event::Interrupt);
    rig.finish(0, "killed");
    assert_eq!(rig.machine.state(), SessionState::Idle);
    assert_eq!(rig.outcome().status, Status::Aborted);
    rig.submit("again");
    rig.apply(Event::Submit { input: "behind".to_owned().into() });
    rig.apply(Event::Interrupt);
    // The input behind the one that was given up goes on.
    rig.reply("ok");
    assert_eq!(rig.outcome().status, Status::Completed);
    assert_eq!(rig.apply(Event::Interrupt), [], "nothing is under way");
}

#[test]
fn an_abort_during_an_interrupt_closes() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.reply_calls(&["a"]);
    rig.apply(Event::Interrupt);
    rig.apply(Event::Abort);
    rig.finish(0, "killed");
    assert_eq!(rig.machine.state(), SessionState::Closed);
}

#[test]
fn loop_9_6_steering_enters_after_the_round_of_tools() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.reply_calls(&["a"]);
    rig.steer("left");
    rig.steer("right");
    assert!(!rig.kinds().contains(&"steering_injected"));
    rig.finish(0, "");
    let tail: Vec<&Turn> = rig.machine.history().iter().rev().take(2).collect();
    assert!(matches!(tail[1], Turn::Steering { content, .. } if content == "left"));
    assert!(matches!(tail[0], Turn::Steering { content, .. } if content == "right"));
}

#[test]
fn loop_9_6_steering_while_idle_waits_for_the_next_input() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.steer("left");
    assert_eq!(rig.machine.history().len(), 0);
    rig.submit("go");
    assert!(
        matches!(&rig.machine.history()[1], Turn::Steering { content, .. } if content == "left")
    );
}

#[test]
fn ruling_steering_during_the_final_text_starts_another_round() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.steer("one more thing");
    rig.reply("done");
    assert_eq!(rig.machine.state(), SessionState::Processing);
    assert_eq!(rig.model_calls(), 2);
    rig.reply("really done");
    assert_eq!(rig.outcome().text, "really done");
}

#[test]
fn loop_9_6_follow_ups_run_after_the_current_input() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("first");
    rig.submit("second");
    rig.reply("one");
    assert_eq!(rig.machine.state(), SessionState::Processing);
    rig.reply("two");
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "processing_end").count(), 1);
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "user_input").count(), 2);
    assert_eq!(rig.outcome().text, "two");
}

#[test]
fn ruling_awaiting_input_only_in_interactive_mode() {
    for (interactive, state) in [(true, SessionState::AwaitingInput), (false, SessionState::Idle)] {
        let mut rig = Rig::new(SessionConfig { interactive, ..SessionConfig::default() });
        rig.submit("work");
        rig.reply("Which file?");
        assert_eq!(rig.machine.state(), state);
        rig.submit("that one");
        rig.reply("Done.");
        assert_eq!(rig.machine.state(), SessionState::Idle);
    }
}

#[test]
fn ruling_retries_before_the_first_delta_with_backoff() {
    let mut rig = Rig::new(no_jitter());
    rig.submit("work");
    rig.fail(ErrorKind::Server);
    rig.ring();
    rig.fail(ErrorKind::RateLimit);
    rig.ring();
    let waits: Vec<u64> = rig.timers().iter().map(|(_, after)| after.as_secs()).collect();
    assert_eq!(waits, [1, 2]);
    assert_eq!(rig.warnings(), [WarningCode::ModelRetry; 2]);
    rig.fail(ErrorKind::Server);
    assert_eq!(rig.machine.state(), SessionState::Closed);
    assert!(matches!(rig.outcome().status, Status::Failed { code, .. } if code == "server"));
}

#[test]
fn a_retry_that_succeeds_begins_counting_anew() {
    let mut rig = Rig::new(no_jitter());
    rig.submit("work");
    for _ in 0..4 {
        rig.fail(ErrorKind::Network);
        rig.ring();
        rig.reply_calls(&["a"]);
        rig.finish(0, "");
    }
    assert_eq!(rig.machine.state(), SessionState::Processing);
}

#[test]
fn a_wait_that_is_too_long_is_not_waited_for() {
    let mut rig = Rig::new(no_jitter());
    rig.submit("work");
    let error = LlmError::new(ErrorKind::RateLimit, "slow")
        .with_retry_after(Some(Duration::from_secs(3600)));
    rig.model(ModelNews::Failed(error));
    assert_eq!(rig.machine.state(), SessionState::Closed);
}

#[test]
fn ruling_a_broken_reply_is_discarded_and_asked_for_twice_again() {
    let mut rig = Rig::new(no_jitter());
    rig.submit("work");
    for _ in 0..2 {
        rig.model(ModelNews::Text("half".to_owned()));
        rig.fail(ErrorKind::Stream);
        assert_eq!(rig.machine.history().len(), 1, "nothing of it stays");
        rig.ring();
    }
    assert_eq!(rig.warnings(), [WarningCode::ReplyDiscarded; 2]);
    rig.model(ModelNews::Other);
    rig.fail(ErrorKind::Stream);
    assert!(matches!(rig.outcome().status, Status::Failed { .. }));
    assert_eq!(rig.model_calls(), 3);
}

#[test]
fn a_stream_that_fell_silent_counts_as_broken() {
    let mut rig = Rig::new(no_jitter());
    rig.submit("work");
    rig.model(ModelNews::Reasoning("hm".to_owned()));
    rig.fail(ErrorKind::RequestTimeout);
    assert_eq!(rig.warnings(), [WarningCode::ReplyDiscarded]);
    rig.ring();
    // Before the first delta, timeouts are not retried unless the policy says so.
    rig.fail(ErrorKind::RequestTimeout);
    assert_eq!(rig.machine.state(), SessionState::Closed);
}

#[test]
fn loop_9_11_authentication_errors_close_at_once() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.fail(ErrorKind::Authentication);
    assert_eq!(rig.timers(), []);
    assert_eq!(rig.kinds()[1..], ["error", "session_end"]);
    assert!(
        matches!(rig.outcome().status, Status::Failed { code, .. } if code == "authentication")
    );
}

fn with_big_outputs(rounds: usize) -> Rig {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    for _ in 0..rounds {
        rig.reply_calls(&["a"]);
        rig.finish(0, &"line\n".repeat(200));
    }
    rig
}

fn result_lengths(rig: &Rig) -> Vec<usize> {
    rig.machine
        .history()
        .iter()
        .filter_map(|turn| match turn {
            Turn::ToolResults { results, .. } => Some(results[0].result.content_text().len()),
            _ => None,
        })
        .collect()
}

#[test]
fn ruling_context_overflow_trims_old_outputs_once_then_fails() {
    let mut rig = with_big_outputs(4);
    rig.fail(ErrorKind::ContextLength);
    assert_eq!(rig.warnings(), [WarningCode::ContextTrimmed]);
    let lengths = result_lengths(&rig);
    assert!(lengths[0] < 200 && lengths[1] < 200, "{lengths:?}");
    assert_eq!(lengths[3], 1000, "the newest stays whole");
    assert_eq!(
        rig.machine.history_chars,
        rig.machine.history().iter().map(Turn::chars).sum::<usize>()
    );
    rig.fail(ErrorKind::ContextLength);
    assert!(
        matches!(rig.outcome().status, Status::Failed { code, .. } if code == "context_length")
    );
}

#[test]
fn the_newest_output_is_trimmed_when_there_is_no_other() {
    let mut rig = with_big_outputs(1);
    rig.fail(ErrorKind::ContextLength);
    assert!(result_lengths(&rig)[0] < 200);
    assert!(rig.open_call().is_some());
}

#[test]
fn context_overflow_with_nothing_to_trim_fails() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("a very long input");
    rig.fail(ErrorKind::ContextLength);
    assert_eq!(rig.machine.state(), SessionState::Closed);
}

#[test]
fn loop_5_5_context_warning_at_80_percent_once() {
    let mut rig = Rig::with(SessionConfig::default(), settings(Some(1000), None));
    rig.submit(&"x".repeat(3200));
    assert_eq!(rig.warnings(), [], "80 % is not over 80 %");
    rig.reply_calls(&["a"]);
    rig.finish(0, &"y".repeat(400));
    assert_eq!(rig.warnings(), [WarningCode::ContextUsage]);
    rig.reply_calls(&["b"]);
    rig.finish(0, "");
    assert_eq!(rig.warnings().len(), 1);
}

#[test]
fn a_token_budget_stops_before_it_is_passed() {
    let budget = Budget { max_tokens: Some(200), max_cost_usd: None };
    let mut rig = Rig::new(SessionConfig { budget, ..SessionConfig::default() });
    rig.submit("work");
    assert!(rig.machine.reply_token_cap().unwrap() < 200);
    // 110 tokens are used, and the next input alone has 100 or more.
    rig.reply_calls(&["a"]);
    rig.finish(0, "");
    assert_eq!(rig.outcome().status, Status::Limit { limit: Limit::Tokens });
    assert_eq!(rig.model_calls(), 1);
}

#[test]
fn a_money_budget_stops_before_it_is_passed() {
    let price = Price::flat(Rates { input: 1e4, output: 1e4, cache_read: 1e4, cache_write: 1e4 });
    let budget = Budget { max_tokens: None, max_cost_usd: Some(2.0) };
    let config = SessionConfig { budget, ..SessionConfig::default() };
    let mut rig = Rig::with(config, settings(None, Some(price)));
    rig.submit("work");
    rig.reply_calls(&["a"]);
    rig.finish(0, "");
    let outcome = rig.outcome();
    assert_eq!(outcome.status, Status::Limit { limit: Limit::Cost });
    assert!((outcome.cost_usd.unwrap() - 1.1).abs() < 1e-9);
}

#[test]
fn what_costs_nothing_passes_no_budget() {
    let budget = Budget { max_tokens: None, max_cost_usd: Some(0.0) };
    let config = SessionConfig { budget, ..SessionConfig::default() };
    let mut rig = Rig::with(config, settings(None, Some(Price::FREE)));
    rig.submit("work");
    rig.reply("ok");
    assert_eq!(rig.outcome().status, Status::Completed);
}

#[test]
fn closing_waits_for_what_was_submitted() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("one");
    rig.submit("two");
    rig.apply(Event::Close);
    rig.reply("a");
    rig.reply("b");
    assert_eq!(
        rig.kinds().iter().rev().take(2).collect::<Vec<_>>(),
        [&"session_end", &"processing_end"]
    );
}

#[test]
fn what_was_not_delivered_is_reported_at_the_end() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.steer("never seen");
    rig.apply(Event::Close);
    assert_eq!(rig.warnings(), [WarningCode::UndeliveredMessages]);
}

#[test]
fn loop_9_7_effort_and_model_change_with_the_next_call() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    let effort = Some("high".to_owned());
    let config = SessionConfig { reasoning_effort: effort, ..SessionConfig::default() };
    rig.apply(Event::Configure(Box::new(config)));
    rig.apply(Event::SetModel(ModelSettings { model: "n".to_owned(), ..settings(None, None) }));
    assert_eq!(rig.machine.config().reasoning_effort.as_deref(), Some("high"));
    assert_eq!(rig.machine.model().model, "n");
}

#[test]
fn a_reply_cut_short_or_filtered_is_warned_of() {
    for (reason, code) in [
        (FinishReasonKind::Length, WarningCode::ReplyCut),
        (FinishReasonKind::ContentFilter, WarningCode::ReplyFiltered),
    ] {
        let mut rig = Rig::new(SessionConfig::default());
        rig.submit("work");
        let reply =
            Response { finish_reason: FinishReason::new(reason, None), ..response("half", &[]) };
        rig.model(ModelNews::Replied(Box::new(reply)));
        assert_eq!(rig.warnings(), [code]);
    }
}

#[test]
fn what_a_server_does_not_count_is_estimated_for_the_budget() {
    let price = Price::flat(Rates { input: 1e4, output: 1e4, cache_read: 1e4, cache_write: 1e4 });
    for budget in [
        Budget { max_tokens: Some(5_000), max_cost_usd: None },
        Budget { max_tokens: None, max_cost_usd: Some(50.0) },
    ] {
        let config = SessionConfig { budget, ..SessionConfig::default() };
        let mut rig = Rig::with(config, settings(None, Some(price)));
        rig.submit("work");
        let mut calls = 0;
        while rig.open_call().is_some() {
            calls += 1;
            assert!(calls < 100, "the budget is never used up");
            let reply =
                Response { usage: Usage::default(), ..response(&"x".repeat(2_000), &["a"]) };
            rig.model(ModelNews::Replied(Box::new(reply)));
            rig.finish(0, "");
        }
        assert!(matches!(rig.outcome().status, Status::Limit { .. }));
        assert!(calls > 1);
    }
}

#[test]
fn no_model_is_called_before_it_is_known_what_the_prompt_takes_of_a_budget() {
    let budget = Budget { max_tokens: Some(1_000), max_cost_usd: None };
    let mut rig = Rig::new(SessionConfig { budget, ..SessionConfig::default() });
    rig.apply(Event::PrefixUnknown);
    rig.submit("work");
    assert_eq!((rig.open_call(), rig.machine.state()), (None, SessionState::Processing));
    rig.apply(Event::PrefixMeasured { chars: 4_000 });
    assert_eq!(rig.outcome().status, Status::Limit { limit: Limit::Tokens });
    // Nor for one that is given up meanwhile.
    rig.apply(Event::PrefixUnknown);
    rig.apply(Event::PrefixMeasured { chars: 400 });
    rig.apply(Event::PrefixUnknown);
    rig.submit("again");
    rig.apply(Event::Interrupt);
    assert_eq!(rig.outcome().status, Status::Aborted);
    rig.apply(Event::PrefixMeasured { chars: 400 });
    assert_eq!(rig.model_calls(), 0);
    rig.submit("and again");
    assert_eq!(rig.model_calls(), 1);
}

#[test]
fn a_budget_that_is_no_number_allows_nothing() {
    let price = Price::flat(Rates { input: 1.0, output: 1.0, cache_read: 1.0, cache_write: 1.0 });
    let budget = Budget { max_tokens: None, max_cost_usd: Some(f64::NAN) };
    let config = SessionConfig { budget, ..SessionConfig::default() };
    let mut rig = Rig::with(config, settings(None, Some(price)));
    rig.submit("work");
    assert_eq!(rig.outcome().status, Status::Limit { limit: Limit::Cost });
}

#[test]
fn calls_that_a_server_gives_one_id_are_told_apart() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    for _ in 0..2 {
        let mut reply = response("", &["ls", "pwd"]);
        for part in &mut reply.message.content {
            if let ContentPart::ToolCall { tool_call, .. } = part {
                tool_call.id = "call_0".to_owned();
            }
        }
        rig.model(ModelNews::Replied(Box::new(reply)));
        rig.finish(0, "of ls");
        rig.finish(1, "of pwd");
    }
    let started: HashSet<&String> = rig
        .data()
        .filter_map(|data| match data {
            EventData::ToolCallStart { call_id, .. } => Some(call_id),
            _ => None,
        })
        .collect();
    assert_eq!(started.len(), 4, "{started:?}");
    check_history(rig.machine.history());
}

fn end_with(config: SessionConfig, text: &str, reason: FinishReasonKind) -> Rig {
    let mut rig = Rig::new(config);
    rig.submit("work");
    let finish_reason = FinishReason::new(reason, None);
    let reply = Response { finish_reason, ..response(text, &[]) };
    rig.model(ModelNews::Replied(Box::new(reply)));
    rig
}

#[test]
fn a_reply_that_was_withheld_as_a_whole_is_a_failure() {
    let rig = end_with(SessionConfig::default(), "", FinishReasonKind::ContentFilter);
    assert!(
        matches!(rig.outcome().status, Status::Failed { code, .. } if code == "content_filter")
    );
}

#[test]
fn a_reply_that_a_budget_cut_ends_at_the_limit() {
    let budget = Budget { max_tokens: Some(120), max_cost_usd: None };
    let config = SessionConfig { budget, ..SessionConfig::default() };
    let rig = end_with(config.clone(), "half", FinishReasonKind::Length);
    assert_eq!(rig.outcome().status, Status::Limit { limit: Limit::Tokens });
    let rig = end_with(config, "whole", FinishReasonKind::Stop);
    assert_eq!(rig.outcome().status, Status::Completed);
}

#[test]
fn an_empty_reply_is_warned_of() {
    let rig = end_with(SessionConfig::default(), "", FinishReasonKind::Stop);
    assert_eq!(rig.warnings(), [WarningCode::ReplyEmpty]);
    assert_eq!(rig.outcome().status, Status::Completed);
}

#[test]
fn the_cap_on_a_reply_is_what_the_budgets_leave() {
    let cap = |max_output_tokens, max_tokens| {
        let budget = Budget { max_tokens, max_cost_usd: None };
        let config = SessionConfig { max_output_tokens, budget, ..SessionConfig::default() };
        Rig::new(config).machine.reply_token_cap()
    };
    assert_eq!(cap(None, None), None);
    assert_eq!(cap(Some(500), None), Some(500));
    assert_eq!(cap(Some(500), Some(300)), Some(300));
    assert_eq!(cap(None, Some(3)), Some(16));
    // A cap beyond what any model writes would be refused by its provider.
    assert_eq!(cap(None, Some(1_000_000)), None);
}

#[test]
fn those_that_share_a_budget_share_what_is_left_of_it() {
    let budget = Budget { max_tokens: Some(1000), max_cost_usd: None };
    let mut rig = Rig::new(SessionConfig { budget, ..SessionConfig::default() });
    let used = Amount { tokens: 400, usd: 0.0 };
    rig.machine.set_others(Others { used, open: 2 });
    assert_eq!(rig.machine.reply_token_cap(), Some(200));
    rig.submit("work");
    let stake = rig.machine.stake();
    assert!(stake.reserved.tokens > 190 && stake.reserved.tokens < 210, "{stake:?}");
    rig.reply_calls(&["a"]);
    assert_eq!(
        rig.machine.stake(),
        Stake { spent: Amount { tokens: 110, usd: 0.0 }, reserved: Amount::default() }
    );
    // Others may use the budget up too.
    let used = Amount { tokens: 850, usd: 0.0 };
    rig.machine.set_others(Others { used, open: 2 });
    rig.finish(0, "");
    assert_eq!(rig.outcome().status, Status::Limit { limit: Limit::Tokens });
}

#[test]
fn what_a_broken_reply_used_up_counts_against_the_budget() {
    let budget = Budget { max_tokens: Some(600), max_cost_usd: None };
    let mut rig = Rig::new(SessionConfig { budget, ..no_jitter() });
    rig.submit("work");
    rig.model(ModelNews::Text("x".repeat(2000)));
    rig.fail(ErrorKind::Stream);
    assert!(rig.machine.stake().spent.tokens >= 500);
    rig.model_calls();
    rig.ring();
    assert!(rig.open_call().is_some(), "one more call fits");
    rig.model(ModelNews::Text("x".repeat(400)));
    rig.apply(Event::Interrupt);
    rig.submit("again");
    assert_eq!(rig.outcome().status, Status::Limit { limit: Limit::Tokens });
    // The totals hold what providers said, not estimates.
    assert_eq!(rig.outcome().usage.total_tokens, 0);
}

#[test]
fn ruling_abort_ends_in_closed() {
    for begin in [0, 1, 2, 3] {
        let mut rig = Rig::new(no_jitter());
        if begin > 0 {
            rig.submit("work");
        }
        if begin == 2 {
            rig.fail(ErrorKind::Server);
        }
        if begin == 3 {
            rig.reply_calls(&["a"]);
        }
        rig.apply(Event::Abort);
        if begin == 3 {
            assert_eq!(rig.machine.state(), SessionState::Processing, "its tools end first");
            rig.finish(0, "cancelled");
        }
        assert_eq!(rig.machine.state(), SessionState::Closed);
        assert_eq!(rig.outcome().status, Status::Aborted);
        assert_eq!(rig.kinds().last(), Some(&"session_end"));
    }
}

/// An event of the subagent `agent-1`.
fn of_child(data: EventData) -> Event {
    let event = SessionEvent { timestamp: 1, session_id: "child".to_owned(), data };
    Event::Subagent { agent_id: "agent-1".to_owned(), event: Box::new(event) }
}

fn with_child() -> Rig {
    let mut rig = Rig::new(SessionConfig::default());
    rig.apply(of_child(EventData::UserInput { content: "task".to_owned(), images: 0 }));
    rig
}

#[test]
fn loop_9_11_subagents_end_before_the_session_does() {
    let mut rig = with_child();
    rig.submit("work");
    let effects = rig.apply(Event::Abort);
    assert!(effects.contains(&Effect::InterruptSubagents));
    assert!(effects.contains(&Effect::CloseSubagents));
    assert_eq!(rig.machine.state(), SessionState::Processing);
    rig.steer("too late");
    rig.apply(Event::SubagentGone { agent_id: "agent-1".to_owned() });
    rig.apply(Event::SubagentsClosed);
    assert_eq!(rig.machine.state(), SessionState::Closed);
    assert_eq!(rig.warnings(), [WarningCode::UndeliveredMessages]);
    assert_eq!(rig.outcome().status, Status::Aborted);
}

#[test]
fn subagents_that_do_not_end_are_not_waited_for_forever() {
    let mut rig = with_child();
    rig.apply(Event::Close);
    rig.ring();
    assert_eq!(rig.machine.state(), SessionState::Closed);
    assert_eq!(rig.warnings(), [WarningCode::SubagentDidNotEnd]);
}

#[test]
fn what_subagents_use_up_shows_in_the_totals() {
    let mut rig = with_child();
    rig.submit("work");
    let total = Usage::new(1000, 100);
    let (last, cost_usd) = (total.clone(), Some(0.0));
    rig.apply(of_child(EventData::TokenUsage {
        last,
        total,
        cost_usd,
        context_window: None,
        rate_limit: None,
    }));
    rig.reply("done");
    assert_eq!(rig.outcome().usage.total_tokens, 1210);
    assert_eq!(rig.warnings(), [WarningCode::SubagentsRunning]);
}

#[test]
fn a_clock_that_is_set_back_does_not_set_events_back() {
    let mut machine = Rig::new(SessionConfig::default()).machine;
    let at = |machine: &mut Machine, now| {
        let effects = machine.apply(Event::Start { working_directory: String::new() }, now);
        let [Effect::Emit(event)] = &effects[..] else { panic!("{effects:?}") };
        event.timestamp
    };
    assert_eq!((at(&mut machine, 10), at(&mut machine, 4), at(&mut machine, 11)), (10, 10, 11));
}

#[test]
fn loop_9_5_the_event_has_the_full_output_and_the_model_the_cut_one() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("work");
    rig.reply_calls(&["a"]);
    rig.finish(0, &"x".repeat(100_000));
    let end = rig.data().find(|data| data.kind() == "tool_call_end").unwrap();
    assert!(
        matches!(end, EventData::ToolCallEnd { output, truncated: true, .. } if output.len() == 100_000)
    );
    assert!(result_lengths(&rig)[0] < 31_000);
}

#[test]
fn ruling_approval_the_time_of_a_review_is_no_part_of_the_calls_duration() {
    let mut rig = Rig::new(SessionConfig::default());
    rig.submit("go");
    rig.reply_calls(&["one"]);
    let (round, _) = rig.open_round().unwrap();
    rig.apply(Event::Tool { round, index: 0, news: ToolNews::Started { arguments: Value::Null } });
    rig.now += 60_000;
    rig.apply(Event::Tool { round, index: 0, news: ToolNews::Reviewed });
    rig.now += 20;
    rig.finish(0, "done");
    let durations: Vec<u64> = rig
        .data()
        .filter_map(|data| match data {
            EventData::ToolCallEnd { duration_ms, .. } => Some(*duration_ms),
            _ => None,
        })
        .collect();
    assert_eq!(durations, [21]);
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "tool_call_start").count(), 1);
}
