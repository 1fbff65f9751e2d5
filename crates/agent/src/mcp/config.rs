//! The file that names servers: `{"mcpServers": {NAME: {…}}}`, the form that other programs use too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use canon_exec::process::is_secret_name;
use canon_runtime::secret::Secret;
use serde_json::{Map, Value};

mod expand;

use expand::Expander;

/// Time for a server to start, and for each call, where the file does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest time that may be asked for: a day.
const MOST_MS: u64 = 24 * 60 * 60 * 1000;
const KEYS_OF_ANY: [&str; 5] = ["type", "timeout_ms", "tools", "disabled", "required"];
const KEYS_OF_PROGRAMS: [&str; 4] = ["command", "args", "env", "cwd"];
const KEYS_OF_ADDRESSES: [&str; 2] = ["url", "headers"];

/// Servers, read from a file.
#[derive(Debug, Clone, Default)]
pub struct McpConfig {
    /// Those that are not disabled, in the order of the file.
    pub servers: Vec<ServerConfig>,
    /// What is odd in the file without being an error.
    pub warnings: Vec<String>,
}

/// One server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// A letter, then letters, digits, `_` and `-`: the first part of its tools' names.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// For its start, and for each call from beginning to end.
    pub timeout: Duration,
    /// Which of its tools the model is offered, by the server's own names; `None` for all.
    pub tools: Option<Vec<String>>,
    /// Whether nothing can be done without it.
    pub required: bool,
    /// What must not show in messages and logs.
    pub secrets: Vec<Secret>,
}

/// Where a server is.
#[derive(Clone)]
pub enum Endpoint {
    /// A program, spoken to over its standard streams.
    Program {
        /// Program and arguments.
        argv: Vec<String>,
        /// Variables beside what programs get anyway, which is everything but secrets.
        env: BTreeMap<String, Secret>,
        /// Where it runs.
        cwd: PathBuf,
    },
    /// An address, spoken to over streamable HTTP.
    Address {
        /// `http` or `https`.
        url: reqwest::Url,
        /// Sent with every request.
        headers: BTreeMap<String, Secret>,
    },
}

/// Arguments and addresses may hold secrets.
impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Program { argv, .. } => write!(f, "Program({:?})", argv.first()),
            Self::Address { url, .. } => write!(f, "Address({:?})", url.host_str()),
        }
    }
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum McpConfigError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// It is no JSON.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// With line and column.
        source: serde_json::Error,
    },
    /// Something of what a client gave is not what it should be.
    #[error("{place}: {why}")]
    Given {
        /// Such as `mcpServers.github.args`.
        place: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Something in it is not what it should be.
    #[error("{}: {place}: {why}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Such as `mcpServers.github.args`.
        place: String,
        /// What is wrong, and what would be right.
        why: String,
    },
}

/// Looks up a variable; without it, `${NAME}` stands for itself.
type Variables<'a> = Option<&'a dyn Fn(&str) -> Option<String>>;

/// Where in the file, and why.
type Wrong = (String, String);

