//! The daemon goes and comes back while the agent stays.

use canon_protocol::codex::client::{Answer, Event, TurnOutcome};
use canon_testkit::app_server::{Status, Step};
use serde_json::json;

use crate::drive::Host;
use crate::fake::{assert_no_violations, command, one_turn, options};

#[test]
fn a_turn_survives_a_new_daemon_after_every_event() {
    let dir = tempfile::tempdir().unwrap();
    let steps = vec![
        Step::Message { text: "one two".to_owned(), deltas: 2 },
        Step::Tool {
            tool: "issue_update".to_owned(),
            arguments: json!({"state": "done"}),
            success: Some(true),
        },
        Step::UserInput { questions: [("q".to_owned(), "which?".to_owned())].into() },
        Step::ApproveCommand { command: "rm x".to_owned(), decision: Some("decline".to_owned()) },
        Step::Usage { input: 3, output: 2, cached: 0 },
    ];
    let mut host =
        Host::start(command(&dir, &one_turn(steps, Status::Completed)), options(dir.path()));
    let mut turn_asked = false;
    let mut ended = None;
    let mut started = false;
    while ended.is_none() {
        let event = host.next().expect("the agent stays");
        // Told again by the restart that followed it.
        if matches!(event, Event::TurnStarted { .. }) && std::mem::replace(&mut started, true) {
            continue;
        }
        match event {
            Event::SessionStarted { .. } if !turn_asked => {
                turn_asked = true;
                host.turn("go");
            }
            // Told again after each restart until it is answered; a late answer is refused.
            Event::ToolCall(call) => {
                let _ =
                    host.answer(&call.key, Answer::Tool { success: true, text: "{}".to_owned() });
            }
            Event::InputRequired(input) => {
                let _ = host.answer(&input.key, Answer::Text { text: "a".to_owned() });
            }
            Event::TurnEnded(end) => ended = Some(end),
            _ => {}
        }
        host.restart_daemon();
    }
    let end = ended.unwrap();
    assert_eq!((end.outcome, end.usage.total_tokens), (TurnOutcome::Completed, 5), "{end:?}");
    assert_eq!(host.close().code, Some(0));
    assert_no_violations(&dir);
}
