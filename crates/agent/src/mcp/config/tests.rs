use super::*;
use serde_json::json;

fn variable(name: &str) -> Option<String> {
    match name {
        "GITHUB_TOKEN" => Some("ghs-secret-value".to_owned()),
        "HOME" => Some("/home/me".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn parse(value: Value) -> Result<McpConfig, Wrong> {
    McpConfig::parse(&value, Path::new("/etc/canon"), Some(&variable))
}

fn one(server: Value) -> Result<ServerConfig, Wrong> {
    parse(json!({"mcpServers": {"x": server}})).map(|config| config.servers[0].clone())
}

#[test]
fn programs_and_addresses_are_read_with_their_variables() {
    let config = parse(json!({"mcpServers": {
        "files": {"type": "stdio", "command": "npx", "args": ["-y", "server", "${HOME}/src", "$x"],
                  "env": {"TOKEN": "${GITHUB_TOKEN}", "MODE": "${MODE:-fast}", "N": "${EMPTY:-1}"},
                  "timeout_ms": 5000, "tools": ["read"], "required": false},
        "web": {"type": "http", "url": "https://mcp.example/v1",
                "headers": {"Authorization": "Bearer ${GITHUB_TOKEN}"}},
        "off": {"command": "no ${UNSET}", "disabled": true},
    }}))
    .unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let [files, web] = &config.servers[..] else { panic!("{:?}", config.servers) };
    let Endpoint::Program { argv, env, cwd } = &files.endpoint else { panic!() };
    assert_eq!(argv, &["npx", "-y", "server", "/home/me/src", "$x"]);
    let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(env, [("MODE", "fast"), ("N", "1"), ("TOKEN", "ghs-secret-value")]);
    assert_eq!(cwd, Path::new("/etc/canon"));
    assert_eq!((files.timeout, files.required), (Duration::from_secs(5), false));
    assert_eq!(files.tools.as_deref(), Some(&["read".to_owned()][..]));
    let Endpoint::Address { url, headers } = &web.endpoint else { panic!() };
    assert_eq!(url.as_str(), "https://mcp.example/v1");
    assert_eq!(headers["Authorization"].expose(), "Bearer ghs-secret-value");
    assert_eq!((web.timeout, web.required, &web.tools), (DEFAULT_TIMEOUT, true, &None));
}

#[test]
fn relative_paths_are_in_the_directory_of_the_file() {
    let server = one(json!({"command": "./bin/server", "cwd": "data"})).unwrap();
    let Endpoint::Program { argv, cwd, .. } = server.endpoint else { panic!() };
    assert_eq!(Path::new(&argv[0]), Path::new("/etc/canon/./bin/server"));
    assert_eq!(cwd, Path::new("/etc/canon/data"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        (json!({}), "mcpServers.x", "either `command`"),
        (json!({"command": "a", "url": "http://b"}), "mcpServers.x", "either `command`"),
        (json!({"command": 1}), "mcpServers.x.command", "a string"),
        (json!({"command": ""}), "mcpServers.x.command", "a program"),
        (json!({"command": "a", "args": "b"}), "mcpServers.x.args", "a list of strings"),
        (json!({"command": "a", "args": ["${NOPE}"]}), "mcpServers.x.args", "NOPE is not set"),
        (json!({"command": "a", "env": {"B": "${C"}}), "mcpServers.x.env.B", "no `}`"),
        (json!({"command": "a", "env": {"B": "${0}"}}), "mcpServers.x.env.B", "not name"),
        (json!({"command": "a", "env": {"B": 1}}), "mcpServers.x.env.B", "a string"),
        (json!({"command": "a", "timeout_ms": 0}), "mcpServers.x.timeout_ms", "1 to 86400000"),
        (json!({"command": "a", "disabled": "no"}), "mcpServers.x.disabled", "true or false"),
        (json!({"command": "a", "type": "http"}), "mcpServers.x.type", "`stdio`"),
        (json!({"url": "http://a", "type": "sse"}), "mcpServers.x.type", "not supported"),
        (json!({"url": "ftp://a"}), "mcpServers.x.url", "https://"),
        (json!({"url": "a"}), "mcpServers.x.url", "no address"),
        (json!({"url": "https://u:p@a"}), "mcpServers.x.url", "use `headers`"),
        (json!({"url": "http://a", "headers": {"a b": ""}}), "mcpServers.x.headers.a b", "name"),
        (json!({"url": "http://a", "headers": {"a": "b\n"}}), "mcpServers.x.headers.a", "sent"),
    ];
    for (server, place, why) in cases {
        let (found, said) = one(server.clone()).unwrap_err();
        assert_eq!(found, place, "{server}");
        assert!(said.contains(why), "{server}: {said}");
    }
    assert_eq!(parse(json!([])).unwrap_err().0, "(root)");
    assert!(parse(json!({"servers": {}})).unwrap_err().1.contains("mcpServers"));
    for name in ["", "1a", "a b", "a__b", "ü", &"n".repeat(33)] {
        let (place, _) = parse(json!({"mcpServers": {name: {"command": "a"}}})).unwrap_err();
        assert_eq!(place, format!("mcpServers.{name}"));
    }
}

#[test]
fn what_is_odd_is_warned_of() {
    let config = parse(json!({"inputs": [], "mcpServers": {
        "a": {"command": "x", "autoApprove": [], "url_": 1},
        "b": {"url": "http://far.example/mcp", "headers": {"K": "v"}, "cwd": "/"},
        "c": {"url": "http://127.0.0.1:9/mcp", "headers": {"K": "v"}},
    }}))
    .unwrap();
    let warnings = config.warnings.join("\n");
    for part in [
        "`inputs`",
        "`mcpServers.a.autoApprove`",
        "`mcpServers.b.cwd`",
        "mcpServers.b: its headers",
    ] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    assert_eq!(config.warnings.len(), 5, "{warnings}");
}

#[test]
fn secrets_do_not_show() {
    let server = one(json!({"url": "https://a/?k=${GITHUB_TOKEN}",
                            "headers": {"X": "header-value"}}))
    .unwrap();
    let shown = format!("{server:?}");
    assert!(!shown.contains("ghs-secret") && !shown.contains("header-value"), "{shown}");
    let known: Vec<&str> = server.secrets.iter().map(Secret::expose).collect();
    assert_eq!(known, ["ghs-secret-value", "header-value"]);
    let server = one(json!({"command": "a", "args": ["--token=${GITHUB_TOKEN}"]})).unwrap();
    assert!(!format!("{server:?}").contains("ghs-secret"), "{server:?}");
}

#[test]
fn a_file_is_named_in_what_is_wrong_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mcp.json");
    let read = || McpConfig::read(&path, variable).map(|config| config.servers.len());
    assert!(matches!(read(), Err(McpConfigError::Read { .. })));
    std::fs::write(&path, "{\"mcpServers\": ").unwrap();
    assert!(read().unwrap_err().to_string().contains("mcp.json: EOF"));
    std::fs::write(&path, "{\"mcpServers\": 1}").unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.ends_with("mcp.json: mcpServers: expected an object"), "{error}");
    std::fs::write(&path, "{\"mcpServers\": {\"a\": {\"command\": \"x\"}}}").unwrap();
    assert_eq!(read().unwrap(), 1);
}

#[test]
fn what_a_client_gives_stands_for_itself() {
    let server = json!({"command": "/s", "args": ["${HOME}", "${"], "env": {"A_KEY": "${HOME}"}});
    let given = json!({"mcpServers": {"x": server}});
    let config = McpConfig::given(&given, Path::new("/work")).unwrap();
    let Endpoint::Program { argv, env, cwd } = &config.servers[0].endpoint else { panic!() };
    assert_eq!(argv, &["/s", "${HOME}", "${"]);
    assert_eq!((env["A_KEY"].expose(), cwd.as_path()), ("${HOME}", Path::new("/work")));
    assert_eq!(config.servers[0].secrets.len(), 1);
    let wrong = McpConfig::given(&json!({"mcpServers": {"x": {}}}), Path::new("/work"));
    assert!(wrong.unwrap_err().to_string().starts_with("mcpServers.x: expected either"));
}
