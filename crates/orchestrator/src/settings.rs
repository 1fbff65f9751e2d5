//! The effective settings: a workflow file, its typed configuration and the tracker that it names,
//! replaced as a whole when the file changes.

use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Complaint, Config, ConfigErrors, Environment};
use crate::dispatch::DispatchConfig;
use crate::tracker::{self, Tracker, TrackerError};
use crate::workflow::{self, Workflow, WorkflowError};

/// One snapshot of everything that a workflow file says; sessions keep the one they began with.
#[derive(Debug)]
pub struct Settings {
    /// The file.
    pub workflow: Workflow,
    /// Its configuration.
    pub config: Config,
    /// What was ignored in it.
    pub warnings: Vec<Complaint>,
    /// The tracker, open.
    pub tracker: Arc<dyn Tracker>,
}

/// Why a workflow file gives no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read or parsed: nothing new is dispatched until it can (ruling 8).
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// It says something that cannot be: the last good settings stay in force (ruling 8).
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The tracker cannot be opened.
    #[error(transparent)]
    Tracker(#[from] TrackerError),
}

impl Settings {
    /// Reads the workflow file at `path` and resolves it.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, SettingsError> {
        Self::of(workflow::load(path)?, environment)
    }

    /// Resolves a workflow that was read.
    pub fn of(workflow: Workflow, environment: &Environment) -> Result<Self, SettingsError> {
        let resolved = config::resolve(&workflow, environment)?;
        let tracker = tracker::open(&resolved.config.tracker, environment)?;
        Ok(Self { workflow, config: resolved.config, warnings: resolved.warnings, tracker })
    }

    /// What the dispatch machine needs of them.
    pub fn dispatch(&self) -> DispatchConfig {
        DispatchConfig {
            digest: self.workflow.digest.clone(),
            ..DispatchConfig::from(&self.config)
        }
    }
}
