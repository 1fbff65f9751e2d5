//! What is known of a session's subagents: decisions about them, apart from what runs them.

use std::collections::BTreeMap;

use crate::events::{EventData, Limit, Outcome, Status};

/// What became of a subagent's last task (loop spec §7.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) agent_id: String,
    pub(crate) status: ChildStatus,
    /// The session is over: it takes no messages any more.
    pub(crate) closed: bool,
    /// The last text that it wrote.
    pub(crate) output: String,
    /// Replies of its model.
    pub(crate) turns_used: u32,
    /// Why it did not succeed.
    pub(crate) why: Option<String>,
}

/// Loop spec §7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildStatus {
    Running,
    Completed,
    Failed,
}

impl ChildStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// What an event of a child says about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ChildNews {
    /// A message that it was sent entered its conversation.
    MessageTaken,
    /// It is done with what it had.
    Idle(Outcome),
    /// Its session ended.
    Ended(Outcome),
}

impl ChildNews {
    /// `None` for events that say nothing about where it stands.
    pub(crate) fn of(event: &EventData) -> Option<Self> {
        match event {
            EventData::UserInput { .. } | EventData::SteeringInjected { .. } => {
                Some(Self::MessageTaken)
            }
            EventData::ProcessingEnd { outcome, .. } => Some(Self::Idle(outcome.clone())),
            EventData::SessionEnd { outcome, .. } => Some(Self::Ended(outcome.clone())),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Child {
    number: u64,
    report: Report,
    /// Messages on their way into its conversation: as long as there are some, it is not done.
    on_their_way: u32,
    /// Its end was asked for.
    closing: bool,
    /// It was told to give up what it is at, and has not yet said that it did.
    interrupted: bool,
}

/// All subagents of a session that there ever were, by id.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    children: BTreeMap<String, Child>,
}

/// Why a wait cannot end, or how it does.
#[derive(Debug, PartialEq)]
pub(crate) enum Waited {
    /// What was waited for has come; the rest is there as it stands.
    Over(Vec<Report>),
    /// Not yet; all as it stands.
    NotYet(Vec<Report>),
}

impl Roster {
    /// The id of the next child, unless `most` are at work.
    pub(crate) fn vacancy(&self, most: usize) -> Result<String, String> {
        let running = self.running();
        if running.len() >= most {
            return Err(format!(
                "{} subagents are at work, which is the limit: {}. Wait for one of them, or close \
                 one, and try again.",
                running.len(),
                running.join(", ")
            ));
        }
        Ok(format!("agent-{}", self.children.len() + 1))
    }

    /// A new child that has its first message.
    pub(crate) fn admit(&mut self, agent_id: &str) {
        let number = self.children.len() as u64 + 1;
        let report = Report {
            agent_id: agent_id.to_owned(),
            status: ChildStatus::Running,
            closed: false,
            output: String::new(),
            turns_used: 0,
            why: None,
        };
        let child = Child { number, report, on_their_way: 1, closing: false, interrupted: false };
        self.children.insert(agent_id.to_owned(), child);
    }

    /// One more message goes to it.
    pub(crate) fn send(&mut self, agent_id: &str) -> Result<(), String> {
        let child = self.child(agent_id)?;
        if child.report.closed || child.closing {
            return Err(format!(
                "Subagent {agent_id} is closed and takes no messages. Spawn another one."
            ));
        }
        child.on_their_way += 1;
        child.report.status = ChildStatus::Running;
        Ok(())
    }

    pub(crate) fn observe(&mut self, agent_id: &str, news: ChildNews) {
        let Ok(child) = self.child(agent_id) else { return };
        match news {
            ChildNews::MessageTaken => {
                child.on_their_way = child.on_their_way.saturating_sub(1);
                child.report.status = ChildStatus::Running;
            }
            ChildNews::Idle(outcome) => child.settle(outcome),
            ChildNews::Ended(outcome) => {
                child.report.closed = true;
                // One that was done before is closed with the result that it had.
                if child.report.status == ChildStatus::Running {
                    child.on_their_way = 0;
                    child.settle(outcome);
                }
            }
        }
    }

    /// All are told to give up what they are at, with the messages that were on their way.
    pub(crate) fn interrupt_all(&mut self) {
        for child in self.children.values_mut() {
            if child.report.status == ChildStatus::Running {
                child.interrupted = true;
                child.on_their_way = 0;
            }
        }
    }

    /// Its end is asked for.
    pub(crate) fn close(&mut self, agent_id: &str) -> Result<(), String> {
        self.child(agent_id)?.closing = true;
        Ok(())
    }

    /// Nothing more comes of it.
    pub(crate) fn gone(&mut self, agent_id: &str) {
        let Ok(child) = self.child(agent_id) else { return };
        child.report.closed = true;
        if child.report.status == ChildStatus::Running {
            child.report.status = ChildStatus::Failed;
            child.report.why = Some("its task ended without a result".to_owned());
        }
    }

    pub(crate) fn report(&self, agent_id: &str) -> Option<Report> {
        self.children.get(agent_id).map(|child| child.report.clone())
    }

    /// Whether all of these, or `any` one, are no longer running.
    pub(crate) fn waited(&self, agent_ids: &[String], any: bool) -> Result<Waited, String> {
        let mut reports = Vec::new();
        for agent_id in agent_ids {
            reports.push(self.report(agent_id).ok_or_else(|| self.unknown(agent_id))?);
        }
        let mut done = reports.iter().map(|report| report.status != ChildStatus::Running);
        let over = if any { done.any(|done| done) } else { done.all(|done| done) };
        Ok(if over { Waited::Over(reports) } else { Waited::NotYet(reports) })
    }

    /// Those at work, oldest first.
    pub(crate) fn running(&self) -> Vec<String> {
        self.select(|child| child.report.status == ChildStatus::Running)
    }

    /// Those that are done and could be sent another message, oldest first.
    pub(crate) fn idle(&self) -> Vec<String> {
        self.select(|child| {
            child.report.status != ChildStatus::Running && !child.report.closed && !child.closing
        })
    }

    /// Those whose sessions are not over.
    pub(crate) fn open(&self) -> Vec<String> {
        self.select(|child| !child.report.closed)
    }

    fn select(&self, wanted: impl Fn(&Child) -> bool) -> Vec<String> {
        let mut found: Vec<&Child> = self.children.values().filter(|child| wanted(child)).collect();
        found.sort_by_key(|child| child.number);
        found.into_iter().map(|child| child.report.agent_id.clone()).collect()
    }

    fn child(&mut self, agent_id: &str) -> Result<&mut Child, String> {
        if !self.children.contains_key(agent_id) {
            return Err(self.unknown(agent_id));
        }
        self.children.get_mut(agent_id).ok_or_else(String::new)
    }

    fn unknown(&self, agent_id: &str) -> String {
        match self.select(|_| true) {
            known if known.is_empty() => {
                format!("There is no subagent {agent_id}: none was spawned in this session.")
            }
            known => format!("There is no subagent {agent_id}. There are: {}.", known.join(", ")),
        }
    }
}

impl Child {
    fn settle(&mut self, outcome: Outcome) {
        // A message that comes too late for the last task begins another one, but only where
        // nothing stopped the child, or it was sent after the interrupt that did.
        let interrupted = std::mem::take(&mut self.interrupted);
        let takes_more = match outcome.status {
            Status::Completed => true,
            Status::Aborted => interrupted,
            _ => false,
        };
        let goes_on = self.on_their_way > 0 && takes_more;
        let why = why_not(&outcome.status, self.closing);
        self.report.output = outcome.text;
        self.report.turns_used = outcome.turns;
        self.report.status = match &why {
            _ if goes_on => ChildStatus::Running,
            None => ChildStatus::Completed,
            Some(_) => ChildStatus::Failed,
        };
        self.report.why = why;
    }
}

/// Why a task that ended so has not succeeded.
fn why_not(status: &Status, closing: bool) -> Option<String> {
    match status {
        Status::Completed | Status::AwaitingInput => None,
        Status::Limit { limit: Limit::Turns } => Some("it used up its turns".to_owned()),
        Status::Limit { limit: Limit::ToolRounds } => {
            Some("it used up its rounds of tool calls".to_owned())
        }
        Status::Limit { limit: Limit::Tokens | Limit::Cost } => {
            Some("the budget that it shares with you is used up".to_owned())
        }
        Status::Aborted if closing => Some("it was closed before it was done".to_owned()),
        Status::Aborted => Some("it was interrupted".to_owned()),
        Status::Failed { code, message } => Some(format!("{code}: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon_llm::Usage;

    fn outcome(status: Status, text: &str) -> Outcome {
        Outcome {
            status,
            text: text.to_owned(),
            usage: Usage::default(),
            cost_usd: None,
            turns: 2,
            tool_calls: 0,
            earlier: None,
        }
    }

    fn idle(status: Status) -> ChildNews {
        ChildNews::Idle(outcome(status, "text"))
    }

    fn status(roster: &Roster) -> ChildStatus {
        roster.report("agent-1").unwrap().status
    }

    fn admitted(roster: &mut Roster, most: usize) -> String {
        let agent_id = roster.vacancy(most).unwrap();
        roster.admit(&agent_id);
        agent_id
    }

    #[test]
    fn a_message_that_comes_after_the_end_of_a_task_begins_another_one() {
        let mut roster = Roster::default();
        let id = admitted(&mut roster, 1);
        roster.observe(&id, ChildNews::MessageTaken);
        // Sent while the child was already at its end.
        roster.send(&id).unwrap();
        roster.observe(&id, idle(Status::Completed));
        assert_eq!(status(&roster), ChildStatus::Running);
        roster.observe(&id, ChildNews::MessageTaken);
        roster.observe(&id, idle(Status::Completed));
        assert_eq!(status(&roster), ChildStatus::Completed);
        assert_eq!(roster.report(&id).unwrap().output, "text");
    }

    #[test]
    fn whatever_stops_a_child_nobody_waits_for_it_forever() {
        for stop in [Status::Aborted, Status::Limit { limit: Limit::Turns }] {
            let mut roster = Roster::default();
            let id = admitted(&mut roster, 1);
            roster.send(&id).unwrap();
            roster.observe(&id, idle(stop));
            assert_eq!(status(&roster), ChildStatus::Failed);
            assert!(matches!(roster.waited(&[id], false), Ok(Waited::Over(_))));
        }
        let mut roster = Roster::default();
        let id = admitted(&mut roster, 1);
        roster.gone(&id);
        let report = roster.report(&id).unwrap();
        assert_eq!((report.status, report.closed), (ChildStatus::Failed, true));
    }

    #[test]
    fn a_message_sent_after_an_interrupt_is_the_next_task() {
        let mut roster = Roster::default();
        let id = admitted(&mut roster, 1);
        roster.observe(&id, ChildNews::MessageTaken);
        roster.interrupt_all();
        roster.send(&id).unwrap();
        roster.observe(&id, idle(Status::Aborted));
        assert_eq!(status(&roster), ChildStatus::Running);
        roster.observe(&id, ChildNews::MessageTaken);
        roster.observe(&id, idle(Status::Completed));
        assert_eq!(status(&roster), ChildStatus::Completed);
    }

    #[test]
    fn a_closed_child_keeps_its_result() {
        let mut roster = Roster::default();
        let id = admitted(&mut roster, 1);
        roster.observe(&id, ChildNews::MessageTaken);
        roster.observe(&id, idle(Status::Completed));
        assert_eq!(roster.idle(), ["agent-1"]);
        roster.close(&id).unwrap();
        roster.observe(&id, ChildNews::Ended(outcome(Status::Aborted, "text")));
        roster.gone(&id);
        let report = roster.report(&id).unwrap();
        assert_eq!((report.status, report.closed), (ChildStatus::Completed, true));
        assert!(roster.send(&id).unwrap_err().contains("closed"));
        assert!(roster.open().is_empty());
    }

    #[test]
    fn only_those_at_work_count_against_the_limit() {
        let mut roster = Roster::default();
        let ids: Vec<String> = (0..2).map(|_| admitted(&mut roster, 2)).collect();
        assert!(roster.vacancy(2).unwrap_err().contains("agent-1, agent-2"));
        roster.observe(&ids[0], ChildNews::MessageTaken);
        roster.observe(&ids[0], idle(Status::Completed));
        assert_eq!(admitted(&mut roster, 2), "agent-3");
    }

    #[test]
    fn waiting_for_any_ends_with_the_first_and_for_all_with_the_last() {
        let mut roster = Roster::default();
        let ids: Vec<String> = (0..2).map(|_| admitted(&mut roster, 2)).collect();
        assert!(matches!(roster.waited(&ids, true), Ok(Waited::NotYet(_))));
        roster.observe(&ids[1], ChildNews::MessageTaken);
        roster.observe(&ids[1], idle(Status::Completed));
        assert!(matches!(roster.waited(&ids, true), Ok(Waited::Over(_))));
        assert!(matches!(roster.waited(&ids, false), Ok(Waited::NotYet(_))));
        let unknown = roster.waited(&["agent-9".to_owned()], true).unwrap_err();
        assert!(unknown.contains("There are: agent-1, agent-2."), "{unknown}");
    }
}
