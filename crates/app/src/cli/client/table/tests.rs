use serde_json::json;

use super::*;

fn state() -> Value {
    json!({
        "generated_at": "2026-02-24T20:15:30Z",
        "counts": { "running": 1, "retrying": 1, "blocked": 1, "held": 1 },
        "running": [{
            "issue_identifier": "MT-649", "state": "In Progress", "turn_count": 7,
            "started_at": "2026-02-24T20:10:12Z", "last_event": "notification",
            "last_message": "Working on \u{1b}[31mtests", "tokens": { "total_tokens": 2000 },
        }],
        "blocked": [{
            "issue_identifier": "MT-7", "state": "Todo", "turn_count": 1,
            "started_at": "2026-02-24T20:15:00Z", "tokens": { "total_tokens": 10 },
            "waiting_for_slot": false,
            "questions": [
                { "request": "r1", "text": "which\ncolour?", "answered": false },
                { "request": "r2", "text": "sure?", "answered": false },
                { "request": "r3", "text": "done", "answered": true },
            ],
        }],
        "retrying": [{
            "issue_identifier": "MT-650", "state": "Todo", "attempt": 3,
            "due_at": "2026-02-24T20:16:00Z", "error": "no available orchestrator slots",
            "waiting_for_slot": false,
        }],
        "held": [{ "issue_identifier": "MT-8", "reason": "x".repeat(100), "since": "2026-02-24T19:15:30Z" }],
        "finished": [{
            "issue_identifier": "MT-9", "state": "Done", "attempts": 2, "result": "completed",
            "last_error": "long past", "total_tokens": 5, "ran_ms": 61_000,
        }],
        "waiting": { "eligible": 4, "not_dispatchable": 1 },
        "codex_totals": { "total_tokens": 7400, "seconds_running": 1834.2 },
        "slots": { "used": 1, "total": 2 },
        "paused": true,
        "shutdown": null,
        "health": {
            "poll_error": "no answer", "workflow_error": "line 3", "config_error": "line 3",
            "problems": [{ "place": "issues/a.md", "line": 4, "message": "no title" }],
        },
    })
}

const LAST: &str = "MT-9    completed  Done                     5   1 min 1 s  2 attempts";

#[test]
fn every_issue_has_its_line() {
    let lines = lines(&state());
    let expected = "\
1 running, 1 blocked, 1 retrying, 1 held, 1 of 2 slots, 7400 tokens, 30 min 34 s of work, 4 waiting, paused

ISSUE   STATUS     STATE        TURNS  TOKENS        TIME  DETAIL
MT-7    blocked    Todo             1      10        30 s  [r1] which colour?; [r2] sure?
MT-649  running    In Progress      7    2000  5 min 18 s  notification: Working on  [31mtests
MT-650  retrying   Todo                              30 s  attempt 3: no available orchestrator slots
MT-8    held                                          1 h  ";
    let expected = format!("{expected}{}…\n{LAST}", "x".repeat(72));
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn what_needs_a_person_is_said_once() {
    assert_eq!(
        troubles(&state()),
        ["tracker: no answer", "workflow file: line 3", "issues/a.md:4: no title"]
    );
}

#[test]
fn a_daemon_with_nothing_to_do_has_one_line() {
    assert_eq!(lines(&json!({})).len(), 1);
    assert!(troubles(&Value::Null).is_empty());
}

#[test]
fn nothing_reaches_the_terminal_that_it_would_act_on() {
    assert_eq!(plain("a\u{1b}]0;x\u{7}\u{202e}b\tc\u{9b}d"), "a ]0;x  b c d");
}
