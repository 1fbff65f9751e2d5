//! From a source to a graph that can be run (Attractor §9.1–9.3): parse, transforms, checks.

mod prompt_files;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::check::Checker;
use crate::diagnostic::{Diagnostic, Refused};
use crate::graph::{Dialect, Graph};

pub use prompt_files::{MAX_PROMPT, PromptFiles};
pub(crate) use variables::input_variable;
pub use variables::{Variables, expand_goal};

/// Makes a graph of a graph, before the checks (§9.1).
pub trait Transform: Send + Sync {
    /// The new graph; `graph` itself stays as it is. What is wrong is added to `found`: with an
    /// error among it the pipeline is refused.
    fn apply(&self, graph: &Graph, found: &mut Vec<Diagnostic>) -> Graph;
}

/// Gives nodes what the stylesheet says (§8); the checks report one that cannot be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stylesheet;

impl Transform for Stylesheet {
    fn apply(&self, graph: &Graph, _: &mut Vec<Diagnostic>) -> Graph {
        crate::stylesheet::apply(graph)
    }
}

/// How a source is made ready.
#[derive(Default)]
pub struct Prepare {
    base: Option<PathBuf>,
    inputs: Option<BTreeMap<String, String>>,
    dialect: Option<Dialect>,
    transforms: Vec<Box<dyn Transform>>,
    checker: Checker,
}

/// A graph that can be run.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The graph, transforms applied.
    pub graph: Graph,
    /// Warnings and notes.
    pub diagnostics: Vec<Diagnostic>,
    /// The inputs that it uses (`$inputs.NAME`).
    pub inputs: BTreeSet<String>,
}

/// What became of a source, with errors too.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The graph, transforms applied; none when the source is no graph.
    pub graph: Option<Graph>,
    /// All that was found, in the order of the source; what has no place in it comes first.
    pub diagnostics: Vec<Diagnostic>,
    /// The inputs that it uses (`$inputs.NAME`).
    pub inputs: BTreeSet<String>,
}

impl Checked {
    /// Whether the pipeline may be run.
    pub fn is_ok(&self) -> bool {
        self.graph.is_some() && !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

impl Prepare {
    /// Without files, without values for inputs, with the built-in checks.
    pub fn new() -> Self {
        Self::default()
    }

    /// The directory of the source, below which its prompt files lie.
    #[must_use]
    pub fn base(mut self, base: impl Into<PathBuf>) -> Self {
        self.base = Some(base.into());
        self
    }

    /// Values of the inputs: from now on one that is used and not there is an error. For a check
    /// before anybody has named them there is no need to call it.
    #[must_use]
    pub fn inputs(mut self, inputs: BTreeMap<String, String>) -> Self {
        self.inputs = Some(inputs);
        self
    }

    /// Reads the source as written for this text of the specification, whatever it says itself.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Adds a transform, which is applied after the built-in ones and those that were added before.
    #[must_use]
    pub fn transform(mut self, transform: impl Transform + 'static) -> Self {
        self.transforms.push(Box::new(transform));
        self
    }

    /// Checks with other rules than the built-in ones.
    #[must_use]
    pub fn checker(mut self, checker: Checker) -> Self {
        self.checker = checker;
        self
    }

    /// Parses, transforms in order (prompts from files, variables, stylesheet, then those that were
    /// added), and checks.
    ///
    /// # Errors
    /// At least one finding is an error. All that was found is told, not the first error alone.
    pub fn prepare(&self, source: &str) -> Result<Prepared, Refused> {
        let Checked { graph, diagnostics, inputs } = self.check(source);
        match graph {
            Some(graph) if !diagnostics.iter().any(Diagnostic::is_error) => {
                Ok(Prepared { graph, diagnostics, inputs })
            }
            _ => Err(Refused { diagnostics }),
        }
    }

    /// The same for who wants to see a graph that has errors as well.
    pub fn check(&self, source: &str) -> Checked {
        let parsed = match Graph::parse(source) {
            Ok(parsed) => parsed,
            Err(Refused { diagnostics }) => {
                return Checked { graph: None, diagnostics, inputs: BTreeSet::new() };
            }
        };
        let (mut graph, mut diagnostics) = (parsed.graph, parsed.diagnostics);
        if let Some(dialect) = self.dialect {
            graph.set_dialect(dialect);
        }
        graph = PromptFiles::below(self.base.as_deref()).apply(&graph, &mut diagnostics);
        let inputs = variables::used(&graph);
        graph = Variables::of(self.inputs.as_ref()).apply(&graph, &mut diagnostics);
        graph = Stylesheet.apply(&graph, &mut diagnostics);
        for transform in &self.transforms {
            graph = transform.apply(&graph, &mut diagnostics);
        }
        diagnostics.extend(self.checker.validate(&graph));
        diagnostics.sort_by_key(|found| found.span.map(|span| span.start));
        Checked { graph: Some(graph), diagnostics, inputs }
    }
}

#[cfg(test)]
mod tests;
