//! Runs on disk, with their repository.

use canon_pipeline::run::{RunDirectory, RunState, journal, list, remove};

use super::world::{World, dot};

#[tokio::test]
async fn runs_are_listed_with_where_they_stand() {
    let world = World::new();
    let root = world.logs().parent().unwrap().to_owned();
    assert_eq!(list(&root).unwrap(), []);
    let source = dot("goal=\"all well\"; a [tool_command=\"test -e ../ok\"]; start -> a -> exit");
    world.start(&source).await;
    let state = || list(&root).unwrap().remove(0);
    let failed = state();
    assert_eq!((failed.state, failed.id.as_str()), (RunState::Failed, "r1"));
    assert_eq!((failed.goal.as_str(), failed.stage.as_deref()), ("all well", Some("a")));
    assert!(failed.reason.unwrap().contains("stage_failed: `a`"));
    std::fs::write(world.logs().join("ok"), "").unwrap();
    world.resume(&source, canon_pipeline::run::From::Here).await;
    assert_eq!(state().state, RunState::Success);
    let path = world.logs().join("journal.jsonl");
    let held = journal::Journal::open(&path).unwrap();
    assert_eq!(state().state, RunState::Running);
    let error = remove(&RunDirectory::new(world.logs())).await.unwrap_err().to_string();
    assert!(error.contains("another process is running this run"), "{error}");
    drop(held);
    let text = std::fs::read_to_string(&path).unwrap();
    let cut: String = text.split_inclusive('\n').take(2).collect();
    std::fs::write(&path, &cut).unwrap();
    assert_eq!(state().state, RunState::Interrupted);
    let stopped =
        r#"{"kind":"end","finish":{"status":"fail","reason":"canceled","rule":"stopped"},"at":9}"#;
    std::fs::write(&path, format!("{cut}{stopped}\n")).unwrap();
    assert_eq!((state().state, state().last), (RunState::Stopped, 9));
    std::fs::write(&path, "{}\n").unwrap();
    assert_eq!((state().state, state().id.as_str()), (RunState::Damaged, "r1"));
}

#[tokio::test]
async fn a_run_that_is_removed_leaves_nothing_in_the_repository() {
    let world = World::new();
    let before = (world.git(&["for-each-ref"]), world.git(&["worktree", "list"]));
    world.git(&["branch", "canon/run/r10"]);
    let source = dot(
        "fan [shape=component] join [shape=tripleoctagon] a [tool_command=\"echo 1 > x\"] b [tool_command=true]
         start -> fan; fan -> a -> join; fan -> b -> join; join -> exit",
    );
    world.start(&source).await;
    world.resume(&source, canon_pipeline::run::From::Stage("a".to_owned())).await;
    assert!(world.git(&["for-each-ref"]).contains("refs/canon/r1/"));
    remove(&RunDirectory::new(world.logs())).await.unwrap();
    assert!(!world.logs().exists());
    world.git(&["branch", "-D", "canon/run/r10"]);
    assert_eq!((world.git(&["for-each-ref"]), world.git(&["worktree", "list"])), before);
}
