//! Pipelines as directed graphs in DOT (Attractor): the language, the typed graph, conditions,
//! the model stylesheet, the checks before a run, and the engine that runs them.
//!
//! ```
//! use canon_pipeline::{Checker, Graph};
//!
//! let source = "digraph hello { start [shape=Mdiamond] exit [shape=Msquare] \
//!               say [prompt=\"Say hello\"] start -> say -> exit }";
//! let parsed = Graph::parse(source)?;
//! let graph = canon_pipeline::stylesheet::apply(&parsed.graph);
//! Checker::new().validate_or_raise(&graph)?;
//! assert_eq!(graph.nodes().len(), 3);
//! # Ok::<(), canon_pipeline::Refused>(())
//! ```

pub mod check;
pub mod condition;
pub mod context;
mod diagnostic;
pub mod dot;
pub mod engine;
pub mod graph;
pub mod handler;
pub mod limits;
pub mod outcome;
pub mod run;
mod span;
pub mod stylesheet;
pub mod verdict;

pub use check::{Checker, Rule};
pub use condition::Condition;
pub use context::Context;
pub use diagnostic::{Diagnostic, Refused, Severity};
pub use graph::{Dialect, Edge, EdgeIx, Graph, Kind, Node, NodeIx, Parsed};
pub use handler::{Handler, Registry, Stage};
pub use outcome::{Outcome, Status};
pub use span::{Lines, Location, Span, SpanMap};
pub use stylesheet::Stylesheet;
