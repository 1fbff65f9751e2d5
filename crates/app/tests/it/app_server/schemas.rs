//! The schema that the real Codex prints, for what an app-server may say.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use canon_runtime::schema::Schema;
use serde_json::Value;

use crate::codex::real_codex;

/// File of the schema for the result of each request.
const RESULTS: [(&str, &str); 26] = [
    ("initialize", "v1/InitializeResponse"),
    ("thread/start", "v2/ThreadStartResponse"),
    ("thread/resume", "v2/ThreadResumeResponse"),
    ("thread/fork", "v2/ThreadForkResponse"),
    ("thread/read", "v2/ThreadReadResponse"),
    ("thread/list", "v2/ThreadListResponse"),
    ("thread/loaded/list", "v2/ThreadLoadedListResponse"),
    ("thread/turns/list", "v2/ThreadTurnsListResponse"),
    ("thread/name/set", "v2/ThreadSetNameResponse"),
    ("thread/archive", "v2/ThreadArchiveResponse"),
    ("thread/unarchive", "v2/ThreadUnarchiveResponse"),
    ("thread/unsubscribe", "v2/ThreadUnsubscribeResponse"),
    ("thread/delete", "v2/ThreadDeleteResponse"),
    ("thread/revert", "v2/ThreadRevertResponse"),
    ("turn/start", "v2/TurnStartResponse"),
    ("turn/steer", "v2/TurnSteerResponse"),
    ("turn/interrupt", "v2/TurnInterruptResponse"),
    ("model/list", "v2/ModelListResponse"),
    ("config/read", "v2/ConfigReadResponse"),
    ("configRequirements/read", "v2/ConfigRequirementsReadResponse"),
    ("account/read", "v2/GetAccountResponse"),
    ("mcpServerStatus/list", "v2/ListMcpServerStatusResponse"),
    ("skills/list", "v2/SkillsListResponse"),
    ("collaborationMode/list", "v2/CollaborationModeListResponse"),
    ("experimentalFeature/list", "v2/ExperimentalFeatureListResponse"),
    ("error", "JSONRPCError"),
];

/// Our own, sent to our own client only.
const OURS: &str = "canon/sandbox";

pub(super) struct Schemas(HashMap<&'static str, Schema>);

impl Schemas {
    /// Made once; `None` where there is no Codex, which is said.
    pub(super) fn get() -> Option<&'static Self> {
        static SCHEMAS: OnceLock<Option<Schemas>> = OnceLock::new();
        SCHEMAS.get_or_init(Self::generate).as_ref()
    }

    fn generate() -> Option<Self> {
        let codex = real_codex()?;
        let dir = tempfile::tempdir().unwrap();
        let status = Command::new(codex)
            .args(["app-server", "generate-json-schema", "--experimental", "--out"])
            .arg(dir.path().join("schema"))
            .env("CODEX_HOME", dir.path())
            .env("HOME", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let names = ["ServerRequest", "ServerNotification"];
        let names = names.into_iter().chain(RESULTS.map(|(_, name)| name));
        Some(Self(names.map(|name| (name, read(dir.path(), name))).collect()))
    }

    /// Checks all that an app-server said; how many messages that were.
    pub(super) fn check_all(&self, said: &[Value], asked: &HashMap<String, String>) -> usize {
        let mut checked = 0;
        for message in said.iter().filter(|message| message["method"] != OURS) {
            match (message.get("method"), message.get("id")) {
                (Some(_), Some(_)) => self.check("ServerRequest", message),
                (Some(_), None) => self.check("ServerNotification", message),
                (None, _) if message.get("error").is_some() => self.result("error", message),
                (None, id) => {
                    let method = &asked[&id.unwrap().to_string()];
                    self.result(method, &message["result"]);
                }
            }
            checked += 1;
        }
        checked
    }

    fn result(&self, method: &str, result: &Value) {
        let known = RESULTS.iter().find(|(of, _)| *of == method);
        let (_, name) = known.unwrap_or_else(|| panic!("no schema is listed for {method}"));
        self.check(name, result);
    }

    fn check(&self, name: &str, message: &Value) {
        if let Err(wrong) = self.0[name].check(message) {
            panic!("{name}: {message}: {wrong:#?}");
        }
    }
}

fn read(dir: &Path, name: &str) -> Schema {
    let file = dir.join("schema").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
    Schema::compile(&serde_json::from_str(&text).unwrap()).unwrap()
}
