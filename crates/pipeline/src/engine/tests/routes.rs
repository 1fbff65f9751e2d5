use super::*;

#[test]
fn pipeline_11_3_a_run_goes_from_the_start_to_the_exit() {
    let sim = Sim::new("a; b; start -> a -> b -> exit").run();
    sim.succeeds("start a b exit");
    assert_eq!(sim.machine.context().text("graph.goal"), "");
    assert_eq!(sim.machine.context().text("outcome"), "success");
    assert_eq!(sim.machine.context().text("current_node"), "exit");
}

#[test]
fn pipeline_11_3_edge_selection_follows_the_five_steps() {
    let edges =
        "a; b; c; d; e; f; b -> exit; c -> exit; d -> exit; e -> exit; f -> exit; start -> a;
        a -> b [condition=\"context.go=yes\"]
        a -> c [label=\"[T] Take\"]
        a -> d
        a -> e [weight=2]
        a -> f [weight=2]";
    let went = |outcome: Outcome| {
        let sim = Sim::new(edges).on("a", [outcome]).run();
        (sim.machine.path()[2].clone(), sim.rule("a"))
    };
    let all =
        Outcome { suggested_next_ids: vec!["d".to_owned()], ..label("take").with("go", "yes") };
    assert_eq!(went(all.clone()), ("b".to_owned(), Rule::Condition));
    let no_condition = all.with("go", "no");
    assert_eq!(went(no_condition.clone()), ("c".to_owned(), Rule::PreferredLabel));
    let suggested = Outcome { preferred_label: "nothing".to_owned(), ..no_condition };
    assert_eq!(went(suggested), ("d".to_owned(), Rule::SuggestedId));
    assert_eq!(went(ok()), ("e".to_owned(), Rule::Lexical));
}

#[test]
fn pipeline_11_12_condition_match_wins_over_weight() {
    let sim = Sim::new(
        "a; b; c; start -> a; b -> exit; c -> exit
         a -> b [condition=\"outcome=success\"] a -> c [weight=100]",
    )
    .run();
    sim.succeeds("start a b exit");
}

#[test]
fn pipeline_11_12_weight_then_target_break_ties() {
    let body =
        |w: u8| format!("a; b; c; start -> a; b -> exit; c -> exit; a -> c [weight={w}] a -> b");
    Sim::new(&body(1)).run().succeeds("start a c exit");
    Sim::new(&body(0)).run().succeeds("start a b exit");
}

#[test]
fn ruling_pipeline_26_ties_are_broken_by_bytes_then_by_declaration() {
    let sim = Sim::new("a; B; b; start -> a; a -> b; a -> B; B -> exit; b -> exit").run();
    sim.succeeds("start a B exit");
    let twice = "a; b; start -> a; a -> b [label=second] a -> b [label=first] b -> exit";
    let sim = Sim::new(twice).run();
    let taken = sim.records.iter().find(|record| record.attempt.node == "a").unwrap().hop.edge;
    assert_eq!(taken, Some(1), "the one declared first");
}

#[test]
fn labels_are_compared_without_case_space_and_accelerator() {
    for (text, bare) in [
        ("[Y] Yes, deploy", "yes, deploy"),
        ("Y) Yes", "yes"),
        ("Y - Yes", "yes"),
        ("  Yes ", "yes"),
        ("[see below] Yes", "[see below] yes"),
        ("A-B", "a-b"),
        ("", ""),
        ("é) É", "é"),
    ] {
        assert_eq!(normalize_label(text), bare, "{text}");
    }
}

#[test]
fn ruling_pipeline_01_a_conditional_reports_the_stage_before_it() {
    let body = "a; gate [shape=diamond]; fix; start -> a -> gate
        gate -> exit [condition=\"outcome=success\"] gate -> fix [condition=\"outcome!=success\"]
        fix -> a";
    let sim = Sim::new(body).on("a", [fail(), ok()]).run();
    sim.succeeds("start a gate fix a gate exit");
    assert_eq!(
        sim.machine.outcomes().iter().find(|(id, _)| id == "gate").unwrap().1.status,
        Status::Success
    );
}

#[test]
fn ruling_pipeline_01_two_conditionals_in_a_row_report_the_same_stage() {
    let body = "a; one [shape=diamond]; two [shape=diamond]; b; start -> a -> one -> two
        two -> b [condition=\"outcome=fail && preferred_label=Other\"]; b -> exit";
    let failed = Outcome { preferred_label: "Other".to_owned(), ..fail() };
    let sim = Sim::new(body).on("a", [failed]).run();
    sim.succeeds("start a one two b exit");
    assert_eq!(sim.rule("one"), Rule::CarriedFailure);
}

#[test]
fn ruling_pipeline_02_a_failure_takes_a_true_condition_then_its_targets_then_ends_the_run() {
    let with = |attrs: &str, edge: &str| {
        format!("a [{attrs}] b; c; start -> a; a -> exit; {edge} b -> exit; c -> exit")
    };
    let targets = "retry_target=b, fallback_retry_target=c";
    let sim =
        Sim::new(&with(targets, "a -> c [condition=\"outcome=fail\"]")).on("a", [fail()]).run();
    sim.succeeds("start a c exit");
    let sim = Sim::new(&with(targets, "")).on("a", [fail()]).run();
    sim.succeeds("start a b exit");
    assert_eq!(sim.rule("a"), Rule::RetryTarget);
    let sim = Sim::new(&with("retry_target=nowhere, fallback_retry_target=c", ""))
        .on("a", [fail()])
        .run();
    sim.succeeds("start a c exit");
    assert_eq!(sim.rule("a"), Rule::FallbackRetryTarget);
    let sim = Sim::new(&with("", "")).on("a", [fail()]).run();
    sim.fails(Rule::Failed, "stage_failed: `a`: broken");
}

#[test]
fn ruling_pipeline_02_an_edge_without_condition_carries_a_failure_only_where_it_is_meant_to() {
    let sim = Sim::new("a; b; start -> a -> b -> exit").on("a", [fail()]).run();
    sim.fails(Rule::Failed, "continue_on_fail");
    let sim =
        Sim::new("a [continue_on_fail=true] b; start -> a -> b -> exit").on("a", [fail()]).run();
    sim.succeeds("start a b exit");
    assert_eq!(sim.rule("a"), Rule::CarriedFailure);
    let sim = Sim::new(
        "a; b; d [shape=diamond]; start -> a; a -> b; a -> d; b -> exit
         d -> exit [condition=\"outcome=fail\"]",
    )
    .on("a", [fail()])
    .run();
    sim.succeeds("start a d exit");
}

#[test]
fn ruling_pipeline_04_no_eligible_edge_fails_the_run() {
    let body = "a; start -> a; a -> exit [condition=\"outcome=fail\"]";
    Sim::new(body).run().fails(Rule::NoMatchingEdge, "no_matching_edge: `a` ended with success");
}

#[test]
fn ruling_pipeline_04_a_node_without_edges_ends_the_run_after_the_gates_were_checked() {
    let sim = Sim::new("a; start -> a").run();
    sim.succeeds("start a");
    assert_eq!(sim.finish().rule, Rule::End);
    let sim = Sim::new("g [goal_gate=true, continue_on_fail=true] a; start -> g -> a")
        .on("g", [fail()])
        .run();
    sim.fails(Rule::GateUnsatisfied, "goal gate `g`");
}

#[test]
fn ruling_pipeline_10_an_answer_takes_its_edge_though_two_lead_to_one_node() {
    let body = "a; b; start -> a; a -> b [label=Yes] a -> b [label=Later] b -> exit";
    let answered = Outcome { edge: Some(2), ..ok() };
    let sim = Sim::new(body).on("a", [answered]).run();
    let hop = &sim.records[1].hop;
    assert_eq!((hop.rule, hop.edge, hop.detail.as_str()), (Rule::Answer, Some(2), "Later"));
    // An edge of another node is no answer.
    let sim = Sim::new(body).on("a", [Outcome { edge: Some(0), ..ok() }]).run();
    assert_eq!(sim.rule("a"), Rule::Lexical);
}

#[test]
fn ruling_pipeline_24_skipped_routes_like_success_and_satisfies_no_gate() {
    let skipped = || [Outcome::of(Status::Skipped)];
    Sim::new("a; start -> a -> exit").on("a", skipped()).run().succeeds("start a exit");
    let sim = Sim::new("a [goal_gate=true] start -> a -> exit").on("a", skipped()).run();
    sim.fails(Rule::GateUnsatisfied, "goal gate `a`");
    let partial = [Outcome::of(Status::PartialSuccess)];
    let sim = Sim::new("a [goal_gate=true] start -> a -> exit").on("a", partial).run();
    sim.succeeds("start a exit");
}

#[test]
fn dialect_2026_02_matches_labels_on_conditional_edges_and_falls_back_to_any_edge() {
    let body = "dialect=\"2026-02\"; a; b; c; start -> a; b -> exit; c -> exit
        a -> b [label=Go, condition=\"context.x=1\"] a -> c [label=No, condition=\"context.x=2\"]";
    let sim = Sim::new(body).on("a", [label("no")]).run();
    sim.succeeds("start a c exit");
    let sim = Sim::new(body).run();
    sim.succeeds("start a b exit");
    assert_eq!(sim.rule("a"), Rule::AnyEdge);
    let sim = Sim::new("dialect=\"2026-02\"; a; start -> a -> exit").on("a", [fail()]).run();
    sim.succeeds("start a exit");
}

#[test]
fn a_random_selection_draws_by_weight_and_the_seed_decides() {
    let body = "a [selection=random] b; c; start -> a; a -> b [weight=3] a -> c [weight=1]
        b -> exit; c -> exit";
    let draw = |seed| {
        let sim = Sim::with(body, Setup { seed, ..setup() }).run();
        assert_eq!(sim.rule("a"), Rule::Random);
        sim.machine.path()[2].clone()
    };
    let drawn: Vec<String> = (0..400).map(draw).collect();
    let b = drawn.iter().filter(|id| *id == "b").count();
    assert!((240..360).contains(&b), "{b} of 400");
    assert_eq!(drawn[..20], (0..20).map(draw).collect::<Vec<_>>()[..]);
}

#[test]
fn pipeline_11_12_context_updates_are_visible_to_the_next_stage() {
    let mut sim = Sim::new("a; b; start -> a -> b -> exit").on("a", [ok().with("k", 5)]);
    sim.feed(Input::Begin);
    sim.step();
    let Some(Effect::Execute(execute)) = sim.waiting.front() else { panic!() };
    assert_eq!(execute.context.text("k"), "5");
    assert_eq!(execute.context.text("current_node"), "b");
}

#[test]
fn what_comes_late_or_twice_changes_nothing() {
    let mut sim = Sim::new("a; start -> a -> a2; a2 -> exit");
    sim.feed(Input::Begin);
    let Some(Effect::Execute(execute)) = sim.waiting.pop_front() else { panic!() };
    let ended = || Input::Ended {
        attempt: execute.attempt.clone(),
        outcome: Box::new(ok()),
        snapshot: None,
    };
    assert!(sim.machine.apply(Input::Begin, 5).is_empty());
    let stranger = AttemptId { node: "b".to_owned(), ..execute.attempt.clone() };
    let strange = Input::Ended { attempt: stranger, outcome: Box::new(fail()), snapshot: None };
    assert!(sim.machine.apply(strange, 5).is_empty());
    assert!(!sim.machine.apply(ended(), 5).is_empty());
    assert!(sim.machine.apply(ended(), 6).is_empty());
    assert!(sim.machine.apply(Input::Due { attempt: execute.attempt.clone() }, 6).is_empty());
}

#[test]
fn ruling_pipeline_24_partial_success_counts_as_success_for_conditions_too() {
    let partial = || [Outcome::of(Status::PartialSuccess)];
    let two = "a; b; start -> a; b -> exit; a -> exit [condition=\"outcome=success\"]
        a -> b [condition=\"outcome!=success\"]";
    Sim::new(two).on("a", partial()).run().succeeds("start a exit");
    Sim::new(two).on("a", [Outcome::of(Status::Skipped)]).run().succeeds("start a exit");
    Sim::new(two).on("a", [fail()]).run().succeeds("start a b exit");
    // Who asks for the status itself is asked first.
    let exact = "a; b; start -> a; b -> exit; a -> exit [condition=\"outcome=success\", weight=9]
        a -> b [condition=\"outcome=partial_success\"]";
    Sim::new(exact).on("a", partial()).run().succeeds("start a b exit");
}
