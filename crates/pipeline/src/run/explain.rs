//! Why a run went the way it went: every hop with the rule behind it.

use std::fmt;

use serde::Serialize;

use super::journal::Contents;
use crate::engine::{Rule, StageRecord};
use crate::outcome::{Approval, Status};

/// One hop of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainedHop {
    /// Its place in the journal, from 1.
    pub seq: usize,
    /// When it was decided, in Unix milliseconds.
    pub at: u64,
    /// How often the run was restarted before.
    pub restart: u32,
    /// The frame; empty for the run itself.
    pub frame: String,
    /// The stage.
    pub stage: String,
    /// Which visit of it.
    pub visit: u32,
    /// Which attempt of that visit.
    pub attempt: u32,
    /// What its handler came to.
    pub status: Status,
    /// Why, for a failure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The rule that decided.
    pub rule: Rule,
    /// Where the rule stands written.
    pub cite: &'static str,
    /// What decided: the condition, the label, the count.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The next stage; none where the run or the branch ends, or the stage is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Who opened the gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// All hops of a run, in order.
pub fn explain(contents: &Contents) -> Vec<ExplainedHop> {
    contents.stages.iter().enumerate().map(|(at, record)| hop(at + 1, record)).collect()
}

fn hop(seq: usize, record: &StageRecord) -> ExplainedHop {
    let StageRecord { attempt, outcome, at, hop, .. } = record;
    ExplainedHop {
        seq,
        at: *at,
        restart: attempt.restart,
        frame: attempt.frame.to_string(),
        stage: attempt.node.clone(),
        visit: attempt.visit,
        attempt: attempt.attempt,
        status: outcome.status,
        reason: outcome.failure_reason.clone(),
        rule: hop.rule,
        cite: hop.rule.cite(),
        detail: hop.detail.clone(),
        next: hop.next.clone(),
        approval: outcome.approval.clone(),
    }
}

/// One line: `3 fan/a · test #2 (attempt 2): fail → fix  [Attractor §3.3 step 1: outcome=fail]`.
impl fmt::Display for ExplainedHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4} ", self.seq)?;
        if self.restart > 0 {
            write!(f, "restart {} · ", self.restart)?;
        }
        if !self.frame.is_empty() {
            write!(f, "{} · ", line(&self.frame))?;
        }
        write!(f, "{}", line(&self.stage))?;
        if self.visit > 1 {
            write!(f, " #{}", self.visit)?;
        }
        if self.attempt > 1 {
            write!(f, " (attempt {})", self.attempt)?;
        }
        write!(f, ": {} → ", self.status)?;
        match (&self.next, self.rule) {
            (Some(next), _) => write!(f, "{}", line(next))?,
            (None, Rule::Retry) => f.write_str("again")?,
            (None, _) => f.write_str("end")?,
        }
        write!(f, "  [{}", self.cite)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", line(&self.detail))?;
        }
        f.write_str("]")?;
        if let Some(approval) = &self.approval {
            write!(f, "  by {}", line(&approval.by))?;
        }
        Ok(())
    }
}

/// Text of others as one line without control characters.
fn line(text: &str) -> String {
    const MAX: usize = 300;
    let plain = |char: char| if char.is_control() { ' ' } else { char };
    let mut line: String = text.chars().take(MAX).map(plain).collect();
    if text.chars().nth(MAX).is_some() {
        line.push('…');
    }
    line
}
