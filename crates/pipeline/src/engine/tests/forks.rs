use serde_json::json;

use super::*;

const FAN: &str = "fan [shape=component] a; b; join [shape=tripleoctagon]
    start -> fan; fan -> a -> join; fan -> b -> join; join -> exit";

fn results(sim: &Sim) -> serde_json::Value {
    sim.machine.context().get("parallel.results").unwrap().clone()
}

#[test]
fn pipeline_11_12_parallel_fan_out_and_fan_in_complete() {
    let sim = Sim::new(FAN).on("a", [Outcome::success("done a").with("x", 1)]).run();
    sim.succeeds("start fan a b join exit");
    assert_eq!(
        results(&sim),
        json!([
            {"id": "a", "status": "success", "notes": "done a", "context_updates": {"x": 1}},
            {"id": "b", "status": "success", "notes": "", "context_updates": {}},
        ])
    );
    assert_eq!(sim.machine.context().get("x"), None, "a branch's changes stay its own");
}

#[test]
fn ruling_pipeline_08_a_fan_out_is_what_its_branches_are_and_goes_on_to_the_join() {
    let run = |a: Outcome, b: Outcome| Sim::new(FAN).on("a", [a]).on("b", [b]).run();
    let status = |sim: &Sim| {
        sim.machine.outcomes().into_iter().find(|(id, _)| id == "fan").unwrap().1.status
    };
    assert_eq!(status(&run(ok(), ok())), Status::Success);
    let sim = run(fail(), ok());
    assert_eq!(status(&sim), Status::PartialSuccess);
    assert_eq!(results(&sim)[0]["status"], "fail");
    assert_eq!(sim.rule("fan"), Rule::Join);
    let sim = run(fail(), fail());
    assert_eq!(status(&sim), Status::Fail);
    assert!(sim.executed.iter().any(|attempt| attempt.node == "join"), "the fan-in decides");
}

#[test]
fn ruling_pipeline_08_where_no_fan_in_decides_a_failed_fan_out_fails() {
    let body = "fan [shape=component] a; b; next; start -> fan; fan -> a -> next; fan -> b -> next
        next -> exit";
    let run = |a: Outcome, b: Outcome| Sim::new(body).on("a", [a]).on("b", [b]).run();
    run(ok(), fail()).succeeds("start fan a b next exit");
    run(fail(), fail()).fails(Rule::Failed, "stage_failed: `fan`: all branches failed");
}

#[test]
fn ruling_pipeline_08_first_success_cancels_the_others() {
    let body = FAN.replace("shape=component", "shape=component, join_policy=first_success");
    let mut sim = Sim::new(&body).on("a", [fail()]);
    sim.feed(Input::Begin);
    assert_eq!(sim.waiting.len(), 2);
    sim.step();
    sim.step();
    let sim = {
        while sim.machine.finish().is_none() && sim.step() {}
        sim
    };
    sim.succeeds("start fan a b join exit");
    let mut sim = Sim::new(&body);
    sim.feed(Input::Begin);
    sim.step();
    assert_eq!(sim.canceled.len(), 1);
    assert_eq!(sim.canceled[0].node, "b");
    assert_eq!(results(&sim)[1]["status"], "skipped");
}

#[test]
fn ruling_pipeline_08_at_most_max_parallel_branches_run_at_a_time() {
    let edges: String = (0..10).map(|n| format!("b{n}; fan -> b{n} -> join;")).collect();
    let body = format!(
        "fan [shape=component, max_parallel=3] join [shape=tripleoctagon] start -> fan; {edges} join -> exit"
    );
    let mut sim = Sim::new(&body);
    sim.feed(Input::Begin);
    let mut most = 0;
    while sim.machine.finish().is_none() {
        let branches = sim.waiting.len();
        most = most.max(branches);
        assert!(sim.step());
    }
    assert_eq!(most, 3);
    let order: Vec<_> = results(&sim).as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
    assert_eq!(order[9], "b9", "results stand in declaration order");
}

#[test]
fn ruling_pipeline_08_fan_outs_nest() {
    let body = "out [shape=component] in [shape=component] a; b; c
        inner [shape=tripleoctagon] outer [shape=tripleoctagon]
        start -> out; out -> in; in -> a -> inner; in -> b -> inner; inner -> outer
        out -> c -> outer; outer -> exit";
    let sim = Sim::new(body).run();
    sim.succeeds("start out in a b inner c outer exit");
    let frames: Vec<&str> = sim.executed.iter().map(|a| a.frame.as_str()).collect();
    assert!(frames.contains(&"out/in/in/a"), "{frames:?}");
    assert!(frames.contains(&"out/in"), "the inner fan-in runs in the outer branch: {frames:?}");
}

#[test]
fn ruling_pipeline_08_a_branch_sees_what_came_before_and_nothing_of_its_siblings() {
    let mut sim = Sim::new(&FAN.replace("start -> fan", "p; start -> p -> fan"))
        .on("p", [ok().with("before", 1)])
        .on("a", [ok().with("mine", 1)]);
    sim.feed(Input::Begin);
    sim.step();
    sim.step();
    let Some(Effect::Execute(b)) = sim.waiting.front() else { panic!() };
    assert_eq!(b.attempt.node, "b");
    assert_eq!((b.context.text("before"), b.context.text("mine")), ("1".into(), String::new()));
}

#[test]
fn gates_within_branches_count() {
    let body = FAN.replace("a; b;", "a [goal_gate=true] b;");
    let sim = Sim::new(&body).on("a", [fail()]).run();
    sim.fails(Rule::GateUnsatisfied, "goal gate `a`");
}

#[test]
fn two_edges_to_one_node_are_two_branches() {
    let sim = Sim::new(
        "fan [shape=component] a; join [shape=tripleoctagon]
         start -> fan; fan -> a; fan -> a; a -> join; join -> exit",
    )
    .run();
    assert_eq!(results(&sim)[0]["id"], "a");
    assert_eq!(results(&sim)[1]["id"], "a.2");
    assert_eq!(sim.executed.iter().filter(|attempt| attempt.node == "a").count(), 2);
}

#[test]
fn fan_outs_in_a_loop_that_need_no_handler_end_at_the_cap() {
    let sim = Sim::new(
        "max_visits=2000; fan [shape=component] a [shape=diamond] b [shape=diamond] j [shape=diamond]
         start -> fan; fan -> a -> j; fan -> b -> j; j -> fan",
    )
    .run();
    sim.fails(Rule::Limit, "max_visits: `fan`");
}

#[test]
fn a_cap_that_a_branch_hits_ends_the_run_and_its_siblings() {
    let body = "max_visits=2; fan [shape=component] a; b; join [shape=tripleoctagon]
        start -> fan; fan -> a; a -> a [weight=1] a -> join; fan -> b -> join; join -> exit";
    let mut sim = Sim::new(body);
    sim.feed(Input::Begin);
    // Let a run on while b is still at it.
    while sim.machine.finish().is_none() {
        let at = sim.waiting.iter().position(|effect| match effect {
            Effect::Execute(execute) => execute.attempt.node == "a",
            _ => false,
        });
        let Some(at) = at else { break };
        let effect = sim.waiting.remove(at).unwrap();
        sim.waiting.push_front(effect);
        sim.step();
    }
    sim.fails(Rule::Limit, "max_visits: `a`");
    assert_eq!(sim.canceled.iter().map(|a| a.node.as_str()).collect::<Vec<_>>(), ["b"]);
}
