//! Runs on disk, with handlers that say what they are told to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use canon_exec::LocalExecutionEnvironment;
use canon_pipeline::engine::{Budget, EventKind};
use canon_pipeline::run::journal;
use canon_pipeline::run::{
    Checkpoint, End, Environment, Event, From, NewRun, RunDirectory, RunError, Shared, resume,
    start,
};
use canon_pipeline::{Graph, Handler, Outcome, Registry, Stage, Status};
use canon_runtime::secret::{Redactor, Secret};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Say = dyn Fn(&Stage) -> Outcome + Send + Sync;

/// A handler that is a function, and remembers who it worked for.
struct Told {
    say: Box<Say>,
    worked: Arc<Mutex<Vec<String>>>,
    hang: Option<String>,
}

#[async_trait]
impl Handler for Told {
    async fn execute(&self, stage: &Stage) -> Outcome {
        self.worked.lock().unwrap().push(stage.node().id().to_owned());
        if self.hang.as_deref() == Some(stage.node().id()) {
            stage.cancel.cancelled().await;
        }
        (self.say)(stage)
    }
}

struct Place {
    temp: tempfile::TempDir,
    worked: Arc<Mutex<Vec<String>>>,
    cancel: CancellationToken,
}

impl Place {
    fn new() -> Self {
        Self {
            temp: tempfile::tempdir().unwrap(),
            worked: Arc::default(),
            cancel: CancellationToken::new(),
        }
    }

    fn directory(&self) -> RunDirectory {
        RunDirectory::new(self.temp.path().join("logs"))
    }

    fn logs(&self) -> std::path::PathBuf {
        self.temp.path().join("logs")
    }

    fn worked(&self) -> Vec<String> {
        std::mem::take(&mut *self.worked.lock().unwrap())
    }

    fn environment(
        &self,
        hang: Option<&str>,
        say: impl Fn(&Stage) -> Outcome + Send + Sync + 'static,
    ) -> (Environment, mpsc::UnboundedReceiver<Event>) {
        let mut registry = Registry::new();
        let handler = Told {
            say: Box::new(say),
            worked: Arc::clone(&self.worked),
            hang: hang.map(str::to_owned),
        };
        let handler: Arc<dyn Handler> = Arc::new(handler);
        for kind in ["codergen", "parallel.fan_in", "mine"] {
            registry.register(kind, Arc::clone(&handler));
        }
        let local = LocalExecutionEnvironment::new(self.temp.path()).unwrap();
        let (events, received) = mpsc::unbounded_channel();
        let environment = Environment {
            registry,
            workspaces: Arc::new(Shared(Arc::new(local))),
            events: Some(events),
            cancel: self.cancel.clone(),
            budget: Budget::default(),
            wall: None,
            redactor: Arc::new(Redactor::new([Secret::new("hunter2-hunter2")])),
        };
        (environment, received)
    }

    async fn start(
        &self,
        source: &str,
        hang: Option<&str>,
        say: impl Fn(&Stage) -> Outcome + Send + Sync + 'static,
    ) -> (Result<End, RunError>, Vec<Event>) {
        let (environment, mut events) = self.environment(hang, say);
        let end = start(graph(source), source, self.directory(), new_run(), environment).await;
        let mut seen = Vec::new();
        while let Ok(event) = events.try_recv() {
            seen.push(event);
        }
        (end, seen)
    }

    async fn resume(
        &self,
        source: &str,
        from: From,
        say: impl Fn(&Stage) -> Outcome + Send + Sync + 'static,
    ) -> Result<End, RunError> {
        let (environment, _events) = self.environment(None, say);
        resume(graph(source), self.directory(), from, environment).await
    }
}

fn graph(source: &str) -> Graph {
    Graph::parse(source).unwrap().graph
}

fn new_run() -> NewRun {
    NewRun {
        id: "run_1".to_owned(),
        seed: 1,
        inputs: BTreeMap::new(),
        context: BTreeMap::new(),
        ..NewRun::default()
    }
}

fn ok(_: &Stage) -> Outcome {
    Outcome::of(Status::Success)
}

fn json(path: impl AsRef<Path>) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const LINE: &str = "digraph line { goal=\"g\"; start [shape=Mdiamond] exit [shape=Msquare]
    a; b; c; start -> a -> b -> c -> exit }";

