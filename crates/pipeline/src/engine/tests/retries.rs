use super::*;

fn attempts(sim: &Sim, node: &str) -> usize {
    sim.executed.iter().filter(|attempt| attempt.node == node).count()
}

#[test]
fn pipeline_11_5_retry_is_retried_within_max_retries_and_the_last_outcome_counts() {
    let body = "a [max_retries=2] start -> a -> exit";
    let sim = Sim::new(body).on("a", [retry(), retry(), ok()]).run();
    sim.succeeds("start a exit");
    assert_eq!(attempts(&sim, "a"), 3);
    let sim = Sim::new(body).on("a", [retry()]).run();
    assert_eq!(attempts(&sim, "a"), 3);
    sim.fails(Rule::Failed, "max retries exceeded after 3 attempts: not yet");
}

#[test]
fn pipeline_11_5_the_graphs_default_holds_where_the_node_says_nothing() {
    let sim = Sim::new("default_max_retries=1; a; b [max_retries=0] start -> a -> b -> exit")
        .on("a", [retry(), ok()])
        .on("b", [retry()])
        .run();
    assert_eq!((attempts(&sim, "a"), attempts(&sim, "b")), (2, 1));
    let sim = Sim::new("a; start -> a -> exit").on("a", [retry()]).run();
    assert_eq!(attempts(&sim, "a"), 1);
}

#[test]
fn ruling_pipeline_03_a_failure_is_retried_when_it_is_transient_or_the_node_says_how_often() {
    let transient = || Outcome::fail("503").class(FailureClass::Transient);
    let sim = Sim::new("default_max_retries=2; a; start -> a -> exit").on("a", [transient()]).run();
    assert_eq!(attempts(&sim, "a"), 3);
    let sim = Sim::new("default_max_retries=2; a; start -> a -> exit").on("a", [fail()]).run();
    assert_eq!(attempts(&sim, "a"), 1, "a permanent failure is not retried by default");
    let sim = Sim::new("a [max_retries=2] start -> a -> exit").on("a", [fail(), ok()]).run();
    assert_eq!(attempts(&sim, "a"), 2);
    sim.succeeds("start a exit");
}

#[test]
fn allow_partial_takes_exhausted_retries_as_partial_success() {
    let sim = Sim::new("a [max_retries=1, allow_partial=true, goal_gate=true] start -> a -> exit")
        .on("a", [retry()])
        .run();
    sim.succeeds("start a exit");
    assert_eq!(sim.machine.outcomes()[1].1.status, Status::PartialSuccess);
}

#[test]
fn pipeline_11_5_delays_follow_the_preset_and_its_jitter() {
    let delays = |name: &str, jitter: bool| -> Vec<u64> {
        let mut policy = RetryPolicy::preset(name).unwrap();
        policy.jitter = jitter;
        let mut random = Random::new(1);
        (1..policy.max_attempts)
            .map(|attempt| u64::try_from(policy.delay(attempt, &mut random).as_millis()).unwrap())
            .collect()
    };
    assert_eq!(delays("none", false), [0_u64; 0]);
    assert_eq!(delays("standard", false), [200, 400, 800, 1600]);
    assert_eq!(delays("aggressive", false), [500, 1000, 2000, 4000]);
    assert_eq!(delays("linear", false), [500, 500]);
    assert_eq!(delays("patient", false), [2000, 6000]);
    for (with, without) in delays("standard", true).into_iter().zip(delays("standard", false)) {
        assert!(with >= without / 2 && with <= without * 3 / 2, "{with} of {without}");
    }
    assert_ne!(delays("standard", true), delays("standard", false));
    let long = RetryPolicy { jitter: false, ..RetryPolicy::retries(u32::MAX) };
    assert_eq!(long.delay(u32::MAX, &mut Random::new(1)).as_millis(), 60_000);
}

#[test]
fn pipeline_11_5_retries_are_counted_in_the_context_until_the_stage_is_over() {
    let mut sim =
        Sim::new("a [max_retries=2] start -> a -> exit").on("a", [retry(), retry(), ok()]);
    sim.feed(Input::Begin);
    sim.step();
    sim.step();
    assert_eq!(sim.machine.context().text("internal.retry_count.a"), "1");
    sim.step();
    sim.step();
    assert_eq!(sim.machine.context().text("internal.retry_count.a"), "2");
    sim.step();
    assert_eq!(sim.machine.context().get("internal.retry_count.a"), None);
}

#[test]
fn what_failed_attempts_cost_counts() {
    let costly = |outcome: Outcome| Outcome {
        usage: crate::outcome::Usage { input_tokens: 10, output_tokens: 5, cost_usd: 0.5 },
        ..outcome
    };
    let sim = Sim::new("a [max_retries=1] start -> a -> exit")
        .on("a", [costly(retry()), costly(ok())])
        .run();
    assert_eq!(sim.finish().usage.total_tokens(), 30);
    assert!((sim.finish().usage.cost_usd - 1.0).abs() < 1e-9);
}
