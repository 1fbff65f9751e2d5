//! An execution environment of a host's own, made of nothing but what `canon-exec` shows to others:
//! files in memory, and a command that is no process (loop spec §4.1, §4.2).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canon_agent::{EventData, Family, Profile, Session, Status};
use canon_exec::{
    DirEntry, ExecCommand, ExecError, ExecResult, ExecutionEnvironment, FileError, FileKind,
    FileMetadata, GlobOptions, GlobResult, GrepLine, GrepOptions, GrepResult, OutputChunk,
    OutputStream, SandboxReport, SearchError, WriteOutcome,
};
use serde_json::json;

use crate::support::{Place, calls, ends, run, says, shell};

/// Files by absolute path. The one command that it knows, `count`, says how many there are.
struct Memory {
    root: PathBuf,
    files: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
    /// Is done in place of the next command, after which nothing works any more.
    loss: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    lost: AtomicBool,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Memory {
    fn new(root: &str) -> Arc<Self> {
        Arc::new(Self {
            root: root.into(),
            files: Mutex::default(),
            loss: Mutex::default(),
            lost: AtomicBool::new(false),
        })
    }

    fn text(&self, path: &str) -> Option<String> {
        let files = self.files.lock().unwrap();
        files.get(&self.root.join(path)).map(|bytes| String::from_utf8(bytes.clone()).unwrap())
    }

    fn below(&self, top: &Path) -> Vec<(PathBuf, String)> {
        let top = self.root.join(top);
        let files = self.files.lock().unwrap();
        let inside = files.iter().filter(|(path, _)| path.starts_with(&top));
        let relative = |path: &Path| path.strip_prefix(&self.root).unwrap().to_owned();
        inside
            .map(|(path, bytes)| (relative(path), String::from_utf8_lossy(bytes).into_owned()))
            .collect()
    }
}

#[async_trait]
impl ExecutionEnvironment for Memory {
    async fn read_file(&self, path: &Path, _: u64) -> Result<Vec<u8>, FileError> {
        let path = self.root.join(path);
        let found = self.files.lock().unwrap().get(&path).cloned();
        found.ok_or(FileError::NotFound { path })
    }

    async fn write_file(&self, path: &Path, content: &[u8]) -> Result<WriteOutcome, FileError> {
        let path = self.root.join(path);
        let before = self.files.lock().unwrap().insert(path, content.to_vec());
        Ok(WriteOutcome { created: before.is_none(), bytes: content.len() as u64 })
    }

    async fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        let path = self.root.join(path);
        let gone = self.files.lock().unwrap().remove(&path);
        gone.map(drop).ok_or(FileError::NotFound { path })
    }

    async fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        let content = self.read_file(from, u64::MAX).await?;
        self.write_file(to, &content).await?;
        self.remove_file(from).await
    }

    async fn file_exists(&self, path: &Path) -> Result<bool, FileError> {
        Ok(self.metadata(path).await.is_ok())
    }

    async fn metadata(&self, path: &Path) -> Result<FileMetadata, FileError> {
        let path = self.root.join(path);
        let files = self.files.lock().unwrap();
        let (kind, size) = match files.get(&path) {
            Some(bytes) => (FileKind::File, bytes.len() as u64),
            None if files.keys().any(|file| file.starts_with(&path)) || path == self.root => {
                (FileKind::Directory, 0)
            }
            None => return Err(FileError::NotFound { path }),
        };
        Ok(FileMetadata { kind, size, modified_ms: 0, mode: 0o644 })
    }

    async fn list_directory(&self, path: &Path, _: usize) -> Result<Vec<DirEntry>, FileError> {
        let entry = |(name, text): (PathBuf, String)| DirEntry {
            name,
            kind: FileKind::File,
            size: Some(text.len() as u64),
        };
        Ok(self.below(path).into_iter().map(entry).collect())
    }

    async fn exec_command(&self, command: ExecCommand) -> Result<ExecResult, ExecError> {
        let loss = self.loss.lock().unwrap().take_if(|_| command.command == "count");
        if let Some(loss) = loss {
            self.lost.store(true, Ordering::SeqCst);
            loss();
            let (place, why) = ("memory".to_owned(), "it is lost".to_owned());
            return Err(ExecError::Unreachable { place, why, output: None });
        }
        let result = match command.command.as_str() {
            "count" => {
                let combined = format!("{} files\n", self.files.lock().unwrap().len());
                if let Some(sink) = &command.on_output {
                    let bytes = combined.clone().into_bytes();
                    sink.send(OutputChunk { stream: OutputStream::Stdout, bytes });
                }
                ExecResult { combined, exit_code: Some(0), ..ExecResult::default() }
            }
            other => ExecResult {
                combined: format!("no command {other}\n"),
                exit_code: Some(127),
                ..ExecResult::default()
            },
        };
        Ok(result)
    }

    async fn grep(
        &self,
        pattern: &str,
        path: &Path,
        _: &GrepOptions,
    ) -> Result<GrepResult, SearchError> {
        let mut found = GrepResult::default();
        for (path, text) in self.below(path) {
            let lines = text.lines().zip(1..).filter(|(line, _)| line.contains(pattern));
            found.lines.extend(lines.map(|(line, number)| GrepLine {
                path: path.clone(),
                line: number,
                text: line.to_owned(),
                is_match: true,
            }));
        }
        Ok(found)
    }

    async fn glob(
        &self,
        pattern: &str,
        path: &Path,
        _: &GlobOptions,
    ) -> Result<GlobResult, SearchError> {
        let end = pattern.trim_start_matches('*');
        let paths = self.below(path).into_iter().map(|(path, _)| path);
        let paths = paths.filter(|path| path.to_string_lossy().ends_with(end)).collect();
        Ok(GlobResult { paths, truncated: false })
    }

    async fn initialize(&self) -> Result<(), FileError> {
        Ok(())
    }

    async fn cleanup(&self) -> Result<(), FileError> {
        Ok(())
    }

    fn working_directory(&self) -> &Path {
        &self.root
    }

    fn platform(&self) -> &str {
        "memory"
    }

    fn os_version(&self) -> String {
        "Memory 1".to_owned()
    }

    fn sandbox(&self) -> SandboxReport {
        SandboxReport::unconfined()
    }

    fn defect(&self) -> Option<String> {
        self.lost.load(Ordering::SeqCst).then(|| "the memory is lost".to_owned())
    }
}

