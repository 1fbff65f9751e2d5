//! What the fake agent is told to do, as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One run of the agent. All members may be left out; `{}` is an agent that completes every
/// turn at once with one message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// When not empty: the first run in a working directory plays the first of these, and so
    /// on; the last one repeats. Needs [`super::env::STATE`]. The other members are not used.
    pub runs: Vec<Scenario>,
    /// Model to report; `fake-model` when empty.
    pub model: String,
    /// Delay before `initialize` is answered, in milliseconds.
    pub start_delay_ms: u64,
    /// Requests that are refused, with the message to give, by method.
    pub refuse: BTreeMap<String, String>,
    /// Methods of requests that are never answered.
    pub mute: Vec<String>,
    /// Stay when stdin ends.
    pub ignore_eof: bool,
    /// Stay on SIGTERM.
    pub ignore_sigterm: bool,
    /// Printed to stderr at the start.
    pub stderr: String,
    /// End with this status before reading anything.
    pub exit_at_start: Option<i32>,
    /// The turns, in order; the last one repeats. None: every turn is [`Turn::default`].
    pub turns: Vec<Turn>,
}

/// One turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// What happens in it.
    pub steps: Vec<Step>,
    /// How it ends.
    pub status: Status,
    /// Message of `turn.error`, when it failed.
    pub error: Option<String>,
}

impl Default for Turn {
    /// One message and a little usage.
    fn default() -> Self {
        Self {
            steps: vec![
                Step::Message { text: "done".to_owned(), deltas: 1 },
                Step::Usage { input: 10, output: 5, cached: 0 },
            ],
            status: Status::Completed,
            error: None,
        }
    }
}

/// End of a turn, in the protocol's spelling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A success.
    #[default]
    Completed,
    /// A failure.
    Failed,
    /// Stopped.
    Interrupted,
}

/// One step of a turn. A step that asks waits for the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Nothing for a while. Ends early when the turn is interrupted.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// A message in so many deltas.
    Message {
        /// Its text.
        text: String,
        /// How many deltas carry it.
        #[serde(default)]
        deltas: u32,
    },
    /// A burst of message deltas without a pause.
    Flood {
        /// How many.
        deltas: u32,
    },
    /// More tokens; the report carries the thread's totals.
    Usage {
        /// Input tokens of this reply.
        input: u64,
        /// Output tokens of this reply.
        output: u64,
        /// Cached ones among the input tokens.
        #[serde(default)]
        cached: u64,
    },
    /// `account/rateLimits/updated`.
    RateLimits {
        /// The snapshot.
        limits: Value,
    },
    /// A dynamic tool call. The turn fails unless its success is as expected.
    Tool {
        /// Name of the tool.
        tool: String,
        /// Its arguments.
        #[serde(default)]
        arguments: Value,
        /// Expected success; none: either.
        #[serde(default)]
        success: Option<bool>,
    },
    /// Asks for approval of a command; runs nothing.
    ApproveCommand {
        /// The command line.
        command: String,
        /// The expected decision; none: any.
        #[serde(default)]
        decision: Option<String>,
    },
    /// Asks for approval of a file change; changes nothing.
    ApproveChange {
        /// The file.
        path: String,
        /// The expected decision; none: any.
        #[serde(default)]
        decision: Option<String>,
    },
    /// Asks for network access.
    Permissions {},
    /// Asks questions; each member is a question by its id.
    UserInput {
        /// The questions.
        questions: BTreeMap<String, String>,
    },
    /// Asks for a form of one text field `value`.
    Elicitation {
        /// The question.
        message: String,
    },
    /// Any other request. The client must refuse it.
    UnknownRequest {
        /// Its method.
        method: String,
    },
    /// Any notification.
    Notify {
        /// Its method.
        method: String,
        /// Its parameters.
        #[serde(default)]
        params: Value,
    },
    /// An error that the agent says it will retry.
    Error {
        /// Its message.
        message: String,
    },
    /// A line that is no JSON.
    Garbage {
        /// The line.
        text: String,
    },
    /// A line of this many bytes.
    LongLine {
        /// Bytes.
        bytes: usize,
    },
    /// Text on stderr.
    Stderr {
        /// The text.
        text: String,
    },
    /// Writes a file in the working directory.
    WriteFile {
        /// Its path, relative to the working directory.
        path: String,
        /// Its content.
        text: String,
    },
    /// Runs a command in the working directory, as an item. The turn fails when it fails,
    /// unless that is allowed.
    Run {
        /// The command, for `bash -c`.
        command: String,
        /// Go on after a failure.
        #[serde(default)]
        may_fail: bool,
    },
    /// Leaves a process behind in a session of its own.
    LeaveChild {
        /// How long it lives, in seconds.
        secs: u64,
        /// Where to write its process id.
        #[serde(default)]
        pid_file: Option<String>,
    },
    /// Ends the process.
    Exit {
        /// Its status.
        code: i32,
    },
    /// Says nothing more, for ever. Still reads.
    Hang {},
}

impl Scenario {
    /// Reads a scenario as [`super::env::SCENARIO`] says it.
    pub fn read(from: &str, cwd: &Path) -> Result<Scenario, String> {
        if from.trim_start().starts_with('{') {
            return parse(from, "inline");
        }
        let path = Path::new(from);
        let file = if path.is_dir() {
            let own = path.join(format!("{}.json", name_of(cwd)));
            if own.exists() { own } else { path.join("default.json") }
        } else {
            path.to_owned()
        };
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("scenario {}: {error}", file.display()))?;
        parse(&text, &file.display().to_string())
    }

    /// The scenario of this run: of [`Scenario::runs`] the one whose turn it is. Counts the run
    /// in `state`.
    pub fn of_run(mut self, state: Option<&Path>, cwd: &Path) -> Scenario {
        if self.runs.is_empty() {
            return self;
        }
        let file = state.map(|dir| dir.join(format!("{}.runs", name_of(cwd))));
        let run = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        let run = run.map_or(0, |text| text.len());
        if let Some(mut file) =
            file.and_then(|file| std::fs::File::options().create(true).append(true).open(file).ok())
        {
            let _ = std::io::Write::write_all(&mut file, b"x");
        }
        self.runs.swap_remove(run.min(self.runs.len() - 1))
    }

    /// The scenario as JSON, as the binary reads it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn parse(text: &str, from: &str) -> Result<Scenario, String> {
    serde_json::from_str(text).map_err(|error| format!("scenario {from}: {error}"))
}

fn name_of(cwd: &Path) -> String {
    cwd.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
