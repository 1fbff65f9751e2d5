//! Running scripts: ends, limits, leftovers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use canon_exec::process::{OutputSink, OutputStream, Stdin, run};
use canon_exec::{EnvPolicy, ExecError, ExecResult, Script, Shell};
use tokio::sync::mpsc;

use crate::support::{LIMIT, all_gone, at_its_limit, unique};

fn script(command: &str) -> Script {
    let mut script = Script::new(command, "/");
    script.timeout = Some(Duration::from_secs(20));
    script.grace = Duration::from_millis(300);
    script
}

/// Runs it with a time limit that is reached when its first output has come.
async fn run_to_its_limit(mut script: Script) -> ExecResult {
    script.timeout = Some(LIMIT);
    let (sender, ready) = mpsc::unbounded_channel();
    script.on_output = Some(OutputSink::new(move |_| {
        let _already_seen = sender.send(());
    }));
    at_its_limit(LIMIT, ready, run(script)).await.unwrap()
}

#[tokio::test]
async fn streams_status_and_order() {
    let result = run(script("echo one; echo two >&2; exit 3")).await.unwrap();
    assert_eq!((result.stdout.as_str(), result.stderr.as_str()), ("one\n", "two\n"));
    assert_eq!(result.combined.len(), 8);
    assert_eq!(
        (result.exit_code, result.signal, result.timed_out, result.cancelled),
        (Some(3), None, false, false)
    );
    assert!(!result.success());
}

#[tokio::test]
async fn a_signal_is_told_from_a_status() {
    let result = run(script("kill -9 $$")).await.unwrap();
    assert_eq!((result.exit_code, result.signal), (None, Some(9)));
}

#[tokio::test]
async fn shells_differ() {
    for (shell, name) in [(Shell::Bash, "bash"), (Shell::BashLogin, "bash"), (Shell::ShLogin, "sh")]
    {
        let mut script = script("echo $0");
        script.shell = shell;
        assert_eq!(run(script).await.unwrap().stdout.trim(), name);
    }
}

#[tokio::test]
async fn input_longer_than_a_pipe_goes_in_while_output_comes_out() {
    let mut script = script("cat");
    let input = "0123456789".repeat(50_000);
    script.stdin = Stdin::Bytes(input.clone().into_bytes());
    assert_eq!(run(script).await.unwrap().stdout, input);
}

#[tokio::test]
async fn a_program_that_does_not_read_its_input_is_no_error() {
    let mut script = script("exec <&-; echo done");
    script.stdin = Stdin::Bytes(vec![b'x'; 1 << 20]);
    assert_eq!(run(script).await.unwrap().stdout, "done\n");
}

#[tokio::test]
async fn no_input_is_end_of_file() {
    assert_eq!(run(script("cat; echo end")).await.unwrap().stdout, "end\n");
}

#[tokio::test]
async fn timeout_keeps_partial_output() {
    let result = run_to_its_limit(script("echo before; exec sleep 600")).await;
    assert!(result.timed_out && !result.cancelled && !result.success());
    assert_eq!((result.stdout.as_str(), result.signal), ("before\n", Some(15)));
    assert!(result.duration_ms >= 3_600_000, "{}", result.duration_ms);
}

#[tokio::test]
async fn timeout_gives_a_script_its_grace() {
    let mut script = script("trap 'echo tidy; exit 7' TERM; echo up; while :; do sleep 0.01; done");
    script.grace = LIMIT;
    let result = run_to_its_limit(script).await;
    assert!(result.timed_out);
    assert_eq!((result.stdout.as_str(), result.exit_code), ("up\ntidy\n", Some(7)));
}

/// What a timeout must end: plain children, children that ignore TERM, that left the session, that
/// were orphaned by a double fork.
const STUBBORN: &str = r#"
sleep 600 &
bash -c 'trap "" TERM; sleep 600' &
setsid bash -c 'trap "" TERM; sleep 600' &
(setsid sleep 600 >/dev/null 2>&1 &)
trap "" TERM
echo ready
sleep 600 & wait; wait; sleep 600
"#;

#[tokio::test]
async fn timeout_ends_everything_that_was_started() {
    let marker = unique("timeout");
    let mut script = script(STUBBORN);
    script.env = script.env.with("TEST_MARKER", &marker);
    let result = run_to_its_limit(script).await;
    assert!(result.timed_out);
    assert_eq!(result.stdout, "ready\n");
    assert!(all_gone("TEST_MARKER", &marker).await);
}

#[tokio::test]
async fn cancelling_ends_everything_that_was_started() {
    let marker = unique("cancel");
    let mut script = script(STUBBORN);
    script.env = script.env.with("TEST_MARKER", &marker);
    let cancel = script.cancel.clone();
    script.on_output = Some(OutputSink::new(move |_| cancel.cancel()));
    let result = run(script).await.unwrap();
    assert!(result.cancelled && !result.timed_out);
    assert!(all_gone("TEST_MARKER", &marker).await);
}

