use std::fs;

use tokio::sync::mpsc;

use super::*;

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
    changes: mpsc::UnboundedReceiver<Result<Workflow, WorkflowError>>,
    until: CancellationToken,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.until.cancel();
    }
}

fn watched(text: &str) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("WORKFLOW.md");
    fs::write(&path, text).unwrap();
    let (sender, changes) = mpsc::unbounded_channel();
    let until = CancellationToken::new();
    let digest = workflow::load(&path).unwrap().digest;
    spawn(path.clone(), digest, until.clone(), move |loaded| {
        let _ = sender.send(loaded);
        async {}
    });
    Fixture { _dir: dir, path, changes, until }
}

impl Fixture {
    async fn next(&mut self) -> Result<Workflow, WorkflowError> {
        tokio::time::timeout(Duration::from_secs(60), self.changes.recv()).await.unwrap().unwrap()
    }

    fn replace(&self, text: &str) {
        let other = self.path.with_extension("new");
        fs::write(&other, text).unwrap();
        fs::rename(&other, &self.path).unwrap();
    }
}

#[tokio::test]
async fn s17_1_changes_are_detected_and_read_again() {
    let mut fixture = watched("one");
    fs::write(&fixture.path, "two").unwrap();
    let mut seen = fixture.next().await.unwrap().prompt_template;
    // A look between truncation and write sees an empty file; the text follows.
    while seen.is_empty() {
        seen = fixture.next().await.unwrap().prompt_template;
    }
    assert_eq!(seen, "two");
    fixture.replace("three");
    assert_eq!(fixture.next().await.unwrap().prompt_template, "three");
}

#[tokio::test]
async fn ruling_08_a_broken_file_is_told_once_and_its_repair_too() {
    let mut fixture = watched("one");
    fixture.replace("---\na: [\n---\n");
    assert_eq!(fixture.next().await.unwrap_err().class(), "workflow_parse_error");
    fs::remove_file(&fixture.path).unwrap();
    assert_eq!(fixture.next().await.unwrap_err().class(), "missing_workflow_file");
    fixture.replace("one");
    assert_eq!(fixture.next().await.unwrap().prompt_template, "one");
}

#[test]
fn the_same_content_is_no_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("WORKFLOW.md");
    fs::write(&path, "one").unwrap();
    let seen = Seen::Content(workflow::load(&path).unwrap().digest);
    assert!(changed(&path, &seen).is_none());
    fs::write(&path, "one").unwrap();
    assert!(changed(&path, &seen).is_none());
    fs::write(&path, "---\nx: [\n---").unwrap();
    let (broken, loaded) = changed(&path, &seen).unwrap();
    assert!(loaded.is_err());
    assert!(changed(&path, &broken).is_none());
    fs::remove_file(&path).unwrap();
    let (gone, _) = changed(&path, &broken).unwrap();
    assert!(changed(&path, &gone).is_none());
}

#[tokio::test(start_paused = true)]
async fn without_notices_the_slow_look_finds_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("WORKFLOW.md");
    fs::write(&path, "one").unwrap();
    let seen = Seen::Content(workflow::load(&path).unwrap().digest);
    fs::write(&path, "two").unwrap();
    let (sender, mut changes) = mpsc::unbounded_channel();
    let silent = Notify::new();
    let following = follow(path, seen, &silent, move |loaded| {
        let _ = sender.send(loaded);
        async {}
    });
    tokio::select! {
        () = following => unreachable!(),
        change = changes.recv() => assert_eq!(change.unwrap().unwrap().prompt_template, "two"),
    }
}
