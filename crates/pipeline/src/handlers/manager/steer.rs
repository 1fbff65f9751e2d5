//! Instructions for a child that runs.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::json;
use tokio::time::Instant;

use super::settings::Settings;
use super::telemetry::Telemetry;
use crate::backend::{self, Backend, LlmCall};
use crate::engine::{EventKind, Remaining};
use crate::handler::Stage;
use crate::outcome::Usage;

/// Where a stage finds what its manager tells it.
const FILE: &str = "steering.md";

/// What a model answers when nothing is to be said.
const NOTHING: &str = "NONE";

/// Has a model word instructions, and lays them where the child's stage finds them.
pub(super) struct Steering<'a> {
    backend: &'a dyn Backend,
    stage: &'a Stage,
    settings: &'a Settings,
    last: Instant,
    usage: Usage,
}

impl<'a> Steering<'a> {
    /// Nothing is said before the child has had one cooldown to work.
    pub(super) fn new(backend: &'a dyn Backend, stage: &'a Stage, settings: &'a Settings) -> Self {
        Self { backend, stage, settings, last: Instant::now(), usage: Usage::default() }
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Steers if the cooldown is over and a stage is under way. What goes wrong is told to those
    /// who watch: a child must not fail because its manager had nothing to say.
    pub(super) async fn perhaps(&mut self, telemetry: &Telemetry) {
        let Some((child, dir)) = telemetry.active_stage() else { return };
        if self.last.elapsed() < self.settings.cooldown {
            return;
        }
        self.last = Instant::now();
        let mut stage = self.stage.clone();
        stage.remaining = left(self.stage.remaining, &[telemetry.usage(), self.usage]);
        let call = LlmCall::new(&stage, instruction(self.stage.node().prompt(), telemetry));
        let said = tokio::select! {
            said = backend::ask(self.backend, &call) => said,
            () = self.stage.cancel.cancelled() => return,
        };
        let detail = match said {
            Ok(reply) => {
                self.usage.add(&reply.usage);
                let text = reply.text.trim();
                if text.is_empty() || text == NOTHING {
                    return;
                }
                let text = self.stage.redactor.redact(text);
                match add(&dir, &text) {
                    Ok(()) => json!({ "steered": child, "instructions": text }),
                    Err(error) => json!({ "steered": child, "error": error.to_string() }),
                }
            }
            Err(error) => {
                self.usage.add(&error.usage);
                json!({ "steered": child, "error": error.message })
            }
        };
        let stage = self.stage.node().id().to_owned();
        self.stage.events.emit(EventKind::StageProgress { stage, detail });
    }
}

/// What is left of the budget, as far as it is known.
fn left(of: Remaining, used: &[Usage]) -> Remaining {
    let tokens = used.iter().map(Usage::total_tokens).sum::<u64>();
    let usd = used.iter().map(|usage| usage.cost_usd).sum::<f64>();
    Remaining {
        tokens: of.tokens.map(|all| all.saturating_sub(tokens)),
        usd: of.usd.map(|all| (all - usd).max(0.0)),
    }
}

fn instruction(prompt: &str, telemetry: &Telemetry) -> String {
    let mut text = format!("{}\n\n# The pipeline that you supervise\n", prompt.trim());
    for (key, value) in telemetry.values() {
        if let Some(key) = key.strip_prefix("stack.child.") {
            text.push_str(&format!("{key}: {}\n", crate::context::text(&value)));
        }
    }
    text.push_str(&format!(
        "\n# Answer\nIf the stage that is active needs an instruction from you, answer with that \
         instruction alone: it is handed to the stage as it is. If not, answer {NOTHING}.\n"
    ));
    text
}

fn add(dir: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(dir.join(FILE))?;
    let at = canon_runtime::clock::rfc3339(canon_runtime::clock::now_ms());
    file.write_all(format!("## {at}\n{text}\n\n").as_bytes())
}