#[tokio::test]
async fn pipeline_11_3_every_outcome_is_in_its_status_file() {
    let place = Place::new();
    let (end, events) = place
        .start(LINE, None, |stage| {
            Outcome::success(format!("did {}", stage.node().id())).with("n", 1)
        })
        .await;
    let end = end.unwrap();
    assert_eq!(end.finish.status, Status::Success);
    assert_eq!(end.path, ["start", "a", "b", "c", "exit"]);
    assert_eq!(end.context["n"], 1);
    for (node, notes) in [("start", ""), ("a", "did a"), ("exit", "")] {
        let status = json(place.logs().join(node).join("status.json"));
        assert_eq!((&status["outcome"], &status["notes"]), (&"success".into(), &notes.into()));
    }
    let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    assert!(matches!(events.last().unwrap().what, EventKind::CheckpointSaved { .. }));
    let started =
        events.iter().filter(|e| matches!(e.what, EventKind::StageStarted { .. })).count();
    assert_eq!(started, 5);
}

#[tokio::test]
async fn pipeline_11_7_the_checkpoint_tells_where_the_run_is() {
    let place = Place::new();
    place.start(LINE, None, ok).await.0.unwrap();
    let checkpoint = Checkpoint::load(&place.logs().join("checkpoint.json")).unwrap();
    assert_eq!(checkpoint.current_node.as_deref(), Some("exit"));
    assert_eq!(checkpoint.next_node_id, None);
    assert_eq!(checkpoint.completed_nodes, ["start", "a", "b", "c", "exit"]);
    assert_eq!(checkpoint.node_outcomes["b"], Status::Success);
    assert_eq!(checkpoint.context["graph.goal"], "g");
    assert_eq!(json(place.logs().join("manifest.json"))["goal"], "g");
}

#[tokio::test]
async fn pipeline_11_7_a_run_that_was_stopped_goes_on_where_it_was() {
    let place = Place::new();
    let cancel = place.cancel.clone();
    let (end, _) = place
        .start(LINE, None, move |stage| {
            if stage.node().id() == "b" {
                cancel.cancel();
            }
            Outcome::success("").with(format!("at.{}", stage.node().id()), true)
        })
        .await;
    let end = end.unwrap();
    assert_eq!(end.finish.reason.as_deref(), Some("canceled"));
    assert_eq!(place.worked(), ["a", "b"]);
    let again = Place { cancel: CancellationToken::new(), ..place };
    let end = again.resume(LINE, From::Here, ok).await.unwrap();
    assert_eq!(end.finish.status, Status::Success);
    assert_eq!(end.path, ["start", "a", "b", "c", "exit"]);
    assert_eq!(end.context["at.a"], true);
    assert_eq!(again.worked(), ["b", "c"], "b had not been recorded");
}

#[tokio::test]
async fn a_run_that_failed_tries_its_last_stage_again() {
    let place = Place::new();
    let (end, _) = place
        .start(LINE, None, |stage| match stage.node().id() {
            "b" => Outcome::fail("no"),
            _ => Outcome::success(""),
        })
        .await;
    assert_eq!(end.unwrap().finish.status, Status::Fail);
    place.worked();
    let end = place.resume(LINE, From::Here, ok).await.unwrap();
    assert_eq!(end.finish.status, Status::Success);
    assert_eq!(place.worked(), ["b", "c"]);
    // It is over now: nothing runs again.
    let end = place.resume(LINE, From::Here, ok).await.unwrap();
    assert_eq!((end.finish.status, place.worked()), (Status::Success, Vec::new()));
}

#[tokio::test]
async fn a_run_goes_on_from_a_stage_that_is_named() {
    let place = Place::new();
    place.start(LINE, None, ok).await.0.unwrap();
    place.worked();
    let end = place.resume(LINE, From::Stage("b".to_owned()), ok).await.unwrap();
    assert_eq!(end.path, ["start", "a", "b", "c", "exit"]);
    assert_eq!(place.worked(), ["b", "c"]);
    let error = place.resume(LINE, From::Stage("z".to_owned()), ok).await.unwrap_err();
    assert!(error.to_string().contains("never came to a stage `z`"), "{error}");
}

