//! Managers and their children in whole runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use canon_pipeline::backend::Callback;
use canon_pipeline::engine::EventKind;
use canon_pipeline::outcome::Usage;
use canon_pipeline::{Reply, Status};
use tokio_util::sync::CancellationToken;

use crate::support::{Place, pipeline};

/// A run with a manager, whose child is `body`.
fn with_child(place: &Place, attrs: &str, body: &str) -> String {
    std::fs::write(place.temp.path().join("child.dot"), pipeline(body)).unwrap();
    pipeline(&format!(
        "m [shape=house stack.child_dotfile=\"child.dot\" {attrs}] start -> m m -> exit"
    ))
}

const LINE: &str = "a [shape=parallelogram tool_command=\"echo a >> $ATTRACTOR_LOGS_ROOT/../../../work/ran\"] \
    b [prompt=\"b\"] start -> a a -> b b -> exit";

fn ran(place: &Place) -> String {
    std::fs::read_to_string(place.work().join("ran")).unwrap()
}

#[tokio::test]
async fn a_manager_runs_its_child_in_a_directory_below_its_own() {
    let place = Place::with_backend(Callback(|_, _| async {
        let usage = Usage { input_tokens: 7, output_tokens: 3, cost_usd: 0.5 };
        Ok(Reply { usage, ..Reply::text("done") })
    }));
    let (end, events) = place.start(&with_child(&place, "", LINE)).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(end.usage.total_tokens(), 10, "the child's use counts");
    assert_eq!(place.read("m/child/b/response.md"), "done");
    assert_eq!(ran(&place), "a\n");
    for key in ["stack.child.status", "context.stack.child.status"] {
        assert_eq!(end.context[key], "completed", "{key}");
    }
    assert_eq!(end.context["stack.child.outcome"], "success");
    assert_eq!(end.context["stack.child.stages_completed"], 4);
    let told = events.iter().any(|event| {
        matches!(event, EventKind::StageProgress { stage, detail }
        if stage == "m" && detail["child"]["kind"] == "pipeline_completed")
    });
    assert!(told, "those who watch the run see the child");
}

#[tokio::test(start_paused = true)]
async fn ruling_pipeline_25_a_child_without_success_is_a_failure_at_once() {
    let place = Place::simulated();
    let body = "t [shape=parallelogram] start -> t t -> exit";
    let begun = tokio::time::Instant::now();
    let (end, _) = place.start(&with_child(&place, "manager.poll_interval=1h", body)).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(end.finish.status, Status::Fail);
    let reason = end.finish.reason.unwrap();
    assert!(reason.contains("child failed") && reason.contains("no `tool_command`"), "{reason}");
    assert_eq!(end.context["stack.child.status"], "failed");
    assert_eq!(end.context["stack.child.outcome"], "fail");
}

