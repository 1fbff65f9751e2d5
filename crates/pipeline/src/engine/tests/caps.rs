use super::*;
use crate::outcome::Usage;

#[test]
fn ruling_pipeline_19_visits_and_stages_are_capped() {
    let sim = Sim::new("max_visits=3; a; start -> a; a -> a").run();
    sim.fails(Rule::Limit, "max_visits: `a` was visited 3 times");
    let sim = Sim::new("max_visits=3; a [max_visits=5] start -> a; a -> a").run();
    sim.fails(Rule::Limit, "max_visits: `a` was visited 5 times");
    let sim = Sim::new("max_stages=7; max_visits=100; a; start -> a; a -> a").run();
    sim.fails(Rule::Limit, "max_stages: 7 stages ran");
    let loops = "d [shape=diamond] e [shape=diamond] start -> d -> e -> d";
    Sim::new(&format!("max_stages=100000; max_visits=20000; {loops}"))
        .run()
        .fails(Rule::Limit, "max_visits");
}

#[test]
fn ruling_pipeline_19_a_budget_ends_a_run_before_the_next_stage() {
    let costly =
        Outcome { usage: Usage { input_tokens: 60, output_tokens: 0, cost_usd: 0.6 }, ..ok() };
    let budget = |tokens, usd| Setup { budget: Budget { tokens, usd }, ..setup() };
    let body = "a; b; c; start -> a -> b -> c -> exit";
    let run =
        |setup| Sim::with(body, setup).on("a", [costly.clone()]).on("b", [costly.clone()]).run();
    run(budget(Some(100), None))
        .fails(Rule::Limit, "budget_tokens: 120 tokens are used up before `c`");
    run(budget(None, Some(1.0))).fails(Rule::Limit, "budget_usd: $1.2000");
    run(budget(Some(121), Some(1.3))).succeeds("start a b c exit");
}

#[test]
fn what_is_left_is_told_to_each_stage() {
    let costly = Outcome { usage: Usage { input_tokens: 60, ..Usage::default() }, ..ok() };
    let setup = Setup { budget: Budget { tokens: Some(100), usd: None }, ..setup() };
    let mut sim = Sim::with("a; b; start -> a -> b -> exit", setup).on("a", [costly]);
    sim.feed(Input::Begin);
    sim.step();
    let Some(Effect::Execute(execute)) = sim.waiting.front() else { panic!() };
    assert_eq!(execute.remaining, Remaining { tokens: Some(40), usd: None });
}

#[test]
fn ruling_pipeline_18_a_restart_begins_anew_and_is_capped() {
    let body = "a; b; start -> a -> b; b -> exit [condition=\"context.internal.restart_count=2\"]
        b -> a [loop_restart=true, condition=\"context.internal.restart_count!=2\"]";
    let sim = Sim::new(body).on("a", [ok().with("kept", 1)]).run();
    sim.succeeds("a b exit");
    assert_eq!(sim.machine.restart(), 2);
    let restarts: Vec<u32> = sim.executed.iter().map(|attempt| attempt.restart).collect();
    assert_eq!(restarts, [0, 0, 1, 1, 2, 2]);
    let sim = Sim::new("max_restarts=1; a; start -> a; a -> a [loop_restart=true]").run();
    sim.fails(Rule::Limit, "max_restarts: the run restarted 1 times");
}

#[test]
fn ruling_pipeline_18_a_restart_has_a_fresh_context_and_keeps_the_graphs_values() {
    let mut sim = Sim::new("goal=win; a; start -> a; a -> a [loop_restart=true]")
        .on("a", [ok().with("left", "over")]);
    sim.feed(Input::Begin);
    sim.step();
    let context = sim.machine.context();
    assert_eq!(context.text("graph.goal"), "win");
    assert_eq!(context.text("left"), "");
    assert_eq!(context.text("internal.restart_count"), "1");
}

#[test]
fn a_stop_cancels_what_is_under_way_and_nothing_follows() {
    let mut sim = Sim::new("a; start -> a -> exit");
    sim.feed(Input::Begin);
    sim.feed(Input::Stop { reason: "canceled".to_owned() });
    sim.fails(Rule::Stopped, "canceled");
    assert_eq!(sim.canceled.len(), 1);
    let before = sim.records.len();
    sim.step();
    assert_eq!(sim.records.len(), before);
}
