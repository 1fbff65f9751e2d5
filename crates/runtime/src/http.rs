//! The one place where an HTTP client is made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why no HTTP client could be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct HttpError(#[from] reqwest::Error);

/// Time to reach a server before a request fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client with TLS by rustls and ring, redirects off (a key must never follow one to another
/// host) and a connect time limit of 10 s. Limits on the whole request are the caller's.
pub fn client() -> Result<reqwest::Client, HttpError> {
    Ok(builder().build()?)
}

/// The same for this machine's own servers: a proxy of the environment is not asked.
pub fn local_client() -> Result<reqwest::Client, HttpError> {
    Ok(builder().no_proxy().build()?)
}

/// The same for one server that was chosen by its addresses: whatever name is asked for, the
/// connection goes to one of them. No name is looked up, no proxy of the environment is asked.
pub fn fixed_client(addresses: Vec<SocketAddr>) -> Result<reqwest::Client, HttpError> {
    Ok(builder().no_proxy().dns_resolver(Arc::new(Fixed(addresses))).build()?)
}

struct Fixed(Vec<SocketAddr>);

impl Resolve for Fixed {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

fn builder() -> reqwest::ClientBuilder {
    // Somebody may have installed a provider before us; theirs is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("canon/", env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_client_can_be_made_twice() {
        assert!(super::client().is_ok());
        assert!(super::client().is_ok());
    }
}
