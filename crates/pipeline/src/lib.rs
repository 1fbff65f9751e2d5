//! Pipelines as directed graphs in DOT (Attractor): the language, the typed graph, conditions,
//! the model stylesheet, the checks before a run, and the engine that runs them.
//!
//! ```
//! use canon_pipeline::Prepare;
//!
//! let source = "digraph hello { start [shape=Mdiamond] exit [shape=Msquare] \
//!               say [prompt=\"Say hello\"] start -> say -> exit }";
//! let prepared = Prepare::new().prepare(source)?;
//! assert_eq!(prepared.graph.nodes().len(), 3);
//! # Ok::<(), canon_pipeline::Refused>(())
//! ```

pub mod artifacts;
pub mod backend;
pub mod check;
pub mod condition;
pub mod context;
mod diagnostic;
pub mod dot;
pub mod draw;
pub mod engine;
pub mod fidelity;
pub mod graph;
pub mod handler;
pub mod handlers;
pub mod interview;
pub mod limits;
pub mod outcome;
pub mod run;
mod span;
pub mod stylesheet;
pub mod transform;
pub mod verdict;

pub use backend::{Backend, BackendError, LlmCall, Reply};
pub use check::{Checker, Rule};
pub use condition::Condition;
pub use context::Context;
pub use diagnostic::{Diagnostic, Refused, Severity};
pub use graph::{Dialect, Edge, EdgeIx, Graph, Kind, Node, NodeIx, Parsed};
pub use handler::{Handler, Registry, Stage};
pub use interview::Interviewer;
pub use outcome::{Outcome, Status};
pub use span::{Lines, Location, Span, SpanMap};
pub use stylesheet::Stylesheet;
pub use transform::{Checked, Prepare, Prepared, Transform};
