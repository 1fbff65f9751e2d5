//! Which backend works on the stages of models.

use std::sync::Arc;

use canon_pipeline::backend::Simulation;
use canon_pipeline::{Backend, Graph, Kind};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Kept;
use crate::bridge::pipeline::{Agent, AppServer, Call, Models, Program};
use crate::error::Error;

/// `--backend`; `--simulate` is the one that it cannot name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Which {
    /// A session of Canon's own agent
    Agent,
    /// One plain call of a model, without tools
    Call,
    /// A process that speaks the Codex app-server protocol
    AppServer,
    /// No model at all
    #[value(skip)]
    Simulation,
}

/// The backend for a graph, ready to be asked. What would fail a stage for want of a key is said
/// here, before the run.
pub(super) fn backend(kept: &Kept, graph: &Graph) -> Result<Arc<dyn Backend>, Error> {
    if kept.backend == Which::Simulation {
        return Ok(Arc::new(Simulation));
    }
    let models = Arc::new(Models::new(kept.provider.as_deref(), kept.model.as_deref())?);
    let own = kept.backend != Which::AppServer || kept.agent_command.is_none();
    if own {
        reach(&models, graph)?;
    }
    Ok(match kept.backend {
        Which::Call => Arc::new(Call::new(models)),
        Which::AppServer => {
            let program = match &kept.agent_command {
                Some(command) => Program::Command(command.clone()),
                None => Program::Own,
            };
            let policy = kept.sandbox.policy().with_network(kept.network);
            Arc::new(AppServer::new(program, models, policy))
        }
        Which::Agent | Which::Simulation => Arc::new(Agent::new(models)),
    })
}

/// Connects the model of each stage that has one and no other to fall back to.
fn reach(models: &Models, graph: &Graph) -> Result<(), Error> {
    for node in graph.node_indexes() {
        if !matches!(graph.kind(node), Kind::Codergen | Kind::Prompt) {
            continue;
        }
        let own = graph.node(node).attrs().non_empty("llm_fallback");
        if own.or_else(|| graph.attrs().non_empty("llm_fallback")).is_some() {
            continue;
        }
        let name = models.name(graph.llm_provider(node), graph.llm_model(node))?;
        models.connect(&name).map_err(|error| {
            let hint = "`--simulate` runs the pipeline without a model";
            error.at(&format!("stage `{}`", graph.node(node).id())).hint(hint)
        })?;
    }
    Ok(())
}
