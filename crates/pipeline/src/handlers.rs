//! The handlers that come with the engine (Attractor §4).

mod codergen;
mod fan_in;
mod human;
mod manager;
mod tool;
mod wait;

use std::sync::Arc;

pub use codergen::Codergen;
pub use fan_in::FanIn;
pub use human::Human;
pub use manager::Manager;
pub use tool::Tool;
pub use wait::Wait;

use crate::backend::{Backend, Simulation};
use crate::graph::Kind;
use crate::handler::Registry;
use crate::interview::{Interviewer, Queue};

/// What the handlers need to do their work.
#[derive(Clone)]
pub struct Standard {
    backend: Arc<dyn Backend>,
    interviewer: Arc<dyn Interviewer>,
}

impl Standard {
    /// Handlers whose models `backend` reaches, and whose gates nobody opens until
    /// [`interviewer`](Self::interviewer) says who: they fail.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, interviewer: Arc::new(Queue::of([])) }
    }

    /// Who answers at human gates.
    #[must_use]
    pub fn interviewer(self, interviewer: Arc<dyn Interviewer>) -> Self {
        Self { interviewer, ..self }
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
        let human = Human::new(Arc::clone(&self.interviewer));
        registry.register(Kind::WaitHuman.as_str(), Arc::new(human));
        registry.register(Kind::Tool.as_str(), Arc::new(Tool));
        registry.register(Kind::Wait.as_str(), Arc::new(Wait));
        registry.register(Kind::ManagerLoop.as_str(), Arc::new(Manager::new(backend())));
        registry.register(Kind::FanIn.as_str(), Arc::new(FanIn::new(backend())));
        registry
    }
}

/// [`Standard::registry`] with a backend and nothing else.
pub fn standard(backend: Arc<dyn Backend>) -> Registry {
    Standard::new(backend).registry()
}
