//! Runs on disk, with their repository.

use canon_pipeline::Status;
use canon_pipeline::run::{
    FileChange, Part, RunDirectory, RunState, diff, explain, files_touched, fork, journal, list,
    remove, report,
};

use super::world::{World, dot, graph};

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

const FAN: &str = "fan [shape=component] join [shape=tripleoctagon]
    plan [tool_command=\"printf '1\\n2\\n' > 'a b.txt'\"]
    a1 [tool_command=\"echo a >> a.txt\"]; a2 [max_retries=1, tool_command=\"echo $ATTEMPT >> a.txt; test $ATTEMPT = 1 && exit 75; true\"]
    b1 [tool_command=\"printf '\\0' > b.bin\"]; b2 [tool_command=\"exit 1\"]
    after [tool_command=\"cat ../note 2>/dev/null >> a.txt; true\"]
    start -> plan -> fan; fan -> a1 -> a2 -> join; fan -> b1 -> b2 -> join; join -> after -> exit";

fn contents(world: &World) -> journal::Contents {
    journal::read(&world.logs().join("journal.jsonl")).unwrap()
}

#[tokio::test]
async fn what_a_run_and_its_stages_changed_is_shown_and_counted() {
    let world = World::new();
    let end = world.start(&dot(FAN)).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    let contents = contents(&world);
    let shown = diff(&contents, &Part::Run).await.unwrap();
    assert!(shown.contains("+++ b/a b.txt\n") || shown.contains("+++ b/a b.txt\t\n"), "{shown}");
    assert!(shown.contains("+a\n+1\n+2\n") && !shown.contains("b.bin"), "{shown}");
    let of = async |stage: &str| diff(&contents, &Part::Stage(stage.to_owned())).await.unwrap();
    let a2 = of("a2").await;
    assert!(a2.contains("+1\n+2\n") && !a2.contains("+a\n"), "all attempts, and no more: {a2}");
    assert!(of("b1").await.contains("Binary files"));
    assert_eq!(of("after").await, "");
    assert!(of("join").await.contains("+a\n+1\n+2\n"));
    let error = diff(&contents, &Part::Stage("z".to_owned())).await.unwrap_err().to_string();
    assert!(error.contains("never came to a stage `z`"), "{error}");

    let files = files_touched(&contents).await.unwrap();
    let report = report(&contents, &files);
    let stage = |name: &str| report.stages.iter().find(|stage| stage.stage == name).unwrap();
    let file = |path: &str, added, removed| FileChange { path: path.to_owned(), added, removed };
    assert_eq!(stage("plan").files, [file("a b.txt", Some(2), Some(0))]);
    assert_eq!(stage("a2").files, [file("a.txt", Some(2), Some(0))]);
    assert_eq!(stage("b1").files, [file("b.bin", None, None)]);
    assert_eq!(stage("after").files, []);
    assert_eq!((stage("a2").visits, stage("a2").attempts, stage("a2").retries), (1, 2, 1));
    assert_eq!((report.retries, report.attempts), (1, contents.stages.len() as u64));
    assert_eq!(report.state, RunState::Success);
    assert!(report.stuck.is_some() && report.longest.is_some());
    assert_ne!(report.longest.as_deref(), Some("fan"));
    assert!(report.active_ms <= report.elapsed_ms);
}

#[tokio::test]
async fn every_hop_is_explained_with_its_rule() {
    let world = World::new();
    world.start(&dot(FAN)).await;
    let hops = explain(&contents(&world));
    assert_eq!(hops.len(), contents(&world).stages.len());
    let line = |stage: &str, attempt| {
        let hop = hops.iter().find(|hop| hop.stage == stage && hop.attempt == attempt).unwrap();
        hop.to_string().split_once(' ').unwrap().1.trim_start().to_owned()
    };
    let told = |stage: &str, attempt| line(stage, attempt).split_once(' ').unwrap().1.to_owned();
    let again = "fan/a1 · a2: retry → again  [Attractor §3.5, ruling 3: attempt 1 of 2]";
    assert!(line("a2", 1).ends_with(again), "{}", line("a2", 1));
    assert!(
        told("b2", 1).contains("b2: fail → end  [Attractor §3.7 step 4: "),
        "{}",
        told("b2", 1)
    );
    assert!(
        line("fan", 1).contains("fan: partial_success → join  [ruling 8: "),
        "{}",
        line("fan", 1)
    );
    assert!(line("exit", 1).contains("exit: success → end  [Attractor §3.2 step 1]"));
}

#[tokio::test]
async fn a_fork_goes_on_from_a_stage_and_the_old_run_is_as_it_was() {
    let world = World::new();
    let source = dot(FAN);
    world.start(&source).await;
    let old = RunDirectory::new(world.logs());
    let before = std::fs::read(old.journal()).unwrap();
    let old_tip = world.git(&["rev-parse", "canon/run/r1"]);
    for (id, stage) in [("r2", "after"), ("r3", "a2"), ("r4", "plan")] {
        let into = RunDirectory::new(world.logs().with_file_name(id));
        let header = fork(&graph(&source), &old, stage, &into, id).await.unwrap();
        assert!(header.forked_from.unwrap().starts_with("r1#"));
        std::fs::write(into.root().join("note"), format!("forked {id}\n")).unwrap();
        let end = world.resume_in(&source, &into, id).await;
        assert_eq!(end.finish.status, Status::Success, "{stage}: {:?}", end.finish);
        assert_eq!(end.logs, into.root());
        let text = world.show(&format!("canon/run/{id}"), "a.txt");
        assert_eq!(text, format!("one\na\n1\n2\nforked {id}"), "{stage}");
        assert_eq!(into.stage(&contents(&world).stages[1].attempt).parent(), Some(into.root()));
    }
    assert_eq!(std::fs::read(old.journal()).unwrap(), before);
    assert_eq!(world.git(&["rev-parse", "canon/run/r1"]), old_tip);
    // A fork lives on when the run that it came from is removed.
    let into = RunDirectory::new(world.logs().with_file_name("r5"));
    fork(&graph(&source), &old, "a2", &into, "r5").await.unwrap();
    remove(&old).await.unwrap();
    world.git(&["gc", "-q", "--prune=now"]);
    let end = world.resume_in(&source, &into, "r5").await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    let error = fork(&graph(&source), &into, "after", &into, "r6").await.unwrap_err().to_string();
    assert!(error.contains("exists"), "{error}");
}
