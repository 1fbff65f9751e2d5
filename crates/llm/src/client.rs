//! The core client (unified-llm §2.2): routes a request to its provider through the middleware.
//! It never guesses a provider and never retries.

mod default;
mod setup;

use std::fmt;
use std::sync::Arc;

use crate::adapter::ProviderAdapter;
use crate::error::{ErrorKind, LlmError};
use crate::middleware::{Middleware, Next};
use crate::types::{EventStream, Request, Response};

pub use default::{default_client, set_default_client};
pub use setup::{Connected, NOT_CONFIGURED, ProviderStatus};

/// Registered providers behind one interface; cheap to clone, no state between requests.
#[derive(Clone)]
pub struct Client {
    providers: Arc<[Arc<dyn ProviderAdapter>]>,
    default_provider: Option<String>,
    middleware: Arc<[Arc<dyn Middleware>]>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("providers", &self.provider_names().collect::<Vec<_>>())
            .field("default_provider", &self.default_provider)
            .field("middleware", &self.middleware.len())
            .finish()
    }
}

impl Client {
    /// An empty set-up.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The names of the registered providers, in order.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|provider| provider.name())
    }

    /// Where requests go that name no provider.
    pub fn default_provider(&self) -> Option<&str> {
        self.default_provider.as_deref()
    }

    /// The same client with one more middleware, innermost of all.
    #[must_use]
    pub fn with_middleware(&self, middleware: Arc<dyn Middleware>) -> Self {
        let all = self.middleware.iter().cloned().chain([middleware]);
        Self { middleware: all.collect(), ..self.clone() }
    }

    /// One call, answered as a whole (unified-llm §4.1). Never retries; see [`crate::retry()`].
    ///
    /// # Errors
    /// The taxonomy of unified-llm §6; [`ErrorKind::Configuration`] when no provider fits.
    pub async fn complete(&self, request: Request) -> Result<Response, LlmError> {
        let (adapter, request) = self.route(request)?;
        Next::new(adapter, &self.middleware).complete(request).await
    }

    /// One call, answered as it comes (unified-llm §4.2). Never retries; dropping the stream closes it.
    ///
    /// # Errors
    /// The taxonomy of unified-llm §6; [`ErrorKind::Configuration`] when no provider fits.
    pub async fn stream(&self, request: Request) -> Result<EventStream, LlmError> {
        let (adapter, request) = self.route(request)?;
        Next::new(adapter, &self.middleware).stream(request).await
    }

    /// Finds the adapter, writes its name into the request and checks what can be checked before a call.
    fn route(&self, mut request: Request) -> Result<(&dyn ProviderAdapter, Request), LlmError> {
        let wanted =
            request.provider.as_deref().or(self.default_provider.as_deref()).ok_or_else(|| {
                configuration("the request names no provider and the client has no default one")
            })?;
        let adapter = self
            .providers
            .iter()
            .find(|provider| provider.name() == wanted)
            .ok_or_else(|| setup::no_such_provider(wanted, self.provider_names()))?;
        if let Some(choice) = &request.tool_choice
            && !adapter.supports_tool_choice(choice)
        {
            return Err(LlmError::new(
                ErrorKind::UnsupportedToolChoice,
                format!("tool choice `{}`", choice.mode()),
            )
            .with_provider(wanted));
        }
        request.provider = Some(adapter.name().to_owned());
        Ok((adapter.as_ref(), request))
    }
}

/// Puts a [`Client`] together.
#[derive(Default)]
pub struct ClientBuilder {
    providers: Vec<Arc<dyn ProviderAdapter>>,
    default_provider: Option<String>,
    middleware: Vec<Arc<dyn Middleware>>,
}

impl ClientBuilder {
    /// Registers a provider; it takes the place of an earlier one of the same name.
    #[must_use]
    pub fn provider(mut self, adapter: Arc<dyn ProviderAdapter>) -> Self {
        self.providers.retain(|provider| provider.name() != adapter.name());
        self.providers.push(adapter);
        self
    }

    /// Names the provider of requests that name none.
    #[must_use]
    pub fn default_provider(mut self, name: impl Into<String>) -> Self {
        self.default_provider = Some(name.into());
        self
    }

    /// Adds a middleware inside those added before.
    #[must_use]
    pub fn middleware(mut self, middleware: Arc<dyn Middleware>) -> Self {
        self.middleware.push(middleware);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when the default provider is not registered.
    pub fn build(self) -> Result<Client, LlmError> {
        let client = Client {
            providers: self.providers.into(),
            default_provider: self.default_provider,
            middleware: self.middleware.into(),
        };
        if let Some(name) = &client.default_provider
            && !client.provider_names().any(|known| known == name)
        {
            return Err(setup::no_such_provider(name, client.provider_names()));
        }
        Ok(client)
    }
}

fn configuration(message: impl Into<String>) -> LlmError {
    LlmError::new(ErrorKind::Configuration, message)
}
