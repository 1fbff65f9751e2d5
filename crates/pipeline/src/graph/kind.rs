//! What a node does: role and handler (Attractor §2.8, §4.2; rulings 11 and 14).

use std::fmt;
use std::sync::Arc;

use super::{Graph, Node, NodeIx};

/// The handler of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Where a run begins.
    Start,
    /// Where a run ends.
    Exit,
    /// A stage of a coding agent.
    Codergen,
    /// One call of a model, without tools.
    Prompt,
    /// A question to a person.
    WaitHuman,
    /// Routing by conditions.
    Conditional,
    /// Fan-out.
    Parallel,
    /// Fan-in.
    FanIn,
    /// A command.
    Tool,
    /// A supervisor of a child pipeline.
    ManagerLoop,
    /// Waiting for a time.
    Wait,
    /// A handler that an embedder registers under this name.
    Custom(Arc<str>),
}

impl Kind {
    /// All built-in kinds.
    pub const BUILT_IN: [Self; 11] = [
        Self::Start,
        Self::Exit,
        Self::Codergen,
        Self::Prompt,
        Self::WaitHuman,
        Self::Conditional,
        Self::Parallel,
        Self::FanIn,
        Self::Tool,
        Self::ManagerLoop,
        Self::Wait,
    ];

    /// The value of `type` that names it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Start => "start",
            Self::Exit => "exit",
            Self::Codergen => "codergen",
            Self::Prompt => "prompt",
            Self::WaitHuman => "wait.human",
            Self::Conditional => "conditional",
            Self::Parallel => "parallel",
            Self::FanIn => "parallel.fan_in",
            Self::Tool => "tool",
            Self::ManagerLoop => "stack.manager_loop",
            Self::Wait => "wait",
            Self::Custom(name) => name,
        }
    }

    /// The kind of a `type`.
    pub fn of_type(name: &str) -> Self {
        let known = Self::BUILT_IN.into_iter().find(|kind| kind.as_str() == name);
        known.unwrap_or_else(|| Self::Custom(name.into()))
    }

    /// The kind of a shape (§2.8); none for a shape that says nothing. `tab` is beyond the
    /// specification.
    pub fn of_shape(shape: &str) -> Option<Self> {
        Some(match shape {
            "Mdiamond" => Self::Start,
            "Msquare" => Self::Exit,
            "box" => Self::Codergen,
            "hexagon" => Self::WaitHuman,
            "diamond" => Self::Conditional,
            "component" => Self::Parallel,
            "tripleoctagon" => Self::FanIn,
            "parallelogram" => Self::Tool,
            "house" => Self::ManagerLoop,
            "tab" => Self::Prompt,
            _ => return None,
        })
    }

    /// Whether a model works on it.
    pub fn is_llm(&self) -> bool {
        matches!(self, Self::Codergen | Self::Prompt)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which text of the specification a pipeline is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// The current text.
    #[default]
    Current,
    /// The text of February 2026: 50 retries by default, labels matching conditional edges, any
    /// edge as the last resort, several exits, undeclared nodes.
    February2026,
}

impl Dialect {
    /// The name of the dialect of February 2026.
    pub const FEBRUARY: &'static str = "2026-02";

    /// The dialect of a name.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim() {
            Self::FEBRUARY => Some(Self::February2026),
            "" | "current" => Some(Self::Current),
            _ => None,
        }
    }
}

/// Which nodes begin and end a run. Several of a role are an error of the check, or, for exits,
/// the dialect of February.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// Where a run begins.
    pub starts: Vec<NodeIx>,
    /// Where a run ends.
    pub exits: Vec<NodeIx>,
}

impl Roles {
    /// Shape decides, then `type`, then the shape of earlier texts, then the id (ruling 11).
    fn of(nodes: &[Node]) -> Self {
        let pick = |kind: &Kind, shape: &str, old: &str, ids: &[&str]| {
            let written = |node: &Node| node.attrs().non_empty("shape").map(str::to_owned);
            let tests: [&dyn Fn(&Node) -> bool; 4] = [
                &|node| written(node).as_deref() == Some(shape),
                &|node| node.type_name() == Some(kind.as_str()),
                &|node| node.type_name().is_none() && written(node).as_deref() == Some(old),
                &|node| ids.iter().any(|id| node.id().eq_ignore_ascii_case(id)),
            ];
            for test in tests {
                let found: Vec<_> = nodes
                    .iter()
                    .enumerate()
                    .filter(|(_, node)| test(node))
                    .map(|(index, _)| NodeIx::new(index))
                    .collect();
                if !found.is_empty() {
                    return found;
                }
            }
            Vec::new()
        };
        Self {
            starts: pick(&Kind::Start, "Mdiamond", "circle", &["start"]),
            exits: pick(&Kind::Exit, "Msquare", "doublecircle", &["exit", "end"]),
        }
    }
}

impl Graph {
    /// Which text of the specification it is written for: as asked for, else its `dialect`.
    pub fn dialect(&self) -> Dialect {
        let written = || Dialect::parse(self.attrs().text("dialect")).unwrap_or_default();
        self.data.dialect.unwrap_or_else(written)
    }

    /// Reads it as written for this text of the specification, whatever it says itself.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.data_mut().dialect = Some(dialect);
    }

    /// Where runs begin and end.
    pub fn roles(&self) -> &Roles {
        self.data.roles.get_or_init(|| Roles::of(&self.data.nodes))
    }

    /// Where a run begins; none when no node or several would be it.
    pub fn start(&self) -> Option<NodeIx> {
        match self.roles().starts.as_slice() {
            [start] => Some(*start),
            _ => None,
        }
    }

    /// Whether a run ends at a node.
    pub fn is_exit(&self, node: NodeIx) -> bool {
        self.roles().exits.binary_search(&node).is_ok()
    }

    /// What a node does: its role, else its `type`, else its shape, else a stage of an agent.
    pub fn kind(&self, node: NodeIx) -> Kind {
        if self.roles().starts.binary_search(&node).is_ok() {
            return Kind::Start;
        }
        if self.is_exit(node) {
            return Kind::Exit;
        }
        let node = self.node(node);
        match node.type_name() {
            Some(name) => Kind::of_type(name),
            None => match Kind::of_shape(node.shape()) {
                Some(kind) => kind,
                None => Kind::Codergen,
            },
        }
    }
}
