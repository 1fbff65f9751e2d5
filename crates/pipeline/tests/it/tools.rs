//! Commands and waiting in whole runs.

use std::time::Duration;

use canon_pipeline::Status;
use canon_pipeline::run::journal;

use crate::support::{Place, pipeline};

fn tool(attrs: &str) -> String {
    pipeline(&format!("t [shape=parallelogram {attrs}] start -> t t -> exit"))
}

#[tokio::test]
async fn pipeline_11_6_a_tool_runs_its_command_and_hands_back_what_it_said() {
    let place = Place::simulated();
    let command = "tool_command=\"echo out; echo err >&2; echo $ATTRACTOR_NODE_ID > made\"";
    let (end, _) = place.start(&tool(command)).await;
    assert_eq!(end.finish.status, Status::Success);
    assert_eq!(end.context["tool.output"], "out\n");
    assert_eq!(end.context["tool.exit_code"], 0);
    assert_eq!(
        (place.read("t/stdout.log"), place.read("t/stderr.log")),
        ("out\n".into(), "err\n".into())
    );
    assert_eq!(std::fs::read_to_string(place.work().join("made")).unwrap(), "t\n");
}

#[tokio::test]
async fn ruling_pipeline_23_a_tool_that_exits_with_another_code_fails_with_its_complaint() {
    let place = Place::simulated();
    let (end, _) = place.start(&tool("tool_command=\"echo because >&2; exit 3\"")).await;
    assert_eq!(end.finish.status, Status::Fail);
    let t = &end.outcomes.iter().find(|(node, _)| node == "t").unwrap().1;
    assert_eq!(t.failure_reason, "exit status 3: because");
    assert_eq!(end.context["tool.exit_code"], 3);
    let (end, _) = Place::simulated().start(&tool("label=x")).await;
    assert!(end.finish.reason.unwrap().contains("no `tool_command`"));
}

#[tokio::test]
async fn ruling_pipeline_23_the_time_of_a_tool_is_that_of_each_attempt_and_ends_its_group() {
    let place = Place::simulated();
    // The child of the command holds the pipe: only the end of its group ends the stage.
    let command = "timeout=300ms max_retries=1 \
        tool_command=\"echo x >> tries; echo began; sleep 600 & sleep 600\"";
    let begun = std::time::Instant::now();
    let (end, _) = place.start(&tool(command)).await;
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(end.finish.status, Status::Fail);
    let reason = end.finish.reason.unwrap();
    assert!(reason.contains("timeout: not done within 0.3 s: began"), "{reason}");
    assert_eq!(std::fs::read_to_string(place.work().join("tries")).unwrap(), "x\nx\n");
}

#[tokio::test]
async fn a_tool_as_a_goal_gate_judges_by_its_exit_code() {
    let attrs = "goal_gate=true tool_command=\"exit 0\"";
    let (end, _) = Place::simulated().start(&tool(attrs)).await;
    assert_eq!(end.finish.status, Status::Success);
    let source = pipeline(
        "t [shape=parallelogram goal_gate=true tool_command=\"exit 1\"] start -> t \
         t -> exit [condition=\"outcome=fail\"]",
    );
    let (end, _) = Place::simulated().start(&source).await;
    assert!(end.finish.reason.unwrap().contains("goal_gate_unsatisfied"));
}

#[tokio::test]
async fn of_a_long_output_later_stages_see_both_ends_and_the_file_holds_all() {
    let place = Place::simulated();
    let command = "tool_command=\"echo first; seq 1 50000; echo last\"";
    let (end, _) = place.start(&tool(command)).await;
    let seen = end.context["tool.output"].as_str().unwrap();
    let whole = place.read("t/stdout.log");
    assert!(whole.len() > 200_000 && seen.len() < 40_000, "{} {}", whole.len(), seen.len());
    assert!(seen.starts_with("first\n1\n") && seen.ends_with("50000\nlast\n"));
    let cut: usize = seen.split_once("[… ").unwrap().1.split_once(' ').unwrap().0.parse().unwrap();
    let (head, rest) = seen.split_once("\n[… ").unwrap();
    let kept = head.len() + rest.split_once(" …]\n").unwrap().1.len();
    assert_eq!(kept + cut, whole.len());
}

#[tokio::test(start_paused = true)]
async fn waiting_takes_its_time_and_ends_when_the_run_does() {
    let source = pipeline("w [type=wait duration=2h] start -> w w -> exit");
    let begun = tokio::time::Instant::now();
    let (end, _) = Place::simulated().start(&source).await;
    assert_eq!(end.finish.status, Status::Success);
    assert_eq!(begun.elapsed(), Duration::from_secs(7200));
    let place = Place::simulated();
    let cancel = place.cancel.clone();
    let stop = async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        cancel.cancel();
    };
    let ((end, _), ()) = tokio::join!(place.start(&source), stop);
    assert_eq!(end.finish.reason.as_deref(), Some("canceled"));
    let contents = journal::read(&place.logs().join("journal.jsonl")).unwrap();
    assert!(contents.stages.iter().all(|record| record.attempt.node != "w"));
    let source = pipeline("w [type=wait] start -> w w -> exit");
    let (end, _) = Place::simulated().start(&source).await;
    assert!(end.finish.reason.unwrap().contains("no `duration`"));
}