impl McpConfig {
    /// Reads the file at `path`; `variable` looks up what `${NAME}` and `${NAME:-DEFAULT}` in values
    /// stand for. Relative paths, and servers that name no directory, are in the file's directory:
    /// not in the agent's workspace, whose content may be anybody's.
    ///
    /// # Errors
    /// See [`McpConfigError`].
    pub fn read(
        path: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, McpConfigError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let text = std::fs::read(&path)
            .map_err(|source| McpConfigError::Read { path: path.clone(), source })?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|source| McpConfigError::Json { path: path.clone(), source })?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        Self::parse(&value, directory, Some(&variable))
            .map_err(|(place, why)| McpConfigError::Value { path, place, why })
    }

    /// Reads what a client says in the form of a file. Nothing in it stands for a variable of this
    /// process; `directory` is where the programs run.
    ///
    /// # Errors
    /// [`McpConfigError::Given`].
    pub fn given(value: &Value, directory: &Path) -> Result<Self, McpConfigError> {
        Self::parse(value, directory, None)
            .map_err(|(place, why)| McpConfigError::Given { place, why })
    }

    fn parse(value: &Value, directory: &Path, variable: Variables<'_>) -> Result<Self, Wrong> {
        let mut config = Self::default();
        let root = object(value, "(root)")?;
        let servers = root.get("mcpServers").ok_or_else(|| {
            ("(root)".to_owned(), "expected an object with the key `mcpServers`".to_owned())
        })?;
        for key in root.keys().filter(|key| *key != "mcpServers") {
            config.warnings.push(format!("unknown key `{key}`"));
        }
        for (name, server) in object(servers, "mcpServers")? {
            let place = format!("mcpServers.{name}");
            let reader = Reader { members: object(server, &place)?, place, directory, variable };
            reader.check_name(name)?;
            if reader.flag("disabled", false)? {
                continue;
            }
            config.servers.push(reader.server(name, &mut config.warnings)?);
        }
        Ok(config)
    }
}

fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, Wrong> {
    value.as_object().ok_or_else(|| (place.to_owned(), "expected an object".to_owned()))
}

