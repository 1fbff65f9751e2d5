//! A daemon made by hand, that remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use canon::server::{
    Action, Daemon, FinishedRow, Gone, IssueReport, LiveRow, Overview, Refused, SessionLog,
};
use canon_orchestrator::dispatch::{
    BlockedRow, HeldRow, IssueHistory, IssueView, Machine, Question, QuestionRow, RetryKind,
    RetryRow, RunningRow, Snapshot, TotalsRow, Usage, Why,
};
use canon_orchestrator::driver::Answered;
use canon_orchestrator::sessions::{Phase, TailEntry};
use canon_orchestrator::tracker::RecordProblem;
use serde_json::{Value, json};

/// 2026-02-24T20:15:30Z.
pub(crate) const NOW: u64 = 1_771_964_130_000;

/// What the fake is, and what it was asked for.
pub(crate) struct Fake {
    pub(crate) overview: Mutex<Option<Overview>>,
    pub(crate) issues: BTreeMap<String, IssueReport>,
    pub(crate) asked: Mutex<Vec<Action>>,
    pub(crate) answers: Mutex<Vec<(String, Option<String>, Value)>>,
    /// What asking leads to.
    pub(crate) reply: Mutex<Result<(), Refused>>,
    /// What answering leads to.
    pub(crate) answered: Mutex<Answered>,
}

impl Fake {
    pub(crate) fn new(overview: Overview) -> Arc<Self> {
        let reports = [running_report(), blocked_report(), released_report(), held_report()];
        let named = |report: IssueReport| (report.view.identifier.clone(), report);
        let mut issues: BTreeMap<String, IssueReport> = reports.into_iter().map(named).collect();
        for name in ["state", "refresh", "a/b ü%2F?#", "<script>alert(1)</script>"] {
            let mut report = held_report();
            name.clone_into(&mut report.view.identifier);
            issues.insert(name.to_owned(), report);
        }
        Arc::new(Self {
            overview: Mutex::new(Some(overview)),
            issues,
            asked: Mutex::default(),
            answers: Mutex::default(),
            reply: Mutex::new(Ok(())),
            answered: Mutex::new(Answered::Taken),
        })
    }

    /// The daemon ends.
    pub(crate) fn end(&self) {
        *self.overview.lock().unwrap() = None;
        *self.reply.lock().unwrap() = Err(Refused::Gone);
        *self.answered.lock().unwrap() = Answered::Gone;
    }

    pub(crate) fn asked(&self) -> Vec<Action> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Daemon for Fake {
    fn overview(&self) -> Result<Overview, Gone> {
        self.overview.lock().unwrap().clone().ok_or(Gone)
    }

    fn issue(&self, name: &str) -> Result<Option<IssueReport>, Gone> {
        if !self.is_alive() {
            return Err(Gone);
        }
        Ok(self.issues.get(name).cloned())
    }

    fn is_alive(&self) -> bool {
        self.overview.lock().unwrap().is_some()
    }

    fn ask(&self, action: Action) -> Result<(), Refused> {
        self.asked.lock().unwrap().push(action);
        *self.reply.lock().unwrap()
    }

    fn answer(&self, identifier: &str, request: Option<&str>, answer: Value) -> Answered {
        let given = (identifier.to_owned(), request.map(str::to_owned), answer);
        self.answers.lock().unwrap().push(given);
        *self.answered.lock().unwrap()
    }
}

pub(crate) fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input_tokens: input,
        cached_input_tokens: input / 2,
        output_tokens: output,
        reasoning_output_tokens: 0,
        total_tokens: input + output,
    }
}

pub(crate) fn running_row() -> RunningRow {
    RunningRow {
        issue_id: "abc123".to_owned(),
        identifier: "MT-649".to_owned(),
        title: "Make the tests pass".to_owned(),
        url: Some("https://tracker.example/issues/MT-649".to_owned()),
        state: "In Progress".to_owned(),
        attempt_id: "i-a7".to_owned(),
        attempt: Some(2),
        phase: "working",
        stopping: None,
        thread_id: Some("thread-1".to_owned()),
        session_id: Some("thread-1-turn-6".to_owned()),
        model: Some("gpt-5".to_owned()),
        pid: Some(4711),
        turn_count: 6,
        started_at_ms: NOW - 318_000,
        last_event: "turn_started".to_owned(),
        last_event_at_ms: NOW - 60_000,
        usage: usage(1_000, 500),
    }
}

pub(crate) fn live_row() -> LiveRow {
    LiveRow {
        phase: Phase::StreamingTurn,
        session_id: Some("thread-1-turn-7".to_owned()),
        turns: 7,
        usage: usage(1_200, 800),
        rate_limits: Some(json!({ "primary": { "usedPercent": 12 } })),
        last: Some((NOW - 31_000, "notification".to_owned(), "Working on tests".to_owned())),
        silent_ms: 900,
    }
}

fn blocked_row() -> BlockedRow {
    let question = Question {
        kind: "user_input".to_owned(),
        text: "Which colour?".to_owned(),
        payload: json!({ "questions": [] }),
    };
    let asked = QuestionRow { question, asked_at_ms: NOW - 5_000, answered: false };
    BlockedRow {
        attempt: RunningRow {
            issue_id: "q1".to_owned(),
            identifier: "MT-7".to_owned(),
            title: "Paint it".to_owned(),
            attempt_id: "i-a8".to_owned(),
            attempt: None,
            phase: "blocked",
            ..running_row()
        },
        questions: BTreeMap::from([("n:3".to_owned(), asked)]),
        waiting_for_slot: false,
    }
}

