//! Sessions that are killed, and gone on with.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::up::env::{TestEnv, until};
use super::{place, shell};

fn model(env: &TestEnv) -> String {
    format!("scripted/{}", env.path("transcript.jsonl").display())
}

#[test]
fn a_call_that_was_under_way_is_not_repeated_and_the_model_is_told() {
    let arguments = json!({ "command": "echo once >> ran; sleep 1000", "timeout_ms": 600_000 });
    let call = json!({ "name": "shell", "arguments": arguments });
    let unknown = json!([{ "is_error": true, "contains": "unknown" }]);
    let entry = |when: Value| json!({ "when": when, "reply": { "text": "I look first." } });
    let env = place(&[
        json!({ "when": { "turn": 0 }, "reply": { "tool_calls": [call] } }),
        entry(json!({ "turn": 1, "tool_results": unknown, "last_user": "Go on" })),
    ]);
    let run = env.spawn(&["exec", "wait", "--model", &model(&env)]);
    until("the command runs", || (!env.read("project/ran").is_empty()).then_some(()));
    run.kill();
    env.assert_nothing_left();
    // Half a line more, as if the kill had come in the middle of a write.
    let threads = std::fs::read_dir(env.path("canon/threads")).unwrap();
    for thread in threads {
        let path = thread.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text + "{\"turn\":\"tool_results\",\"resu").unwrap();
    }
    let ended = env.run(&["exec", "--resume", "last"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "I look first.\n"), "{ended:?}");
    assert!(ended.stderr.contains("cut short"), "{}", ended.stderr);
    assert_eq!(env.read("project/ran"), "once\n");
}

/// Whether there is a thread to go on with.
fn kept(env: &TestEnv) -> bool {
    let threads = std::fs::read_dir(env.path("canon/threads")).into_iter().flatten().flatten();
    threads.into_iter().any(|thread| std::fs::read(thread.path()).unwrap().contains(&b'\n'))
}

/// Kills at points that a seed gives, until the work is done.
#[test]
fn wherever_it_is_killed_nothing_runs_twice() {
    const CALLS: u32 = 5;
    let seed: u64 = match std::env::var("CANON_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => u64::from(std::process::id()),
    };
    println!("CANON_TEST_SEED={seed}");
    let mut random = seed;
    let mut next = || {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let mut entries: Vec<Value> =
        (0..CALLS).map(|turn| shell(turn, &format!("echo {turn} >> ran; sleep 0.05"))).collect();
    entries.push(json!({ "when": { "turn": CALLS }, "reply": { "text": "All done." } }));
    let env = place(&entries);
    let model = model(&env);
    let mut kills = 0;
    let ended = loop {
        let begun = kept(&env);
        let resume = ["exec", "--resume", "last"];
        let args = if begun { &resume[..] } else { &["exec", "make it", "--model", &model] };
        let mut run = env.spawn(args);
        // The last tries are left alone, so that there is an end.
        if kills < 8 && run.runs_for(Duration::from_millis(50 + next() % 200 * (1 + kills))) {
            run.kill();
            kills += 1;
            continue;
        }
        break run.wait(Duration::from_secs(120));
    };
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "All done.\n"), "{ended:?}");
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for line in env.read("project/ran").lines() {
        *times.entry(line.to_owned()).or_default() += 1;
    }
    assert!(kills > 0, "the commands alone take longer than the first kill waits");
    assert!(times.values().all(|count| *count == 1), "seed {seed}, {kills} kills: {times:?}");
    env.assert_nothing_left();
}
