//! Pipelines as pictures (SVG).
//!
//! [`svg`] lays a graph out in ranks and draws its nodes in Graphviz's shapes, its edges with
//! their labels and conditions, its clusters as boxes. The same graph always gives the same text.
//! Everything that stands in the source is data: it is escaped, and where it names a colour or a
//! style it is used only when it is one.
//!
//! ```
//! use canon_pipeline::draw::{Options, svg};
//!
//! let graph = canon_pipeline::Graph::parse("digraph { start -> work -> exit }")?.graph;
//! let picture = svg(&graph, &Options::default())?;
//! assert!(picture.contains("id=\"node-work\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod color;
mod curve;
mod layout;
mod paint;
mod scene;
mod shape;
mod style;
mod text;
mod xml;

use std::collections::BTreeMap;

use crate::graph::{Graph, NodeIx};

/// Nodes that are drawn at most: a picture of more would not be read.
pub const MAX_NODES: usize = 5_000;
/// Edges that are drawn at most.
pub const MAX_EDGES: usize = 20_000;

/// How a graph is drawn.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How far a run is: these nodes are coloured.
    pub marks: BTreeMap<NodeIx, Mark>,
}

/// What became of a node in a run. It is a class of the node's group in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// It runs.
    Running,
    /// It waits for a person, or for a time.
    Waiting,
    /// It has succeeded.
    Succeeded,
    /// It has succeeded in part.
    Partial,
    /// It has failed.
    Failed,
    /// It was passed over.
    Skipped,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Waiting, Self::Succeeded, Self::Partial, Self::Failed, Self::Skipped];

    /// The class.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The graph is not drawn: that would take too long, and nobody could read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// It has too many nodes or edges.
    #[error(
        "{nodes} nodes and {edges} edges are too many to draw: at most {MAX_NODES} nodes and \
         {MAX_EDGES} edges are drawn"
    )]
    Count {
        /// Its nodes.
        nodes: usize,
        /// Its edges.
        edges: usize,
    },
    /// Its edges lead past so many nodes that laying them out would take too long.
    #[error(
        "the edges are too long to draw: together they pass more ranks of nodes than are laid out"
    )]
    Tangled,
}

/// Draws a graph, as a whole SVG document.
///
/// Nodes are groups with the id `node-ID` (characters that ids of XML cannot have written as
/// `:HEX:`), the class `node`, and their own id as `data-id`. Edges are groups with the id
/// `edge-N`, N from 0 in the order of declaration, and `data-from` and `data-to`.
///
/// # Errors
///
/// The graph is [`TooLarge`].
pub fn svg(graph: &Graph, options: &Options) -> Result<String, TooLarge> {
    let (nodes, edges) = (graph.nodes().len(), graph.edges().len());
    if nodes > MAX_NODES || edges > MAX_EDGES {
        return Err(TooLarge::Count { nodes, edges });
    }
    let scene = scene::Scene::new(graph)?;
    Ok(paint::paint(graph, &scene, options))
}

#[cfg(test)]
mod tests;