/// Reads one server.
struct Reader<'a> {
    members: &'a Map<String, Value>,
    place: String,
    directory: &'a Path,
    variable: Variables<'a>,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, why: impl Into<String>) -> Wrong {
        (format!("{}.{key}", self.place), why.into())
    }

    fn check_name(&self, name: &str) -> Result<(), Wrong> {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if starts_well && rest && name.len() <= 32 && !name.contains("__") {
            return Ok(());
        }
        let why = "a server's name is a letter followed by letters, digits, `-` or single `_`, 32 \
                   characters at most";
        Err((self.place.clone(), why.to_owned()))
    }

    fn server(&self, name: &str, warnings: &mut Vec<String>) -> Result<ServerConfig, Wrong> {
        let mut expander = Expander::new(self.variable);
        let (endpoint, keys) = match (self.members.get("command"), self.members.get("url")) {
            (Some(_), None) => (self.program(&mut expander)?, &KEYS_OF_PROGRAMS[..]),
            (None, Some(_)) => (self.address(&mut expander, warnings)?, &KEYS_OF_ADDRESSES[..]),
            _ => {
                let why = "expected either `command`, a program, or `url`, an address";
                return Err((self.place.clone(), why.to_owned()));
            }
        };
        self.check_type(&endpoint)?;
        for key in self.members.keys() {
            if !keys.contains(&key.as_str()) && !KEYS_OF_ANY.contains(&key.as_str()) {
                warnings.push(format!("unknown key `{}.{key}`", self.place));
            }
        }
        Ok(ServerConfig {
            name: name.to_owned(),
            endpoint,
            timeout: self.timeout()?,
            tools: self.members.get("tools").map(|_| self.strings("tools")).transpose()?,
            required: self.flag("required", true)?,
            secrets: expander.secrets,
        })
    }

    fn program(&self, expander: &mut Expander<'_>) -> Result<Endpoint, Wrong> {
        let mut argv = vec![self.expanded(expander, "command", self.string("command")?)?];
        if argv[0].is_empty() {
            return Err(self.wrong("command", "expected the name of a program"));
        }
        // Without a slash it is looked for on PATH.
        if argv[0].contains('/') {
            argv[0] = self.directory.join(&argv[0]).display().to_string();
        }
        for argument in self.strings("args")? {
            argv.push(self.expanded(expander, "args", &argument)?);
        }
        let cwd = match self.members.get("cwd") {
            Some(_) => self.directory.join(self.expanded(expander, "cwd", self.string("cwd")?)?),
            None => self.directory.to_owned(),
        };
        let env = self.secrets("env", expander, is_secret_name)?;
        Ok(Endpoint::Program { argv, env, cwd })
    }

    fn address(
        &self,
        expander: &mut Expander<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Endpoint, Wrong> {
        let text = self.expanded(expander, "url", self.string("url")?)?;
        let url: reqwest::Url =
            text.parse().map_err(|error| self.wrong("url", format!("no address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(
                self.wrong("url", "expected an address that begins with https:// or http://")
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            let why = "an address with a password in it shows in messages; use `headers`";
            return Err(self.wrong("url", why));
        }
        let headers = self.secrets("headers", expander, |_| true)?;
        for (name, value) in &headers {
            let place = format!("headers.{name}");
            reqwest::header::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| self.wrong(&place, "this is no name of a header"))?;
            reqwest::header::HeaderValue::from_str(value.expose())
                .map_err(|_| self.wrong(&place, "its value cannot be sent in a header"))?;
        }
        if url.scheme() == "http" && !is_local(&url) && !headers.is_empty() {
            let place = &self.place;
            warnings.push(format!("{place}: its headers are sent unencrypted; use https://"));
        }
        Ok(Endpoint::Address { url, headers })
    }

    /// Some programs write down what follows from the other keys.
    fn check_type(&self, endpoint: &Endpoint) -> Result<(), Wrong> {
        if !self.members.contains_key("type") {
            return Ok(());
        }
        match (endpoint, self.string("type")?) {
            (Endpoint::Program { .. }, "stdio") => Ok(()),
            (Endpoint::Address { .. }, "http" | "streamable-http" | "streamable_http") => Ok(()),
            (Endpoint::Address { .. }, "sse") => Err(self.wrong(
                "type",
                "the older HTTP+SSE transport is not supported; ask the server for streamable HTTP \
                 (`http`)",
            )),
            _ => Err(self.wrong("type", "expected `stdio` with `command`, or `http` with `url`")),
        }
    }

    fn timeout(&self) -> Result<Duration, Wrong> {
        match self.members.get("timeout_ms").map(Value::as_u64) {
            None => Ok(DEFAULT_TIMEOUT),
            Some(Some(ms)) if (1..=MOST_MS).contains(&ms) => Ok(Duration::from_millis(ms)),
            Some(_) => {
                Err(self.wrong("timeout_ms", format!("expected milliseconds, 1 to {MOST_MS}")))
            }
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, Wrong> {
        match self.members.get(key) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(key, "expected true or false")),
        }
    }

    fn string(&self, key: &str) -> Result<&str, Wrong> {
        let value = self.members.get(key).and_then(Value::as_str);
        value.ok_or_else(|| self.wrong(key, "expected a string"))
    }

    fn strings(&self, key: &str) -> Result<Vec<String>, Wrong> {
        let Some(value) = self.members.get(key) else { return Ok(Vec::new()) };
        let strings = value.as_array().and_then(|items| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        strings.ok_or_else(|| self.wrong(key, "expected a list of strings"))
    }

    /// A map of strings whose values are secrets to messages and logs where `is_secret` says so.
    fn secrets(
        &self,
        key: &str,
        expander: &mut Expander<'_>,
        is_secret: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Secret>, Wrong> {
        let Some(value) = self.members.get(key) else { return Ok(BTreeMap::new()) };
        let mut found = BTreeMap::new();
        for (name, value) in object(value, &format!("{}.{key}", self.place))? {
            let place = format!("{key}.{name}");
            let text = value.as_str().ok_or_else(|| self.wrong(&place, "expected a string"))?;
            let value = Secret::new(self.expanded(expander, &place, text)?);
            if is_secret(name) {
                expander.secrets.push(value.clone());
            }
            found.insert(name.clone(), value);
        }
        Ok(found)
    }

    fn expanded(
        &self,
        expander: &mut Expander<'_>,
        key: &str,
        text: &str,
    ) -> Result<String, Wrong> {
        expander.expand(text).map_err(|why| self.wrong(key, why))
    }
}

/// Whether an address is on this machine.
pub(super) fn is_local(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
