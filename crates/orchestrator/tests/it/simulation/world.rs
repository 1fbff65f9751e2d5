//! One world: real time, a wall clock that jumps, a daemon that dies, and everything that it talks to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use canon_orchestrator::dispatch::{
    AttemptOutcome, DispatchConfig, Effect, Event, Failure, IdleStatus, IssueRef, Machine, Reread,
    ShutdownMode, State,
};

use super::agent::{Agent, Doing};
use super::checks::Checks;
use super::rng::Rng;
use super::tracker::{TERMINAL, Tracker};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// What happened in a world; tells whether the simulation exercised what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) dispatches: u64,
    pub(crate) restarts: u64,
    pub(crate) lost: u64,
    pub(crate) stalls: u64,
    pub(crate) questions: u64,
    pub(crate) cleanups: u64,
    pub(crate) failures: u64,
    pub(crate) continuations: u64,
    pub(crate) tracker_errors: u64,
    pub(crate) broken_records: u64,
    pub(crate) clock_jumps: u64,
    pub(crate) reloads: u64,
    pub(crate) shutdowns: u64,
    pub(crate) slot_reads: u64,
}

impl Tally {
    pub(crate) fn named(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("events", self.events),
            ("dispatches", self.dispatches),
            ("restarts", self.restarts),
            ("lost sessions", self.lost),
            ("stalls", self.stalls),
            ("questions", self.questions),
            ("cleanups", self.cleanups),
            ("failures", self.failures),
            ("continuations", self.continuations),
            ("tracker errors", self.tracker_errors),
            ("broken records", self.broken_records),
            ("clock jumps", self.clock_jumps),
            ("reloads", self.reloads),
            ("shutdowns", self.shutdowns),
            ("reads for slots", self.slot_reads),
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.dispatches += other.dispatches;
        self.restarts += other.restarts;
        self.lost += other.lost;
        self.stalls += other.stalls;
        self.questions += other.questions;
        self.cleanups += other.cleanups;
        self.failures += other.failures;
        self.continuations += other.continuations;
        self.tracker_errors += other.tracker_errors;
        self.broken_records += other.broken_records;
        self.clock_jumps += other.clock_jumps;
        self.reloads += other.reloads;
        self.shutdowns += other.shutdowns;
        self.slot_reads += other.slot_reads;
    }
}