fn retry_row() -> RetryRow {
    RetryRow {
        issue_id: "def456".to_owned(),
        identifier: "MT-650".to_owned(),
        url: Some("https://tracker.example/issues/MT-650".to_owned()),
        state: "Todo".to_owned(),
        attempt: Some(3),
        kind: RetryKind::Failure,
        error: Some("no available orchestrator slots".to_owned()),
        due_at_ms: NOW + 30_000,
        waiting_for_slot: false,
    }
}

fn held_row() -> HeldRow {
    HeldRow {
        issue_id: "h1".to_owned(),
        identifier: "MT-8".to_owned(),
        url: None,
        reason: "stopped by an operator".to_owned(),
        since_ms: NOW - 3_600_000,
    }
}

/// One of everything.
pub(crate) fn overview() -> Overview {
    let snapshot = Snapshot {
        at_ms: NOW - 2_000,
        running: vec![running_row()],
        retrying: vec![retry_row()],
        blocked: vec![blocked_row()],
        held: vec![held_row()],
        waiting: BTreeMap::from([("eligible".to_owned(), 4), ("not_dispatchable".to_owned(), 1)]),
        totals: TotalsRow {
            usage: usage(5_000, 2_400),
            seconds_running: 1_834.5,
            attempts: 9,
            completed: 5,
            failed: 1,
            stopped: 1,
        },
        rate_limits: None,
        last_poll_ms: Some(NOW - 10_000),
        poll_error: None,
        reconcile_error: None,
        next_poll_ms: Some(NOW + 20_000),
        workflow_error: None,
        paused: false,
        shutdown: None,
        slots_used: 1,
        slots: 2,
    };
    Overview {
        now_ms: NOW,
        snapshot,
        live: BTreeMap::from([("abc123".to_owned(), live_row())]),
        finished: vec![FinishedRow {
            issue_id: "f1".to_owned(),
            identifier: "MT-1".to_owned(),
            state: "Done".to_owned(),
            attempts: 2,
            result: Some("completed".to_owned()),
            last_error: Some("the agent ended: exit code 1".to_owned()),
            total_tokens: 1_234_567,
            ran_ms: 61_000,
        }],
        workflow: "/srv/WORKFLOW.md".into(),
        config_error: None,
        problems: Vec::new(),
    }
}

/// Nothing at all, as after a start.
pub(crate) fn nothing() -> Overview {
    Overview {
        now_ms: NOW,
        snapshot: Machine::new().snapshot(NOW),
        live: BTreeMap::new(),
        finished: Vec::new(),
        workflow: "/srv/WORKFLOW.md".into(),
        config_error: None,
        problems: Vec::new(),
    }
}

/// Everything that can be wrong.
pub(crate) fn troubled() -> Overview {
    let mut overview = overview();
    overview.snapshot.poll_error = Some("the tracker did not answer".to_owned());
    overview.snapshot.workflow_error = Some("WORKFLOW.md:3: no such key".to_owned());
    overview.config_error = Some("WORKFLOW.md:3: no such key".to_owned());
    overview.problems = vec![RecordProblem {
        place: "/srv/issues/a.md".into(),
        line: Some(4),
        message: "it has no title".to_owned(),
    }];
    overview
}

fn history() -> IssueHistory {
    serde_json::from_value(json!({
        "identifier": "MT-649",
        "state": "In Progress",
        "attempts_started": 2,
        "completed": false,
        "last_error": "the agent was silent for 300000 ms",
        "attempts": [{
            "attempt_id": "i-a3",
            "attempt": null,
            "thread_id": "thread-0",
            "result": "failed",
            "failure": { "category": "stalled", "error": "the agent was silent for 300000 ms" },
            "turns": 3,
            "usage": usage(10, 5),
            "ran_ms": 400_000,
            "evidence": { "v": 1, "turns": 3 },
        }],
        "touched_ms": NOW,
    }))
    .unwrap()
}

fn view(identifier: &str, id: &str, status: &'static str) -> IssueView {
    IssueView {
        issue_id: id.to_owned(),
        identifier: identifier.to_owned(),
        status,
        running: None,
        blocked: None,
        retry: None,
        held: None,
        history: None,
        why: Why { reason: status, detail: "as it is".to_owned(), rule: "Symphony §7.1".into() },
    }
}

fn report(view: IssueView) -> IssueReport {
    IssueReport {
        workspace: format!("/srv/workspaces/{}", view.identifier).into(),
        view,
        live: None,
        events: Vec::new(),
        logs: Vec::new(),
    }
}

fn running_report() -> IssueReport {
    let log = |label: &str, attempt: &str| SessionLog {
        label: label.to_owned(),
        attempt_id: attempt.to_owned(),
        journal: format!("/srv/sessions/{attempt}/journal").into(),
        stderr: format!("/srv/sessions/{attempt}/stderr.log").into(),
    };
    let entry = |ago_ms: u64, event: &str, message: &str| TailEntry {
        at_ms: NOW - ago_ms,
        event: event.to_owned(),
        message: message.to_owned(),
    };
    IssueReport {
        live: Some(live_row()),
        events: vec![
            entry(62_000, "turn_started", ""),
            entry(31_000, "notification", "Working on tests"),
        ],
        logs: vec![log("latest", "i-a7"), log("i-a3", "i-a3")],
        ..report(IssueView {
            running: Some(running_row()),
            history: Some(history()),
            ..view("MT-649", "abc123", "running")
        })
    }
}

fn blocked_report() -> IssueReport {
    report(IssueView { blocked: Some(blocked_row()), ..view("MT-7", "q1", "blocked") })
}

fn held_report() -> IssueReport {
    report(IssueView { held: Some(held_row()), ..view("MT-8", "h1", "held") })
}

fn released_report() -> IssueReport {
    report(view("MT-1", "f1", "released"))
}
