//! The model stylesheet (Attractor §8, ruling 21).

mod parse;

use std::collections::HashMap;
use std::sync::Arc;

use crate::graph::settings::{EFFORT, MODEL, PROVIDER};
use crate::graph::{Graph, NodeIx, Origin, Value};
use crate::span::Span;

pub use parse::SyntaxError;

/// What a rule is for; later variants are more specific.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// `*`.
    All,
    /// `box`.
    Shape(String),
    /// `.fast`.
    Class(String),
    /// `#review`.
    Id(String),
}

/// What a rule sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Property {
    /// `llm_model`.
    Model,
    /// `llm_provider`.
    Provider,
    /// `reasoning_effort`.
    Effort,
}

impl Property {
    /// All properties.
    pub const ALL: [Self; 3] = [Self::Model, Self::Provider, Self::Effort];

    /// The attribute that it sets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "llm_model",
            Self::Provider => "llm_provider",
            Self::Effort => "reasoning_effort",
        }
    }

    /// The attribute and its aliases.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Model => &MODEL,
            Self::Provider => &PROVIDER,
            Self::Effort => &EFFORT,
        }
    }

    /// The property of a word, which may be an alias.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|property| property.names().contains(&word))
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StyleRule {
    /// What it is for.
    pub selector: Selector,
    /// Where the selector stands in the stylesheet.
    pub span: Span,
    /// What it sets, in order.
    pub declarations: Vec<Declaration>,
}

/// `property: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The property.
    pub property: Property,
    /// The name that was written, which may be an alias.
    pub name: String,
    /// The value.
    pub value: Arc<str>,
    /// Where it stands in the stylesheet.
    pub span: Span,
}

/// A stylesheet: rules in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stylesheet {
    rules: Vec<StyleRule>,
}

impl Stylesheet {
    /// Reads a stylesheet; an empty one has no rules.
    ///
    /// # Errors
    ///
    /// It is not of the grammar of §8.2: what, where, and what to write.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parse::parse(text).map(|rules| Self { rules })
    }

    /// Its rules in order.
    pub fn rules(&self) -> &[StyleRule] {
        &self.rules
    }

    /// What each selector sets: of equal selectors the last one counts.
    fn index(&self) -> Index<'_> {
        let mut index = Index::new();
        for (order, rule) in self.rules.iter().enumerate() {
            for declaration in &rule.declarations {
                let entry = index.entry((&rule.selector, declaration.property));
                entry.insert_entry((order, &declaration.value));
            }
        }
        index
    }
}

/// (Selector, property) → (position of the rule, value).
type Index<'a> = HashMap<(&'a Selector, Property), (usize, &'a Arc<str>)>;

/// A graph with its stylesheet applied: each node gets what the most specific rule for it says,
/// unless the node or a block of defaults says it itself (§8.5). A stylesheet that cannot be read
/// changes nothing; the check reports it.
#[must_use]
pub fn apply(graph: &Graph) -> Graph {
    let Ok(sheet) = Stylesheet::parse(graph.model_stylesheet()) else {
        return graph.clone();
    };
    if sheet.rules.is_empty() {
        return graph.clone();
    }
    let index = sheet.index();
    let mut styled = graph.clone();
    for node in graph.node_indexes() {
        let selectors = selectors(graph, node);
        for property in Property::ALL {
            let attrs = graph.node(node).attrs();
            if property.names().iter().any(|name| attrs.is_written(name)) {
                continue;
            }
            let best = selectors
                .iter()
                .filter_map(|(rank, selector)| {
                    let (order, value) = index.get(&(selector, property))?;
                    Some((*rank, *order, *value))
                })
                .max_by_key(|(rank, order, _)| (*rank, *order));
            if let Some((_, _, value)) = best {
                let value = Value::string(Arc::clone(value));
                styled.set_node_attr(node, property.as_str(), value, Origin::Stylesheet);
            }
        }
    }
    styled
}

/// Selectors that match a node, each with its specificity (§8.3).
fn selectors(graph: &Graph, at: NodeIx) -> Vec<(u8, Selector)> {
    let node = graph.node(at);
    let mut selectors = vec![
        (0, Selector::All),
        (1, Selector::Shape(node.shape().to_owned())),
        (3, Selector::Id(node.id().to_owned())),
    ];
    selectors
        .extend(graph.classes(at).iter().map(|class| (2, Selector::Class((*class).to_owned()))));
    selectors
}

#[cfg(test)]
mod tests;
