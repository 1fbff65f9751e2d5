//! Sessions that are kept on disk: which there are, and those that go on.

use canon_protocol::acp::RESOURCE_NOT_FOUND;
use canon_protocol::acp::agent::{ListSessions, SessionInfo, Sessions};
use canon_protocol::jsonrpc::{INTERNAL_ERROR, RpcError};
use canon_runtime::clock;

use super::invalid;
use crate::threads::{Meta, Query, Store, ThreadError};

/// Why a stored session cannot be had, in the protocol's codes.
pub(super) fn refused(error: &ThreadError) -> RpcError {
    match error {
        ThreadError::Unknown { .. } => RpcError::new(RESOURCE_NOT_FOUND, error.to_string()),
        ThreadError::Cursor { .. } => invalid(error.to_string()),
        _ => RpcError::new(INTERNAL_ERROR, error.to_string()),
    }
}

/// A page of what there is, whoever began it.
pub(super) fn list(store: &Store, list: ListSessions) -> Result<Sessions, RpcError> {
    // As sessions have it; a directory that is gone had this name.
    let cwd = list.cwd.as_ref().map(|cwd| cwd.canonicalize().unwrap_or_else(|_| cwd.clone()));
    let query = Query { cwd, cursor: list.cursor, ..Query::default() };
    let page = store.list(&query).map_err(|error| refused(&error))?;
    for problem in page.problems {
        tracing::warn!(problem, outcome = "left out", "session");
    }
    let mut sessions: Vec<SessionInfo> = page.threads.into_iter().map(info).collect();
    if let Some(given) = list.cwd {
        // All of them are there; the client knows it by its own name.
        sessions.iter_mut().for_each(|session| session.cwd.clone_from(&given));
    }
    Ok(Sessions { sessions, next_cursor: page.next })
}

fn info(meta: Meta) -> SessionInfo {
    let title = meta.name.or(Some(meta.preview)).filter(|title| !title.is_empty());
    SessionInfo {
        session_id: meta.id,
        cwd: meta.cwd,
        title,
        updated_at: Some(clock::rfc3339(meta.updated_at)),
    }
}
