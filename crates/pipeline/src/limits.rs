//! What a source may hold at most, so that a hostile one costs little.

/// Bytes of a source.
pub const MAX_SOURCE: usize = 16 * 1024 * 1024;
/// Subgraphs and groups within one another.
pub const MAX_DEPTH: usize = 64;
/// Nodes of a graph.
pub const MAX_NODES: usize = 100_000;
/// Edges of a graph, after chains and groups were expanded.
pub const MAX_EDGES: usize = 500_000;
/// Attributes of a node, an edge or a graph.
pub const MAX_ATTRIBUTES: usize = 256;
/// Attributes of all nodes and edges together, defaults counted for each that has them.
pub const MAX_ALL_ATTRIBUTES: usize = 2_000_000;
/// Findings of one rule that are told.
pub const MAX_FINDINGS: usize = 100;
/// Steps that a rule takes at most where its cost is more than the size of the graph. Beyond it
/// the rule leaves the rest unsaid.
pub const MAX_STEPS: usize = 50_000_000;
/// Syntax errors after which reading stops.
pub const MAX_ERRORS: usize = 20;
