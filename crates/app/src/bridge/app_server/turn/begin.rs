//! How turns begin, and what enters those that run.

use std::sync::Arc;

use canon_agent::SessionState;
use canon_protocol::codex::server::call::{TurnStart, TurnSteer};
use canon_protocol::codex::server::outgoing::{self, Outgoing, ThreadItem, Turn, TurnScope};
use canon_protocol::jsonrpc::{Id, RpcError};
use canon_runtime::{clock, id};
use serde_json::{Value, json};

use super::end::{Form, seconds};
use super::items::Items;
use super::{Running, Turns};
use crate::bridge::app_server::history::BEGINS;
use crate::bridge::app_server::input::{self, Given};
use crate::bridge::app_server::invalid;
use crate::bridge::app_server::settings::refuse_context;

impl Turns {
    pub(super) async fn start(&mut self, id: Id, start: TurnStart) {
        let (turn, given) = match self.begin(&start).await {
            Ok(begun) => begun,
            Err(error) => return self.thread.host.out.answer(&id, Err(error)).await,
        };
        self.thread.host.out.answer(&id, Ok(outgoing::turn_result(&turn))).await;
        // A second start during a turn joins that turn.
        let Some(given) = given else { return };
        self.show_status().await;
        let scope = self.scope(&turn.id);
        let begun = scope.started(&turn);
        let item = said(given, scope, clock::now_ms());
        for notification in std::iter::once(begun).chain(item) {
            self.notify(notification).await;
        }
    }

    /// Gives the input to the session; without the input if it joined a running turn.
    async fn begin(&mut self, start: &TurnStart) -> Result<(Turn, Option<Given>), RpcError> {
        let settings = self.thread.next_settings().with(&self.thread.host.setup, start)?;
        let form = Form::wanted(start.output_schema.as_ref())?;
        let mut given = input::read(&start.input, &settings.cwd).await?;
        given.client_id.clone_from(&start.client_user_message_id);
        self.settle().await;
        if let Some(running) = &self.running {
            if form.is_some() {
                return Err(invalid("outputSchema is of a whole turn, and a turn runs already"));
            }
            let turn = running.turn.clone();
            self.tell(given)?;
            self.thread.want(settings);
            return Ok((turn, None));
        }
        if !self.thread.settings.same_session(&settings) {
            self.end_session().await;
        }
        self.thread.change(settings).await?;
        if self.session.is_none() {
            self.session = Some(self.thread.session().await?);
        }
        let turn = self.open_turn(form.is_some())?;
        if let Some(session) = &self.session {
            let _ = session.set_reasoning_effort(self.thread.settings.effort.clone());
            // Behind the input, of which it is a part for the model alone.
            if let Some(form) = &form {
                let told = session.steer(form.instructions());
                told.map_err(|error| invalid(error.to_string()))?;
            }
            let submitted = session.submit(given.input.clone());
            submitted.map_err(|error| invalid(error.to_string()))?;
        }
        self.run_turn(&turn, form);
        let mut facts = self.thread.facts.lock();
        if facts.thread.preview.is_empty() {
            facts.thread.preview = given.input.text.chars().take(200).collect();
        }
        drop(facts);
        Ok((turn, Some(given)))
    }

    /// A turn that nobody started: what was said into one just before its end makes another.
    pub(super) async fn begin_by_itself(&mut self) {
        let turn = match self.open_turn(false) {
            Ok(turn) => turn,
            // The session keeps its turns in the same file, and says so itself when it cannot.
            Err(error) => {
                tracing::warn!(%error, "the beginning of a turn is not kept");
                Turn::started(id::new("turn"), seconds(clock::now_ms()))
            }
        };
        self.run_turn(&turn, None);
        self.show_status().await;
        self.notify(self.scope(&turn.id).started(&turn)).await;
    }

    fn open_turn(&mut self, formed: bool) -> Result<Turn, RpcError> {
        let turn = Turn::started(id::new("turn"), seconds(clock::now_ms()));
        self.thread.mark_settings()?;
        let begins = json!({ "id": turn.id, "startedAt": turn.started_at, "form": formed });
        self.thread.mark(BEGINS, begins)?;
        self.thread.gate.begin_turn(&turn.id, self.thread.settings.policy.clone());
        Ok(turn)
    }

    fn run_turn(&mut self, turn: &Turn, form: Option<Form>) {
        let now = clock::now_ms();
        self.running = Some(Running {
            turn: turn.clone(),
            started_ms: now,
            items: Items::new(Arc::clone(&self.thread.naming), Arc::clone(&self.thread.gate)),
            error: None,
            interrupted: false,
            diff: String::new(),
            form,
        });
        let mut facts = self.thread.facts.lock();
        facts.running = Some(turn.id.clone());
        facts.thread.updated_at = seconds(now);
    }

    pub(super) async fn steer(&mut self, steer: &TurnSteer) -> Result<Value, RpcError> {
        refuse_context(steer.additional_context.as_ref())?;
        let mut given = input::read(&steer.input, &self.thread.settings.cwd).await?;
        given.client_id.clone_from(&steer.client_user_message_id);
        self.settle().await;
        let turn_id = self.expect(&steer.expected_turn_id, "steer")?.turn.id.clone();
        self.tell(given)?;
        Ok(outgoing::steer_result(&turn_id))
    }

    /// Says something into the turn. Should the session be done before it hears it, it is an input.
    fn tell(&mut self, given: Given) -> Result<(), RpcError> {
        if let Some(session) = &self.session {
            let told = session.tell(given.input.clone());
            told.map_err(|error| invalid(error.to_string()))?;
            self.told.push_back(given);
        }
        Ok(())
    }

    /// A turn whose session is done is over, though its last events are still on their way.
    pub(super) async fn settle(&mut self) {
        while self.running.is_some()
            && let Some(session) = &mut self.session
            && session.state() != SessionState::Processing
        {
            match session.next_event().await {
                Some(event) => self.event(event).await,
                None => self.lost().await,
            }
        }
    }

    /// What was said into the turn entered the conversation.
    pub(super) fn heard(&mut self, content: &str) -> Option<Given> {
        let first = self.told.front().is_some_and(|given| given.input.text == content);
        first.then(|| self.told.pop_front()).flatten()
    }
}

/// The item of a prompt, which is complete when it begins.
pub(super) fn said(given: Given, scope: TurnScope<'_>, at_ms: u64) -> [Outgoing; 2] {
    let Given { parts, client_id, .. } = given;
    let item = ThreadItem::UserMessage { id: id::new("item"), client_id, content: parts };
    [scope.item_started(&item, at_ms), scope.item_completed(&item, at_ms)]
}
