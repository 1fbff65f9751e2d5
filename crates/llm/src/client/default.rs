//! The client that the high-level calls use when they are given none (unified-llm §2.5).

use std::sync::{Mutex, PoisonError};

use super::Client;
use crate::error::LlmError;

/// A client that is made when it is first wanted.
struct Lazy(Mutex<Option<Client>>);

static DEFAULT: Lazy = Lazy::new();

/// Makes `client` the default of this process from now on; calls that run already keep theirs.
pub fn set_default_client(client: Client) {
    DEFAULT.set(client);
}

/// The default client: the one that was set, else one from the environment, made at the first call.
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when none was set and the environment configures no provider. The
/// failure is not remembered: the next call looks again.
pub fn default_client() -> Result<Client, LlmError> {
    DEFAULT.get_or(Client::from_env)
}

impl Lazy {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn set(&self, client: Client) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
    }

    fn get_or(&self, open: impl FnOnce() -> Result<Client, LlmError>) -> Result<Client, LlmError> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*slot {
            return Ok(client.clone());
        }
        let client = open()?;
        *slot = Some(client.clone());
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn from(key: Option<&'static str>) -> Result<Client, LlmError> {
        Client::from_env_with(|name| key.filter(|_| name == "OPENAI_API_KEY").map(str::to_owned))
    }

    #[test]
    fn llm_8_1_the_default_client_is_made_lazily_and_can_be_set() {
        let lazy = Lazy::new();
        let error = lazy.get_or(|| from(None)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let made = lazy.get_or(|| from(Some("k"))).unwrap();
        assert_eq!(made.default_provider(), Some("openai"), "a failure is not remembered");
        lazy.get_or(|| panic!("it is made once")).unwrap();
        lazy.set(Client::builder().build().unwrap());
        let set = lazy.get_or(|| panic!("one was set")).unwrap();
        assert_eq!(set.provider_names().count(), 0);
    }
}