#[tokio::test]
async fn loop_9_4_a_host_can_bring_an_environment_of_its_own() {
    let place = Place::new();
    let memory = Memory::new("/nowhere/project");
    memory.write_file(Path::new("AGENTS.md"), b"Count twice.").await.unwrap();
    let patch = "*** Begin Patch\n*** Update File: src/a.txt\n*** Move to: src/b.txt\n@@\n one\n-two\n\
                 +2\n*** End Patch";
    let mut options = place.options(&[
        calls(&[("write_file", json!({"file_path": "src/a.txt", "content": "one\nto\n"}))]),
        calls(&[(
            "edit_file",
            json!({"file_path": "src/a.txt", "old_string": "to", "new_string": "two"}),
        )]),
        calls(&[("read_file", json!({"file_path": "/nowhere/project/src/a.txt"}))]),
        calls(&[("apply_patch", json!({"patch": patch}))]),
        calls(&[
            ("grep", json!({"pattern": "2"})),
            ("glob", json!({"pattern": "*.txt"})),
            ("shell", json!({"command": "count"})),
            ("shell", json!({"command": "rm -rf /"})),
        ]),
        says("done"),
    ]);
    options.profile.tools = [Family::Generic, Family::OpenAi]
        .map(|family| Profile::of_family(family, "scripted", "m").tools)
        .concat();
    options.profile.capabilities.parallel_tool_calls = false;
    options.env = memory.clone();
    let (outcome, events) = run(&mut Session::new(options).unwrap(), "go").await;
    assert_eq!((outcome.status, outcome.text.as_str()), (Status::Completed, "done"));
    let results = ends(&events);
    let of = |at: usize| results[at].1;
    assert!(results[..7].iter().all(|(_, _, is_error)| !is_error), "{results:?}");
    assert!(of(2).contains("two"), "{}", of(2));
    assert!(of(4).contains("src/b.txt") && of(4).contains('2'), "{}", of(4));
    assert!(of(5).contains("src/b.txt"), "{}", of(5));
    assert!(of(6).contains("2 files"), "{}", of(6));
    assert!(results[7].2 && of(7).contains("no command rm -rf /"), "{}", of(7));
    assert_eq!(
        (memory.text("src/a.txt"), memory.text("src/b.txt")),
        (None, Some("one\n2\n".into()))
    );
    let live = |event: &EventData| matches!(event, EventData::ToolCallOutputDelta { delta, .. } if delta == "2 files\n");
    assert!(events.iter().any(live));
    // The prompt speaks of that place, with its documents.
    let prompt = place.requests.system(0);
    for wanted in ["/nowhere/project", "memory", "Memory 1", "Count twice."] {
        assert!(prompt.contains(wanted), "{wanted}: {prompt}");
    }
    assert!(std::fs::read_dir(place.dir.path()).unwrap().next().is_none());
}

/// A place that is lost while a call runs there matters no more when the host has found another.
#[tokio::test]
async fn a_place_that_is_lost_ends_the_session_only_while_it_works_there() {
    for swapped in [false, true] {
        let place = Place::new();
        let (first, second) = (Memory::new("/first"), Memory::new("/second"));
        let mut options = place.options(&[shell("count"), shell("count"), says("found another")]);
        options.env = first.clone();
        let mut session = Session::new(options).unwrap();
        let handle = session.handle();
        *first.loss.lock().unwrap() = Some(Box::new(move || {
            if swapped {
                handle.set_environment(second).unwrap();
            }
        }));
        let (outcome, events) = run(&mut session, "go").await;
        assert!(ends(&events)[0].2 && ends(&events)[0].1.contains("it is lost"));
        match swapped {
            true => assert_eq!(outcome.text, "found another", "{outcome:?}"),
            false => assert!(
                matches!(&outcome.status, Status::Failed { code, .. } if code == "environment"),
                "{outcome:?}"
            ),
        }
    }
}
