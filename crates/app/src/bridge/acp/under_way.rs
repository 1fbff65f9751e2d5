//! What takes its time and must not keep the client's other messages waiting: opening sessions, whose
//! servers have a minute each to start, and closing them.

use std::collections::HashMap;
use std::future::Future;

use canon_protocol::acp::REQUEST_CANCELLED;
use canon_protocol::jsonrpc::{INTERNAL_ERROR, Id, RpcError};
use canon_runtime::task::{self, TaskSpec};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::session::{Opened, SessionHandle};

/// How something ended.
pub(super) enum Done {
    /// A session is open, or why it is not. The id is that of a session that was there before.
    Opened { request: Id, id: Option<String>, opened: Box<Result<Opened, RpcError>> },
    /// A session is closed.
    Closed { request: Id, id: String, deletes: bool },
}

/// All that is under way.
#[derive(Default)]
pub(super) struct UnderWay {
    waits: FuturesUnordered<BoxFuture<'static, Done>>,
    openings: HashMap<Id, CancellationToken>,
    /// Sessions that nobody else may have meanwhile, with what is done to them.
    busy: HashMap<String, &'static str>,
    over: CancellationToken,
}

impl UnderWay {
    /// Opens a session, a kept one where `id` names it. Until `open` is done it can be given up;
    /// `then` goes on to its end.
    pub(super) fn open<F, T, G>(&mut self, request: Id, id: Option<String>, open: F, then: T)
    where
        F: Future<Output = Result<Opened, RpcError>> + Send + 'static,
        T: FnOnce(Opened) -> G + Send + 'static,
        G: Future<Output = Opened> + Send,
    {
        let given_up = self.over.child_token();
        self.openings.insert(request.clone(), given_up.clone());
        if let Some(id) = &id {
            self.busy.insert(id.clone(), "opened");
        }
        let task = task::spawn(TaskSpec::new("acp opening").signalled(), async move {
            let cancelled = || RpcError::new(REQUEST_CANCELLED, "cancelled");
            let opened = given_up.run_until_cancelled(open).await;
            Ok(then(opened.unwrap_or_else(|| Err(cancelled()))?).await)
        });
        self.waits.push(Box::pin(async move {
            let panicked = |_| RpcError::new(INTERNAL_ERROR, "it failed; see the agent's log");
            let opened = Box::new(task.await.map_err(panicked).flatten());
            Done::Opened { request, id, opened }
        }));
    }

    /// Closes a session.
    pub(super) fn close(&mut self, request: Id, session: SessionHandle, deletes: bool) {
        let id = session.id.clone();
        self.busy.insert(id.clone(), "closed");
        self.waits.push(Box::pin(async move {
            session.close().await;
            Done::Closed { request, id, deletes }
        }));
    }

    /// What is being done to a session, if something is.
    pub(super) fn with(&self, id: &str) -> Option<&'static str> {
        self.busy.get(id).copied()
    }

    /// Gives an opening up; how it ended still comes.
    pub(super) fn give_up(&self, request: &Id) {
        if let Some(opening) = self.openings.get(request) {
            opening.cancel();
        }
    }

    /// Gives all openings up.
    pub(super) fn give_up_all(&self) {
        self.over.cancel();
    }

    /// The next that is done; `None` when nothing is under way.
    pub(super) async fn next(&mut self) -> Option<Done> {
        let done = self.waits.next().await?;
        match &done {
            Done::Opened { request, id, .. } => {
                self.openings.remove(request);
                id.as_ref().map(|id| self.busy.remove(id));
            }
            Done::Closed { id, .. } => drop(self.busy.remove(id)),
        }
        Some(done)
    }
}
