use serde_json::json;

use super::super::options::ApprovalMode;
use super::*;

fn progress(notices: bool) -> Progress {
    let gate = Arc::new(Gate::new(ApprovalMode::AcceptEdits));
    Progress::new(Places::plain("/w"), gate, Shows { notices, terminals: false })
}

fn at(timestamp: u64, data: EventData) -> SessionEvent {
    SessionEvent { timestamp, session_id: "s".to_owned(), data }
}

fn take(progress: &mut Progress, data: EventData) -> Vec<SessionUpdate> {
    progress.take(&at(1, data))
}

fn said(updates: &[SessionUpdate]) -> (String, String) {
    match updates {
        [SessionUpdate::AgentMessageChunk(chunk) | SessionUpdate::AgentThoughtChunk(chunk)] => {
            let ContentBlock::Text { text } = &chunk.content else { panic!("{chunk:?}") };
            (text.clone(), chunk.message_id.clone().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

fn delta(text: &str) -> EventData {
    EventData::AssistantTextDelta { delta: text.to_owned() }
}

fn end(text: &str) -> EventData {
    EventData::AssistantTextEnd { text: text.to_owned(), reasoning: None, response_id: None }
}

fn start(tool: &str, arguments: Value) -> EventData {
    EventData::ToolCallStart { tool_name: tool.to_owned(), call_id: "c".to_owned(), arguments }
}

fn status(updates: &[SessionUpdate]) -> Option<ToolStatus> {
    match updates {
        [SessionUpdate::ToolCall(call) | SessionUpdate::ToolCallUpdate(call)] => call.status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pieces_of_a_message_share_an_id_and_the_next_message_has_another() {
    let mut progress = progress(false);
    let thought = take(&mut progress, EventData::ReasoningDelta { delta: "hm".to_owned() });
    assert!(matches!(thought[..], [SessionUpdate::AgentThoughtChunk(_)]));
    let (first, id) = said(&take(&mut progress, delta("a")));
    let (second, same) = said(&take(&mut progress, delta("b")));
    assert_eq!((first.as_str(), second.as_str()), ("a", "b"));
    assert_eq!(id, same);
    assert!(take(&mut progress, end("ab")).is_empty());
    let (_, other) = said(&take(&mut progress, delta("c")));
    assert_ne!(id, other);
}

#[test]
fn a_text_that_was_not_streamed_is_said_at_its_end() {
    let mut progress = progress(false);
    assert_eq!(said(&take(&mut progress, end("whole"))).0, "whole");
    assert!(take(&mut progress, end("")).is_empty());
}

#[test]
fn a_call_waits_for_permission_only_where_it_is_asked_for() {
    let mut progress = progress(false);
    let command = take(&mut progress, start("shell", json!({ "command": "ls" })));
    assert_eq!(status(&command), Some(ToolStatus::Pending));
    let edit = json!({ "file_path": "a", "old_string": "x", "new_string": "y" });
    let edit = take(&mut progress, start("edit_file", edit));
    assert_eq!(status(&edit), Some(ToolStatus::InProgress));
}

#[test]
fn live_output_is_bounded_in_size_and_in_number() {
    let mut progress = progress(false);
    take(&mut progress, start("shell", json!({ "command": "yes" })));
    let output = |delta: &str| EventData::ToolCallOutputDelta {
        call_id: "c".to_owned(),
        delta: delta.to_owned(),
    };
    let mut shown = Vec::new();
    for time in 1000..3000 {
        shown.extend(progress.take(&at(time, output("ééééé\n"))));
    }
    assert_eq!(shown.len(), 4);
    let text = serde_json::to_string(&shown[3]).unwrap();
    assert!(text.len() < LIVE_LIMIT * 2, "{}", text.len());
}

#[test]
fn what_breaks_off_is_ended() {
    let mut progress = progress(false);
    take(&mut progress, start("shell", json!({ "command": "sleep 9" })));
    assert_eq!(status(&progress.close()), Some(ToolStatus::Failed));
    assert!(progress.close().is_empty());
}

#[test]
fn words_of_the_session_are_notices_where_the_client_has_them() {
    let warning = |code| EventData::Warning { code, message: "again".to_owned() };
    let mut plain = progress(false);
    assert!(take(&mut plain, warning(WarningCode::ModelRetry)).is_empty());
    let told = take(&mut plain, warning(WarningCode::ReplyDiscarded));
    assert!(said(&told).0.contains("again"));
    let told = take(&mut progress(true), warning(WarningCode::ModelRetry));
    assert!(matches!(told[..], [SessionUpdate::Notice { .. }]), "{told:?}");
}

#[test]
fn a_reply_that_is_made_again_is_another_message() {
    let mut progress = progress(true);
    let (_, first) = said(&take(&mut progress, delta("half")));
    let discarded =
        EventData::Warning { code: WarningCode::ReplyDiscarded, message: "m".to_owned() };
    take(&mut progress, discarded);
    let (_, second) = said(&take(&mut progress, delta("whole")));
    assert_ne!(first, second);
}
