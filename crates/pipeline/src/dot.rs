//! The language: DOT as Attractor §2 uses it, and what Graphviz accepts besides within a digraph
//! (ruling 22). Text → tokens → [`ast::Document`]; what a document means is made in
//! [`crate::graph`].

pub mod ast;
mod lexer;
mod notes;
mod parser;
mod print;
mod token;

use crate::diagnostic::Diagnostic;
use ast::Document;

/// A source that could be read, perhaps only in part.
#[derive(Debug)]
pub struct Read {
    /// What was understood.
    pub document: Document,
    /// Errors (rule `syntax`), and notes on what is accepted beyond the specification's grammar
    /// (rule `grammar`), in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a source as far as it can be read; never panics, and takes time linear in its length.
pub fn read(source: &str) -> Read {
    parser::parse(source)
}
