//! The handlers that come with the engine (Attractor §4).

mod codergen;

use std::sync::Arc;

pub use codergen::Codergen;

use crate::backend::{Backend, Simulation};
use crate::graph::Kind;
use crate::handler::Registry;

/// What the handlers need to do their work.
#[derive(Clone)]
pub struct Standard {
    backend: Arc<dyn Backend>,
}

impl Standard {
    /// Handlers whose models `backend` reaches.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Handlers that ask no model (§4.5).
    pub fn simulated() -> Self {
        Self::new(Arc::new(Simulation))
    }

    /// All handlers by their types. What an embedder registers afterwards takes the place of one.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        let backend = || Arc::clone(&self.backend);
        let codergen = Arc::new(Codergen::agent(backend()));
        registry.register(Kind::Codergen.as_str(), codergen);
        registry.register(Kind::Prompt.as_str(), Arc::new(Codergen::one_call(backend())));
        registry
    }
}

/// [`Standard::registry`] with a backend and nothing else.
pub fn standard(backend: Arc<dyn Backend>) -> Registry {
    Standard::new(backend).registry()
}
