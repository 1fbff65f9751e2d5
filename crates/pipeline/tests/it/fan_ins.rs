//! Fan-ins in whole runs.

use canon_pipeline::backend::Callback;
use canon_pipeline::{Reply, Status};

use crate::support::{Place, pipeline};

/// Two branches whose commands leave a verdict, and a fan-in.
fn fan(join: &str, a: &str, b: &str) -> String {
    let branch = |id: &str, verdict: &str| {
        let verdict = verdict.replace('"', "\\\\\\\"");
        format!(
            "{id} [shape=parallelogram tool_command=\"echo {id} > $ATTRACTOR_STAGE_DIR/x; \
             echo \\\"{verdict}\\\" > $ATTRACTOR_STAGE_DIR/status.json\"]"
        )
    };
    pipeline(&format!(
        "fork [shape=component] join [shape=tripleoctagon {join}] {} {} start -> fork \
         fork -> a fork -> b a -> join b -> join join -> exit",
        branch("a", a),
        branch("b", b)
    ))
}

const GOOD: &str = r#"{"outcome":"success","context_updates":{"score":1,"who":"good"}}"#;
const BETTER: &str = r#"{"outcome":"success","context_updates":{"score":2,"who":"better"}}"#;
const BAD: &str = r#"{"outcome":"fail","notes":"bad","context_updates":{"score":9,"who":"bad"}}"#;

#[tokio::test]
async fn pipeline_11_6_a_fan_in_waits_for_all_branches_and_takes_the_best_over() {
    let (end, _) = Place::simulated().start(&fan("", GOOD, BETTER)).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(end.context["parallel.fan_in.best_id"], "b");
    assert_eq!(end.context["parallel.fan_in.best_outcome"], "success");
    assert_eq!(end.context["who"], "better");
    assert_eq!(end.context["parallel.results"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn ruling_pipeline_09_a_fan_in_takes_no_branch_that_failed() {
    let (end, _) = Place::simulated().start(&fan("", GOOD, BAD)).await;
    assert_eq!(end.context["parallel.fan_in.best_id"], "a");
    assert_eq!(end.context["who"], "good");
    let results = end.context["parallel.results"].as_array().unwrap();
    assert_eq!(results[1]["context_updates"]["who"], "bad", "the loser's values are kept");
    let (end, _) = Place::simulated().start(&fan("", BAD, BAD)).await;
    assert_eq!(end.finish.status, Status::Fail);
    assert!(end.finish.reason.unwrap().contains("all 2 branches failed"));
    let alone = pipeline("join [shape=tripleoctagon] start -> join join -> exit");
    let (end, _) = Place::simulated().start(&alone).await;
    assert!(end.finish.reason.unwrap().contains("no parallel results"));
}

#[tokio::test]
async fn a_model_that_names_a_branch_is_followed() {
    let place = Place::with_backend(Callback(|_, _| async {
        Ok(Reply::text("a it is. {\"best_id\": \"a\"}"))
    }));
    let (end, _) = place.start(&fan("prompt=\"Which?\"", GOOD, BETTER)).await;
    assert_eq!(end.context["who"], "good");
    assert!(place.read("join/prompt.md").starts_with("Which?"));
    assert!(place.read("join/response.md").contains("a it is"));
}

#[tokio::test]
async fn a_model_that_names_none_is_not_followed() {
    let with = |join: &'static str| async move {
        let place =
            Place::with_backend(Callback(|_, _| async { Ok(Reply::text("Both are fine.")) }));
        place.start(&fan(join, GOOD, BETTER)).await.0
    };
    let end = with("prompt=\"Which?\"").await;
    assert_eq!(end.context["who"], "better");
    let join = &end.outcomes.iter().find(|(node, _)| node == "join").unwrap().1;
    assert!(join.notes.contains("the model named none"), "{}", join.notes);
    let end = with("prompt=\"Which?\" goal_gate=true").await;
    assert_eq!(end.finish.status, Status::Fail);
    assert!(end.finish.reason.unwrap().contains("no_verdict"));
}
