//! A session as a part of a larger program: what its host can give it, keep of it and change.

use std::sync::{Arc, Mutex};

use canon_agent::{
    EventData, Family, Input, Journal, JournalError, Limit, Profile, Session, SessionOptions,
    Status, ToolOutput, Turn,
};
use canon_llm::{ContentPart, ImageData, Role};
use futures_util::StreamExt as _;
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

#[allow(dead_code)] // its `main` is for people
#[path = "../../examples/host.rs"]
mod host;

#[tokio::test]
async fn a_host_fits_in_forty_lines() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(host::host(directory.path()).await.unwrap(), "Here.");
    let code = include_str!("../../examples/host.rs");
    let lines = code.lines().filter(|line| !line.is_empty() && !line.starts_with("//")).count();
    assert!(lines <= 40, "{lines} lines");
    let page = include_str!("../../../../docs/agent.md");
    let shown = &code[code.find("async fn host").unwrap()..code.find("#[tokio::main]").unwrap()];
    assert!(page.contains(shown.trim()), "docs/agent.md shows another host");
}

#[tokio::test]
async fn loop_9_10_events_come_as_a_stream() {
    let place = Place::new();
    let session = place.session(&[says("hello")]);
    session.submit("go").unwrap();
    session.close().unwrap();
    let events: Vec<EventData> = session.map(|event| event.data).collect().await;
    let seen = kinds(&events);
    assert_eq!((seen[0], seen[seen.len() - 1]), ("session_start", "session_end"));
}

#[tokio::test]
async fn a_profile_brings_its_tools_and_its_prompt_and_the_hosts_tools_stay() {
    let place = Place::new();
    let mut options = place.options(&[says("one"), says("two"), says("three")]);
    options.profile = Profile::of_family(Family::OpenAi, "scripted", "first");
    options.extra_tools = vec![Arc::new(Does("own", || ToolOutput::ok("mine")))];
    let mut session = Session::new(options).unwrap();
    run(&mut session, "go").await;
    let other = session.handle();
    let mut profile = Profile::of_family(Family::Anthropic, "scripted", "second");
    profile.base_instructions = "Another self.".to_owned();
    other.set_profile(profile).unwrap();
    other.remove_tool("own").unwrap();
    run(&mut session, "go").await;
    session.add_tool(Arc::new(Does("own", || ToolOutput::ok("mine again")))).unwrap();
    run(&mut session, "go").await;
    let seen = place.requests.all();
    let names = |at: usize| -> Vec<String> {
        seen[at].tools.iter().map(|tool| tool.name.clone()).collect()
    };
    let has = |at: usize, name: &str| names(at).iter().any(|known| known == name);
    assert_eq!((seen[0].model.as_str(), seen[1].model.as_str()), ("first", "second"));
    assert!(has(0, "apply_patch") && !has(1, "apply_patch"), "{:?}", names(1));
    assert_eq!([0, 1, 2].map(|at| has(at, "own")), [true, false, true]);
    assert!(!place.requests.system(0).contains("Another self."));
    assert!(place.requests.system(1).starts_with("Another self."));
    // The conversation goes on.
    assert_eq!(place.requests.last(Role::Assistant).len(), 2);
}

#[tokio::test]
async fn ruling_the_system_prompt_is_built_once() {
    let place = Place::new();
    place.write("AGENTS.md", "before");
    let mut session = place.session(&[says("one"), says("two")]);
    run(&mut session, "go").await;
    place.write("AGENTS.md", "after");
    session.set_model("scripted", "another").unwrap();
    session.set_reasoning_effort(Some("low".to_owned())).unwrap();
    run(&mut session, "go").await;
    assert!(place.requests.system(0).contains("before"));
    assert_eq!(place.requests.system(0), place.requests.system(1));
}

#[tokio::test]
async fn limits_change_between_inputs() {
    let place = Place::new();
    let mut session = place.session(&[says("one"), says("two")]);
    run(&mut session, "go").await;
    let other = session.handle();
    other.configure(|config| config.max_turns = 1).unwrap();
    assert_eq!(session.config().max_turns, 1);
    let (outcome, _) = run(&mut session, "go").await;
    assert_eq!(outcome.status, Status::Limit { limit: Limit::Turns });
    session.configure(|config| config.max_turns = 0).unwrap();
    assert_eq!(run(&mut session, "go").await.0.text, "two");
}

#[tokio::test]
async fn the_place_where_tools_work_can_be_swapped() {
    let (here, there) = (Place::new(), Place::new());
    let mut session = here.session(&[
        shell("echo first > f"),
        says("one"),
        shell("echo second > f"),
        says("two"),
    ]);
    run(&mut session, "go").await;
    session.set_environment(there.env()).unwrap();
    let (_, events) = run(&mut session, "go on").await;
    assert_eq!((here.read("f"), there.read("f")), ("first\n".to_owned(), "second\n".to_owned()));
    let told = there.env().working_directory().display().to_string();
    assert!(events.iter().any(|event| {
        matches!(event, EventData::SteeringInjected { content, .. } if content.contains(&told))
    }));
}

#[tokio::test]
async fn what_is_told_goes_into_the_work_or_begins_some() {
    let place = Place::new();
    let mut session = place.session(&[
        calls(&[("tell", json!({}))]),
        json!({"when": {"last_user": "look left"}, "reply": {"text": "left"}}),
        json!({"when": {"last_user": "look right"}, "reply": {"text": "right"}}),
    ]);
    let handle = session.handle();
    let tell = Does("tell", move || {
        handle.tell("look left").unwrap();
        ToolOutput::ok("told")
    });
    session.add_tool(Arc::new(tell)).unwrap();
    assert_eq!(run(&mut session, "go").await.0.text, "left");
    session.tell("look right").unwrap();
    while let Some(event) = session.next_event().await {
        if let EventData::ProcessingEnd { outcome, .. } = event.data {
            assert_eq!(outcome.text, "right");
            return;
        }
    }
    panic!("it never worked on what it was told");
}