#[tokio::test]
async fn ruling_pipeline_16_another_graph_is_refused_and_layout_is_no_difference() {
    let place = Place::new();
    place.start(LINE, None, ok).await.0.unwrap();
    let other = LINE.replace("b -> c", "b -> c [label=x]; c");
    let error = place.resume(&other, From::Here, ok).await.unwrap_err();
    assert!(matches!(error, RunError::OtherGraph { .. }), "{error}");
    let same = LINE.replace("; a", ";\n // a comment\n a");
    place.resume(&same, From::Here, ok).await.unwrap();
}

#[tokio::test]
async fn ruling_pipeline_16_a_torn_last_line_is_cut_off_and_a_damaged_one_refused() {
    let place = Place::new();
    place.start(LINE, None, ok).await.0.unwrap();
    let path = place.logs().join("journal.jsonl");
    let whole = std::fs::read(&path).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for cut in [lines[..3].concat().len() + 7, lines[..4].concat().len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let end = place.resume(LINE, From::Here, ok).await.unwrap();
        assert_eq!(end.path, ["start", "a", "b", "c", "exit"], "cut at {cut}");
        assert_eq!(journal::read(&path).unwrap().stages.len(), 5);
    }
    let damaged = [lines[0], b"{\"kind\":\"stage\"}\n".as_slice(), lines[2]].concat();
    std::fs::write(&path, damaged).unwrap();
    let error = place.resume(LINE, From::Here, ok).await.unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    let newer = String::from_utf8_lossy(lines[0])
        .replace("\"v\":1", "\"v\":9,\"kind2\":1")
        .replace("\"seed\"", "\"sow\"");
    std::fs::write(&path, newer).unwrap();
    let error = place.resume(LINE, From::Here, ok).await.unwrap_err();
    assert!(error.to_string().contains("format version 9"), "{error}");
}

#[tokio::test]
async fn a_run_is_run_by_one_process_at_a_time() {
    let place = Place::new();
    place.start(LINE, None, ok).await.0.unwrap();
    let held = journal::Journal::open(&place.logs().join("journal.jsonl")).unwrap();
    let error = place.resume(LINE, From::Here, ok).await.unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(held);
    place.resume(LINE, From::Here, ok).await.unwrap();
}

