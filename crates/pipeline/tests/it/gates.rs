//! Human gates in whole runs.

use std::sync::{Arc, Mutex};

use canon_pipeline::Status;
use canon_pipeline::engine::EventKind;
use canon_pipeline::interview::{
    Answer, AnswerValue, AutoApprove, Callback, InterviewError, Question, QuestionType, Queue,
    Recording,
};
use canon_pipeline::run::journal::{self, Entry};

use crate::support::{Place, pipeline};

const SHIP: &str = "gate [shape=hexagon label=\"Ship?\"] ship [type=wait duration=0s] \
    fix [type=wait duration=0s] start -> gate gate -> ship [label=\"[S] Ship\"] \
    gate -> fix [label=\"[F] Fix\"] ship -> exit fix -> exit";

/// Answers with a text, whatever is asked; keeps the questions.
fn says(text: &'static str) -> (Callback, Arc<Mutex<Vec<Question>>>) {
    let asked: Arc<Mutex<Vec<Question>>> = Arc::default();
    let kept = Arc::clone(&asked);
    let callback = Callback::new("ada", move |question| {
        kept.lock().unwrap().push(question);
        async move { Ok(Answer::text(text)) }
    });
    (callback, asked)
}

#[tokio::test]
async fn pipeline_11_6_a_gate_offers_the_labels_of_its_edges_and_takes_the_chosen_one() {
    let (callback, asked) = says("f");
    let place = Place::asking(callback);
    let (end, events) = place.start(&pipeline(SHIP)).await;
    assert_eq!(end.path, ["start", "gate", "fix", "exit"]);
    let gate = &end.outcomes.iter().find(|(node, _)| node == "gate").unwrap().1;
    assert_eq!(gate.preferred_label, "[F] Fix");
    assert_eq!(gate.suggested_next_ids, ["fix"]);
    let approval = gate.approval.as_ref().unwrap();
    assert_eq!((approval.by.as_str(), approval.question.as_str()), ("ada", "Ship?"));
    assert!(approval.at > 1_600_000_000_000, "{}", approval.at);
    assert_eq!(end.context["human.gate.selected"], "F");
    assert_eq!(end.context["human.gate.label"], "[F] Fix");
    let question = &asked.lock().unwrap()[0];
    assert_eq!((question.kind, question.stage.as_str()), (QuestionType::MultipleChoice, "gate"));
    let options: Vec<_> = question.options.iter().map(|o| (&*o.key, &*o.label)).collect();
    assert_eq!(options, [("S", "[S] Ship"), ("F", "[F] Fix")]);
    assert!(
        events.iter().any(|event| matches!(event,
        EventKind::InterviewStarted { stage, question } if stage == "gate" && question == "Ship?"))
    );
    assert!(events.iter().any(|event| matches!(event,
        EventKind::InterviewCompleted { by, answer, .. } if by == "ada" && answer == "f")));
}

#[tokio::test]
async fn the_journal_tells_who_approved_and_when() {
    let place = Place::asking(AutoApprove);
    place.start(&pipeline(SHIP)).await;
    let contents = journal::read(&place.logs().join("journal.jsonl")).unwrap();
    let gate = contents.stages.iter().find(|record| record.attempt.node == "gate").unwrap();
    assert_eq!(gate.outcome.approval.as_ref().unwrap().by, "auto-approve");
    assert_eq!(gate.hop.next.as_deref(), Some("ship"));
    assert!(matches!(Entry::Stage(gate.clone()), Entry::Stage(_)));
}

#[tokio::test]
async fn ruling_pipeline_10_two_edges_to_one_node_stay_apart() {
    let source = pipeline(
        "gate [shape=hexagon] fix [type=wait duration=0s] start -> gate \
         gate -> fix [label=\"Tests\"] gate -> fix [label=\"Docs\"] fix -> exit",
    );
    for (text, label, edge) in [("t", "Tests", 1), ("docs", "Docs", 2)] {
        let place = Place::asking(says(text).0);
        place.start(&source).await;
        let contents = journal::read(&place.logs().join("journal.jsonl")).unwrap();
        let gate = contents.stages.iter().find(|record| record.attempt.node == "gate").unwrap();
        assert_eq!((gate.hop.edge, gate.hop.detail.as_str()), (Some(edge), label));
    }
}

#[tokio::test]
async fn ruling_pipeline_10_an_answer_that_matches_nothing_is_asked_again_and_then_fails() {
    let (callback, asked) = says("perhaps");
    let (end, _) = Place::asking(callback).start(&pipeline(SHIP)).await;
    assert_eq!(end.finish.status, Status::Fail);
    assert_eq!(asked.lock().unwrap().len(), 3);
    let reason = end.finish.reason.unwrap();
    assert!(reason.contains("asked 3 times, and still `perhaps` is none of S, F"), "{reason}");
    let queue = Queue::of([Answer::text("perhaps"), Answer::text("Fix")]);
    let (end, _) = Place::asking(queue).start(&pipeline(SHIP)).await;
    assert_eq!(end.path, ["start", "gate", "fix", "exit"]);
}

