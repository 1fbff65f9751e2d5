//! Stages and their commits.

use canon_pipeline::Status;
use canon_pipeline::run::From;
use canon_pipeline::run::git::Repository;

use super::world::{World, dot, git};

const RUN: &str = "canon/run/r1";

#[tokio::test]
async fn every_stage_is_a_commit_and_the_users_checkout_is_not_touched() {
    let world = World::new();
    let repo = world.repo();
    std::fs::write(repo.join("a.txt"), "not committed\n").unwrap();
    std::fs::write(repo.join("new.txt"), "untracked\n").unwrap();
    // Nothing that the repository has set up runs or counts.
    std::fs::write(repo.join(".git/hooks/pre-commit"), "#!/bin/sh\nexit 1\n").unwrap();
    git(&repo, &["config", "core.hooksPath", ".git/hooks"]);
    git(&repo, &["config", "commit.gpgSign", "true"]);
    git(&repo, &["config", "core.autocrlf", "true"]);
    git(&repo, &["config", "core.fsmonitor", "touch fsmonitor-ran; false"]);
    let before = std::fs::read(repo.join(".git/index")).unwrap();
    let end = world
        .start(&dot(
            "a [tool_command=\"printf '1\\r\\n' > b.txt\"]; b [tool_command=\"mkdir cache; touch cache/x\"]
             start -> a -> b -> exit",
        ))
        .await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(
        world.git(&["log", "--format=%s", RUN]),
        "canon: b (success)\ncanon: a (success)\nfirst"
    );
    assert_eq!(
        world.git(&["log", "-1", "--format=%an <%ae> %cn|%(trailers:only,separator=%x2C)", RUN]),
        "canon <canon@localhost> canon|Canon-Run: r1,Canon-Stage: b,Canon-Visit: 1,Canon-Attempt: 1"
    );
    assert_eq!(world.files(RUN), [".gitignore", "a.txt", "b.txt"]);
    assert_eq!(world.show(RUN, "a.txt"), "one");
    assert!(world.git(&["cat-file", "-p", &format!("{RUN}:b.txt")]).ends_with('\r'));
    assert!(world.workspace().join("cache/x").exists());
    let shown = std::fs::read_to_string(repo.join("a.txt")).unwrap();
    assert_eq!(shown, "not committed\n");
    assert_eq!(world.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert_eq!(std::fs::read(repo.join(".git/index")).unwrap(), before);
    assert!(
        !repo.join("fsmonitor-ran").exists() && !world.workspace().join("fsmonitor-ran").exists()
    );
    let uncommitted = Repository::open(&repo).await.unwrap().uncommitted().await.unwrap();
    assert_eq!(uncommitted, 2);
    let snapshots: Vec<_> =
        world.records().into_iter().filter_map(|record| record.snapshot).collect();
    assert_eq!(snapshots.len(), 2);
    assert_eq!(snapshots[0].tree, snapshots[1].tree, "ignored files are no change");
    assert_eq!(snapshots[1].commit, world.git(&["rev-parse", RUN]));
}

#[tokio::test]
async fn a_run_does_not_begin_where_there_is_nothing_to_begin_with() {
    let world = World::new();
    let source = dot("a [tool_command=true]; start -> a -> exit");
    world.git(&["checkout", "-q", "--orphan", "empty"]);
    let error = world.try_start(&source).await.unwrap_err().to_string();
    assert!(error.contains("no commit yet"), "{error}");
    let elsewhere = tempfile::tempdir().unwrap();
    let error = Repository::open(elsewhere.path()).await.unwrap_err().to_string();
    assert!(error.contains("not a git repository"), "{error}");
    world.git(&["checkout", "-q", "-f", "main"]);
    world.git(&["branch", RUN]);
    std::fs::remove_dir_all(world.logs()).unwrap();
    let error = world.try_start(&source).await.unwrap_err().to_string();
    assert!(error.contains("has a branch canon/run/r1 already"), "{error}");
}

const FAN: &str = "fan [shape=component] join [shape=tripleoctagon]
    a1 [tool_command=\"echo a1 > a.txt; echo x > only-a\"]; a2 [tool_command=\"cat a.txt >> a2.txt\"]
    b1 [tool_command=\"pwd; echo b1 > a.txt; echo x > only-b\"]; b2 [tool_command=\"cat a.txt >> b2.txt\"]
    after [tool_command=\"cp a.txt after.txt\"]
    start -> fan; fan -> a1 -> a2 -> join; fan -> b1 -> b2 -> join; join -> after -> exit";

#[tokio::test]
async fn ruling_pipeline_08_each_branch_has_its_own_worktree() {
    let world = World::new();
    let end = world.start(&dot(FAN)).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    let b1 = end.outcomes.iter().find(|(node, _)| node == "b1").unwrap();
    assert!(b1.1.notes.ends_with("runs/r1/worktrees/fan+b1"), "{:?}", b1.1);
    let (a, b) = ("canon/branch/r1/fan+a1", "canon/branch/r1/fan+b1");
    assert_eq!(world.files(a), [".gitignore", "a.txt", "a2.txt", "only-a"]);
    assert_eq!(world.files(b), [".gitignore", "a.txt", "b2.txt", "only-b"]);
    assert_eq!(world.show(b, "b2.txt"), "b1");
    assert!(!world.logs().join("worktrees").exists(), "worktrees go, commits stay");
    assert!(world.workspace().join("after.txt").exists(), "the run's own stays");
    assert_eq!(world.git(&["worktree", "list"]).lines().count(), 2);
}

#[tokio::test]
async fn ruling_pipeline_09_the_winners_commit_is_taken_over() {
    let world = World::new();
    world.start(&dot(FAN)).await;
    assert_eq!(world.files(RUN), [".gitignore", "a.txt", "a2.txt", "after.txt", "only-a"]);
    assert_eq!(world.show(RUN, "after.txt"), "a1");
    let subjects = world.git(&["log", "--format=%s", RUN]);
    let line = ["after", "join", "a2", "a1"].map(|node| format!("canon: {node} (success)"));
    assert_eq!(subjects, format!("{}\nfirst", line.join("\n")));
}

#[tokio::test]
async fn ruling_pipeline_16_a_stage_that_was_interrupted_leaves_nothing_behind() {
    let world = World::new();
    let source = dot(
        "a [tool_command=\"echo a >> a.txt; mkdir -p cache; echo a >> cache/log\"]
         b [tool_command=\"ls > ../seen-$(test -e ../go && echo 1); cat a.txt > ../a-seen; cat cache/log > ../log-seen;
            echo b >> a.txt; rm .gitignore; mkdir -p junk/deep; touch junk/deep/x; echo b >> cache/log;
            test -e ../go || { touch ../go; kill -KILL $PPID; exit 9; }; rm -rf junk\"]
         start -> a -> b -> exit",
    );
    // The command cannot kill the test: it is stopped there instead.
    let source = source.replace("kill -KILL $PPID; exit 9", "touch ../wait; sleep 600");
    let wait = world.logs().join("wait");
    let cancel = world.cancel.clone();
    let stop = async move {
        while !wait.exists() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (end, ()) = tokio::join!(world.start(&source), stop);
    assert_eq!(end.finish.reason.as_deref(), Some("canceled"));
    let world = World { cancel: tokio_util::sync::CancellationToken::new(), ..world };
    let end = world.resume(&source, From::Here).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(world.show(RUN, "a.txt"), "one\na\nb", "b's first try did not count");
    let seen = |name: &str| std::fs::read_to_string(world.logs().join(name)).unwrap();
    assert_eq!(seen("a-seen"), "one\na\n");
    assert_eq!(seen("seen-1"), "a.txt\ncache\n", "untracked files of the first try are gone");
    assert_eq!(seen("log-seen"), "a\nb\n", "ignored files are left as they are");
}

#[tokio::test]
async fn ruling_pipeline_16_another_attempt_finds_what_the_last_one_left() {
    let world = World::new();
    let source = dot(
        "a [max_retries=2, tool_command=\"echo $ATTEMPT >> a.txt; test $ATTEMPT = 1 && exit 75; true\"]
         start -> a -> exit",
    );
    world.start(&source).await;
    assert_eq!(world.show(RUN, "a.txt"), "one\n1\n2");
    // As if the process had died while the second attempt ran.
    let journal = world.logs().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let kept: String = text.split_inclusive('\n').take(3).collect();
    assert!(kept.contains("\"rule\":\"retry\""), "{kept}");
    std::fs::write(&journal, kept).unwrap();
    std::fs::write(world.workspace().join("a.txt"), "of a try that nobody knows of").unwrap();
    world.resume(&source, From::Here).await;
    assert_eq!(world.show(RUN, "a.txt"), "one\n1\n2");
}

#[tokio::test]
async fn pipeline_11_7_a_run_goes_on_from_a_stage_with_the_files_of_that_time() {
    let world = World::new();
    let source = dot(FAN);
    world.start(&source).await;
    let whole = world.git(&["rev-parse", &format!("{RUN}^{{tree}}")]);
    let tip = world.git(&["rev-parse", RUN]);
    for stage in ["after", "b2", "join", "a2", "fan", "a1", "start", "b1"] {
        if stage == "fan" {
            continue;
        }
        std::fs::write(world.workspace().join("junk"), "x").unwrap();
        let end = world.resume(&source, From::Stage(stage.to_owned())).await;
        assert_eq!(end.finish.status, Status::Success, "{stage}: {:?}", end.finish);
        assert_eq!(world.git(&["rev-parse", &format!("{RUN}^{{tree}}")]), whole, "{stage}");
        assert_eq!(end.path, ["start", "fan", "a1", "a2", "b1", "b2", "join", "after", "exit"]);
        let b = world.show("canon/branch/r1/fan+b1", "b2.txt");
        assert_eq!(b, "b1", "{stage}");
        assert!(!world.logs().join("worktrees").exists(), "{stage}");
    }
    // What was taken back is not lost.
    assert!(world.git(&["for-each-ref", "refs/canon/r1"]).contains(&tip));
}

#[tokio::test]
async fn a_restart_by_an_edge_keeps_the_files_and_the_commits_of_branches() {
    let world = World::new();
    let source = dot(
        "fan [shape=component] join [shape=tripleoctagon]
         a [tool_command=\"echo a >> a.txt\"]; b [tool_command=\"echo b >> a.txt\"]
         again [tool_command=\"test $(wc -l < a.txt) -ge 3\"]
         start -> fan; fan -> a -> join; fan -> b -> join; join -> again
         again -> start2 [condition=\"outcome=fail\", loop_restart=true]; start2 [tool_command=true]; start2 -> fan
         again -> exit [condition=\"outcome=success\"]",
    );
    let end = world.start(&source).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(world.show(RUN, "a.txt"), "one\na\na");
    for snapshot in world.records().into_iter().filter_map(|record| record.snapshot) {
        let refs = world.git(&["for-each-ref", "--contains", &snapshot.commit]);
        assert!(!refs.is_empty(), "{} is held by nothing", snapshot.commit);
    }
}

#[tokio::test]
async fn a_gate_that_judged_other_files_is_asked_again() {
    let world = World::new();
    let source = dot(
        "gate [goal_gate=true, tool_command=\"echo x >> $ATTRACTOR_STAGE_DIR/../asked; echo '{\\\"outcome\\\":\\\"success\\\"}' > $ATTRACTOR_STAGE_DIR/status.json\"]
         edit [tool_command=\"echo more >> a.txt\"]
         start -> gate -> edit -> exit",
    );
    let end = world.start(&source).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    assert_eq!(end.path, ["start", "gate", "edit", "gate", "exit"]);
    assert_eq!(std::fs::read_to_string(world.logs().join("asked")).unwrap(), "x\nx\n");
}

#[tokio::test]
async fn whatever_a_stage_does_to_git_its_files_are_committed_on_the_runs_branch() {
    let world = World::new();
    let user = "git -c user.name=x -c user.email=x@y";
    let stages = [
        ("commits", format!("echo 1 > own; git add own; {user} commit -qm own")),
        ("amends", format!("echo 2 > own; {user} commit -qa --amend -m amended")),
        ("switches", format!("git checkout -q -b other; echo 3 > own; {user} commit -qam other")),
        ("detaches", "git checkout -q --detach HEAD~1; echo 4 > own".to_owned()),
        ("locks", "touch \"$(git rev-parse --git-dir)/index.lock\"; echo 5 > own".to_owned()),
        ("links", "rm .git; git init -q elsewhere.git 2>/dev/null; rm -rf elsewhere.git; echo 'gitdir: /nowhere' > .git; echo 6 > own".to_owned()),
        ("nests", format!("git init -q 'in side/#n*'; cd 'in side/#n*'; echo 7 > x; git add x; {user} commit -qm x; cd ../..; git init -q unborn; touch unborn/u; echo 7 > own")),
        ("again", "echo 8 > unborn/u; echo 8 > 'in side/#n*/x'; echo 8 > own; touch 'in side/plain'".to_owned()),
        ("conflicts", "printf '<<<<<<<' > own".to_owned()),
        ("nothing", "true".to_owned()),
    ];
    let nodes: String = stages
        .iter()
        .map(|(node, command)| {
            let command = command.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{node} [tool_command=\"{command}\"];\n")
        })
        .collect();
    let line: Vec<&str> = stages.iter().map(|(node, _)| *node).collect();
    let end = world.start(&dot(&format!("{nodes} start -> {} -> exit", line.join(" -> ")))).await;
    assert_eq!(end.finish.status, Status::Success, "{:?}", end.finish);
    let subjects = world.git(&["log", "--format=%s", RUN]);
    for (node, _) in &stages {
        assert!(subjects.contains(&format!("canon: {node} (success)")), "{subjects}");
    }
    assert!(subjects.contains("\nown\n"), "its own commits are part of the history: {subjects}");
    assert_eq!(world.files(RUN), [".gitignore", "a.txt", "in side/plain", "own"]);
    assert_eq!(world.show(RUN, "own"), "<<<<<<<");
    assert!(world.workspace().join("in side/#n*/x").exists());
    assert!(world.workspace().join("unborn/u").exists());
}
