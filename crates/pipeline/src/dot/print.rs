//! Document → text that reads as the same document.

use std::fmt::{self, Display, Formatter};

use super::ast::{Attribute, Document, End, Statement, Subgraph, Target, Text};

impl Display for Document {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("digraph ")?;
        if let Some(name) = &self.name {
            write!(f, "{name} ")?;
        }
        f.write_str("{\n")?;
        statements(f, &self.statements, 1)?;
        f.write_str("}\n")
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.quoted {
            return f.write_str(&self.text);
        }
        f.write_str("\"")?;
        for c in self.text.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

fn statements(f: &mut Formatter<'_>, all: &[Statement], depth: usize) -> fmt::Result {
    for statement in all {
        write!(f, "{:width$}", "", width = depth * 4)?;
        match statement {
            Statement::Attribute(Attribute { key, value }) => write!(f, "{key} = {value}")?,
            Statement::Defaults(defaults) => {
                f.write_str(match defaults.target {
                    Target::Graph => "graph",
                    Target::Node => "node",
                    Target::Edge => "edge",
                })?;
                attributes(f, &defaults.attributes, true)?;
            }
            Statement::Node(node) => {
                write!(f, "{}", node.id)?;
                attributes(f, &node.attributes, false)?;
            }
            Statement::Edge(edge) => {
                for (index, end) in edge.ends.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" -> ")?;
                    }
                    match end {
                        End::Node(id) => write!(f, "{id}")?,
                        End::Group(group) => subgraph(f, group, depth)?,
                    }
                }
                attributes(f, &edge.attributes, false)?;
            }
            Statement::Subgraph(group) => subgraph(f, group, depth)?,
        }
        f.write_str(";\n")?;
    }
    Ok(())
}

fn subgraph(f: &mut Formatter<'_>, group: &Subgraph, depth: usize) -> fmt::Result {
    if let Some(id) = &group.id {
        write!(f, "subgraph {id} ")?;
    }
    f.write_str("{\n")?;
    statements(f, &group.statements, depth + 1)?;
    write!(f, "{:width$}}}", "", width = depth * 4)
}

fn attributes(f: &mut Formatter<'_>, all: &[Attribute], always: bool) -> fmt::Result {
    if all.is_empty() && !always {
        return Ok(());
    }
    f.write_str(" [")?;
    for (index, Attribute { key, value }) in all.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{key}={value}")?;
    }
    f.write_str("]")
}
