//! What the user may set about a session: what it asks about, its model, how hard that thinks.

use canon_llm::list_models;
use canon_protocol::acp::agent::{ConfigOption, ConfigValue, Mode, Modes};
use clap::ValueEnum;

pub(super) const MODE: &str = "mode";
pub(super) const MODEL: &str = "model";
pub(super) const EFFORT: &str = "effort";

/// The provider's own effort.
pub(super) const DEFAULT_EFFORT: &str = "default";
const EFFORTS: [(&str, &str); 4] =
    [(DEFAULT_EFFORT, "Default"), ("low", "Low"), ("medium", "Medium"), ("high", "High")];

/// What a session asks the user about. The sandbox holds in every mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ApprovalMode {
    /// Before edits, commands and whatever reaches beyond the workspace
    #[default]
    Ask,
    /// Before commands and whatever reaches beyond the workspace; edits are made
    AcceptEdits,
    /// Never: the sandbox alone confines
    Auto,
}

impl ApprovalMode {
    const ALL: [Self; 3] = [Self::Ask, Self::AcceptEdits, Self::Auto];

    /// As on the wire.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::AcceptEdits => "accept-edits",
            Self::Auto => "auto",
        }
    }

    pub(super) fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.id() == id)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ask => "Ask",
            Self::AcceptEdits => "Accept edits",
            Self::Auto => "Auto",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Ask => "Asks before it edits files or runs commands",
            Self::AcceptEdits => "Edits files of the workspace; asks before it runs commands",
            Self::Auto => "Never asks; the sandbox confines what it does",
        }
    }
}

/// The modes, for clients that know no options.
pub(super) fn modes(current: ApprovalMode) -> Modes {
    let mode = |mode: ApprovalMode| Mode {
        id: mode.id().to_owned(),
        name: mode.name().to_owned(),
        description: Some(mode.description().to_owned()),
    };
    Modes {
        current_mode_id: current.id().to_owned(),
        available_modes: ApprovalMode::ALL.into_iter().map(mode).collect(),
    }
}

/// What a session is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) mode: ApprovalMode,
    pub(super) provider: String,
    pub(super) model: String,
    /// `None` for the provider's own; only where the model reasons.
    pub(super) effort: Option<String>,
    pub(super) reasons: bool,
}

impl Settings {
    /// All options with their values.
    pub(super) fn options(&self) -> Vec<ConfigOption> {
        let modes = ApprovalMode::ALL
            .into_iter()
            .map(|mode| entry(mode.id(), mode.name(), Some(mode.description())));
        let mut options = vec![
            select(MODE, "Mode", self.mode.id(), modes.collect()),
            select(MODEL, "Model", &self.model, self.models()),
        ];
        if self.reasons {
            let current = self.effort.as_deref().unwrap_or(DEFAULT_EFFORT);
            let efforts = EFFORTS.map(|(value, name)| entry(value, name, None)).to_vec();
            let mut option = select(EFFORT, "Reasoning effort", current, efforts);
            option.category = Some("thought_level".to_owned());
            options.push(option);
        }
        options
    }

    /// Models of the same provider: the conversation holds blocks that only it can read.
    fn models(&self) -> Vec<ConfigValue> {
        let known = list_models(Some(&self.provider)).filter(|model| model.supports_tools);
        let mut models: Vec<ConfigValue> =
            known.map(|model| entry(&model.id, &model.display_name, None)).collect();
        if !models.iter().any(|model| model.value == self.model) {
            models.insert(0, entry(&self.model, &self.model, None));
        }
        models
    }

    /// Whether an option may have this value.
    pub(super) fn check(&self, option: &str, value: &str) -> Result<(), String> {
        let options = self.options();
        let Some(found) = options.iter().find(|known| known.id == option) else {
            let known: Vec<&str> = options.iter().map(|option| option.id.as_str()).collect();
            return Err(format!("no option `{option}`; there are {}", known.join(", ")));
        };
        if found.options.iter().any(|known| known.value == value) {
            return Ok(());
        }
        let known: Vec<&str> = found.options.iter().map(|known| known.value.as_str()).collect();
        Err(format!("option `{option}` cannot be `{value}`; it can be {}", known.join(", ")))
    }
}

fn select(id: &str, name: &str, current: &str, options: Vec<ConfigValue>) -> ConfigOption {
    ConfigOption {
        id: id.to_owned(),
        name: name.to_owned(),
        description: None,
        category: Some(id.to_owned()),
        kind: "select".to_owned(),
        current_value: current.to_owned(),
        options,
    }
}

fn entry(value: &str, name: &str, description: Option<&str>) -> ConfigValue {
    ConfigValue {
        value: value.to_owned(),
        name: name.to_owned(),
        description: description.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            mode: ApprovalMode::Ask,
            provider: "scripted".to_owned(),
            model: "a.jsonl".to_owned(),
            effort: None,
            reasons: true,
        }
    }

    #[test]
    fn a_value_must_be_one_that_is_offered() {
        let settings = settings();
        assert_eq!(settings.check(MODE, "auto"), Ok(()));
        assert_eq!(settings.check(MODEL, "a.jsonl"), Ok(()));
        assert_eq!(settings.check(EFFORT, "high"), Ok(()));
        assert!(settings.check(MODE, "yolo").unwrap_err().contains("accept-edits"));
        assert!(settings.check("colour", "red").unwrap_err().contains("mode, model, effort"));
        assert!(Settings { reasons: false, ..settings }.check(EFFORT, "high").is_err());
    }

    #[test]
    fn the_model_in_use_is_among_those_that_are_offered() {
        let known = Settings {
            provider: "openai".to_owned(),
            model: canon_llm::get_latest_model("openai", None).unwrap().id.clone(),
            ..settings()
        };
        for settings in [settings(), known] {
            let models = settings.models();
            let current = models.iter().filter(|model| model.value == settings.model);
            assert_eq!(current.count(), 1, "{models:?}");
        }
    }

    #[test]
    fn every_mode_is_found_by_its_id() {
        for mode in ApprovalMode::ALL {
            assert_eq!(ApprovalMode::of_id(mode.id()), Some(mode));
            assert_eq!(mode.to_possible_value().unwrap().get_name(), mode.id());
        }
        assert_eq!(ApprovalMode::of_id("plan"), None);
    }
}
