//! What the server says to its client.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use canon_protocol::codex::server::outgoing::Outgoing;
use canon_protocol::jsonrpc::peer::Peer;
use canon_protocol::jsonrpc::{Id, RpcError};
use canon_runtime::clock;
use serde_json::{Value, json};

/// The way to the client; cheap to clone. A client that is gone shows as the end of its stream, so
/// what does not reach it is no error here.
#[derive(Clone)]
pub(super) struct Out {
    pub(super) peer: Peer,
    /// Notifications that the client does not want.
    unwanted: Arc<Mutex<HashSet<String>>>,
}

impl Out {
    pub(super) fn new(peer: Peer) -> Self {
        Self { peer, unwanted: Arc::default() }
    }

    /// Leaves these notifications out from now on.
    pub(super) fn leave_out(&self, methods: Vec<String>) {
        self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).extend(methods);
    }

    pub(super) async fn answer(&self, id: &Id, answer: Result<Value, RpcError>) {
        let _ = self.peer.respond(id, answer).await;
    }

    pub(super) async fn notify(&self, outgoing: Outgoing) {
        let Outgoing { method, params } = outgoing;
        if self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).contains(method) {
            return;
        }
        let line = json!({ "method": method, "params": params, "emittedAtMs": clock::now_ms() });
        let _ = self.peer.send(line.to_string().into_bytes()).await;
    }
}
