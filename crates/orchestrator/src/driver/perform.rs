//! What the machine decided, done. Nothing here waits.

use std::sync::Arc;

use canon_runtime::task::{self, TaskSpec};

use super::restore::stop_orphan;
use super::{Driver, Input};
use crate::dispatch::{Effect, Event, IssueRef};
use crate::sessions::{Command, Origin, ResumeError};
use crate::settings::Settings;
use crate::tracker::TrackerError;
use crate::workspace;

impl Driver {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::FetchTerminal { fetch_id, states, .. } => self.fetch_terminal(fetch_id, states),
            Effect::Poll { poll_id, states, running, .. } => self.poll(poll_id, states, running),
            Effect::Refresh { refresh_id, ids, .. } => {
                self.fetch_by_ids(ids, move |answer| Input::Refreshed { refresh_id, answer });
            }
            Effect::SetTimer { key, timer_id, delay_ms, .. } => {
                self.timer_set(key, timer_id, delay_ms);
            }
            Effect::CancelTimer { key, timer_id } => self.timers.cancel(&key, timer_id),
            Effect::StartAttempt { attempt_id, issue, attempt, max_turns, rule } => {
                tracing::info!(
                    issue_id = %issue.id, issue_identifier = %issue.identifier, attempt_id = %attempt_id,
                    attempt = ?attempt, rule = %rule, outcome = "started", "attempt"
                );
                let origin = Origin { attempt_id, issue: *issue, attempt, max_turns };
                self.attempts.start(self.settings.clone(), origin);
            }
            Effect::NextTurn { attempt_id, turn_no, issue, .. } => {
                self.attempts.tell(&attempt_id, Command::NextTurn { turn_no, issue });
            }
            Effect::EndSession { attempt_id, failure, .. } => {
                self.attempts.tell(&attempt_id, Command::End { failure });
            }
            Effect::StopAttempt { attempt_id, reason, rule, .. } => {
                tracing::info!(attempt_id = %attempt_id, reason = ?reason, rule = %rule, "attempt stop");
                if !self.attempts.stop(&attempt_id, reason) {
                    let dir = self.attempts.dir(&attempt_id);
                    stop_orphan(dir, attempt_id, self.attempts.epoch());
                }
            }
            Effect::Answer { attempt_id, request, answer, .. } => {
                self.attempts.tell(&attempt_id, Command::Answer { request, answer });
            }
            Effect::CleanupWorkspace { cleanup_id, issue, .. } => self.cleanup(cleanup_id, issue),
            Effect::Released { issue, rule } => {
                tracing::info!(
                    issue_id = %issue.id, issue_identifier = %issue.identifier,
                    rule = %rule, outcome = "released", "claim"
                );
            }
            Effect::ShutdownReady => self.ended = true,
        }
    }

    /// Of the issues that are finished, those that still have a workspace (Symphony §8.6).
    fn fetch_terminal(&self, fetch_id: u64, states: Vec<String>) {
        let root = self.settings.config.workspace.root.clone();
        self.fetch_by_states(states, move |answer: Result<_, TrackerError>| {
            Input::Event(match answer {
                Ok(issues) => Event::TerminalFetched {
                    fetch_id,
                    issues: issues
                        .into_iter()
                        .filter(|issue| workspace::exists(&root, &issue.identifier))
                        .map(|issue| IssueRef { id: issue.id, identifier: issue.identifier })
                        .collect(),
                },
                Err(error) => {
                    tracing::warn!(reason = %error, outcome = "failed", "startup cleanup");
                    Event::TerminalFetchFailed { fetch_id, error: error.to_string() }
                }
            })
        });
    }

    fn cleanup(&self, cleanup_id: u64, issue: IssueRef) {
        let settings: Arc<Settings> = self.settings.clone();
        let input = self.input.clone();
        task::spawn(TaskSpec::new("workspace removal"), async move {
            let error = crate::sessions::remove_workspace(&settings, &issue).await.err();
            let (outcome, reason) = match &error {
                None => ("completed", String::new()),
                Some(error) => ("failed", error.clone()),
            };
            tracing::info!(
                issue_id = %issue.id, issue_identifier = %issue.identifier, outcome, reason,
                "workspace removal"
            );
            let cleaned = Event::WorkspaceCleaned { cleanup_id, error };
            let _ = input.send(Input::Event(cleaned)).await;
        });
    }

    /// Takes up a session that outlived the last daemon.
    pub(super) fn resume(&mut self, attempt_id: &str) -> Result<(), ResumeError> {
        self.attempts.resume(self.settings.clone(), attempt_id)
    }
}
