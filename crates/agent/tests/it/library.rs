//! A session as a part of a larger program: what its host can give it, keep of it and change.

use std::sync::{Arc, Mutex};

use canon_agent::{
    EventData, Input, Journal, JournalError, Session, SessionOptions, Status, ToolOutput, Turn,
};
use canon_llm::{ContentPart, ImageData, Role};
use serde_json::json;

use crate::support::{Does, Place, calls, kinds, run, says, shell};

#[tokio::test]
async fn an_input_with_a_picture_reaches_the_model_and_the_history() {
    let place = Place::new();
    let mut session = place.session(&[says("a cat"), says("still a cat")]);
    let picture = ImageData { data: Some(vec![1, 2, 3]), ..ImageData::default() };
    let input = Input::new("what is this?").with_image(picture.clone());
    let mut events = Vec::new();
    session.run_to_idle(input, |event| events.push(event.data.clone())).await.unwrap();
    assert!(events.contains(&EventData::UserInput { content: "what is this?".into(), images: 1 }));
    session.run_to_idle("sure?", |_| {}).await.unwrap();
    let users = place.requests.last(Role::User);
    let parts = [ContentPart::text("what is this?"), ContentPart::image(picture.clone())];
    assert_eq!(users[0].content, parts);
    let history = session.history().await.unwrap();
    assert!(matches!(&history[0], Turn::User { images, .. } if *images == [picture]));
    let json = serde_json::to_string(&history).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Turn>>(&json).unwrap(), history);
}

/// Keeps turns as lines, until it is full.
#[derive(Clone)]
struct Lines {
    kept: Arc<Mutex<Vec<String>>>,
    room: usize,
}

impl Lines {
    fn with_room(room: usize) -> Self {
        Self { kept: Arc::default(), room }
    }

    fn turns(&self) -> Vec<Turn> {
        let kept = self.kept.lock().unwrap();
        kept.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Journal for Lines {
    fn record(&self, turn: &Turn) -> Result<(), JournalError> {
        let mut kept = self.kept.lock().unwrap();
        if kept.len() == self.room {
            return Err(JournalError::new("no space left in lines"));
        }
        kept.push(serde_json::to_string(turn).unwrap());
        Ok(())
    }
}

fn journaled(place: &Place, entries: &[serde_json::Value], journal: &Lines) -> SessionOptions {
    let mut options = place.options(entries);
    options.journal = Some(Arc::new(journal.clone()));
    options
}

#[tokio::test]
async fn a_turn_is_kept_before_anything_that_follows_from_it() {
    let place = Place::new();
    let journal = Lines::with_room(100);
    let entries = [calls(&[("look", json!({}))]), says("done")];
    let mut options = journaled(&place, &entries, &journal);
    let seen = Arc::new(Mutex::new(0));
    let (kept, count) = (journal.clone(), Arc::clone(&seen));
    options.extra_tools = vec![Arc::new(Does("look", move || {
        *count.lock().unwrap() = kept.turns().len();
        ToolOutput::ok("looked")
    }))];
    let mut session = Session::new(options).unwrap();
    run(&mut session, "go").await;
    assert_eq!(*seen.lock().unwrap(), 2, "the input and the reply that called the tool");
    assert_eq!(journal.turns(), session.history().await.unwrap());
}

#[tokio::test]
async fn a_conversation_that_cannot_be_kept_does_not_go_on() {
    // Which turn cannot be kept: the input, the reply with the call, or the call's results.
    for (room, asked, ran) in [(0, 0, false), (1, 1, false), (2, 1, true)] {
        let place = Place::new();
        let entries = [shell("touch ran"), says("done")];
        let options = journaled(&place, &entries, &Lines::with_room(room));
        let mut session = Session::new(options).unwrap();
        let (outcome, events) = run(&mut session, "go").await;
        assert!(
            matches!(&outcome.status, Status::Failed { code, message }
                if code == "journal" && message.contains("no space left in lines")),
            "{outcome:?}"
        );
        assert_eq!(place.requests.all().len(), asked);
        assert_eq!(place.path("ran").exists(), ran);
        assert_eq!(kinds(&events)[events.len() - 2..], ["error", "session_end"]);
    }
}

#[tokio::test]
async fn a_journal_that_was_cut_off_anywhere_can_be_gone_on_with() {
    let place = Place::new();
    let journal = Lines::with_room(100);
    let entries = [shell("echo one"), shell("echo two"), says("first")];
    run(&mut Session::new(journaled(&place, &entries, &journal)).unwrap(), "go").await;
    let turns = journal.turns();
    assert_eq!(turns.len(), 6);
    for length in 0..=turns.len() {
        let mut options = place.options(&[says("second")]);
        options.history = turns[..length].to_vec();
        options.config.max_turns = 1;
        let (outcome, _) = run(&mut Session::new(options).unwrap(), "and now?").await;
        // The new work alone counts against limits; what was before is beside it.
        assert_eq!((outcome.status, outcome.turns), (Status::Completed, 1), "cut at {length}");
        let replies =
            turns[..length].iter().filter(|turn| matches!(turn, Turn::Assistant(_))).count();
        let earlier = outcome.earlier.map_or((0, None), |sum| (sum.turns as usize, sum.cost_usd));
        assert_eq!(earlier, (replies, (replies > 0).then_some(0.0)), "cut at {length}");
    }
}
