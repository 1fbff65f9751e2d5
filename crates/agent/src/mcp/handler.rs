//! What a server says without being asked, and what it asks for.

// Roots and logs are to go from the protocol; the servers that there are use them.
#![allow(deprecated)]

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use canon_runtime::secret::Redactor;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ErrorData, Implementation, ListRootsResult, LoggingLevel,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken, ProtocolVersion,
    Root, RootsCapabilities,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use tokio::sync::watch;

use super::{MOST_WORDS, clean};
use crate::tools::OutputDeltas;

/// Progress of calls that are not known yet: the server may be quicker than we are.
const MOST_EARLY: usize = 32;

/// Progress on its way to the output of the calls that it belongs to.
#[derive(Debug, Default)]
pub(super) struct Live(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    known: HashMap<ProgressToken, OutputDeltas>,
    early: VecDeque<(ProgressToken, String)>,
}

impl Live {
    /// Shows the progress of a call in `output` until [`forget`](Self::forget).
    pub(super) fn watch(&self, token: &ProgressToken, output: &OutputDeltas) {
        let mut calls = self.lock();
        calls.early.retain(|(of, text)| {
            if of == token {
                output.send(text);
            }
            of != token
        });
        calls.known.insert(token.clone(), output.clone());
    }

    pub(super) fn forget(&self, token: &ProgressToken) {
        self.lock().known.remove(token);
    }

    fn progress(&self, token: ProgressToken, text: String) {
        let mut calls = self.lock();
        if let Some(output) = calls.known.get(&token) {
            output.send(&text);
            return;
        }
        calls.early.push_back((token, text));
        if calls.early.len() > MOST_EARLY {
            calls.early.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our side of a connection. It declines to ask people (elicitation) and to ask models (sampling):
/// the protocol's defaults do so.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    pub(super) server: String,
    /// The directories that the agent works in.
    pub(super) roots: Vec<PathBuf>,
    pub(super) live: Arc<Live>,
    /// How often the server may have got other tools.
    pub(super) changed: Arc<watch::Sender<u64>>,
    pub(super) redactor: Redactor,
}

impl Handler {
    fn roots(&self) -> Vec<Root> {
        let url = |path: &PathBuf| reqwest::Url::from_file_path(path).ok();
        self.roots.iter().filter_map(url).map(|url| Root::new(url.to_string())).collect()
    }
}

impl rmcp::ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.roots = Some(RootsCapabilities::default());
        let own = Implementation::new("canon", env!("CARGO_PKG_VERSION"));
        // The newest with a handshake.
        ClientConfig::new(capabilities, own).with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(self.roots()))
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let text = progress_line(&progress);
        self.live.progress(progress.progress_token, text);
    }

    async fn on_logging_message(
        &self,
        message: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let text = message.data.as_str().map_or_else(|| message.data.to_string(), str::to_owned);
        let text = clean(&self.redactor.redact(&text), MOST_WORDS);
        let server = &self.server;
        match message.level {
            LoggingLevel::Debug => tracing::debug!(server, "{text}"),
            LoggingLevel::Info | LoggingLevel::Notice => tracing::info!(server, "{text}"),
            LoggingLevel::Warning => tracing::warn!(server, "{text}"),
            _ => tracing::error!(server, "{text}"),
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.send_modify(|times| *times += 1);
    }
}

fn progress_line(progress: &ProgressNotificationParam) -> String {
    let count = match progress.total {
        Some(total) => format!("{}/{total}", progress.progress),
        None => progress.progress.to_string(),
    };
    match progress.message.as_deref().map(|message| clean(message, MOST_WORDS)) {
        Some(message) if !message.is_empty() => format!("{message} ({count})\n"),
        _ => format!("{count}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::model::NumberOrString;

    fn token(number: i64) -> ProgressToken {
        ProgressToken(NumberOrString::Number(number))
    }

    #[test]
    fn progress_reaches_its_own_call_even_when_it_comes_first() {
        let (live, one, two) = (Live::default(), OutputDeltas::default(), OutputDeltas::default());
        live.progress(token(1), "a".to_owned());
        live.watch(&token(1), &one);
        live.watch(&token(2), &two);
        live.progress(token(1), "b".to_owned());
        live.progress(token(2), "c".to_owned());
        live.forget(&token(2));
        live.progress(token(2), "d".to_owned());
        assert_eq!(one.take().as_deref(), Some("ab"));
        assert_eq!(two.take().as_deref(), Some("c"));
    }

    #[test]
    fn progress_of_nobody_is_bounded() {
        let live = Live::default();
        for number in 0..100 {
            live.progress(token(number), String::new());
        }
        assert_eq!(live.lock().early.len(), MOST_EARLY);
    }

    #[test]
    fn roots_are_addresses_of_the_workspace() {
        let handler = Handler {
            server: "s".to_owned(),
            roots: vec!["/a b/c".into()],
            live: Arc::default(),
            changed: Arc::default(),
            redactor: Redactor::default(),
        };
        assert_eq!(handler.roots()[0].uri, "file:///a%20b/c");
    }
}
