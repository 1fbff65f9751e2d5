//! Where a session stands among agents and their subagents.

use std::sync::Arc;

/// The ids of the agents that lead to one, from below the host's session: nothing for that session
/// itself, else such as `agent-1/agent-2`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AgentPath(Option<Arc<str>>);

impl AgentPath {
    /// A subagent of this one.
    pub(crate) fn child(&self, agent_id: &str) -> Self {
        Self(Some(self.below(agent_id).into()))
    }

    /// As the host knows it.
    pub(crate) fn id(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// A call's id for the host, who sees the calls of all agents. Providers see their own.
    pub(crate) fn call_id(&self, call_id: &str) -> String {
        self.below(call_id)
    }

    fn below(&self, id: &str) -> String {
        match &self.0 {
            Some(path) => format!("{path}/{id}"),
            None => id.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AgentPath;

    #[test]
    fn calls_are_named_after_all_agents_that_lead_to_them() {
        let host = AgentPath::default();
        assert_eq!((host.id(), host.call_id("c").as_str()), (None, "c"));
        let nested = host.child("agent-1").child("agent-2");
        assert_eq!(nested.id(), Some("agent-1/agent-2"));
        assert_eq!(nested.call_id("c"), "agent-1/agent-2/c");
    }
}