/// Something planned. Those with an epoch belong to one life of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    Timer { epoch: u64, timer_id: u64 },
    Terminal { epoch: u64, fetch_id: u64 },
    Reconcile { epoch: u64, poll_id: u64, running: Vec<String>, states: Vec<String> },
    Candidates { epoch: u64, poll_id: u64, states: Vec<String> },
    Read { epoch: u64, refresh_id: u64, ids: Vec<String> },
    Cleaned { epoch: u64, cleanup_id: u64, issue_id: String },
    Tick { epoch: u64 },
    Agent { attempt_id: String, generation: u64 },
    Kill { attempt_id: String },
    Chaos,
    People,
    Boot,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    /// True time since the beginning, in milliseconds.
    pub(crate) now: u64,
    /// What the wall clock adds to it.
    pub(crate) wall: i64,
    pub(crate) machine: Machine,
    /// Snapshot in the ledger and the events after it.
    snapshot: State,
    log: Vec<(Event, u64)>,
    pub(crate) up: bool,
    epoch: u64,
    plans: BinaryHeap<Reverse<(u64, u64, Plan)>>,
    planned: u64,
    pub(crate) tracker: Tracker,
    pub(crate) agents: BTreeMap<String, Agent>,
    /// Issues with a workspace on disk.
    workspaces: BTreeSet<String>,
    /// Issues whose workspaces are being removed.
    cleaning: BTreeSet<String>,
    pub(crate) config: DispatchConfig,
    pub(crate) checks: Checks,
    pub(crate) tally: Tally,
    /// No more faults: everything must come to rest.
    pub(crate) calm: bool,
    /// Crash after this many further events.
    fuse: Option<u64>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let config = super::chaos::config(&mut rng);
        let machine = Machine::new();
        let snapshot = machine.state().clone();
        Self {
            rng,
            now: 0,
            wall: 1_700_000_000_000,
            machine,
            snapshot,
            log: Vec::new(),
            up: true,
            epoch: 0,
            plans: BinaryHeap::new(),
            planned: 0,
            tracker: Tracker::default(),
            agents: BTreeMap::new(),
            workspaces: BTreeSet::new(),
            cleaning: BTreeSet::new(),
            config,
            checks: Checks::default(),
            tally: Tally::default(),
            calm: false,
            fuse: None,
        }
    }

    pub(crate) fn live(mut self, hours: u64) -> Tally {
        for _ in 0..self.rng.range(1, 15) {
            self.tracker.add(&mut self.rng);
        }
        self.plan(0, Plan::Chaos);
        self.plan(MINUTE, Plan::People);
        self.plan(2 * MINUTE, Plan::Tick { epoch: 0 });
        let config = self.config.clone();
        self.apply(Event::Started { instance: "sim".to_owned(), config });
        self.run_until(hours * HOUR);
        self.come_to_rest();
        self.tally
    }

    fn run_until(&mut self, end: u64) {
        while self.plans.peek().is_some_and(|Reverse((at, _, _))| *at <= end) {
            let Some(Reverse((at, _, plan))) = self.plans.pop() else { break };
            self.now = self.now.max(at);
            self.carry_out(plan);
        }
        self.now = end;
    }

    /// Without faults, everything eligible runs to its end and nothing stays claimed.
    fn come_to_rest(&mut self) {
        self.calm = true;
        self.fuse = None;
        (self.tracker.fails_until, self.tracker.hangs_until) = (0, 0);
        self.tracker.broken_until.clear();
        if self.up {
            self.crash();
        }
        self.boot();
        self.config.stall_timeout_ms.get_or_insert(300_000);
        self.apply(Event::ConfigChanged { config: self.config.clone() });
        self.apply(Event::Resumed);
        let eligible: Vec<String> = self.tracker.issues.keys().cloned().collect();
        let deadline = self.now + 400 * HOUR;
        while self.machine.idle() != IdleStatus::Idle {
            assert!(self.now < deadline, "never idle: {:#?}", self.machine.snapshot(self.clock()));
            if self.machine.idle() == IdleStatus::Unconfirmed {
                self.apply(Event::RefreshRequested);
            }
            self.run_until(self.now + 10 * MINUTE);
        }
        let held: BTreeSet<String> =
            self.machine.snapshot(self.clock()).held.into_iter().map(|h| h.issue_id).collect();
        for id in eligible {
            let Some(issue) = self.tracker.issues.get(&id) else { continue };
            let waits =
                self.config.standing(issue) == canon_orchestrator::dispatch::Standing::Eligible;
            let blocked = self.agents.values().any(|a| a.issue_id == id && a.alive());
            assert!(!waits || held.contains(&id) || blocked, "{id} never ran to its end");
        }
        self.apply(Event::ShutdownRequested { mode: ShutdownMode::Stop });
        self.run_until(self.now + 2 * HOUR);
        assert!(self.agents.values().all(|a| !a.alive()), "a session outlived the shutdown");
        self.replay();
    }

    pub(crate) fn clock(&self) -> u64 {
        self.now.saturating_add_signed(self.wall)
    }

    fn plan(&mut self, delay: u64, plan: Plan) {
        self.planned += 1;
        self.plans.push(Reverse((self.now + delay, self.planned, plan)));
    }

    /// Records an event, applies it, and performs the effects, unless the daemon dies in between.
    pub(crate) fn apply(&mut self, event: Event) {
        if !self.up {
            return;
        }
        let clock = self.clock();
        self.tally.events += 1;
        let before = self.checks.before(&self.machine, &event);
        self.log.push((event.clone(), clock));
        let effects = self.machine.apply(event.clone(), clock);
        self.checks.after(&self.machine, &before, &event, &effects, &self.agents, &mut self.tally);
        // The moments that matter most: something was demanded and is not done yet.
        let demanding = !self.calm && effects.iter().any(is_demand);
        let dies =
            self.fuse.is_some_and(|fuse| fuse == 0) || (demanding && self.rng.range(0, 59) == 0);
        self.fuse = self.fuse.map(|fuse| fuse.saturating_sub(1));
        let performed = match dies {
            true => self.rng.range(0, effects.len() as u64) as usize,
            false => effects.len(),
        };
        for effect in effects.into_iter().take(performed) {
            self.perform(effect);
        }
        if dies {
            self.crash();
        } else if self.log.len() > 200 {
            self.snapshot = self.machine.state().clone();
            self.log.clear();
        }
    }

    /// The state again, from the last snapshot and the events after it; now and then from their stored form.
    fn replay(&mut self) {
        let stored = self.rng.percent(4);
        let mut machine = match stored {
            true => Machine::restore(through_json(&self.snapshot)),
            false => Machine::restore(self.snapshot.clone()),
        };
        for (event, clock) in &self.log {
            let event = if stored { through_json(event) } else { event.clone() };
            machine.apply(event, *clock);
        }
        assert!(machine.state() == self.machine.state(), "replay gives another state");
        if stored {
            let texts =
                [&machine, &self.machine].map(|m| serde_json::to_string(m.state()).unwrap());
            assert_eq!(texts[0], texts[1], "replay gives a state that is stored differently");
        }
        self.machine = machine;
    }

    /// Kills the daemon; supervisors live on, but for some.
    pub(crate) fn crash(&mut self) {
        self.replay();
        self.fuse = None;
        self.up = false;
        self.epoch += 1;
        self.checks.forgive();
        self.cleaning.clear();
        let unlucky: Vec<String> = self.agents.keys().cloned().collect();
        for id in unlucky {
            if self.rng.percent(10) {
                self.agents.remove(&id);
            }
        }
        let delay = self.rng.range(100, 10 * MINUTE);
        self.plan(delay, Plan::Boot);
    }

    pub(crate) fn light_fuse(&mut self, events: u64) {
        self.fuse = Some(events);
    }

    fn boot(&mut self) {
        if self.up {
            return;
        }
        self.up = true;
        self.tally.restarts += 1;
        let known: BTreeSet<&str> = self.machine.live_attempts().map(|(id, _)| id).collect();
        // Reports of attempts that are over are dropped with them.
        self.agents.retain(|id, agent| agent.alive() || known.contains(id.as_str()));
        let alive: BTreeSet<String> = self.agents.keys().cloned().collect();
        self.tally.lost += known.iter().filter(|id| !alive.contains(**id)).count() as u64;
        let config = self.config.clone();
        self.apply(Event::Restarted { config, alive: alive.clone() });
        let epoch = self.epoch;
        self.plan(2 * MINUTE, Plan::Tick { epoch });
        for id in alive {
            self.deliver(&id);
        }
    }

    /// Gives the daemon what an agent has reported.
    fn deliver(&mut self, attempt_id: &str) {
        while self.up {
            let Some(agent) = self.agents.get_mut(attempt_id) else { return };
            let Some(event) = agent.outbox.front().cloned() else { break };
            if let Event::InputRequired { .. } = event {
                self.tally.questions += 1;
            }
            agent.outbox.pop_front();
            self.apply(event);
        }
        if self.agents.get(attempt_id).is_some_and(|a| !a.alive() && a.outbox.is_empty()) {
            self.agents.remove(attempt_id);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let epoch = self.epoch;
        match effect {
            Effect::FetchTerminal { fetch_id, .. } => {
                let delay = self.latency();
                self.plan(delay, Plan::Terminal { epoch, fetch_id });
            }
            Effect::Poll { poll_id, states, running, .. } => {
                let delay = self.latency();
                self.plan(delay, Plan::Reconcile { epoch, poll_id, running, states });
            }
            Effect::Refresh { refresh_id, ids, .. } => {
                let delay = self.latency();
                self.plan(delay, Plan::Read { epoch, refresh_id, ids });
            }
            Effect::SetTimer { timer_id, delay_ms, .. } => {
                self.plan(delay_ms, Plan::Timer { epoch, timer_id });
            }
            Effect::StartAttempt { attempt_id, issue, .. } => {
                assert!(!self.cleaning.contains(&issue.id), "started while its workspace goes");
                let others = self.agents.values().filter(|a| a.issue_id == issue.id && a.alive());
                assert_eq!(others.count(), 0, "{} runs twice at once", issue.id);
                self.workspaces.insert(issue.id.clone());
                let agent = Agent::new(attempt_id.clone(), issue.id.clone(), self.now);
                let twin = self.agents.insert(attempt_id.clone(), agent);
                assert!(twin.is_none(), "{attempt_id} was started before");
                let delay = self.rng.range(200, 20 * SECOND);
                self.plan(delay, Plan::Agent { attempt_id, generation: 0 });
            }
            Effect::NextTurn { attempt_id, turn_no, .. } => {
                let now = self.now;
                let Some(agent) = self.agents.get_mut(&attempt_id) else { return };
                if agent.doing == Doing::Between && agent.turn + 1 == turn_no {
                    let lasts = agent.begin_turn(now, &mut self.rng);
                    let generation = agent.generation;
                    self.plan(lasts, Plan::Agent { attempt_id: attempt_id.clone(), generation });
                    self.plan(0, Plan::Agent { attempt_id, generation: u64::MAX });
                }
            }
            Effect::EndSession { attempt_id, .. } => self.end_agent(&attempt_id, Doing::Ending),
            Effect::StopAttempt { attempt_id, .. } => {
                let Some(agent) = self.agents.get_mut(&attempt_id) else { return };
                agent.doomed = true;
                let delay = self.rng.range(10, 5 * SECOND);
                self.plan(delay, Plan::Kill { attempt_id });
            }
            Effect::Answer { attempt_id, request, .. } => {
                let now = self.now;
                let Some(agent) = self.agents.get_mut(&attempt_id) else { return };
                if let Some(lasts) = agent.answered(&request, now, &mut self.rng) {
                    let generation = agent.generation;
                    self.plan(lasts, Plan::Agent { attempt_id: attempt_id.clone(), generation });
                    self.plan(0, Plan::Agent { attempt_id, generation: u64::MAX });
                }
            }
            Effect::CleanupWorkspace { cleanup_id, issue, .. } => {
                self.tally.cleanups += 1;
                let live = self.agents.values().any(|a| a.issue_id == issue.id && a.alive());
                assert!(!live, "{} loses its workspace while it runs", issue.id);
                self.cleaning.insert(issue.id.clone());
                let delay = self.rng.range(10, 10 * MINUTE);
                self.plan(delay, Plan::Cleaned { epoch, cleanup_id, issue_id: issue.id });
            }
            Effect::ShutdownReady => {
                self.tally.shutdowns += 1;
                if !self.calm {
                    self.crash();
                }
            }
            Effect::CancelTimer { .. } | Effect::Released { .. } => {}
        }
    }

    fn end_agent(&mut self, attempt_id: &str, doing: Doing) {
        let Some(agent) = self.agents.get_mut(attempt_id) else { return };
        agent.doomed = true;
        if agent.alive() && agent.doing != Doing::Ending {
            agent.doing = doing;
            agent.generation += 1;
            let (attempt_id, generation) = (attempt_id.to_owned(), agent.generation);
            let delay = self.rng.range(10, 5 * SECOND);
            self.plan(delay, Plan::Agent { attempt_id, generation });
        }
    }

    /// How long the tracker takes; far too long while it hangs.
    fn latency(&mut self) -> u64 {
        if self.now < self.tracker.hangs_until {
            return self.rng.range(MINUTE, 3 * HOUR);
        }
        self.rng.range(10, 3 * SECOND)
    }

    fn tracker_fails(&mut self) -> bool {
        let fails = self.now < self.tracker.fails_until;
        self.tally.tracker_errors += u64::from(fails);
        fails
    }

    /// What a read by ids tells: of each record by itself.
    fn reread(&mut self, ids: Vec<String>) -> Reread {
        let (broken, read): (Vec<String>, Vec<String>) =
            ids.into_iter().partition(|id| self.tracker.is_broken(id, self.now));
        self.tally.broken_records += broken.len() as u64;
        Reread {
            unread: broken.into_iter().map(|id| (id, "not YAML".to_owned())).collect(),
            ..self.machine.reread(&read, self.tracker.by_ids(&read))
        }
    }

    fn carry_out(&mut self, plan: Plan) {
        let epoch = self.epoch;
        let error = || "the tracker is down".to_owned();
        match plan {
            Plan::Boot => self.boot(),
            Plan::Chaos => {
                if !self.calm {
                    super::chaos::disturb(self);
                    let delay = self.rng.range(10 * SECOND, 40 * MINUTE);
                    self.plan(delay, Plan::Chaos);
                }
            }
            Plan::People => {
                super::chaos::people(self);
                let delay = self.rng.range(MINUTE, 4 * HOUR);
                self.plan(delay, Plan::People);
            }
            Plan::Agent { attempt_id, generation } => self.step_agent(&attempt_id, generation),
            Plan::Kill { attempt_id } => {
                let now = self.now;
                if let Some(agent) = self.agents.get_mut(&attempt_id)
                    && agent.alive()
                {
                    agent.end(AttemptOutcome::Stopped, now, &mut self.rng);
                }
                self.deliver(&attempt_id);
            }
            Plan::Timer { epoch: of, .. }
            | Plan::Terminal { epoch: of, .. }
            | Plan::Reconcile { epoch: of, .. }
            | Plan::Candidates { epoch: of, .. }
            | Plan::Read { epoch: of, .. }
            | Plan::Cleaned { epoch: of, .. }
            | Plan::Tick { epoch: of }
                if of != epoch => {}
            Plan::Timer { timer_id, .. } => self.apply(Event::TimerFired { timer_id }),
            Plan::Terminal { fetch_id, .. } => {
                let event = match self.tracker_fails() {
                    true => Event::TerminalFetchFailed { fetch_id, error: error() },
                    false => {
                        let states = TERMINAL.map(str::to_owned);
                        let issues = self.tracker.by_states(&states, self.now);
                        let issues = issues
                            .iter()
                            .filter(|i| self.workspaces.contains(&i.id))
                            .map(IssueRef::of)
                            .collect();
                        Event::TerminalFetched { fetch_id, issues }
                    }
                };
                self.apply(event);
            }
            Plan::Reconcile { poll_id, running, states, .. } => {
                if !running.is_empty() {
                    let event = match self.tracker_fails() {
                        true => Event::ReconcileFailed { poll_id, error: error() },
                        false => Event::Reconciled { poll_id, reread: self.reread(running) },
                    };
                    self.apply(event);
                }
                let delay = self.latency();
                self.plan(delay, Plan::Candidates { epoch, poll_id, states });
            }
            Plan::Candidates { poll_id, states, .. } => {
                let event = match self.tracker_fails() {
                    true => Event::PollFailed { poll_id, error: error() },
                    false => {
                        let issues = self.tracker.by_states(&states, self.now);
                        Event::Polled { poll_id, delta: self.machine.poll_delta(issues) }
                    }
                };
                self.apply(event);
            }
            Plan::Read { refresh_id, ids, .. } => {
                let event = match self.tracker_fails() {
                    true => Event::RefreshFailed { refresh_id, error: error() },
                    false => Event::Refreshed { refresh_id, reread: self.reread(ids) },
                };
                self.apply(event);
            }
            Plan::Cleaned { cleanup_id, issue_id, .. } => {
                self.cleaning.remove(&issue_id);
                self.workspaces.remove(&issue_id);
                let error = self.rng.percent(5).then(|| "busy".to_owned());
                self.apply(Event::WorkspaceCleaned { cleanup_id, error });
            }
            Plan::Tick { .. } => {
                if self.up {
                    let silence = self
                        .agents
                        .iter()
                        .filter(|(_, a)| a.alive())
                        .map(|(id, a)| (id.clone(), self.now - a.active_at))
                        .collect();
                    if let Some(event) = self.machine.tick(&silence, self.clock()) {
                        self.apply(event);
                    }
                    self.check_bounds();
                    let epoch = self.epoch;
                    self.plan(2 * MINUTE, Plan::Tick { epoch });
                }
            }
        }
    }

    fn check_bounds(&mut self) {
        let healthy = self.now >= self.tracker.fails_until && self.now >= self.tracker.hangs_until;
        let (tracker, config) = (&self.tracker, &self.config);
        self.checks.bounds(self.now, healthy, tracker, config, &self.agents);
    }

    fn step_agent(&mut self, attempt_id: &str, generation: u64) {
        let now = self.now;
        let calm = self.calm;
        let Some(agent) = self.agents.get_mut(attempt_id) else { return };
        let rng = &mut self.rng;
        let mut next = None;
        if agent.generation == generation {
            match agent.doing.clone() {
                Doing::Starting if !calm && rng.percent(8) => {
                    agent.end(failed("workspace_error"), now, rng);
                }
                Doing::Starting => {
                    agent.session_up(rng);
                    next = Some(agent.begin_turn(now, rng));
                }
                Doing::Turn => next = self.turn_goes_on(attempt_id),
                Doing::Asking(request) => {
                    next = agent.answered(&request, now, rng);
                }
                Doing::Ending => agent.end(AttemptOutcome::Normal, now, rng),
                Doing::Between | Doing::Hanging | Doing::Dead => {}
            }
        }
        if let (Some(delay), Some(agent)) = (next, self.agents.get(attempt_id)) {
            let plan =
                Plan::Agent { attempt_id: attempt_id.to_owned(), generation: agent.generation };
            self.plan(delay, plan);
        }
        self.deliver(attempt_id);
    }

    fn turn_goes_on(&mut self, attempt_id: &str) -> Option<u64> {
        let (now, calm) = (self.now, self.calm);
        let agent = self.agents.get_mut(attempt_id)?;
        let rng = &mut self.rng;
        let fate = if calm { 0 } else { rng.range(0, 99) };
        match fate {
            0..=64 => {
                let done = rng.percent(if calm { 60 } else { 35 });
                if let (true, Some(issue)) = (done, self.tracker.issues.get_mut(&agent.issue_id)) {
                    issue.state = (*rng.pick(&["Done", "Human Review"])).to_owned();
                }
                agent.end_turn(None, now, rng);
                None
            }
            65..=74 => {
                agent.end_turn(Some("turn_failed"), now, rng);
                None
            }
            75..=80 => {
                agent.end(failed("port_exit"), now, rng);
                None
            }
            81..=83 => {
                agent.doing = Doing::Hanging;
                agent.generation += 1;
                None
            }
            84..=90 => {
                agent.ask(now, rng);
                // Some agents think better of it.
                rng.percent(30).then(|| rng.range(1_000, 3 * HOUR))
            }
            _ => {
                agent.active_at = now;
                Some(rng.range(1_000, 200_000))
            }
        }
    }
}

fn is_demand(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::StartAttempt { .. }
            | Effect::NextTurn { .. }
            | Effect::EndSession { .. }
            | Effect::StopAttempt { .. }
            | Effect::Answer { .. }
            | Effect::CleanupWorkspace { .. }
    )
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn failed(category: &str) -> AttemptOutcome {
    let failure = Failure { category: category.to_owned(), error: "as simulated".to_owned() };
    AttemptOutcome::Failed { failure }
}
