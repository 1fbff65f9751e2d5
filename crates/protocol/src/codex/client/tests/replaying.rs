//! Replay: a journal cut anywhere and gone on with is as good as one that was never cut.

use proptest::prelude::*;

use super::*;

#[test]
fn an_empty_journal_is_a_start() {
    let replayed = Client::replay(options(), []);
    let mut fresh = Client::new(options());
    assert_eq!(replayed.outputs, fresh.start());
    assert_eq!((replayed.client, replayed.events), (fresh, Vec::new()));
}

#[test]
fn what_was_decided_but_not_written_is_owed() {
    let mut session = Session::new(options());
    session.hear(json!({"id": 0, "result": {}}));
    // initialize, its answer, initialized; thread/start was not written any more.
    let journal = session.journal[..3].to_vec();
    let replayed = Client::replay(options(), journal);
    let sends: Vec<Value> = sends(&replayed.outputs);
    assert_eq!(sends.len(), 1);
    assert_eq!(sends[0]["method"], "thread/start");
    assert!(
        replayed.outputs.contains(&Output::SetTimer { id: TimerId::Response(1), after_ms: 5_000 })
    );
}

#[test]
fn open_requests_come_back_and_answered_ones_do_not() {
    let mut session = Session::in_turn(options());
    session.ask(0, "item/tool/call", json!({"tool": "issue_update", "callId": "a"}));
    session.answer(0, Answer::Tool { success: true, text: "x".to_owned() }).unwrap();
    session.ask(1, "item/tool/call", json!({"tool": "issue_update", "callId": "b"}));
    session.ask(2, "item/tool/requestUserInput", json!({"questions": []}));
    let mut replayed = Client::replay(options(), session.journal.clone());
    assert_eq!(replayed.client, session.client);
    assert_eq!(sends(&replayed.outputs), Vec::<Value>::new());
    let again: Vec<&Event> = replayed
        .outputs
        .iter()
        .filter_map(|output| if let Output::Event(event) = output { Some(event) } else { None })
        .collect();
    assert!(
        matches!(again[..], [Event::TurnStarted { .. }, Event::ToolCall(call), Event::InputRequired(_)] if call.call_id == "b")
    );
    let key = RequestKey::of(&1.into());
    replayed.client.answer(&key, Answer::Tool { success: true, text: "y".to_owned() }).unwrap();
}

#[test]
fn the_host_learns_where_the_session_stands() {
    let stands = |session: &Session| {
        let replayed = Client::replay(options(), session.journal.clone());
        let events = replayed.outputs.into_iter().filter_map(|output| match output {
            Output::Event(event) => Some(event.name()),
            _ => None,
        });
        events.collect::<Vec<_>>()
    };
    let mut session = Session::ready(options());
    assert_eq!(stands(&session), ["session_started"]);
    session.turn("go");
    assert_eq!(stands(&session), [""; 0]);
    session.hear(json!({"id": 1 << 20, "result": {"turn": {"id": "t1"}}}));
    assert_eq!(stands(&session), ["turn_started"]);
    session.finish("t1", "failed");
    assert_eq!(stands(&session), ["turn_failed"]);
    session.turn("again");
    assert_eq!(stands(&session), [""; 0]);
}

fn sends(outputs: &[Output]) -> Vec<Value> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send(line) => Some(serde_json::from_slice(line).unwrap()),
            _ => None,
        })
        .collect()
}

/// What may happen to a session.
#[derive(Clone, Debug)]
enum Act {
    Hear(Value),
    Turn,
    Steer,
    Interrupt,
    Answer(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let turn = || 1u64..4;
    let say = |method: &'static str| {
        turn().prop_map(move |n| {
            let (id, thread) = (format!("t{n}"), "th");
            let status = ["completed", "failed", "interrupted"][n as usize % 3];
            let total = json!({"inputTokens": n, "outputTokens": 1});
            let params = json!({"threadId": thread, "turnId": id, "turn": {"id": id, "status": status},
                "item": {"type": "agentMessage", "id": "i", "text": id}, "requestId": n,
                "tokenUsage": {"total": total}, "error": {"message": id}});
            Act::Hear(json!({"method": method, "params": params}))
        })
    };
    let ask = |method: &'static str| {
        turn().prop_map(move |id| {
            let params =
                json!({"threadId": "th", "tool": "issue_update", "callId": "c", "questions": []});
            Act::Hear(json!({"id": id, "method": method, "params": params}))
        })
    };
    prop_oneof![
        3 => Just(Act::Turn),
        1 => Just(Act::Steer),
        1 => Just(Act::Interrupt),
        3 => turn().prop_map(Act::Answer),
        3 => (turn(), 0u64..3).prop_map(|(n, kind)| {
            Act::Hear(json!({"id": (n << 20) + kind, "result": {"turn": {"id": format!("t{n}")}}}))
        }),
        1 => turn().prop_map(|n| Act::Hear(json!({"id": n << 20, "error": {"message": "no"}}))),
        1 => Just(Act::Hear(json!({"id": 0, "result": {}}))),
        4 => say("turn/completed"),
        2 => say("turn/started"),
        1 => say("item/completed"),
        1 => say("thread/tokenUsage/updated"),
        1 => say("serverRequest/resolved"),
        1 => say("error"),
        2 => ask("item/tool/call"),
        2 => ask("item/tool/requestUserInput"),
        1 => ask("item/commandExecution/requestApproval"),
        1 => ask("made/up"),
    ]
}