#[tokio::test]
async fn ruling_pipeline_17_every_visit_of_a_stage_is_kept() {
    let place = Place::new();
    let source = "digraph l { start [shape=Mdiamond] exit [shape=Msquare] a; start -> a
        a -> a [condition=\"context.n!=3\"] a -> exit [condition=\"context.n=3\"] }";
    place
        .start(source, None, |stage| Outcome::success("").with("n", stage.attempt.visit))
        .await
        .0
        .unwrap();
    let visit =
        |path: &str| json(place.logs().join("a").join(path))["context_updates"]["n"].clone();
    assert_eq!(visit("visits/1/status.json"), 1);
    assert_eq!(visit("visits/2/status.json"), 2);
    assert_eq!(visit("status.json"), 3);
}

#[tokio::test]
async fn ruling_pipeline_07_a_status_file_that_was_written_wins() {
    let place = Place::new();
    let source = "digraph l { start [shape=Mdiamond] exit [shape=Msquare] a; b; start -> a
        a -> b [condition=\"preferred_label=Fix\"] b -> exit }";
    let (end, _) = place
        .start(source, None, |stage| {
            if stage.node().id() == "a" {
                let status =
                    "{\"status\": \"success\", \"preferred_label\": \"Fix\", \"notes\": null}";
                std::fs::write(stage.dir.join("status.json"), status).unwrap();
                return Outcome::fail("the handler thinks otherwise");
            }
            Outcome::success("")
        })
        .await;
    assert_eq!(end.unwrap().path, ["start", "a", "b", "exit"]);
    let status = json(place.logs().join("a/status.json"));
    assert_eq!(status["outcome"], "success", "`outcome` is written, whatever was read");
}

#[tokio::test]
async fn ruling_pipeline_07_a_status_file_that_cannot_be_read_is_no_verdict() {
    let place = Place::new();
    let source = "digraph l { start [shape=Mdiamond] exit [shape=Msquare] a; start -> a -> exit }";
    let (end, _) = place
        .start(source, None, |stage| {
            std::fs::write(stage.dir.join("status.json"), "{\"outcome\": \"splendid\"}").unwrap();
            Outcome::success("")
        })
        .await;
    let reason = end.unwrap().finish.reason.unwrap();
    assert!(reason.contains("outcome `splendid` is none of"), "{reason}");
    let source = source.replace("a; start", "a [auto_status=true] start");
    let place = Place::new();
    let (end, _) = place
        .start(&source, None, |_| {
            Outcome::retry("no verdict", canon_pipeline::outcome::FailureClass::NoVerdict)
        })
        .await;
    assert_eq!(end.unwrap().finish.status, Status::Success);
}

#[tokio::test(start_paused = true)]
async fn ruling_pipeline_23_a_time_limit_holds_for_each_attempt() {
    let place = Place::new();
    let source = "digraph l { start [shape=Mdiamond] exit [shape=Msquare]
        a [timeout=\"2s\", max_retries=1] start -> a -> exit }";
    let began = tokio::time::Instant::now();
    let (end, _) = place.start(source, Some("a"), ok).await;
    let reason = end.unwrap().finish.reason.unwrap();
    assert!(reason.contains("timeout: not done within 2 s"), "{reason}");
    assert_eq!(place.worked(), ["a", "a"]);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(9), "{took:?}");
}

#[tokio::test]
async fn a_handler_that_panics_fails_its_stage() {
    let place = Place::new();
    let (end, _) = place
        .start(LINE, None, |stage| match stage.node().id() {
            "b" => panic!("out of cheese"),
            _ => Outcome::success(""),
        })
        .await;
    let reason = end.unwrap().finish.reason.unwrap();
    assert!(reason.contains("`b`: the handler panicked: out of cheese"), "{reason}");
}

#[tokio::test]
async fn ruling_pipeline_14_a_type_without_handler_fails_its_stage() {
    let place = Place::new();
    let source = "digraph l { start [shape=Mdiamond] exit [shape=Msquare] a [type=unheard_of]
        start -> a -> exit }";
    let reason = place.start(source, None, ok).await.0.unwrap().finish.reason.unwrap();
    assert!(reason.contains("no handler is registered for the type `unheard_of`"), "{reason}");
}

#[tokio::test]
async fn pipeline_11_6_custom_handlers_are_registered_by_type() {
    let place = Place::new();
    let source = "digraph l { start [shape=Mdiamond] exit [shape=Msquare]
        a [type=mine, own=\"42\"] start -> a -> exit }";
    let (end, _) = place
        .start(source, None, |stage| Outcome::success(stage.node().attrs().text("own").to_owned()))
        .await;
    assert_eq!(end.unwrap().outcomes[1].1.notes, "42");
}

#[tokio::test]
async fn ruling_pipeline_08_each_branch_has_its_own_directory() {
    let place = Place::new();
    let source = "digraph f { start [shape=Mdiamond] exit [shape=Msquare] fan [shape=component]
        a; b; join [shape=tripleoctagon]; start -> fan; fan -> a -> join; fan -> b -> join
        join -> exit }";
    let (end, events) = place.start(source, None, ok).await;
    assert_eq!(end.unwrap().path, ["start", "fan", "a", "b", "join", "exit"]);
    for branch in ["a", "b"] {
        let path = format!("fan/branches/{branch}/{branch}/status.json");
        assert!(place.logs().join(&path).exists(), "{path}");
    }
    let ended =
        |e: &&Event| matches!(e.what, EventKind::ParallelBranchCompleted { success: true, .. });
    assert_eq!(events.iter().filter(ended).count(), 2);
}

#[tokio::test]
async fn a_secret_that_a_stage_says_is_written_and_shown_nowhere() {
    let place = Place::new();
    let (end, events) = place
        .start(LINE, None, |stage| {
            stage.write("response.md", "it is hunter2-hunter2").unwrap();
            Outcome::success("hunter2-hunter2")
                .with("k", serde_json::json!({"hunter2-hunter2": "hunter2-hunter2"}))
        })
        .await;
    end.unwrap();
    assert!(!format!("{events:?}").contains("hunter2"));
    let mut todo = vec![place.logs()];
    let mut files = 0;
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("hunter2"), "{}", path.display());
        }
    }
    assert!(files > 8);
}