#[tokio::test(start_paused = true)]
async fn ruling_pipeline_10_a_timeout_takes_the_default_or_is_a_retry() {
    let silent = || Callback::new("ada", |_| std::future::pending());
    let with = |attrs: &str| pipeline(&SHIP.replace("label=\"Ship?\"", attrs));
    let place = Place::asking(silent());
    let source = with("timeout=15m human.default_choice=fix");
    let (end, events) = place.start(&source).await;
    assert_eq!(end.path, ["start", "gate", "fix", "exit"]);
    let gate = &end.outcomes.iter().find(|(node, _)| node == "gate").unwrap().1;
    assert_eq!((gate.status, gate.approval.as_ref()), (Status::Success, None));
    assert!(gate.notes.contains("nobody answered in time: `[F] Fix` by default"));
    let timeout = events.iter().find_map(|event| match event {
        EventKind::InterviewTimeout { duration_ms, .. } => Some(*duration_ms),
        _ => None,
    });
    assert_eq!(timeout, Some(900_000));
    // Without a default: RETRY, as often as the node says.
    let (end, events) =
        Place::asking(silent()).start(&with("human.timeout=1s max_retries=2")).await;
    assert_eq!(end.finish.status, Status::Fail);
    assert!(end.finish.reason.unwrap().contains("human gate timeout, no default"));
    let timeouts = events.iter().filter(|e| matches!(e, EventKind::InterviewTimeout { .. }));
    assert_eq!(timeouts.count(), 3);
}

#[tokio::test]
async fn a_gate_that_is_skipped_and_one_that_nobody_is_there_for_fail() {
    let (end, _) = Place::asking(Queue::of([Answer::skipped()])).start(&pipeline(SHIP)).await;
    assert!(end.finish.reason.unwrap().contains("human skipped interaction"));
    let (end, _) = Place::simulated().start(&pipeline(SHIP)).await;
    assert_eq!(end.finish.status, Status::Fail);
    let broken = Callback::new("web", |_| async {
        Err(InterviewError::Failed("the page is gone".to_owned()))
    });
    let (end, _) = Place::asking(broken).start(&pipeline(SHIP)).await;
    assert!(end.finish.reason.unwrap().contains("the gate cannot ask: the page is gone"));
}

#[tokio::test]
async fn nobody_else_answers_in_a_persons_place() {
    // A command that knows where the gate's directory will be.
    let temp = Arc::new(Mutex::new(std::path::PathBuf::new()));
    let dir = Arc::clone(&temp);
    let callback = Callback::new("ada", move |question: Question| {
        let gate = dir.lock().unwrap().join("gate");
        std::fs::write(gate.join("status.json"), "{\"outcome\":\"success\"}").unwrap();
        async move { Ok(Answer::option(&question.options[1])) }
    });
    let place = Place::asking(callback);
    *temp.lock().unwrap() = place.logs();
    let (end, _) = place.start(&pipeline(SHIP)).await;
    assert_eq!(end.path, ["start", "gate", "fix", "exit"]);
}

#[tokio::test]
async fn an_edge_without_a_label_asks_for_consent_and_no_is_a_failure() {
    let source = pipeline(
        "gate [shape=hexagon] no [type=wait duration=0s] start -> gate gate -> exit \
         gate -> no [condition=\"outcome=fail\"] no -> exit",
    );
    let (callback, asked) = says("yes");
    let (end, _) = Place::asking(callback).start(&source).await;
    assert_eq!(end.path, ["start", "gate", "exit"]);
    assert_eq!(asked.lock().unwrap()[0].kind, QuestionType::Confirmation);
    let (end, _) = Place::asking(Queue::of([Answer::no().by("eve")])).start(&source).await;
    assert_eq!(end.path, ["start", "gate", "no", "exit"]);
    let gate = &end.outcomes.iter().find(|(node, _)| node == "gate").unwrap().1;
    assert!(gate.failure_reason.contains("declined"), "{}", gate.failure_reason);
    assert_eq!(gate.approval.as_ref().unwrap().answer, "no");
}

#[tokio::test]
async fn words_go_into_the_context_and_conditions_see_them() {
    let source = pipeline(
        "gate [shape=hexagon human.input=text] a [type=wait duration=0s] start -> gate \
         gate -> a [condition=\"context.human.gate.text=go\"] gate -> exit a -> exit",
    );
    let queue = Queue::of([Answer::text("  "), Answer::of(AnswerValue::Yes), Answer::text(" go ")]);
    let (end, _) = Place::asking(queue).start(&source).await;
    assert_eq!(end.path, ["start", "gate", "a", "exit"]);
    assert_eq!(end.context["human.gate.text"], "go");
}

#[tokio::test]
async fn a_recorded_run_can_be_played_again() {
    let place = Place::asking(says("f").0);
    let file = place.temp.path().join("answers.jsonl");
    let recording = Recording::to_file(Arc::new(says("f").0), &file).unwrap();
    Place::asking(recording).start(&pipeline(SHIP)).await;
    let (end, _) = Place::asking(Queue::replay(&file).unwrap()).start(&pipeline(SHIP)).await;
    assert_eq!(end.path, ["start", "gate", "fix", "exit"]);
    let other = SHIP.replace("Ship?", "Ship it now?");
    let (end, _) = Place::asking(Queue::replay(&file).unwrap()).start(&pipeline(&other)).await;
    let reason = end.finish.reason.unwrap();
    assert!(
        reason.contains("no answer for stage `gate` to the question `Ship it now?`"),
        "{reason}"
    );
}
