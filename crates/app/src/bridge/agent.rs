//! Canon's agent put together: a model, a sandbox, a session.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use canon_agent::{Budget, Profile, Session, SessionOptions};
use canon_exec::sandbox::{HelperCommand, SandboxOptions, SandboxPolicy, SandboxedEnvironment};
use canon_exec::{EnvPolicy, ExecutionEnvironment, SandboxReport};
use canon_llm::{Client, Connected, LlmError, Recorder};
use canon_runtime::secret::{Redactor, Secret};
use serde_json::Value;

use crate::error::{Error, Kind};

/// The hidden subcommand that a sandboxed command starts through where Landlock confines it.
pub const SANDBOX_HELPER: &str = "sandbox-helper";

/// Variables whose values no transcript may hold.
const KEY_VARIABLES: [&str; 5] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OPENAI_COMPATIBLE_API_KEY",
];

/// Which model an agent asks, resolved before any work begins.
#[derive(Debug, Clone)]
pub struct Model {
    connected: Connected,
}

impl Model {
    /// The model `name` (`[provider/]model`), else `CANON_MODEL`, else the newest catalogue model of
    /// the first provider that has a key.
    pub fn connect(name: Option<&str>) -> Result<Self, Error> {
        Self::try_connect(name)
            .map_err(|error| Error::new(Kind::of_model(&error), error.to_string()))
    }

    /// [`Self::connect`], with the error as it is.
    pub fn try_connect(name: Option<&str>) -> Result<Self, LlmError> {
        let connected = Client::connect(name, |variable| std::env::var(variable).ok())?;
        Ok(Self { connected })
    }

    /// The same model, with every exchange written to `path` as a transcript that the scripted
    /// provider plays.
    pub fn recorded(mut self, path: &Path) -> Result<Self, Error> {
        let recorder = Recorder::open(path, redactor())
            .map_err(|error| Error::environment(error.to_string()))?;
        self.connected.client = self.connected.client.with_middleware(Arc::new(recorder));
        Ok(self)
    }

    /// Another model of the same provider, by the provider's own id.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Self {
        let mut other = self.clone();
        id.clone_into(&mut other.connected.model.model);
        other
    }

    /// What asks it.
    pub fn client(&self) -> &Client {
        &self.connected.client
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        self.connected.model.provider.as_deref().unwrap_or_default()
    }

    /// The provider's own id of the model.
    pub fn id(&self) -> &str {
        &self.connected.model.model
    }
}

/// Takes the keys of all providers, as the environment has them, out of what is shown or kept.
pub fn redactor() -> Redactor {
    let keys = KEY_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    Redactor::new(keys.map(Secret::new))
}

/// A provider and a model as two wishes, made into one name for [`Model::connect`]; a provider
/// alone stands for its newest model in the catalogue, and none at all leaves the choice.
pub fn model_name(provider: Option<&str>, model: Option<&str>) -> Result<Option<String>, Error> {
    let Some(provider) = provider else { return Ok(model.map(str::to_owned)) };
    // Unknown, it would be read as a part of the model's name and another provider asked.
    if !canon_llm::PROVIDERS.contains(&provider) {
        let known = canon_llm::PROVIDERS.join(", ");
        return Err(Error::input(format!("no provider `{provider}`; known: {known}")));
    }
    let latest = || canon_llm::get_latest_model(provider, None).map(|info| info.id.as_str());
    match model.or_else(latest) {
        Some(model) => Ok(Some(format!("{provider}/{model}"))),
        None => Err(Error::input(format!("provider `{provider}` needs a model to be named"))
            .hint("for the scripted provider, the model is the path of its transcript")),
    }
}

/// What confines an agent's commands and file operations.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// What is asked for.
    pub policy: SandboxPolicy,
    /// Paths that nothing in it may read.
    pub masked: Vec<PathBuf>,
}

impl Sandbox {
    /// The environment for `cwd` in this sandbox, after a probe; never a weaker one.
    pub async fn environment(&self, cwd: &Path) -> Result<Arc<dyn ExecutionEnvironment>, Error> {
        self.environment_with(cwd, Vec::new(), EnvPolicy::default()).await
    }

    /// [`Self::environment`] whose commands get the variables of `env`, and in which the directories
    /// `readable` are read, also where they lie below something masked, and not written unless the
    /// policy names a root below them.
    pub async fn environment_with(
        &self,
        cwd: &Path,
        readable: Vec<PathBuf>,
        env: EnvPolicy,
    ) -> Result<Arc<dyn ExecutionEnvironment>, Error> {
        if !cwd.is_dir() {
            return Err(Error::input(format!(
                "the working directory {} is not a directory",
                cwd.display()
            )));
        }
        for path in &self.masked {
            // What is not there yet cannot be hidden, and would be seen once it is made. Where it
            // cannot be made, nothing will be kept in it.
            let _ = DirBuilder::new().recursive(true).mode(0o700).create(path);
        }
        let helper = HelperCommand::own(SANDBOX_HELPER)
            .map_err(|error| Error::environment(format!("cannot find this program: {error}")))?;
        let options = SandboxOptions {
            helper: Some(helper),
            masked_paths: self.masked.clone(),
            readable_paths: readable,
            env,
            ..SandboxOptions::default()
        };
        let environment = SandboxedEnvironment::new(self.policy.clone(), cwd.to_owned(), options)
            .await
            .map_err(|error| Error::environment(error.to_string()))?;
        Ok(Arc::new(environment))
    }

