use super::*;

#[test]
fn pipeline_11_4_an_unsatisfied_gate_sends_the_run_back() {
    let body =
        "a; g [goal_gate=true, continue_on_fail=true, retry_target=\"\"] start -> a -> g -> exit";
    Sim::new(body).on("g", [fail()]).run().fails(Rule::GateUnsatisfied, "goal_gate_unsatisfied");
    let body = format!("retry_target=a; {body}");
    let sim = Sim::new(&body).on("g", [fail(), ok()]).run();
    sim.succeeds("start a g a g exit");
}

#[test]
fn pipeline_11_4_targets_are_tried_from_the_gates_own_to_the_graphs() {
    let run = |gate: &str, graph: &str| {
        let body = format!(
            "{graph}; a; b; g [goal_gate=true {gate}] x [continue_on_fail=true]
             start -> a -> b -> g; g -> x [condition=\"outcome=fail\"] g -> exit; x -> exit"
        );
        Sim::new(&body).on("g", [fail(), ok()]).run().machine.path()[5].clone()
    };
    assert_eq!(run(", retry_target=b", "retry_target=a"), "b");
    assert_eq!(run(", fallback_retry_target=b", "retry_target=a"), "b");
    assert_eq!(run(", retry_target=nowhere", "retry_target=a"), "a");
    assert_eq!(run("", "fallback_retry_target=b"), "b");
}

#[test]
fn ruling_pipeline_05_gates_are_checked_in_execution_order_over_their_latest_outcome() {
    let body = "z [goal_gate=true, retry_target=z] a [goal_gate=true, retry_target=a] start -> z
        z -> a [condition=\"outcome=fail\"] z -> a; a -> exit [condition=\"outcome=fail\"]
        a -> exit";
    let sim = Sim::new(body).on("z", [fail(), ok()]).on("a", [fail(), fail(), ok()]).run();
    // z first, as it ran first; then a.
    sim.succeeds("start z a z a a exit");
}

#[test]
fn ruling_pipeline_05_redirects_are_capped() {
    let body = "max_goal_redirects=3; retry_target=g; g [goal_gate=true, continue_on_fail=true] start -> g -> exit";
    let sim = Sim::new(body).on("g", [fail()]).run();
    sim.fails(Rule::Limit, "max_goal_redirects: sent back 3 times");
    assert_eq!(sim.path(), "start g g g g");
}

#[test]
fn ruling_pipeline_05_a_gate_that_held_is_asked_again_when_the_run_goes_back_before_it() {
    let body = "a [goal_gate=true] b [goal_gate=true, continue_on_fail=true, retry_target=a]
        start -> a -> b -> exit";
    let sim =
        Sim::new(body).on("a", [ok(), Outcome::of(Status::Skipped)]).on("b", [fail(), ok()]).run();
    // Its second verdict counts, not the first.
    sim.fails(Rule::GateUnsatisfied, "goal gate `a`");
}

#[test]
fn ruling_pipeline_05_a_failing_gate_keeps_its_verdict_until_it_has_another() {
    let body = "max_goal_redirects=2; g [goal_gate=true, retry_target=b] b
        start -> g; g -> b [condition=\"outcome=fail\"] g -> exit; b -> exit";
    // The way back avoids the gate: it must not be forgotten.
    Sim::new(body).on("g", [fail()]).run().fails(Rule::Limit, "max_goal_redirects");
}

#[test]
fn a_verdict_on_another_tree_is_asked_again_and_the_run_goes_straight_back() {
    let body = "test [goal_gate=true] polish; start -> test -> polish -> exit";
    let sim = Sim::new(body).tree("test", ["one", "two"]).tree("polish", ["two"]).run();
    sim.succeeds("start test polish test exit");
    assert_eq!(sim.rule("test"), Rule::Rechecked);
    let back = sim.records.iter().find(|record| record.hop.rule == Rule::StaleGate).unwrap();
    assert_eq!(back.hop.next.as_deref(), Some("test"));
}

#[test]
fn a_stale_gate_that_no_longer_holds_takes_its_failures_way() {
    let body = "test [goal_gate=true] polish; start -> test -> polish -> exit";
    let sim = Sim::new(body)
        .on("test", [ok(), fail()])
        .tree("test", ["one", "two"])
        .tree("polish", ["two"])
        .run();
    sim.fails(Rule::Failed, "stage_failed: `test`");
}

#[test]
fn a_gate_that_judged_what_is_there_is_not_asked_again() {
    let body = "polish; test [goal_gate=true] start -> polish -> test -> exit";
    let sim = Sim::new(body).tree("test", ["two"]).tree("polish", ["two"]).run();
    sim.succeeds("start polish test exit");
    // A stage that ends where no edge leads on is asked about in the same way.
    let body = "test [goal_gate=true] polish; start -> test -> polish";
    let sim = Sim::new(body).tree("test", ["one", "two"]).tree("polish", ["two"]).run();
    sim.succeeds("start test polish test");
}
