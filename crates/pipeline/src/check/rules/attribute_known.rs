use std::collections::HashMap;

use super::{Owner, Place, each_attribute, nearest};
use crate::check::Rule;
use crate::{Diagnostic, Graph};

/// An attribute that is almost called like one that means something. Others are the author's own
/// (§1.2) and let be.
pub(super) struct AttributeKnown;

const OF_GRAPHS: &[&str] = &[
    "goal",
    "label",
    "model_stylesheet",
    "default_max_retries",
    "default_max_retry",
    "retry_target",
    "fallback_retry_target",
    "default_fidelity",
    "default_thread",
    "default_thread_id",
    "dialect",
    "llm_model",
    "llm_provider",
    "llm_fallback",
    "reasoning_effort",
    "max_visits",
    "max_stages",
    "max_restarts",
    "max_goal_redirects",
    "stack.child_dotfile",
    "stack.child_workdir",
    "tool_hooks.pre",
    "tool_hooks.post",
    "hooks.run_start",
    "hooks.run_end",
    "hooks.stage_start",
    "hooks.stage_end",
    "hooks.gate",
    "rankdir",
    "model",
    "provider",
];
const OF_NODES: &[&str] = &[
    "label",
    "shape",
    "type",
    "prompt",
    "max_retries",
    "goal_gate",
    "retry_target",
    "fallback_retry_target",
    "fidelity",
    "thread_id",
    "class",
    "timeout",
    "llm_model",
    "llm_provider",
    "llm_fallback",
    "reasoning_effort",
    "auto_status",
    "allow_partial",
    "continue_on_fail",
    "max_visits",
    "tool_command",
    "join_policy",
    "max_parallel",
    "duration",
    "model",
    "provider",
    "human.default_choice",
    "human.input",
    "human.timeout",
    "manager.poll_interval",
    "manager.max_cycles",
    "manager.stop_condition",
    "manager.actions",
    "manager.steer_cooldown",
    "stack.child_dotfile",
    "stack.child_workdir",
    "stack.child_autostart",
    "tool_hooks.pre",
    "tool_hooks.post",
];
const OF_EDGES: &[&str] =
    &["label", "condition", "weight", "fidelity", "thread_id", "loop_restart"];
/// Of Graphviz; some are like ours.
const OF_GRAPHVIZ: &[&str] = &[
    "color",
    "colour",
    "style",
    "fontname",
    "fontsize",
    "fontcolor",
    "fillcolor",
    "penwidth",
    "width",
    "height",
    "margin",
    "nodesep",
    "ranksep",
    "splines",
    "xlabel",
    "headlabel",
    "taillabel",
    "labelloc",
    "labeljust",
    "tooltip",
    "rank",
    "pos",
    "peripheries",
    "sides",
    "len",
    "minlen",
    "size",
    "ratio",
    "dir",
    "headport",
    "tailport",
    "group",
    "layout",
    "comment",
    "id",
    "url",
    "href",
    "target",
    "lhead",
    "ltail",
    "constraint",
    "arrowhead",
    "arrowtail",
    "bgcolor",
];

impl Rule for AttributeKnown {
    fn name(&self) -> &str {
        "attribute_known"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        // A pipeline writes the same few keys again and again.
        let mut nearest_of = HashMap::new();
        each_attribute(graph, |owner, attr| {
            let known = match owner {
                Owner::Graph => OF_GRAPHS,
                Owner::Node(_) => OF_NODES,
                Owner::Edge(_) => OF_EDGES,
            };
            let key = &*attr.key;
            if known.contains(&key) || OF_GRAPHVIZ.contains(&key.to_ascii_lowercase().as_str()) {
                return;
            }
            let near = nearest_of
                .entry((known.as_ptr(), key))
                .or_insert_with(|| nearest(key, known.iter().copied()));
            if let Some(near) = near {
                let message = format!("`{key}` means nothing here");
                let warning = Diagnostic::warning("attribute_known", message);
                let fix = format!("write `{near}` if that is meant");
                found.push(owner.place(graph, warning).on_key(attr).fix(fix));
            }
        });
        found
    }
}
