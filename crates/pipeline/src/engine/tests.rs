//! The machine without a driver: a script says what becomes of each stage.

mod caps;
mod forks;
mod gates;
mod replaying;
mod retries;
mod routes;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::*;
use crate::graph::Graph;
use crate::outcome::{FailureClass, Outcome, Status};

/// A machine with the outcomes that its stages will have, by node, one after another; the last one
/// stays.
struct Sim {
    machine: Machine,
    script: HashMap<String, VecDeque<Outcome>>,
    now: u64,
    records: Vec<StageRecord>,
    executed: Vec<AttemptId>,
    canceled: Vec<AttemptId>,
    waiting: VecDeque<Effect>,
    /// Trees that stages leave: node → tree.
    trees: HashMap<String, VecDeque<&'static str>>,
}

fn plan(body: &str) -> Arc<Plan> {
    let source = format!("digraph t {{ start [shape=Mdiamond] exit [shape=Msquare] {body} }}");
    Arc::new(Plan::of(&Graph::parse(&source).unwrap().graph).unwrap())
}

fn setup() -> Setup {
    Setup {
        run: "run_test".to_owned(),
        seed: 7,
        budget: Budget::default(),
        snapshot: None,
        context: BTreeMap::new(),
    }
}

impl Sim {
    fn new(body: &str) -> Self {
        Self::with(body, setup())
    }

    fn with(body: &str, setup: Setup) -> Self {
        Self {
            machine: Machine::new(plan(body), setup),
            script: HashMap::new(),
            now: 1_000,
            records: Vec::new(),
            executed: Vec::new(),
            canceled: Vec::new(),
            waiting: VecDeque::new(),
            trees: HashMap::new(),
        }
    }

    /// What becomes of a node's stages, in order.
    fn on(mut self, node: &str, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.script.insert(node.to_owned(), outcomes.into_iter().collect());
        self
    }

    fn tree(mut self, node: &str, trees: impl IntoIterator<Item = &'static str>) -> Self {
        self.trees.insert(node.to_owned(), trees.into_iter().collect());
        self
    }

    fn outcome(&mut self, node: &str) -> Outcome {
        match self.script.get_mut(node) {
            Some(outcomes) if outcomes.len() > 1 => outcomes.pop_front().unwrap(),
            Some(outcomes) => outcomes[0].clone(),
            None => Outcome::of(Status::Success),
        }
    }

    fn snapshot(&mut self, node: &str) -> Option<Snapshot> {
        let trees = self.trees.get_mut(node)?;
        let tree = if trees.len() > 1 { trees.pop_front()? } else { trees[0] };
        Some(Snapshot { commit: format!("c-{tree}"), tree: tree.to_owned() })
    }

    fn feed(&mut self, input: Input) {
        let effects = self.machine.apply(input, self.now);
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Record(record) => self.records.push(*record),
                Effect::Cancel { attempt } => self.canceled.push(attempt),
                Effect::Execute(_) | Effect::Pause { .. } => self.waiting.push_back(effect),
                _ => {}
            }
        }
    }

    /// Lets the oldest thing that is under way end.
    fn step(&mut self) -> bool {
        let Some(effect) = self.waiting.pop_front() else { return false };
        self.now += 10;
        match effect {
            Effect::Execute(execute) => {
                self.executed.push(execute.attempt.clone());
                let outcome = Box::new(self.outcome(&execute.attempt.node));
                let snapshot = self.snapshot(&execute.attempt.node);
                self.feed(Input::Ended { attempt: execute.attempt, outcome, snapshot });
            }
            Effect::Pause { attempt, delay } => {
                self.now += u64::try_from(delay.as_millis()).unwrap();
                self.feed(Input::Due { attempt });
            }
            _ => unreachable!(),
        }
        true
    }

    fn run(mut self) -> Self {
        self.feed(Input::Begin);
        while self.machine.finish().is_none() && self.step() {}
        assert!(self.machine.finish().is_some(), "the run hangs: {:?}", self.records);
        self
    }

    fn path(&self) -> String {
        self.machine.path().join(" ")
    }

    fn finish(&self) -> &Finish {
        self.machine.finish().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, path: &str) {
        assert_eq!(self.finish().reason, None);
        assert_eq!(self.finish().status, Status::Success);
        assert_eq!(self.path(), path);
    }

    #[track_caller]
    fn fails(&self, rule: Rule, reason: &str) {
        let finish = self.finish();
        assert_eq!((finish.status, finish.rule), (Status::Fail, rule), "{finish:?}");
        let told = finish.reason.as_deref().unwrap_or_default();
        assert!(told.contains(reason), "{told}");
    }

    /// The rule behind the last hop from a node.
    fn rule(&self, node: &str) -> Rule {
        let record = self.records.iter().rev().find(|record| record.attempt.node == node);
        record.unwrap().hop.rule
    }
}

fn ok() -> Outcome {
    Outcome::of(Status::Success)
}

fn fail() -> Outcome {
    Outcome::fail("broken")
}

fn retry() -> Outcome {
    Outcome::retry("not yet", FailureClass::Permanent)
}

fn label(label: &str) -> Outcome {
    Outcome { preferred_label: label.to_owned(), ..ok() }
}
