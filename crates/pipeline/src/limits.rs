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
/// Syntax errors after which reading stops.
pub const MAX_ERRORS: usize = 20;
