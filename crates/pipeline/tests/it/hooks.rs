//! Commands around runs, stages and gates.

use canon_pipeline::Status;
use canon_pipeline::engine::EventKind;
use canon_pipeline::interview::AutoApprove;

use crate::support::{Place, pipeline};

/// A line of one command, with hooks.
fn hooked(hooks: &str) -> String {
    pipeline(&format!(
        "{hooks} t [shape=parallelogram tool_command=\"echo t >> ran\"] start -> t t -> exit"
    ))
}

fn ran(place: &Place) -> bool {
    place.work().join("ran").exists()
}

#[tokio::test]
async fn hooks_are_told_what_they_are_called_for() {
    let place = Place::simulated();
    let hook = |name: &str| format!("\"hooks.{name}\"=\"cat > {name}.json\"");
    let all = ["run_start", "stage_start", "stage_end", "run_end"];
    let (end, _) = place.start(&hooked(&all.map(hook).join(" "))).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    let read = |name: &str| -> serde_json::Value {
        let path = place.work().join(format!("{name}.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    for name in all {
        let told = read(name);
        assert_eq!(
            (&told["v"], &told["hook"], &told["run"]),
            (&1.into(), &name.into(), &"run_1".into())
        );
    }
    assert_eq!(read("stage_start")["node"], "t");
    assert_eq!(read("stage_start")["type"], "tool");
    assert_eq!(read("stage_end")["outcome"]["status"], "success");
    assert_eq!(read("run_end")["status"], "success");
}

#[tokio::test]
async fn a_hook_blocks_with_2_skips_with_3_and_blocks_when_it_does_not_work() {
    let place = Place::simulated();
    let (end, events) =
        place.start(&hooked("\"hooks.stage_start\"=\"echo frozen >&2; exit 2\"")).await;
    assert_eq!(end.finish.status, Status::Fail);
    assert!(end.finish.reason.unwrap().contains("blocked by hooks.stage_start: frozen"));
    assert!(!ran(&place));
    assert!(events.iter().any(|event| matches!(event,
        EventKind::StageProgress { stage, detail } if stage == "t" && detail["hook"] == "stage_start")));
    let (end, _) = place_run("\"hooks.stage_start\"=\"exit 3\"").await;
    assert_eq!(end.finish.status, Status::Success);
    assert_eq!(
        end.outcomes.iter().find(|(node, _)| node == "t").unwrap().1.status,
        Status::Skipped
    );
    let (end, place) = place_run("\"hooks.stage_start\"=\"no-such-command-here\"").await;
    assert_eq!(end.finish.status, Status::Fail);
    assert!(!ran(&place));
}

async fn place_run(hooks: &str) -> (canon_pipeline::run::End, Place) {
    let place = Place::simulated();
    let (end, _) = place.start(&hooked(hooks)).await;
    (end, place)
}

#[tokio::test]
async fn after_a_stage_only_a_block_changes_anything() {
    let (end, place) = place_run("\"hooks.stage_end\"=\"exit 2\"").await;
    assert!(end.finish.reason.unwrap().contains("blocked by hooks.stage_end"));
    assert!(ran(&place));
    let (end, _) = place_run("\"hooks.stage_end\"=\"exit 1\"").await;
    assert_eq!(end.finish.status, Status::Success);
}

#[tokio::test]
async fn a_run_that_may_not_begin_begins_nothing_and_can_be_resumed() {
    let place = Place::simulated();
    let source =
        hooked("\"hooks.run_start\"=\"test -e open || exit 2\" \"hooks.run_end\"=\"exit 1\"");
    let (end, events) = place.start(&source).await;
    assert_eq!(end.finish.reason.as_deref(), Some("blocked by hooks.run_start"));
    assert!(!ran(&place));
    assert!(events.iter().any(|event| matches!(event,
        EventKind::PipelineWarning { message } if message.contains("hooks.run_end"))));
    std::fs::write(place.work().join("open"), "").unwrap();
    let end = place.resume(&source).await;
    assert_eq!(end.finish.status, Status::Success);
    assert!(ran(&place));
}

#[tokio::test]
async fn gates_have_a_hook_of_their_own() {
    let source = pipeline(
        "\"hooks.gate\"=\"exit 2\" t [shape=parallelogram tool_command=\"touch ran\"] \
         g [shape=hexagon] start -> t t -> g g -> exit",
    );
    let place = Place::asking(AutoApprove);
    let (end, events) = place.start(&source).await;
    assert!(ran(&place));
    assert!(end.finish.reason.unwrap().contains("`g`: blocked by hooks.gate"));
    assert!(!events.iter().any(|event| matches!(event, EventKind::InterviewStarted { .. })));
}
