//! One live connection to a server.

use std::sync::Arc;
use std::time::Duration;

use canon_runtime::secret::Redactor;
use rmcp::RoleClient;
use rmcp::model::ProtocolVersion;
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, RunningService, serve_client_with_lifecycle,
};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;

use super::config::{Endpoint, ServerConfig};
use super::handler::{Handler, Live};
use super::transport::{Program, address};
use super::{MOST_WORDS, clean};

/// Time for a connection to be closed in order.
const CLOSE: Duration = Duration::from_secs(2);

/// A connection. Dropping it kills a program at once; [`end`](Self::end) is the orderly way.
pub(super) struct Connection {
    pub(super) peer: Peer<RoleClient>,
    pub(super) live: Arc<Live>,
    running: Mutex<Option<Running>>,
    ending: OnceCell<String>,
    redactor: Redactor,
}

struct Running {
    service: RunningService<RoleClient, Handler>,
    /// `None` for an address.
    program: Option<Program>,
}

/// Why there is no connection.
struct Refused {
    why: String,
    /// The server knows no handshake: newer ones have none.
    handshake: bool,
}

/// Connects: with the handshake that servers have had from the beginning, else in the way of those
/// that have none any more.
pub(super) async fn connect(
    config: &ServerConfig,
    handler: &Handler,
) -> Result<Connection, String> {
    match attempt(config, handler, ClientLifecycleMode::Initialize).await {
        Err(Refused { why, handshake: true }) => {
            let preferred_versions = vec![ProtocolVersion::LATEST];
            attempt(config, handler, ClientLifecycleMode::Discover { preferred_versions })
                .await
                .map_err(|_| why)
        }
        other => other.map_err(|refused| refused.why),
    }
}

async fn attempt(
    config: &ServerConfig,
    handler: &Handler,
    mode: ClientLifecycleMode,
) -> Result<Connection, Refused> {
    let refused = |why| Refused { why, handshake: false };
    let redactor = &handler.redactor;
    let (service, program) = match &config.endpoint {
        Endpoint::Program { argv, env, cwd } => {
            let (program, streams) =
                Program::start(&config.name, argv, env, cwd, redactor).await.map_err(refused)?;
            let serve = serve_client_with_lifecycle(handler.clone(), streams, mode);
            (timeout(config.timeout, serve).await, Some(program))
        }
        Endpoint::Address { url, headers } => {
            let transport = address(url, headers).map_err(refused)?;
            let serve = serve_client_with_lifecycle(handler.clone(), transport, mode);
            (timeout(config.timeout, serve).await, None)
        }
    };
    let failed = match service {
        Ok(Ok(service)) => {
            return Ok(Connection {
                peer: service.peer().clone(),
                live: Arc::clone(&handler.live),
                running: Mutex::new(Some(Running { service, program })),
                ending: OnceCell::new(),
                redactor: redactor.clone(),
            });
        }
        // Its own words begin with the name of a type.
        Ok(Err(ClientInitializeError::TransportError { error, .. })) => {
            refused(causes(error.error.as_ref()))
        }
        Ok(Err(error)) => {
            let handshake = matches!(error, ClientInitializeError::JsonRpcError(_));
            Refused { why: causes(&error), handshake }
        }
        Err(_) => {
            let limit = config.timeout.as_millis();
            refused(format!("it did not answer within {limit} ms"))
        }
    };
    let mut why = failed.why;
    if let Some(program) = program {
        why = format!("{why}; {}", program.stop().await);
    }
    Err(Refused { why: said(&why, redactor), ..failed })
}

impl Connection {
    /// Whether nothing can be asked any more.
    pub(super) fn is_closed(&self) -> bool {
        self.peer.is_transport_closed()
    }

    /// Ends the connection and, with a program, all that it started; tells how it ended.
    pub(super) async fn end(&self) -> &str {
        self.ending
            .get_or_init(|| async {
                let Some(Running { mut service, program }) = self.running.lock().await.take()
                else {
                    return "the connection is closed".to_owned();
                };
                // A peer that does not let itself be closed is dropped.
                let _ = service.close_with_timeout(CLOSE).await;
                drop(service);
                match program {
                    Some(program) => said(&program.stop().await, &self.redactor),
                    None => "the connection is closed".to_owned(),
                }
            })
            .await
    }
}

/// An error with what is behind it.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Text that holds what a server said, fit to be shown.
pub(super) fn said(text: &str, redactor: &Redactor) -> String {
    clean(&redactor.redact(text), MOST_WORDS)
}
