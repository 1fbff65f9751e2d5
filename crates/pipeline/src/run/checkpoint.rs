//! `checkpoint.json`: the state of a run as others read it, derived from the journal (Attractor
//! §5.3, ruling 16).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::Machine;
use crate::outcome::Status;

/// A snapshot of the state between two stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// RFC 3339, UTC.
    pub timestamp: String,
    /// The node that ended last; at the end of a run its exit.
    pub current_node: Option<String>,
    /// The node that comes next; none at the end.
    pub next_node_id: Option<String>,
    /// All that ended, in order.
    pub completed_nodes: Vec<String>,
    /// The latest status of each.
    pub node_outcomes: BTreeMap<String, Status>,
    /// Retries of nodes that are being retried.
    pub node_retries: BTreeMap<String, u64>,
    /// Visits of each.
    pub node_visits: BTreeMap<String, u32>,
    /// The values.
    pub context: BTreeMap<String, Value>,
    /// One line for each stage that ended.
    pub logs: Vec<String>,
    /// Digest of the graph.
    pub graph: String,
    /// The dialect.
    pub dialect: Option<String>,
    /// How often the run was restarted.
    pub restart: u32,
}

const RETRIES: &str = "internal.retry_count.";

impl Checkpoint {
    /// The state of a machine.
    pub(super) fn of(machine: &Machine, graph: &str, dialect: Option<&str>) -> Self {
        let context = machine.context();
        let outcomes = machine.outcomes();
        let retries = context.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix(RETRIES)?.to_owned(), value.as_u64()?))
        });
        let log = |(node, outcome): &(String, crate::outcome::Outcome)| {
            let notes = match outcome.status {
                Status::Fail | Status::Retry => &outcome.failure_reason,
                _ => &outcome.notes,
            };
            format!("{node}: {}: {notes}", outcome.status)
        };
        let completed_nodes = machine.path();
        Self {
            timestamp: canon_runtime::clock::rfc3339(canon_runtime::clock::now_ms()),
            current_node: completed_nodes.last().cloned(),
            next_node_id: machine.next_node().map(str::to_owned),
            node_retries: retries.collect(),
            node_visits: machine.visits(),
            logs: outcomes.iter().map(log).collect(),
            node_outcomes: outcomes.into_iter().map(|(node, o)| (node, o.status)).collect(),
            context: context.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            completed_nodes,
            graph: graph.to_owned(),
            dialect: dialect.map(str::to_owned),
            restart: machine.restart(),
        }
    }

    /// Replaces the file as a whole; returns its size in bytes.
    pub(super) fn save(&self, path: &Path) -> io::Result<u64> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        let temporary = path.with_extension("json.new");
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        Ok(text.len() as u64)
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn load(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}
