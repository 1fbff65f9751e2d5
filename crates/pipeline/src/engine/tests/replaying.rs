use proptest::prelude::*;

use super::*;

const RICH: &str = "max_visits=40; default_max_retries=1
    a [max_retries=2] d [shape=diamond] fix; fan [shape=component, max_parallel=2] x; y; z
    g [goal_gate=true, continue_on_fail=true, retry_target=a] join [shape=tripleoctagon]
    pick [selection=random]
    start -> a -> d; d -> fan [condition=\"outcome=success\"] d -> fix [condition=\"outcome!=success\"]
    fix -> a; fan -> x -> join; fan -> y -> join; fan -> z -> join; join -> pick
    pick -> g [weight=1] pick -> g [weight=1]; g -> exit";

fn scripted(script: &[u8]) -> Sim {
    let outcome = |byte: &u8| match byte % 5 {
        0 => fail(),
        1 => retry(),
        2 => Outcome::fail("503").class(FailureClass::Transient),
        _ => ok().with("byte", *byte),
    };
    let mut sim = Sim::new(RICH);
    for (at, node) in ["a", "x", "y", "z", "g", "fix", "join"].into_iter().enumerate() {
        let mut outcomes: Vec<Outcome> =
            script.iter().skip(at).step_by(3).take(8).map(outcome).collect();
        outcomes.push(ok());
        sim = sim.on(node, outcomes);
    }
    sim
}

/// Takes a run over after `cut` records, with what is left of its script, and to its end.
fn taken_over(original: &Sim, cut: usize) -> Sim {
    let records = original.records[..cut].to_vec();
    let replayed = replay(plan(RICH), setup(), 1_000, records.clone()).unwrap();
    let mut sim = Sim::new(RICH);
    sim.script = HashMap::new();
    sim.machine = replayed.machine;
    sim.records = records;
    sim.records.extend(replayed.unwritten);
    let now = sim.records.last().map_or(1_000, |record| record.at);
    sim.now = now;
    let pending = sim.machine.pending(now);
    sim.take(pending);
    // Each attempt ends as it did: the outside world is the same.
    while sim.machine.finish().is_none() {
        let Some(effect) = sim.waiting.pop_front() else { panic!("the run hangs") };
        match effect {
            Effect::Execute(execute) => {
                let same = |r: &&StageRecord| r.attempt == execute.attempt;
                let outcome = original.records.iter().find(same).map(|r| r.outcome.clone());
                let outcome = Box::new(outcome.unwrap_or_else(ok));
                sim.feed(Input::Ended { attempt: execute.attempt, outcome, snapshot: None });
            }
            Effect::Pause { attempt, .. } => sim.feed(Input::Due { attempt }),
            _ => unreachable!(),
        }
    }
    sim
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Ruling 16: wherever a run is interrupted, it goes on to the same end by the same way.
    #[test]
    fn ruling_pipeline_16_a_run_taken_over_anywhere_ends_like_one_that_was_not(
        script in proptest::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = scripted(&script).run();
        let cut = cut.index(whole.records.len() + 1);
        let again = taken_over(&whole, cut);
        prop_assert_eq!(again.path(), whole.path());
        prop_assert_eq!(again.finish(), whole.finish());
        prop_assert_eq!(again.machine.context(), whole.machine.context());
    }

    /// Whatever stages come to, in whatever order, a run ends.
    #[test]
    fn every_run_ends_and_success_means_that_all_gates_held(
        script in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let sim = scripted(&script).run();
        if sim.finish().status == Status::Success {
            let gate = sim.machine.outcomes().into_iter().find(|(id, _)| id == "g");
            prop_assert!(gate.is_none_or(|(_, outcome)| outcome.status.satisfies_gate()));
        }
    }
}

#[test]
fn ruling_pipeline_16_a_journal_of_another_graph_is_refused() {
    let sim = Sim::new("a; b; start -> a -> b -> exit").run();
    let other = plan("a; c; start -> a -> c -> exit");
    let error = replay(other, setup(), 1_000, sim.records.clone()).unwrap_err();
    assert_eq!(error.at, 2);
    assert!(error.to_string().contains("`a` visit 1 attempt 1 → b"), "{error}");
    let longer = plan("a; b; c; start -> a -> b -> c -> exit");
    assert!(replay(longer, setup(), 1_000, sim.records).is_err());
}

#[test]
fn a_budget_that_is_smaller_than_what_was_used_is_no_reason_to_refuse_a_journal() {
    let costly =
        Outcome { usage: crate::outcome::Usage { input_tokens: 60, ..Default::default() }, ..ok() };
    let mut sim = Sim::new("a; b; start -> a -> b -> exit").on("a", [costly]);
    sim.feed(Input::Begin);
    sim.step();
    let small = Setup { budget: Budget { tokens: Some(10), usd: None }, ..setup() };
    let plan = plan("a; b; start -> a -> b -> exit");
    let mut replayed = replay(plan, small, 1_000, sim.records).unwrap();
    assert_eq!(replayed.machine.usage().total_tokens(), 60);
    let pending = replayed.machine.pending(2_000);
    let [Effect::Emit(_), Effect::Execute(execute)] = pending.as_slice() else {
        panic!("{pending:?}")
    };
    assert_eq!(execute.remaining.tokens, Some(0));
}
