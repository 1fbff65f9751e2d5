//! What a child session is made of: its parent's parts, but for what the order changes.

use std::path::Path;
use std::sync::Arc;

use canon_exec::{ExecutionEnvironment, FileKind, Subdirectory};
use canon_llm::get_model_info;

use crate::profiles::Profile;
use crate::session::SessionOptions;
use crate::tools::normal;

/// Said to every child, behind what the host says.
const ROLE: &str = "You are a subagent: another agent gave you this task and sees of your work only \
                    the files that you leave and your last message. Nobody answers questions. Stay \
                    within the task, and end with a message that says what you found or did, what \
                    is not done, and where to look.";

/// What a model wants of a child (loop spec §7.2).
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub(crate) task: String,
    pub(crate) working_dir: Option<String>,
    pub(crate) model: Option<String>,
    /// 0 for no limit.
    pub(crate) max_turns: u32,
}

/// The child's parts, or what to tell the model that wants them.
pub(super) async fn options(
    mut parent: SessionOptions,
    order: Order,
    env: Arc<dyn ExecutionEnvironment>,
) -> Result<SessionOptions, String> {
    parent.env = match &order.working_dir {
        Some(directory) => inside(env, directory).await?,
        None => env,
    };
    if let Some(model) = &order.model {
        parent.profile = profile_of(&parent, model)?;
    }
    let config = &mut parent.config;
    config.max_turns = order.max_turns;
    config.max_subagent_depth = config.max_subagent_depth.saturating_sub(1);
    config.interactive = false;
    let host = parent.user_instructions.take().unwrap_or_default();
    parent.user_instructions = Some(format!("{}\n\n{ROLE}", host.trim()).trim().to_owned());
    // Its events reach the host, and its result is in the parent's conversation.
    parent.journal = None;
    parent.history = Vec::new();
    parent.session_id = None;
    Ok(parent)
}

/// The same environment in a directory of it (loop spec §7.1).
async fn inside(
    env: Arc<dyn ExecutionEnvironment>,
    directory: &str,
) -> Result<Arc<dyn ExecutionEnvironment>, String> {
    let root = normal(env.working_directory());
    let wanted = normal(&root.join(Path::new(directory)));
    if wanted == root {
        return Ok(env);
    }
    if !wanted.starts_with(&root) {
        return Err(format!(
            "working_dir {directory} is not below the working directory {}. Name a directory below \
             it, or leave working_dir out.",
            root.display()
        ));
    }
    let found = env.metadata(&wanted).await.map_err(|error| format!("working_dir: {error}"))?;
    if found.kind != FileKind::Directory {
        return Err(format!("working_dir {directory} is not a directory."));
    }
    Ok(Arc::new(Subdirectory::new(env, &wanted)))
}

/// The profile for another model: of the provider that the name says, else of the provider that the
/// catalogue knows it at, if the client has it, else of the parent's.
fn profile_of(parent: &SessionOptions, name: &str) -> Result<Profile, String> {
    let known = |provider: &str| parent.client.provider_names().any(|known| known == provider);
    let (provider, model) = match name.split_once('/') {
        Some((provider, model)) if known(provider) => (provider, model),
        _ => match get_model_info(name) {
            Some(info) if known(&info.provider) => (info.provider.as_str(), name),
            _ => (parent.profile.provider.as_str(), name),
        },
    };
    let current = &parent.profile;
    if (provider, model) == (current.provider.as_str(), current.model.as_str()) {
        return Ok(current.clone());
    }
    let mut profile = Profile::for_model(provider, model).map_err(|error| error.to_string())?;
    // Keyed by provider, so those of another one do no harm.
    profile.provider_options = current.provider_options.clone();
    Ok(profile)
}