    /// What works on this machine, by trying it in `cwd`.
    pub async fn probe(&self, cwd: &Path) -> Result<SandboxReport, Error> {
        Ok(self.environment(cwd).await?.sandbox())
    }
}

/// A sandbox policy as the app-server protocol writes it, `{type: workspaceWrite, …}`; `cwd` is
/// writable by the policy's nature and needs no naming.
pub fn policy_of_wire(policy: &Value, cwd: &Path) -> Result<SandboxPolicy, String> {
    for name in ["access", "readOnlyAccess"] {
        let access = policy.get(name).filter(|access| !access.is_null());
        // What reads less than everything would read more than was meant.
        if access.is_some_and(|access| access["type"] != "fullAccess") {
            return Err(format!("{name}: only fullAccess is supported"));
        }
    }
    let network = policy.get("networkAccess").is_some_and(|network| {
        network.as_bool() == Some(true) || network.as_str() == Some("enabled")
    });
    let roots = || -> Result<Vec<PathBuf>, String> {
        let roots = policy.get("writableRoots").and_then(Value::as_array);
        roots
            .into_iter()
            .flatten()
            .filter(|root| root.as_str().is_none_or(|root| Path::new(root) != cwd))
            .map(|root| {
                root.as_str()
                    .map(PathBuf::from)
                    .filter(|root| root.is_absolute())
                    .ok_or_else(|| format!("writableRoots: {root} is not an absolute path"))
            })
            .collect()
    };
    match policy.get("type").and_then(Value::as_str) {
        Some("readOnly") => Ok(SandboxPolicy::read_only().with_network(network)),
        Some("workspaceWrite") => {
            let mut sandbox = SandboxPolicy::workspace_write().with_network(network);
            if let SandboxPolicy::WorkspaceWrite { writable_roots, exclude_tmp, .. } = &mut sandbox
            {
                *writable_roots = roots()?;
                // There is one temporary directory here, /tmp and $TMPDIR in one.
                let set = |name: &str| policy.get(name).and_then(Value::as_bool) == Some(true);
                *exclude_tmp = set("excludeSlashTmp") || set("excludeTmpdirEnvVar");
            }
            Ok(sandbox)
        }
        Some("dangerFullAccess") => Ok(SandboxPolicy::DangerFullAccess),
        Some(other) => Err(format!(
            "sandbox policy {other:?} is not supported; use readOnly, workspaceWrite or dangerFullAccess"
        )),
        None => Err("a sandbox policy needs a `type`".to_owned()),
    }
}

/// The same policy on the wire.
pub fn policy_to_wire(policy: &SandboxPolicy) -> Value {
    match policy {
        SandboxPolicy::ReadOnly { network, .. } => {
            serde_json::json!({ "type": "readOnly", "networkAccess": network })
        }
        SandboxPolicy::WorkspaceWrite { writable_roots, network, exclude_tmp, .. } => {
            serde_json::json!({
                "type": "workspaceWrite", "writableRoots": writable_roots, "networkAccess": network,
                "excludeSlashTmp": exclude_tmp, "excludeTmpdirEnvVar": exclude_tmp,
            })
        }
        SandboxPolicy::DangerFullAccess => serde_json::json!({ "type": "dangerFullAccess" }),
    }
}

/// What a session may use up, and how.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Most model replies; 0 for no limit.
    pub max_turns: u32,
    /// Most tokens.
    pub max_tokens: Option<u64>,
    /// Most US dollars.
    pub max_cost_usd: Option<f64>,
}

/// What a session of Canon's agent begins with; whoever has more to say sets the other fields.
///
/// # Errors
/// When there is no profile for the model.
pub fn options(
    model: &Model,
    environment: Arc<dyn ExecutionEnvironment>,
    limits: &Limits,
) -> Result<SessionOptions, Error> {
    let profile = Profile::for_model(model.provider(), model.id())
        .map_err(|error| Error::input(error.to_string()))?;
    let mut options = SessionOptions::new(model.connected.client.clone(), profile, environment);
    options.config.max_turns = limits.max_turns;
    options.config.budget =
        Budget { max_tokens: limits.max_tokens, max_cost_usd: limits.max_cost_usd };
    Ok(options)
}

/// Begins the session.
///
/// # Errors
/// A tool that no model could be offered, or a money budget without a price to count with.
pub fn session(options: SessionOptions) -> Result<Session, Error> {
    Session::new(options).map_err(|error| Error::input(error.to_string()))
}

/// Only a session that panicked ends without a last event.
pub(crate) fn lost() -> canon_agent::Outcome {
    canon_agent::Outcome {
        status: canon_agent::Status::Failed {
            code: "internal".to_owned(),
            message: "the session's task ended without a result; see the log".to_owned(),
        },
        text: String::new(),
        usage: canon_llm::Usage::default(),
        cost_usd: None,
        turns: 0,
        tool_calls: 0,
        earlier: None,
    }
}
