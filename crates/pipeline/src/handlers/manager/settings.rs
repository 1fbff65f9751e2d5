//! What a manager is told by its attributes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::condition::Condition;
use crate::handler::Stage;

/// How deep managers may stand below one another.
const MAX_DEPTH: u32 = 5;

/// The shortest time between two looks at a child.
const SHORTEST: Duration = Duration::from_millis(10);

#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The child's source.
    pub dotfile: PathBuf,
    /// Where its stages work, relative to where this stage does.
    pub workdir: Option<PathBuf>,
    pub poll_interval: Duration,
    pub max_cycles: u32,
    pub stop_condition: Option<Condition>,
    condition_text: String,
    pub observes: bool,
    pub waits: bool,
    pub steers: bool,
    /// The least time between two times that the child is steered.
    pub cooldown: Duration,
}

impl Settings {
    pub(super) fn of(stage: &Stage) -> Result<Self, String> {
        let (own, graph) = (stage.node().attrs(), stage.graph.attrs());
        let either = |key: &str| own.non_empty(key).or_else(|| graph.non_empty(key));
        if stage.run.depth >= MAX_DEPTH {
            return Err(format!("managers may stand {MAX_DEPTH} deep; this one is deeper"));
        }
        if own.bool("stack.child_autostart") == Some(false) {
            return Err(
                "`stack.child_autostart=false`: children that somebody else starts cannot \
                        be watched; leave it out"
                    .to_owned(),
            );
        }
        let file = either("stack.child_dotfile")
            .ok_or("no `stack.child_dotfile` on the node or the graph: name the child's source")?;
        let condition_text = own.text("manager.stop_condition").trim().to_owned();
        let stop_condition = match condition_text.as_str() {
            "" => None,
            text => Some(
                Condition::parse(text)
                    .map_err(|error| format!("`manager.stop_condition` cannot be read: {error}"))?,
            ),
        };
        let mut settings = Self {
            dotfile: below(stage.run.base.as_deref(), Path::new(file))?,
            workdir: either("stack.child_workdir").map(PathBuf::from),
            poll_interval: own
                .duration("manager.poll_interval")
                .unwrap_or(Duration::from_secs(45))
                .max(SHORTEST),
            max_cycles: own.count("manager.max_cycles").unwrap_or(1000),
            stop_condition,
            condition_text,
            observes: false,
            waits: false,
            steers: false,
            cooldown: own.duration("manager.steer_cooldown").unwrap_or(Duration::from_secs(300)),
        };
        let actions = own.non_empty("manager.actions").unwrap_or("observe,wait");
        for action in actions.split(',').map(str::trim).filter(|action| !action.is_empty()) {
            match action {
                "observe" => settings.observes = true,
                "wait" => settings.waits = true,
                "steer" => settings.steers = true,
                other => {
                    return Err(format!(
                        "`manager.actions` names `{other}`: they are observe, wait, steer"
                    ));
                }
            }
        }
        if settings.steers && stage.node().prompt().trim().is_empty() {
            return Err("a manager that steers needs a `prompt` that says towards what".to_owned());
        }
        Ok(settings)
    }

    pub(super) fn condition_text(&self) -> &str {
        &self.condition_text
    }
}

/// Paths in a source begin where the source lies.
fn below(base: Option<&Path>, file: &Path) -> Result<PathBuf, String> {
    match base {
        Some(base) => Ok(base.join(file)),
        None if file.is_absolute() => Ok(file.to_owned()),
        None => Err(format!(
            "`stack.child_dotfile` is `{}`, and this pipeline lies in no directory that it could \
             be relative to; write an absolute path",
            file.display()
        )),
    }
}
