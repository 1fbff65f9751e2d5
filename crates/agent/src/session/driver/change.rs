//! What a host changes about a running session. All of it counts from the next model call or the
//! next round of tool calls on; what is under way goes on as it began.

use std::sync::Arc;

use canon_exec::ExecutionEnvironment;

use super::Driver;
use super::start::{registry, settings};
use crate::config::SessionConfig;
use crate::profiles::Profile;
use crate::session::event::Event;
use crate::tools::Registered;

impl Driver {
    pub(super) fn configure(&mut self, config: SessionConfig) {
        let (before, after) = (&self.setup.config, &config);
        let offers_subagents = |config: &SessionConfig| config.max_subagent_depth > 0;
        let same_tools = offers_subagents(before) == offers_subagents(after);
        if before.budget != after.budget {
            self.children.0.set_budget(after.budget);
        }
        self.setup.config = config.clone();
        self.apply(Event::Configure(Box::new(config)));
        if !same_tools {
            self.renew_tools();
        }
    }

    /// Another model for this session, and for the subagents that it spawns from now on.
    pub(super) fn set_model(&mut self, provider: &str, model: &str) {
        self.setup.profile.set_model(provider, model);
        let model = settings(self.setup.pricing.as_ref(), &self.setup.profile);
        self.apply(Event::SetModel(model));
    }

    /// Another model with all that fits it; the prompt is made anew.
    pub(super) fn set_profile(&mut self, profile: Profile) {
        let model = settings(self.setup.pricing.as_ref(), &profile);
        self.setup.profile = profile;
        self.apply(Event::SetModel(model));
        self.prompt = None;
        self.apply(Event::PrefixUnknown);
        self.renew_tools();
        self.context = Some(self.gather_context());
    }

    pub(super) fn add_tool(&mut self, tool: Arc<Registered>) {
        let name = tool.name().to_owned();
        self.setup.removed_tools.remove(&name);
        self.setup.extra_tools.retain(|known| known.definition().name != name);
        self.setup.extra_tools.push(tool.tool());
        self.registry.insert(tool);
        self.measure_prefix();
    }

    pub(super) fn remove_tool(&mut self, name: String) {
        self.registry.unregister(&name);
        self.setup.removed_tools.insert(name);
        self.measure_prefix();
    }

    pub(super) fn set_environment(&mut self, env: Arc<dyn ExecutionEnvironment>) {
        let note = format!(
            "The tools now work in another place: the working directory is {}, on {} ({}). Files \
             and processes that you know of may not be there.",
            env.working_directory().display(),
            env.platform(),
            env.os_version(),
        );
        self.setup.env = env;
        self.apply(Event::EnvironmentChanged { note });
    }

    fn renew_tools(&mut self) {
        match registry(&self.setup, &self.children.0) {
            Ok(registry) => self.registry = registry,
            // Handles check tools before they send them.
            Err(error) => tracing::error!(%error, "the session goes on with the tools that it had"),
        }
        self.measure_prefix();
    }
}
