//! The tools with which a model works through subagents (loop spec §7.2).

mod close_agent;
mod send_input;
mod spawn_agent;
mod wait;

use std::sync::Arc;

use serde_json::{Value, json};

use super::Tool;
use crate::subagents::{ChildStatus, Report, Subagents};

/// All four, for one session.
pub(crate) fn subagent_tools(subagents: &Arc<Subagents>) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(spawn_agent::SpawnAgent(Arc::clone(subagents))),
        Arc::new(send_input::SendInput(Arc::clone(subagents))),
        Arc::new(wait::Wait(Arc::clone(subagents))),
        Arc::new(close_agent::CloseAgent(Arc::clone(subagents))),
    ]
}

/// Where a subagent stands, in one line.
fn standing(report: &Report) -> String {
    let Report { agent_id, status, closed, turns_used, why, .. } = report;
    let closed = if *closed { ", closed" } else { "" };
    match status {
        ChildStatus::Running => format!("{agent_id}: running{closed}"),
        ChildStatus::Completed => {
            format!("{agent_id}: completed{closed}; success: true; turns used: {turns_used}")
        }
        ChildStatus::Failed => {
            let why = why.as_deref().unwrap_or("no reason is known");
            format!("{agent_id}: failed{closed}; success: false; turns used: {turns_used}; {why}")
        }
    }
}

/// The same with what it wrote last.
fn result(report: &Report) -> String {
    let line = standing(report);
    match (report.status, report.output.trim()) {
        (ChildStatus::Running, _) | (_, "") => line,
        (_, output) => format!("{line}\n{output}"),
    }
}

/// For the host's machines: `SubAgentResult` of loop spec §7.3, and what belongs to it.
fn details(report: &Report) -> Value {
    json!({
        "agent_id": report.agent_id,
        "status": report.status.as_str(),
        "closed": report.closed,
        "success": report.status == ChildStatus::Completed,
        "turns_used": report.turns_used,
        "output": report.output,
        "why": report.why,
    })
}