#[tokio::test]
async fn dropping_the_future_ends_everything_that_was_started() {
    let marker = unique("drop");
    let mut script = script(STUBBORN);
    script.env = script.env.with("TEST_MARKER", &marker);
    let (sender, mut ready) = mpsc::unbounded_channel();
    script.on_output = Some(OutputSink::new(move |_| {
        let _already_seen = sender.send(());
    }));
    tokio::select! {
        _ = run(script) => panic!("it cannot end by itself"),
        _ = ready.recv() => {}
    }
    assert!(all_gone("TEST_MARKER", &marker).await);
}

#[test]
fn the_end_of_the_runtime_ends_everything_that_was_started() {
    let marker = unique("runtime");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut script = script(STUBBORN);
    script.env = script.env.with("TEST_MARKER", &marker);
    let (sender, mut ready) = mpsc::unbounded_channel();
    script.on_output = Some(OutputSink::new(move |_| {
        let _already_seen = sender.send(());
    }));
    runtime.block_on(async {
        tokio::select! {
            _ = run(script) => panic!("it cannot end by itself"),
            _ = ready.recv() => {}
        }
    });
    drop(runtime);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert!(runtime.block_on(all_gone("TEST_MARKER", &marker)));
}

#[tokio::test]
async fn a_background_process_with_the_output_open_does_not_hold_up_the_call() {
    let marker = unique("background");
    let mut script = script("sleep 600 & setsid sleep 600 & echo started");
    script.env = script.env.with("TEST_MARKER", &marker);
    let started = Instant::now();
    let result = run(script).await.unwrap();
    assert_eq!((result.stdout.as_str(), result.exit_code), ("started\n", Some(0)));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(all_gone("TEST_MARKER", &marker).await);
}

#[tokio::test]
async fn endless_output_is_capped_and_counted() {
    let mut script = script("echo head; yes | head -c 5000000; echo; echo tail; echo problem >&2");
    script.output_limit = 2000;
    let result = run(script).await.unwrap();
    assert!(result.stdout.starts_with("head\n") && result.stdout.ends_with("\ntail\n"));
    assert!(result.stdout.len() < 2100, "{}", result.stdout.len());
    assert!(result.stdout.contains("bytes omitted"));
    assert_eq!(result.truncated_bytes, 5_000_000 + 5 + 1 + 5 - 2000);
    assert_eq!(result.stderr, "problem\n");
}

#[tokio::test]
async fn live_output_says_its_stream() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let mut script = script("echo a; echo b >&2");
    script.on_output = Some(OutputSink::new(move |chunk| sink.lock().unwrap().push(chunk)));
    run(script).await.unwrap();
    let seen = seen.lock().unwrap();
    let of = |stream| {
        seen.iter()
            .filter(|chunk| chunk.stream == stream)
            .flat_map(|chunk| chunk.bytes.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of(OutputStream::Stdout), of(OutputStream::Stderr)),
        (b"a\n".to_vec(), b"b\n".to_vec())
    );
}

#[tokio::test]
async fn the_environment_is_what_the_policy_says() {
    let mut script = script("env");
    script.env = EnvPolicy::empty()
        .with("PATH", "/usr/bin:/bin")
        .with("A_TOKEN", "kept")
        .with("B", "x")
        .without("b");
    let out = run(script).await.unwrap().stdout;
    assert!(out.contains("A_TOKEN=kept"));
    assert!(
        !out.lines().any(|line| line.starts_with("B=") || line.starts_with("CARGO_PKG_NAME=")),
        "{out}"
    );
}

#[tokio::test]
async fn there_is_no_terminal_and_no_inherited_descriptor() {
    // Without close-on-exec, as a library may have opened it.
    let file = std::fs::File::open("/etc/passwd").unwrap();
    let kept = rustix::io::dup(&file).unwrap();
    rustix::io::fcntl_setfd(&kept, rustix::io::FdFlags::empty()).unwrap();
    let result = run(script(
        "for fd in /proc/$$/fd/*; do readlink $fd; done; (: </dev/tty) 2>&1 || echo none",
    ))
    .await
    .unwrap();
    assert!(!result.stdout.contains("passwd"), "{}", result.stdout);
    assert!(result.stdout.ends_with("none\n"), "{}", result.stdout);
}

#[tokio::test]
async fn errors_say_what_is_missing() {
    let missing = run(Script::new("true", "/no/such/place")).await.unwrap_err();
    assert!(
        matches!(&missing, ExecError::WorkingDirectory { path, .. } if path.ends_with("place")),
        "{missing}"
    );
    let file = run(Script::new("true", "/etc/passwd")).await.unwrap_err();
    assert!(matches!(file, ExecError::WorkingDirectory { .. }));
    let mut no_path = script("true");
    no_path.env = EnvPolicy::empty().with("PATH", "/nowhere");
    assert!(
        matches!(run(no_path).await, Err(ExecError::Spawn { program, .. }) if program == "bash")
    );
}
