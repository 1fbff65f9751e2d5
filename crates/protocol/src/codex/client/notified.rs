//! Notifications of the agent.

use serde::Deserialize;
use serde_json::Value;

use super::{Client, Event, Item, ItemKind, ItemPhase, Output, RequestEnd, RequestKey, Usage};
use crate::jsonrpc::{Id, Raw};

/// Where an absolute total of a thread may stand (Symphony §13.5).
const TOTALS: [&str; 4] = [
    "/tokenUsage/total",
    "/total_token_usage",
    "/info/total_token_usage",
    "/msg/info/total_token_usage",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeltaParams {
    item_id: String,
    delta: String,
}

impl Client {
    pub(super) fn notified(&mut self, method: String, raw: &Raw, out: &mut Vec<Output>) {
        // By far the most frequent ones, read without building a tree.
        if method.starts_with("item/")
            && method.to_ascii_lowercase().ends_with("delta")
            && let Ok(DeltaParams { item_id, delta }) = raw.read()
        {
            out.push(Output::Event(Event::Delta { item_id, method, text: delta }));
            return;
        }
        let params = raw.value();
        let event = match method.as_str() {
            "turn/started" => self.on_turn_started(&params, out),
            "turn/completed" => self.on_turn_completed(&params, out),
            "item/started" => self.on_item(ItemPhase::Started, &params),
            "item/completed" => self.on_item(ItemPhase::Completed, &params),
            "account/rateLimits/updated" => self.on_limits(&params),
            "model/rerouted" => self.on_model(&params),
            "serverRequest/resolved" => self.on_resolved(&params, out),
            "error" => self.on_error(&params),
            _ => self.on_usage(&params),
        };
        match event {
            Handled::Event(event) => out.push(Output::Event(event)),
            Handled::Done => {}
            Handled::No => out.push(Output::Event(Event::Notification { method, params })),
        }
    }

    /// Sub-agents have threads of their own on the same connection.
    fn is_ours(&self, params: &Value) -> bool {
        self.thread_id().is_some() && params["threadId"].as_str() == self.thread_id()
    }

    fn on_turn_started(&mut self, params: &Value, out: &mut Vec<Output>) -> Handled {
        match params["turn"]["id"].as_str() {
            Some(id) if self.is_ours(params) && self.is_running(id) => {
                self.turn_active(id, out);
                Handled::Done
            }
            _ => Handled::No,
        }
    }

    fn on_turn_completed(&mut self, params: &Value, out: &mut Vec<Output>) -> Handled {
        match params["turn"]["id"].as_str() {
            Some(id) if self.is_ours(params) && self.is_running(id) => {
                self.turn_named(id, out);
                self.turn_completed(&params["turn"], out);
                Handled::Done
            }
            _ => Handled::No,
        }
    }

    fn on_item(&mut self, phase: ItemPhase, params: &Value) -> Handled {
        if !params["item"].is_object() {
            return Handled::No;
        }
        let item = Item::read(&params["item"]);
        let running = self.is_ours(params)
            && params["turnId"].as_str().is_some_and(|turn_id| self.is_running(turn_id));
        match (&item.kind, phase) {
            (ItemKind::AgentMessage { text }, ItemPhase::Completed) if running => {
                if let Some(turn) = &mut self.turn {
                    turn.last_message = Some(text.clone());
                }
            }
            (ItemKind::FileChange { paths, .. }, ItemPhase::Started) if self.turn.is_some() => {
                self.changes.insert(item.id.clone(), paths.clone());
            }
            (ItemKind::FileChange { .. }, ItemPhase::Completed) => {
                self.changes.remove(&item.id);
            }
            _ => {}
        }
        Handled::Event(Event::Item { phase, item })
    }

    /// Absolute totals only; a notification without one is none of ours.
    fn on_usage(&mut self, params: &Value) -> Handled {
        let total = TOTALS.iter().find_map(|at| Usage::read(params.pointer(at)?));
        let Some(total) = total else { return Handled::No };
        let ours = self.thread_id().unwrap_or_default().to_owned();
        let thread = params["threadId"].as_str().unwrap_or(&ours);
        if thread == ours && std::mem::take(&mut self.base_unknown) {
            // A resumed agent first repeats the total of the past, under an old turn's id. A
            // report on our own turn is of the past but for the last reply.
            let turn = self.turn.as_ref().and_then(|turn| turn.id.as_deref());
            let new = match turn.is_some() && params["turnId"].as_str() == turn {
                true => params.pointer("/tokenUsage/last").and_then(Usage::read),
                false => None,
            };
            self.meter.rebase(thread, total.minus(new.unwrap_or_default()));
        }
        let delta = self.meter.report(thread, total);
        Handled::Event(Event::Usage {
            total: self.meter.sum(),
            delta,
            context_window: params["tokenUsage"]["modelContextWindow"].as_u64(),
        })
    }

    fn on_limits(&mut self, params: &Value) -> Handled {
        match params.get("rateLimits").filter(|limits| limits.is_object()) {
            Some(report) => {
                Handled::Event(Event::RateLimits { limits: self.limits.report(report).clone() })
            }
            None => Handled::No,
        }
    }

    fn on_model(&mut self, params: &Value) -> Handled {
        match (params["toModel"].as_str(), &mut self.thread) {
            (Some(model), Some(thread)) if params["threadId"] == thread.id.as_str() => {
                thread.model = Some(model.to_owned());
                Handled::Event(Event::Model { model: model.to_owned() })
            }
            _ => Handled::No,
        }
    }

    fn on_resolved(&mut self, params: &Value, out: &mut Vec<Output>) -> Handled {
        let id = params.get("requestId").and_then(|id| Id::deserialize(id).ok());
        match id.map(|id| RequestKey::of(&id)) {
            Some(key) if self.close_request(&key, RequestEnd::Resolved, out).is_some() => {
                Handled::Done
            }
            _ => Handled::No,
        }
    }

    fn on_error(&mut self, params: &Value) -> Handled {
        let Some(message) = params["error"]["message"].as_str() else { return Handled::No };
        let info = params["error"].get("codexErrorInfo").filter(|info| !info.is_null()).cloned();
        let will_retry = params["willRetry"].as_bool().unwrap_or(false);
        if self.is_ours(params)
            && let Some(turn) = &mut self.turn
        {
            turn.last_error = Some((message.to_owned(), info.clone()));
        }
        Handled::Event(Event::AgentError { message: message.to_owned(), will_retry, info })
    }
}

/// What became of a notification.
enum Handled {
    /// It is this event.
    Event(Event),
    /// Its events are out already.
    Done,
    /// It is a plain [`Event::Notification`].
    No,
}
