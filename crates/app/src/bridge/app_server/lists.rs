//! Reading threads: loaded ones, and those of the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canon_protocol::codex::server::call::{CwdFilter, SortDirection, ThreadList, ThreadTurnsList};
use canon_protocol::codex::server::outgoing::{self, Thread, Turn};
use canon_protocol::jsonrpc::RpcError;
use serde_json::Value;

use super::history::{self, Past};
use super::thread::wire;
use super::turn::Naming;
use super::{Server, catalogue, invalid, of_store};
use crate::threads::{Meta, Query};

/// Entries of a page when the client does not say.
const PAGE: u32 = 25;
/// Most entries of a page.
const MOST: u32 = 500;

impl Server {
    /// A thread, as far as it is known.
    pub(super) fn read(&self, id: &str, with_turns: bool) -> Result<Thread, RpcError> {
        let mut thread = match self.threads.get(id) {
            Some(loaded) => loaded.facts.lock().thread.clone(),
            None => wire(&self.host.store.read(id).map_err(of_store)?.meta),
        };
        if with_turns {
            thread.turns = self.past(id)?.into_iter().map(|past| past.turn).collect();
        }
        Ok(thread)
    }

    pub(super) fn past(&self, id: &str) -> Result<Vec<Past>, RpcError> {
        let loaded = self.threads.get(id);
        if loaded.is_some_and(|thread| thread.file.is_none()) {
            return Err(invalid("an ephemeral thread keeps no turns that could be read"));
        }
        let stored = match (self.host.store.read(id), loaded) {
            (Ok(stored), _) => stored,
            // It has no file before its first turn.
            (Err(crate::threads::ThreadError::Unknown { .. }), Some(_)) => return Ok(Vec::new()),
            (Err(error), _) => return Err(of_store(error)),
        };
        let naming = match loaded {
            Some(thread) => Arc::clone(&thread.naming),
            None => Arc::new(Naming {
                thread_id: id.to_owned(),
                cwd: stored.meta.cwd.clone(),
                ..Naming::default()
            }),
        };
        let running = loaded.and_then(|thread| thread.facts.lock().running.clone());
        Ok(history::turns(&stored.entries, &naming, running.as_deref()))
    }

    /// How much of a thread's conversation stands before a turn, or up to the end of another.
    pub(super) fn place(
        &self,
        id: &str,
        before: Option<&str>,
        last: Option<&str>,
    ) -> Result<usize, RpcError> {
        let past = self.past(id)?;
        match (before, last) {
            (Some(_), Some(_)) => Err(invalid("lastTurnId and beforeTurnId exclude each other")),
            (Some(before), None) => Ok(history::find(&past, before)?.1.before),
            (None, Some(last)) => {
                let (at, _) = history::find(&past, last)?;
                Ok(past.get(at + 1).map_or(usize::MAX, |next| next.before))
            }
            (None, None) => Ok(usize::MAX),
        }
    }

    /// `thread/turns/list`, the newest first unless the client says otherwise.
    pub(super) fn turns(&self, wish: &ThreadTurnsList) -> Result<Value, RpcError> {
        let mut turns: Vec<Turn> =
            self.past(&wish.thread_id)?.into_iter().map(|past| past.turn).collect();
        if wish.sort_direction != Some(SortDirection::Asc) {
            turns.reverse();
        }
        let from = catalogue::cursor(wish.cursor.as_deref(), turns.len())?;
        let end = turns.len().min(from.saturating_add(size(wish.limit)));
        let next = (end < turns.len()).then(|| end.to_string());
        Ok(outgoing::turn_list(&turns[from..end], next.as_deref()))
    }

    /// `thread/list`: the threads of the store, the last used first.
    pub(super) fn list(&self, wish: &ThreadList) -> Result<Value, RpcError> {
        if wish.sort_direction == Some(SortDirection::Asc) {
            return Err(invalid("sortDirection: this agent lists the last used threads first"));
        }
        let places = cwds(wish.cwd.as_ref());
        let limit = size(wish.limit);
        let mut query = Query {
            cwd: if let [only] = &places[..] { Some(only.clone()) } else { None },
            archived: Some(wish.archived.unwrap_or(false)),
            limit,
            cursor: wish.cursor.clone(),
        };
        let mut found: Vec<Thread> = Vec::new();
        // What the store does not sift is sifted here, until a page is full.
        loop {
            query.limit = limit - found.len();
            let page = self.host.store.list(&query).map_err(of_store)?;
            let wanted = page.threads.iter().filter(|meta| is_wanted(meta, wish, &places));
            found.extend(wanted.map(|meta| self.listed(meta)));
            query.cursor = page.next;
            if query.cursor.is_none() || found.len() >= limit {
                break;
            }
        }
        Ok(outgoing::thread_list(&found, query.cursor.as_deref()))
    }

    fn listed(&self, meta: &Meta) -> Thread {
        match self.threads.get(&meta.id) {
            Some(loaded) => loaded.facts.lock().thread.clone(),
            None => wire(meta),
        }
    }
}

fn size(limit: Option<u32>) -> usize {
    limit.unwrap_or(PAGE).clamp(1, MOST) as usize
}

/// Directories as the store knows them; one that is gone stays as it is written.
fn cwds(filter: Option<&CwdFilter>) -> Vec<PathBuf> {
    let names = match filter {
        None => &[][..],
        Some(CwdFilter::One(one)) => std::slice::from_ref(one),
        Some(CwdFilter::Any(all)) => all,
    };
    let canonical = |name: &String| Path::new(name).canonicalize().unwrap_or_else(|_| name.into());
    names.iter().map(canonical).collect()
}

fn is_wanted(meta: &Meta, wish: &ThreadList, places: &[PathBuf]) -> bool {
    let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
    let term = wish.search_term.as_deref().unwrap_or_default();
    let provider = wish.model_providers.as_deref().unwrap_or_default();
    (places.is_empty() || places.contains(&meta.cwd))
        && (provider.is_empty() || provider.contains(&meta.provider))
        && (holds(&meta.preview, term)
            || meta.name.as_deref().is_some_and(|name| holds(name, term)))
}
