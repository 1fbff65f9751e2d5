use serde_json::json;

use super::*;
use crate::outcome::Outcome;

fn done(node: &str, visit: u32, outcome: &Outcome) -> Done {
    Done::new(node, visit, 1, outcome)
}

/// A long run with much to tell.
fn long() -> (History, Context) {
    let mut history = History::default();
    let mut context = Context::default();
    for n in 0..10_000 {
        let notes = format!("stage {n} did much: {}", "words and more words ".repeat(50));
        history = history.with(done(&format!("s{n}"), 1, &Outcome::success(notes)));
        context.set(format!("work.{n:05}"), "v".repeat(5_000));
    }
    (history, context)
}

fn told<'a>(history: &'a History, context: &'a Context, answer: Option<&'a str>) -> Told<'a> {
    let answer = answer.map(|answer| ("plan", answer));
    Told { goal: "Ship it", run: "run_7", node: "build", history, context, answer }
}

#[test]
fn truncate_tells_the_goal_and_the_run() {
    let (history, context) = long();
    let text = preamble(Fidelity::Truncate, &told(&history, &context, Some("secret plan")));
    assert_eq!(text, "# The run so far\nGoal: Ship it\nRun: run_7, stage: build");
}

#[test]
fn compact_lists_stages_values_and_the_latest_answer() {
    let history = History::default()
        .with(done("plan", 1, &Outcome::success("Stage completed: plan")))
        .with(done("build", 1, &Outcome::fail("cargo:\n  error[E1]")))
        .with(Done::new("fix", 2, 3, &Outcome::success("two\nfiles")));
    let context: Context = [
        ("outcome", json!("success")),
        ("graph.goal", json!("Ship it")),
        ("internal.retry_count.build", json!(3)),
        ("internal.thread.build", json!("x")),
        ("last_response", json!("hidden")),
        ("tests.failed", json!(2)),
        ("branch", json!("a\nb")),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    let text = preamble(Fidelity::Compact, &told(&history, &context, Some("1. write\n2. test")));
    assert_eq!(
        text,
        "# The run so far\nGoal: Ship it\nRun: run_7, stage: build\n\n\
         Stages that ended:\n- plan: success\n- build: fail: cargo: error[E1]\n\
         - fix: success, visit 2, attempt 3: two files\n\n\
         Values:\n- branch: a b\n- tests.failed: 2\n\n\
         The answer of plan:\n1. write\n2. test"
    );
}

#[test]
fn every_mode_keeps_to_its_budget_and_uses_it() {
    let (history, context) = long();
    let answer = "a".repeat(100_000);
    let goal = "g".repeat(100_000);
    // Tokens, four characters each.
    let budgets = [
        (Fidelity::SummaryLow, 600),
        (Fidelity::Compact, 2_000),
        (Fidelity::SummaryMedium, 1_500),
        (Fidelity::SummaryHigh, 3_000),
    ];
    for (mode, tokens) in budgets {
        let told = Told { goal: &goal, ..told(&history, &context, Some(&answer)) };
        let text = preamble(mode, &told);
        let length = text.chars().count();
        assert!(length <= tokens * 4, "{mode}: {length}");
        assert!(length >= tokens * 4 * 6 / 10, "{mode}: {length}");
        assert!(text.contains("s9999: success"), "{mode}: the newest stage is told");
        assert!(text.contains("before these"), "{mode}: that there were more is told");
        assert!(text.contains("more are left out"), "{mode}: so it is of values");
    }
}

#[test]
fn summaries_tell_more_the_higher_they_are() {
    let (history, context) = long();
    let modes = [Fidelity::SummaryLow, Fidelity::SummaryMedium, Fidelity::SummaryHigh];
    let lengths = modes.map(|mode| {
        let text = preamble(mode, &told(&history, &context, None));
        assert!(text.contains("10000 stages ended before this one."), "{text}");
        text.matches("\n- s").count()
    });
    assert!(lengths[0] < lengths[1] && lengths[1] < lengths[2], "{lengths:?}");
    // In the order in which they ended.
    let text = preamble(Fidelity::SummaryLow, &told(&history, &context, None));
    assert!(text.find("s9998:").unwrap() < text.find("s9999:").unwrap(), "{text}");
}

#[test]
fn the_first_stage_is_told_of_no_others() {
    let (history, context) = (History::default(), Context::default());
    for mode in Fidelity::ALL {
        let text = preamble(mode, &told(&history, &context, None));
        assert_eq!(text, "# The run so far\nGoal: Ship it\nRun: run_7, stage: build", "{mode}");
    }
    let told = Told { goal: " ", ..told(&history, &context, None) };
    assert_eq!(preamble(Fidelity::Compact, &told), "# The run so far\nRun: run_7, stage: build");
}

#[test]
fn a_cut_says_so_and_splits_no_character() {
    assert_eq!(cut("äöü", 3), "äöü");
    assert_eq!(cut("äöüß", 3), "äö…");
    assert_eq!(cut("", 0), "");
}