#[tokio::test(start_paused = true)]
async fn ruling_pipeline_25_conditions_read_the_child_with_and_without_prefix() {
    for key in ["context.stack.child.active_stage", "stack.child.active_stage"] {
        let place = Place::simulated();
        let body = "w [type=wait duration=30d] start -> w w -> exit";
        let attrs = format!("manager.poll_interval=1m manager.stop_condition=\"{key}=w\"");
        let begun = tokio::time::Instant::now();
        let (end, _) = place.start(&with_child(&place, &attrs, body)).await;
        assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
        assert_eq!(begun.elapsed().as_secs(), 60, "at the first look");
        assert_eq!(end.context["stack.child.status"], "stopped");
        let notes = &end.outcomes.iter().find(|(node, _)| node == "m").unwrap().1.notes;
        assert!(notes.contains(key), "{notes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_may_take_so_many_cycles_and_no_more() {
    let place = Place::simulated();
    let body = "w [type=wait duration=30d] start -> w w -> exit";
    let attrs = "manager.poll_interval=10m manager.max_cycles=3";
    let begun = tokio::time::Instant::now();
    let (end, _) = place.start(&with_child(&place, attrs, body)).await;
    assert_eq!(begun.elapsed().as_secs(), 1800);
    assert!(end.finish.reason.unwrap().contains("max cycles exceeded: 3"));
}

#[tokio::test]
async fn a_child_that_was_interrupted_goes_on_where_it_was() {
    let place = Place::simulated();
    let waits = "b [shape=parallelogram tool_command=\"until test -e go; do sleep 0.02; done\"]";
    let body = LINE.replace("b [prompt=\"b\"]", waits);
    let source = with_child(&place, "", &body);
    let cancel = place.cancel.clone();
    let journal = place.logs().join("m/child/journal.jsonl");
    let stop = async move {
        // As soon as its first command is on record.
        while !std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"node\":\"a\"")) {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let ((end, _), ()) = tokio::join!(place.start(&source), stop);
    assert_eq!(end.finish.reason.as_deref(), Some("canceled"));
    // Its source may have changed meanwhile: what it began with counts.
    std::fs::write(place.temp.path().join("child.dot"), "no graph at all").unwrap();
    std::fs::write(place.work().join("go"), "").unwrap();
    let again = Place { cancel: CancellationToken::new(), ..place };
    let end = again.resume(&source).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(ran(&again), "a\n", "its first stage did not run again");
}

#[tokio::test]
async fn a_child_that_failed_is_tried_where_it_failed_when_the_run_goes_on() {
    let place = Place::simulated();
    let body = "a [shape=parallelogram tool_command=\"echo a >> ran\"] \
        b [shape=parallelogram tool_command=\"test -e mended\"] start -> a a -> b b -> exit";
    let source = with_child(&place, "", body);
    let (end, _) = place.start(&source).await;
    assert_eq!(end.finish.status, Status::Fail);
    std::fs::write(place.work().join("mended"), "").unwrap();
    let end = place.resume(&source).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(ran(&place), "a\n");
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_steers_lays_its_words_where_the_stage_is_at_work() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&asked);
    let place = Place::with_backend(Callback(move |_, prompt: String| {
        let mut asked = kept.lock().unwrap();
        asked.push(prompt);
        let text = if asked.len() == 2 { "Look at the tests." } else { "NONE" };
        async move { Ok(Reply::text(text)) }
    }));
    let body = "w [type=wait duration=1h] start -> w w -> exit";
    let attrs = "prompt=\"Keep it small.\" manager.actions=\"observe,steer,wait\" \
        manager.poll_interval=1m manager.steer_cooldown=15m";
    let (end, _) = place.start(&with_child(&place, attrs, body)).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    let asked = asked.lock().unwrap();
    assert!((3..=4).contains(&asked.len()), "once a cooldown: {}", asked.len());
    assert!(asked[0].starts_with("Keep it small.") && asked[0].contains("active_stage: w"));
    let steering = place.read("m/child/w/steering.md");
    assert_eq!(steering.matches("Look at the tests.").count(), 1, "{steering}");
    assert!(!steering.contains("NONE"));
}

#[tokio::test]
async fn managers_that_run_themselves_end() {
    let place = Place::simulated();
    let own = pipeline("m [shape=house stack.child_dotfile=\"own.dot\"] start -> m m -> exit");
    std::fs::write(place.temp.path().join("own.dot"), &own).unwrap();
    let (end, _) = place.start(&own).await;
    assert_eq!(end.finish.status, Status::Fail);
    assert!(end.finish.reason.unwrap().contains("managers may stand 5 deep"));
}

#[tokio::test]
async fn what_a_manager_cannot_do_is_said_before_anything_runs() {
    let cases = [
        ("manager.actions=\"dance\"", "names `dance`"),
        ("manager.actions=\"steer\"", "needs a `prompt`"),
        ("manager.stop_condition=\"a==\"", "`manager.stop_condition` cannot be read"),
        ("stack.child_autostart=false", "stack.child_autostart"),
    ];
    for (attrs, why) in cases {
        let place = Place::simulated();
        let (end, _) = place.start(&with_child(&place, attrs, LINE)).await;
        let reason = end.finish.reason.unwrap();
        assert!(reason.contains(why), "{attrs}: {reason}");
        assert!(!place.logs().join("m/child").exists());
    }
    let place = Place::simulated();
    let (end, _) = place.start(&with_child(&place, "", "x -> y")).await;
    assert!(end.finish.reason.unwrap().contains("is refused"));
    let source = pipeline("m [shape=house stack.child_dotfile=\"none.dot\"] start -> m m -> exit");
    let (end, _) = Place::simulated().start(&source).await;
    assert!(end.finish.reason.unwrap().contains("cannot be read"));
}

#[tokio::test]
async fn a_child_may_work_in_a_directory_of_its_own() {
    let place = Place::simulated();
    std::fs::create_dir(place.work().join("sub")).unwrap();
    let body = "a [shape=parallelogram tool_command=\"touch here\"] start -> a a -> exit";
    let source = with_child(&place, "stack.child_workdir=sub", body);
    let (end, _) = place.start(&source).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert!(place.work().join("sub/here").exists());
}
