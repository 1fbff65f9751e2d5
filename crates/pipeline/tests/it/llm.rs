//! Stages that a model works on: what the backend is asked, and what becomes of what it says.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canon_pipeline::backend::{Backend, BackendError, BackendErrorKind, Callback, LlmCall, Reply};
use canon_pipeline::graph::Fidelity;
use canon_pipeline::outcome::{FailureClass, Usage};
use canon_pipeline::run::{Checkpoint, NewRun, RunDirectory, start};
use canon_pipeline::{Outcome, Prepare, Status};
use serde_json::json;

use crate::support::{Place, pipeline};

/// What the backend was asked.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    node: String,
    prompt: String,
    fidelity: Fidelity,
    thread: Option<String>,
    tools: bool,
}

type Say = dyn Fn(&LlmCall<'_>) -> Result<Reply, BackendError> + Send + Sync;

/// An agent that says what a test tells it to, and keeps sessions.
#[derive(Clone)]
struct Agent {
    say: Arc<Say>,
    seen: Arc<Mutex<Vec<Seen>>>,
    sessions: Arc<Mutex<HashSet<String>>>,
}

impl Agent {
    fn new(
        say: impl Fn(&LlmCall<'_>) -> Result<Reply, BackendError> + Send + Sync + 'static,
    ) -> Self {
        Self { say: Arc::new(say), seen: Arc::default(), sessions: Arc::default() }
    }

    fn saying(text: &'static str) -> Self {
        Self::new(move |_| Ok(Reply::text(text)))
    }

    fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// (node, mode, thread) of the calls since the last time.
    fn threads(&self) -> Vec<(String, Fidelity, Option<String>)> {
        self.seen().into_iter().map(|seen| (seen.node, seen.fidelity, seen.thread)).collect()
    }
}

#[async_trait]
impl Backend for Agent {
    async fn run(&self, call: &LlmCall<'_>) -> Result<Reply, BackendError> {
        self.seen.lock().unwrap().push(Seen {
            node: call.stage.node().id().to_owned(),
            prompt: call.prompt.clone(),
            fidelity: call.fidelity,
            thread: call.thread.clone(),
            tools: call.tools,
        });
        self.sessions.lock().unwrap().extend(call.thread.clone());
        (self.say)(call)
    }

    fn holds(&self, thread: &str) -> bool {
        self.sessions.lock().unwrap().contains(thread)
    }
}

fn status(place: &Place, node: &str) -> serde_json::Value {
    serde_json::from_str(&place.read(format!("{node}/status.json"))).unwrap()
}

#[tokio::test]
async fn pipeline_11_6_codergen_expands_the_goal_asks_the_backend_and_writes_both_files() {
    let agent = Agent::new(|call| {
        let usage = Usage { input_tokens: 7, output_tokens: 3, cost_usd: 0.5 };
        Ok(Reply { usage, ..Reply::text(format!("done {}: {}", call.tools, "é".repeat(300))) })
    });
    let place = Place::with_backend(agent.clone());
    let source = pipeline(
        "goal=\"a $goalpost\"; a [prompt=\"Reach $goal, $goalpost, now: $goal\"]
         b [type=prompt, label=\"Label for $goal\"] start -> a -> b -> exit",
    );
    let (end, _) = place.start(&source).await;
    assert_eq!(end.finish.status, Status::Success);
    let seen = agent.seen();
    assert!(seen[0].prompt.ends_with("\n\nReach a $goalpost, $goalpost, now: a $goalpost"));
    assert!(seen[1].prompt.ends_with("\n\nLabel for a $goalpost"));
    assert_eq!((seen[0].tools, seen[1].tools), (true, false));
    assert_eq!(place.read("a/prompt.md"), seen[0].prompt);
    let said = format!("done true: {}", "é".repeat(300));
    assert_eq!(place.read("a/response.md"), said);
    let first: String =
        format!("done false: {said}").replace("done true: ", "").chars().take(200).collect();
    assert_eq!(end.context["last_response"], first);
    assert_eq!(end.context["last_stage"], "b");
    assert_eq!(status(&place, "a")["notes"], "Stage completed: a");
    assert_eq!((end.usage.total_tokens(), end.usage.cost_usd), (20, 1.0));
}

#[tokio::test]
async fn pipeline_11_6_without_a_backend_stages_are_simulated() {
    let place = Place::simulated();
    let source = pipeline("a [goal_gate=true] b; start -> a -> b -> exit");
    let (end, _) = place.start(&source).await;
    assert_eq!(end.finish.status, Status::Success, "ruling 6 lets simulated gates pass");
    assert_eq!(place.read("a/response.md"), "[Simulated] Response for stage: a");
    assert_eq!(place.read("b/response.md"), "[Simulated] Response for stage: b");
    let once = place.read("journal.jsonl");
    let again = Place::simulated();
    again.start(&source).await;
    let outcomes = |journal: &str| -> Vec<serde_json::Value> {
        let lines = journal.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.map(|line: serde_json::Value| line["outcome"].clone()).collect()
    };
    assert_eq!(outcomes(&once), outcomes(&again.read("journal.jsonl")));
}

const GATE: &str = "a [goal_gate=true] start -> a -> exit";

#[tokio::test]
async fn ruling_pipeline_06_words_alone_are_no_verdict_of_a_goal_gate() {
    let agent = Agent::saying("All tests pass, I am certain.");
    let place = Place::with_backend(agent.clone());
    let (end, _) = place.start(&pipeline(GATE)).await;
    assert_eq!(end.finish.status, Status::Fail);
    let (_, outcome) = &end.outcomes[1];
    assert_eq!(outcome.failure_class, Some(FailureClass::NoVerdict));
    assert!(outcome.failure_reason.contains("no_verdict: the answer of the goal gate `a`"));
    assert_eq!(end.context["last_response"], "All tests pass, I am certain.");
    // The model was told how to give one.
    let prompt = &agent.seen()[0].prompt;
    assert!(prompt.contains("{\"outcome\": \"success\""), "{prompt}");
    assert!(prompt.contains("Without this object your work does not count"), "{prompt}");
    // A stage that is no gate succeeds on words, and is told nothing where there is one way on.
    let place = Place::with_backend(agent.clone());
    let (end, _) = place.start(&pipeline("a; start -> a -> exit")).await;
    assert_eq!(end.finish.status, Status::Success);
    assert!(!agent.seen()[0].prompt.contains("# How to report"));
}

#[tokio::test]
async fn ruling_pipeline_06_a_retry_may_bring_the_verdict() {
    let agent = Agent::new(|call| {
        let first = call.stage.attempt.attempt == 1;
        Ok(Reply::text(if first { "done" } else { "done\n{\"outcome\": \"success\"}" }))
    });
    let place = Place::with_backend(agent.clone());
    let source = pipeline("a [goal_gate=true, max_retries=2] start -> a -> exit");
    let (end, _) = place.start(&source).await;
    let seen = agent.seen();
    assert_eq!((end.finish.status, seen.len()), (Status::Success, 2));
    // It is told why it is asked again, and what was is kept.
    assert!(!seen[0].prompt.contains("# Tried before"), "{}", seen[0].prompt);
    let told = "# Tried before\nThe last attempt at this task did not succeed: no_verdict: ";
    assert!(seen[1].prompt.contains(told), "{}", seen[1].prompt);
    assert_eq!(place.read("a/attempts/1/response.md"), "done");
    assert_eq!(place.read("a/attempts/1/prompt.md"), seen[0].prompt);
}

#[tokio::test]
async fn ruling_pipeline_06_explicit_verdicts_count() {
    let json = "I looked.\n```json\n{\"outcome\": \"fail\", \"notes\": \"two tests fail\"}\n```";
    for (say, wanted) in [
        ("fine {\"outcome\": \"success\"}", Status::Success),
        ("fine {\"status\": \"partial_success\"}", Status::PartialSuccess),
        (json, Status::Fail),
        ("{\"outcome\": \"success\"} or so", Status::Fail),
        ("fine {\"outcome\": \"splendid\"}", Status::Fail),
    ] {
        let place = Place::with_backend(Agent::saying(say));
        let (end, _) = place.start(&pipeline(GATE)).await;
        assert_eq!(end.outcomes[1].1.status, wanted, "{say}");
    }
    let outcome = Agent::new(|_| {
        let usage = Usage { input_tokens: 9, ..Usage::default() };
        let outcome =
            Outcome { usage: Usage { input_tokens: 1, ..usage }, ..Outcome::success("o") };
        Ok(Reply { usage, ..Reply::outcome(outcome.with("k", 1)) })
    });
    let place = Place::with_backend(outcome);
    let (end, _) = place.start(&pipeline(GATE)).await;
    assert_eq!((end.finish.status, end.usage.input_tokens), (Status::Success, 9));
    assert_eq!((&end.context["k"], &end.context["last_stage"]), (&json!(1), &json!("a")));
    let file = Agent::new(|call| {
        let verdict = "{\"outcome\": \"success\", \"notes\": \"by file\"}";
        std::fs::write(call.stage.dir.join("status.json"), verdict).unwrap();
        Ok(Reply::text("words"))
    });
    let place = Place::with_backend(file);
    let (end, _) = place.start(&pipeline(GATE)).await;
    assert_eq!(end.finish.status, Status::Success);
    assert_eq!(status(&place, "a")["notes"], "by file");
}

#[tokio::test]
async fn ruling_pipeline_06_a_result_with_a_status_is_no_verdict_where_none_is_asked() {
    for (say, wanted) in [
        ("{\"status\": \"failed\", \"url\": \"/health\"}", Status::Success),
        ("I could not. {\"outcome\": \"fail\"}", Status::Fail),
    ] {
        let place = Place::with_backend(Agent::saying(say));
        let (end, _) = place.start(&pipeline("a; start -> a -> exit")).await;
        assert_eq!(end.outcomes[1].1.status, wanted, "{say}");
    }
}

#[tokio::test]
async fn ruling_pipeline_06_an_embedders_function_has_judged_and_auto_status_stands_in() {
    let place = Place::with_backend(Callback(|_, _| async { Ok(Reply::text("fine")) }));
    let (end, _) = place.start(&pipeline(GATE)).await;
    assert_eq!(end.finish.status, Status::Success);
    let place = Place::with_backend(Agent::saying("words"));
    let source = pipeline("a [goal_gate=true, auto_status=true] start -> a -> exit");
    assert_eq!(place.start(&source).await.0.finish.status, Status::Success);
}

#[tokio::test]
async fn a_verdict_routes_and_the_model_is_told_the_ways() {
    let agent = Agent::new(|call| {
        Ok(Reply::text(match call.stage.node().id() {
            "a" => "hm {\"outcome\": \"success\", \"preferred_label\": \"Fix it\"}",
            _ => "done",
        }))
    });
    let place = Place::with_backend(agent.clone());
    let source = pipeline(
        "a; b; c; start -> a; a -> b [label=\"Ship\"] a -> c [label=\"Fix it\"]
         b -> exit; c -> exit",
    );
    let (end, _) = place.start(&source).await;
    assert_eq!(end.path, ["start", "a", "c", "exit"]);
    let prompt = &agent.seen()[0].prompt;
    assert!(prompt.contains("one of \"Ship\", \"Fix it\"."), "{prompt}");
    assert!(prompt.contains("Without this object the task counts as done"), "{prompt}");
}

#[tokio::test(start_paused = true)]
async fn ruling_pipeline_03_errors_of_a_backend_are_mapped_and_what_they_cost_counts() {
    use BackendErrorKind::{BudgetSpent, Canceled, Permanent, Transient};
    let usage = Usage { input_tokens: 10, output_tokens: 0, cost_usd: 0.0 };
    // With `max_retries` on the node a failure is tried again too, but not these.
    for (kind, attempts, class) in [
        (Transient, 3, FailureClass::Transient),
        (Permanent, 3, FailureClass::Permanent),
        (Canceled, 1, FailureClass::Canceled),
        (BudgetSpent, 1, FailureClass::Budget),
    ] {
        let agent = Agent::new(move |_| Err(BackendError::new(kind, "it broke").used(usage)));
        let place = Place::with_backend(agent.clone());
        let source = pipeline("a [max_retries=2] start -> a -> exit");
        let (end, _) = place.start(&source).await;
        assert_eq!(end.finish.status, Status::Fail);
        assert_eq!(agent.seen().len(), attempts, "{kind:?}");
        assert_eq!(end.usage.input_tokens, 10 * attempts as u64, "{kind:?}");
        let outcome = &end.outcomes[1].1;
        assert_eq!(outcome.failure_class, Some(class));
        assert!(outcome.failure_reason.contains("it broke"), "{}", outcome.failure_reason);
    }
}

#[tokio::test]
async fn ruling_pipeline_19_a_backend_that_keeps_to_the_budget_ends_the_run() {
    let error = || BackendError::new(BackendErrorKind::BudgetSpent, "$0.01 is too little");
    let agent = Agent::new(move |_| Err(error()));
    let place = Place::with_backend(agent.clone());
    // No way leads round it.
    let source = pipeline(
        "a [retry_target=b, max_retries=3] b; start -> a -> exit
         a -> b [condition=\"outcome=fail\"] b -> exit",
    );
    let (end, _) = place.start(&source).await;
    let reason = end.finish.reason.unwrap();
    assert!(reason.contains("budget: $0.01 is too little"), "{reason}");
    assert_eq!(agent.seen().len(), 1);
}

#[tokio::test]
async fn ruling_pipeline_19_nothing_is_asked_when_nothing_is_left() {
    let agent = Agent::new(|_| {
        let usage = Usage { input_tokens: 100, ..Usage::default() };
        let error = BackendError::new(BackendErrorKind::Transient, "503");
        Err(error.used(usage))
    });
    let mut place = Place::with_backend(agent.clone());
    place.budget.tokens = Some(50);
    let (end, _) = place.start(&pipeline("a [max_retries=3] start -> a -> exit")).await;
    assert_eq!(agent.seen().len(), 1, "the retry asks nobody");
    assert_eq!(end.usage.input_tokens, 100);
    assert!(end.finish.reason.unwrap().contains("budget: nothing is left"));
}

#[tokio::test]
async fn fidelity_is_that_of_the_edge_then_the_node_then_the_graph_then_compact() {
    let agent = Agent::saying("ok");
    let place = Place::with_backend(agent.clone());
    let source = pipeline(
        "default_fidelity=\"summary:low\"; a; b [fidelity=truncate] c [fidelity=truncate]
         start -> a -> b; b -> c [fidelity=\"summary:high\"] c -> exit",
    );
    place.start(&source).await;
    let modes: Vec<_> = agent.threads().into_iter().map(|(_, mode, _)| mode).collect();
    assert_eq!(modes, [Fidelity::SummaryLow, Fidelity::Truncate, Fidelity::SummaryHigh]);
    let place = Place::with_backend(agent.clone());
    place.start(&pipeline("a; start -> a -> exit")).await;
    assert_eq!(agent.threads(), [("a".to_owned(), Fidelity::Compact, None)]);
}

fn full(node: &str, thread: &str) -> (String, Fidelity, Option<String>) {
    (node.to_owned(), Fidelity::Full, Some(thread.to_owned()))
}

#[tokio::test]
async fn ruling_pipeline_15_threads_are_found_in_order() {
    let agent = Agent::saying("ok");
    let place = Place::with_backend(agent.clone());
    let source = pipeline(
        "default_fidelity=full; default_thread=g; a [thread_id=n]; b; c
         start -> a [thread_id=e]; a -> b [thread_id=e]; b -> c -> exit",
    );
    place.start(&source).await;
    let root = |key: &str| format!("run_1/0/:{key}");
    let wanted = [full("a", &root("n")), full("b", &root("e")), full("c", &root("g"))];
    assert_eq!(agent.threads(), wanted);
    // Without any of these: the class of the subgraph, else the thread of the node before.
    let place = Place::with_backend(agent.clone());
    let source = pipeline(
        "default_fidelity=full; subgraph cluster_x { label=\"Loop A\"; a; b } c; d [fidelity=compact]
         e; gate [shape=diamond] f; start -> a -> b -> c -> d -> e -> gate -> f -> exit",
    );
    place.start(&source).await;
    let seen = agent.threads();
    assert_eq!(seen[0], full("a", &root("loop-a")));
    assert_eq!(seen[1], full("b", &root("loop-a")));
    assert_eq!(seen[2], full("c", &root("loop-a")), "c goes on with what b said");
    assert_eq!(seen[3], ("d".to_owned(), Fidelity::Compact, None));
    assert_eq!(seen[4], full("e", &root("d")), "d had no thread: its id");
    assert_eq!(seen[5], full("f", &root("d")), "a conditional passes on");
}

#[tokio::test]
async fn ruling_pipeline_15_branches_share_no_session() {
    let agent = Agent::saying("ok");
    let place = Place::with_backend(agent.clone());
    let source = pipeline(
        "default_fidelity=full; default_thread=t; p; fan [shape=component] a; b; join [label=j]
         start -> p -> fan; fan -> a -> join; fan -> b -> join; join -> exit",
    );
    place.start(&source).await;
    let mut seen = agent.seen();
    seen.sort_by(|one, other| one.node.cmp(&other.node));
    let thread = |at: usize| seen[at].thread.clone().unwrap();
    assert_eq!(seen.iter().map(|seen| &*seen.node).collect::<Vec<_>>(), ["a", "b", "join", "p"]);
    assert_eq!((thread(0), thread(1)), ("run_1/0/fan/a:t".into(), "run_1/0/fan/b:t".into()));
    assert_eq!((thread(2), thread(3)), ("run_1/0/:t".into(), "run_1/0/:t".into()));
    // The session of a branch is new, and told what happened.
    assert_eq!(seen[0].fidelity, Fidelity::SummaryHigh);
    assert!(seen[0].prompt.contains("- p: success"), "{}", seen[0].prompt);
    assert_eq!(seen[2].fidelity, Fidelity::Full);
}

#[tokio::test]
async fn ruling_pipeline_15_after_a_resumption_full_is_summary_high_once() {
    let cancel = Arc::new(Mutex::new(None::<tokio_util::sync::CancellationToken>));
    let stop = Arc::clone(&cancel);
    let agent = Agent::new(move |call| {
        if call.stage.node().id() == "b"
            && let Some(cancel) = stop.lock().unwrap().take()
        {
            cancel.cancel();
        }
        Ok(Reply::text(format!("the plan of {}", call.stage.node().id())))
    });
    let mut place = Place::with_backend(agent.clone());
    *cancel.lock().unwrap() = Some(place.cancel.clone());
    let source =
        pipeline("default_fidelity=full; default_thread=t; a; b; c; start -> a -> b -> c -> exit");
    let (end, _) = place.start(&source).await;
    assert_eq!(end.finish.reason.as_deref(), Some("canceled"));
    agent.seen();
    // Another process: no sessions.
    agent.sessions.lock().unwrap().clear();
    place.cancel = tokio_util::sync::CancellationToken::new();
    let end = place.resume(&source).await;
    assert_eq!(end.finish.status, Status::Success);
    let seen = agent.seen();
    assert_eq!((&*seen[0].node, seen[0].fidelity), ("b", Fidelity::SummaryHigh));
    assert!(seen[0].prompt.contains("- a: success"), "{}", seen[0].prompt);
    assert!(seen[0].prompt.contains("The answer of a:\nthe plan of a"), "{}", seen[0].prompt);
    assert_eq!((&*seen[1].node, seen[1].fidelity), ("c", Fidelity::Full));
    assert_eq!(seen[1].thread, seen[0].thread, "c goes on with the session that b began anew");
    assert!(!seen[1].prompt.contains("The run so far"), "{}", seen[1].prompt);
}

#[tokio::test]
async fn a_stage_is_told_the_answer_before_it_in_branches_and_loops_too() {
    let agent = Agent::new(|call| {
        let stage = call.stage;
        Ok(Reply::text(format!("answer {} of {}", stage.attempt.visit, stage.node().id())))
    });
    let place = Place::with_backend(agent.clone());
    let source = pipeline(
        "p; fan [shape=component] a; b; join [label=j]; start -> p -> fan; fan -> a -> join
         fan -> b -> join; join -> join [condition=\"context.last_response=\\\"answer 1 of join\\\"\"]
         join -> exit [condition=\"context.last_response!=\\\"answer 1 of join\\\"\"]",
    );
    place.start(&source).await;
    let seen = agent.seen();
    let prompts = |node: &str| -> Vec<&str> {
        seen.iter().filter(|seen| seen.node == node).map(|seen| &*seen.prompt).collect()
    };
    assert!(prompts("a")[0].contains("The answer of p:\nanswer 1 of p"), "{}", prompts("a")[0]);
    let second = prompts("join")[1];
    assert!(second.contains("The answer of join:\nanswer 1 of join"), "{second}");
}

#[tokio::test]
async fn artifacts_of_a_reply_are_kept_by_stage_and_name() {
    let agent = Agent::new(|_| {
        let artifacts = vec![("diff".to_owned(), json!("x".repeat(200_000)))];
        Ok(Reply { artifacts, ..Reply::text("ok") })
    });
    let place = Place::with_backend(agent);
    let (_, events) = place.start(&pipeline("a; start -> a -> exit")).await;
    let kept: serde_json::Value =
        serde_json::from_str(&place.read("artifacts/a.diff.json")).unwrap();
    assert_eq!(kept, "x".repeat(200_000));
    let counted = events.iter().any(|event| {
        matches!(
            event,
            canon_pipeline::engine::EventKind::PipelineCompleted { artifact_count: 1, .. }
        )
    });
    assert!(counted, "{events:?}");
}

#[tokio::test]
async fn model_effort_fallbacks_and_hooks_reach_the_backend() {
    type Call = (Option<String>, Option<String>, String, Vec<String>, Option<String>);
    let seen: Arc<Mutex<Vec<Call>>> = Arc::default();
    let calls = Arc::clone(&seen);
    let agent = Agent::new(move |call| {
        let own = |text: Option<&str>| text.map(str::to_owned);
        calls.lock().unwrap().push((
            own(call.model),
            own(call.provider),
            call.effort.to_owned(),
            call.fallbacks.iter().map(|model| (*model).to_owned()).collect(),
            own(call.hooks.pre),
        ));
        Ok(Reply::text("ok"))
    });
    let place = Place::with_backend(agent);
    let source = pipeline(
        "llm_fallback=\"openai/x, y\"; tool_hooks.pre=\"check\"
         model_stylesheet=\"* { llm_model: m; llm_provider: p } .fast { reasoning_effort: low }\"
         a; b [class=fast, llm_model=own, llm_fallback=\"z\", tool_hooks.pre=\"other\"]
         start -> a -> b -> exit",
    );
    let graph = Prepare::new().prepare(&source).unwrap().graph;
    let (environment, _events) = place.environment();
    let new = NewRun { id: "run_1".to_owned(), ..NewRun::default() };
    start(graph, &source, RunDirectory::new(place.logs()), new, environment).await.unwrap();
    let own = |text: &str| Some(text.to_owned());
    let wanted: [Call; 2] = [
        (own("m"), own("p"), "high".into(), vec!["openai/x".into(), "y".into()], own("check")),
        (own("own"), own("p"), "low".into(), vec!["z".into()], own("other")),
    ];
    assert_eq!(*seen.lock().unwrap(), wanted);
}

const SMOKE: &str = r#"
digraph test_pipeline {
    graph [goal="Create a hello world Python script"]

    start       [shape=Mdiamond]
    plan        [shape=box, prompt="Plan how to create a hello world script for: $goal"]
    implement   [shape=box, prompt="Write the code based on the plan", goal_gate=true]
    review      [shape=box, prompt="Review the code for correctness"]
    done        [shape=Msquare]

    start -> plan
    plan -> implement
    implement -> review [condition="outcome=success"]
    implement -> plan   [condition="outcome=fail", label="Retry"]
    review -> done      [condition="outcome=success"]
    review -> implement [condition="outcome=fail", label="Fix"]
}
"#;

#[tokio::test]
async fn pipeline_11_13_the_smoke_test_with_an_agent_and_with_a_function() {
    let agent = Agent::new(|call| {
        let stage = call.stage;
        Ok(Reply::text(match (stage.node().id(), stage.attempt.visit) {
            ("plan", _) => "One file, one print.",
            ("implement", _) => "print('hello')\n{\"outcome\": \"success\"}",
            ("review", 1) => "No newline. {\"outcome\": \"fail\", \"notes\": \"no newline\"}",
            _ => "Good. {\"outcome\": \"success\"}",
        }))
    });
    let function = Callback(|_, prompt: String| async move {
        assert!(!prompt.contains("How to report"));
        Ok(Reply::text("done"))
    });
    let once = ["start", "plan", "implement", "review", "done"];
    let twice = ["start", "plan", "implement", "review", "implement", "review", "done"];
    for (place, path) in
        [(Place::with_backend(agent), &twice[..]), (Place::with_backend(function), &once[..])]
    {
        let prepared = Prepare::new().prepare(SMOKE).unwrap();
        let graph = prepared.graph;
        assert_eq!(graph.goal(), "Create a hello world Python script");
        assert_eq!((graph.nodes().len(), graph.edges().len()), (5, 6));
        let (environment, _events) = place.environment();
        let new = NewRun { id: "run_1".to_owned(), ..NewRun::default() };
        let directory = RunDirectory::new(place.logs());
        let end = start(graph, SMOKE, directory, new, environment).await.unwrap();
        assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
        assert_eq!(end.path, path);
        for node in ["plan", "implement", "review"] {
            for file in ["prompt.md", "response.md", "status.json"] {
                place.read(format!("{node}/{file}"));
            }
        }
        let goal = "hello world script for: Create a hello world Python script";
        assert!(place.read("plan/prompt.md").contains(goal));
        assert_eq!(status(&place, "implement")["outcome"], "success");
        let checkpoint = Checkpoint::load(&place.logs().join("checkpoint.json")).unwrap();
        assert_eq!(checkpoint.current_node.as_deref(), Some("done"));
        for node in ["plan", "implement", "review"] {
            assert!(checkpoint.completed_nodes.iter().any(|done| done == node));
        }
    }
}
