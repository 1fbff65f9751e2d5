use super::Place;
use crate::check::Rule;
use crate::{Diagnostic, Graph};

/// An LLM stage says what to do (§7.2): a prompt, or at least a label.
pub(super) struct PromptOnLlmNodes;

impl Rule for PromptOnLlmNodes {
    fn name(&self) -> &str {
        "prompt_on_llm_nodes"
    }

    fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
        let stages = graph.node_indexes().filter(|node| graph.kind(*node).is_llm());
        stages
            .filter(|node| {
                let attrs = graph.node(*node).attrs();
                attrs.non_empty("prompt").is_none() && attrs.non_empty("label").is_none()
            })
            .map(|node| {
                let message = format!(
                    "`{}` has neither prompt nor label: its model is told only its id",
                    graph.id(node)
                );
                Diagnostic::warning("prompt_on_llm_nodes", message)
                    .on_node(graph, node)
                    .fix("set `prompt`")
            })
            .collect()
    }
}
