//! A process that is killed at any moment, and one that goes on where it was.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use canon_pipeline::engine::Random;
use serde_json::Value;

use super::world::{World, dot, git};

fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples/run_here");
    assert!(
        program.exists(),
        "{} is missing: cargo leaves examples out when tests are named; run `cargo build -p canon-pipeline --example run_here`",
        program.display()
    );
    program
}

fn command(world: &World, graph: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg(world.repo()).arg(world.logs()).arg(graph);
    command
}

/// How it ended, path and outcomes and context, and every tree in the repository by branch.
fn result(world: &World, graph: &Path) -> (Value, Vec<(String, String)>) {
    let done = command(world, graph).output().unwrap();
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{err}");
    (serde_json::from_slice(&done.stdout).unwrap(), trees(world))
}

fn trees(world: &World) -> Vec<(String, String)> {
    let refs = world.git(&["for-each-ref", "--format=%(refname) %(tree)", "refs/heads/canon"]);
    let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    refs.lines().filter_map(pair).collect()
}

/// Every stage adds to a file what it finds there: one that counted twice, or not, would show.
const GRAPH: &str = "
    plan [tool_command=\"echo plan >> a.txt; mkdir -p d; seq 200 > d/plan\"]
    again [max_retries=2, tool_command=\"echo $ATTEMPT >> again; test $ATTEMPT = 1 && exit 75; cksum again\"]
    fan [shape=component, max_parallel=2] join [shape=tripleoctagon]
    a1 [tool_command=\"echo a1 >> a.txt; touch u\"]; a2 [tool_command=\"cksum a.txt | tee -a a.txt; rm u\"]
    b1 [tool_command=\"echo b1 >> a.txt\"]; b2 [tool_command=\"mkdir e; cksum a.txt | tee e/f\"]
    c1 [tool_command=\"exit 1\"]
    inner [shape=component]; i1 [tool_command=\"echo i1 >> a.txt\"]; i2 [tool_command=\"echo i2 >> a.txt\"]
    close [shape=tripleoctagon]
    loop [tool_command=\"echo $VISIT >> loop; test $(wc -l < loop) -ge 3\"]
    last [tool_command=\"git log --format=%s | grep -v '^first' | sort | uniq -c | cksum; cat a.txt loop again | cksum\"]
    start -> plan -> again -> fan
    fan -> a1 -> inner -> i1 -> close; inner -> i2 -> close; close -> a2 -> join
    fan -> b1 -> b2 -> join; fan -> c1 -> join
    join -> loop; loop -> loop [condition=\"outcome=fail\"]; loop -> last [condition=\"outcome=success\"]
    last -> exit";

#[cfg(target_os = "linux")]
#[test]
fn ruling_pipeline_16_killed_at_any_moment_a_run_ends_like_one_that_was_not() {
    let whole = World::new();
    let graph = whole.temp.path().join("graph.dot");
    std::fs::write(&graph, dot(GRAPH)).unwrap();
    let began = std::time::Instant::now();
    let (expected, expected_trees) = result(&whole, &graph);
    let took = began.elapsed();
    assert_eq!(expected["status"], "success", "{expected}");
    assert_eq!(expected_trees.len(), 6, "{expected_trees:?}");

    let seed = std::env::var("CANON_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("CANON_TEST_SEED={seed}");
    let mut random = Random::new(seed);
    let mut kills = 0;
    for round in 0..4 {
        let world = World::new();
        // Commits are of another time, so that their names differ; trees do not.
        let mut whole = false;
        for _ in 0..8 {
            let wait = took.mul_f64(random.unit() * 0.6) + Duration::from_millis(1);
            let mut child = command(&world, &graph)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(wait);
            whole = child.try_wait().unwrap().is_some();
            if whole {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            wait_for_orphans(&world);
            kills += 1;
        }
        let (ended, trees) = result(&world, &graph);
        assert_eq!(plain(&ended), plain(&expected), "round {round}, over before: {whole}");
        assert_eq!(trees, expected_trees, "round {round}");
        assert!(!world.logs().join("worktrees").exists());
        assert_eq!(world.git(&["status", "--porcelain"]), "", "the user's checkout");
        assert_eq!(git(&world.workspace(), &["status", "--porcelain"]), "");
        world.git(&["fsck", "--connectivity-only"]);
    }
    assert!(kills >= 4, "only {kills} kills");
}

/// Commands of a stage outlive the program that is killed, and would write into the next one's files.
fn wait_for_orphans(world: &World) {
    // Also git's own, which work in the repository.
    let runs = world.temp.path().to_owned();
    let within = |entry: std::io::Result<std::fs::DirEntry>| {
        let at = std::fs::read_link(entry.ok()?.path().join("cwd")).ok()?;
        at.starts_with(&runs).then_some(())
    };
    while std::fs::read_dir("/proc").unwrap().any(|entry| within(entry).is_some()) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Without names of commits, which hold the time.
fn plain(end: &Value) -> Value {
    match end {
        Value::Object(object) => {
            let kept = object.iter().filter(|(key, _)| *key != "commit");
            kept.map(|(key, value)| (key.clone(), plain(value))).collect()
        }
        Value::Array(values) => values.iter().map(plain).collect(),
        other => other.clone(),
    }
}