impl Session {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Hear(message) => self.hear(message.clone()),
            Act::Turn => {
                if let Ok(out) = self.client.turn("go") {
                    self.perform(out);
                }
            }
            Act::Steer => {
                if let Ok(out) = self.client.steer("more") {
                    self.perform(out);
                }
            }
            // A wish for a turn that is not active leaves no trace in the journal, by contract.
            Act::Interrupt => {
                if self.client.turn.as_ref().is_some_and(|turn| turn.active) {
                    let out = self.client.interrupt();
                    self.perform(out);
                }
            }
            Act::Answer(id) => {
                let tool = Answer::Tool { success: true, text: "ok".to_owned() };
                if self.answer(*id, tool).is_err() {
                    let _ = self.answer(*id, Answer::Decline);
                }
            }
        }
    }
}

fn scripted(on_input_required: OnInputRequired, acts: &[Act]) -> Session {
    let mut session = Session::new(Options {
        on_input_required,
        approval_policy: json!("on-request"),
        ..options()
    });
    session.hear(json!({"id": 0, "result": {}}));
    session.hear(json!({"id": 1, "result": {"thread": {"id": "th"}, "model": "m"}}));
    for act in acts {
        session.act(act);
    }
    session
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_whole_journal_gives_the_same_client_and_owes_nothing(
        fail in any::<bool>(),
        acts in prop::collection::vec(act(), 0..40),
    ) {
        let policy = if fail { OnInputRequired::Fail } else { OnInputRequired::Block };
        let session = scripted(policy, &acts);
        let replayed = Client::replay(session.client.options().clone(), session.journal.clone());
        prop_assert_eq!(&replayed.client, &session.client);
        prop_assert_eq!(&replayed.events, &session.events);
        prop_assert_eq!(sends(&replayed.outputs), Vec::<Value>::new());
        let timers: BTreeMap<TimerId, u64> = replayed.outputs.iter().filter_map(|output| match output {
            Output::SetTimer { id, after_ms } => Some((id.clone(), *after_ms)),
            _ => None,
        }).collect();
        prop_assert_eq!(&timers, &session.timers);
    }

    #[test]
    fn a_cut_journal_is_gone_on_with_and_nothing_is_sent_twice(
        fail in any::<bool>(),
        acts in prop::collection::vec(act(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let policy = if fail { OnInputRequired::Fail } else { OnInputRequired::Block };
        let session = scripted(policy, &acts);
        let cut = cut.index(session.journal.len() + 1);
        let replayed = Client::replay(session.client.options().clone(), session.journal[..cut].to_vec());
        // What is owed is what the uncut session wrote next, before it heard anything more.
        let mut journal = session.journal[..cut].to_vec();
        for message in sends(&replayed.outputs) {
            let next = &session.journal[journal.len()];
            prop_assert_eq!(next, &(Direction::ToAgent, Line::data(message.to_string())));
            journal.push(next.clone());
        }
        // And from there on both see the same.
        let whole: Vec<_> = journal.iter().chain(&session.journal[journal.len()..]).cloned().collect();
        let end = Client::replay(session.client.options().clone(), whole);
        prop_assert_eq!(&end.client, &session.client);
        let mut live = replayed.client;
        let mut own: Vec<Value> = Vec::new();
        for (direction, line) in &session.journal[journal.len()..] {
            let Line::Data(bytes) = line else { unreachable!() };
            match direction {
                Direction::FromAgent => own.extend(sends(&live.received(line))),
                // The client noted its own messages when it made them; the rest are the host's.
                Direction::ToAgent => {
                    let message: Value = serde_json::from_slice(bytes).unwrap();
                    match own.iter().position(|own| *own == message) {
                        Some(at) => drop(own.remove(at)),
                        None => drop(live.sent(&Message::parse(bytes))),
                    }
                }
            }
        }
        prop_assert_eq!(own, Vec::<Value>::new());
        prop_assert_eq!(&live, &session.client);
    }

    #[test]
    fn no_order_of_events_breaks_the_rules(
        fail in any::<bool>(),
        acts in prop::collection::vec(act(), 0..60),
    ) {
        let policy = if fail { OnInputRequired::Fail } else { OnInputRequired::Block };
        let session = scripted(policy, &acts);
        let count = |wanted: fn(&Event) -> bool| session.events.iter().filter(|e| wanted(e)).count();
        let begun = count(|event| matches!(event, Event::TurnRequested { .. }));
        let ended = count(|event| matches!(event, Event::TurnEnded(_)));
        prop_assert_eq!(begun - ended, usize::from(session.client.running_turn().is_some()));
        let handed = count(|event| matches!(event, Event::ToolCall(_)))
            + count(|event| matches!(event, Event::InputRequired(input) if input.waiting));
        let closed = count(|event| matches!(event, Event::RequestClosed { .. }));
        prop_assert_eq!(handed - closed, session.client.asked.len());
        let mut ids: Vec<String> = session.sent.iter().filter(|m| m.get("method").is_some() && m.get("id").is_some())
            .map(|m| m["id"].to_string()).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), all);
    }
}
