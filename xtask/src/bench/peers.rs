//! Other clients of model providers that benches compare with, installed when one asks for them.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Bench;
use crate::failure::Failure;
use crate::python::Environment;
use crate::workspace::{find, root, run as run_command, target};

pub(crate) const BENCH: Bench = Bench {
    name: "peers",
    what: "installs LiteLLM and the Vercel AI SDK; `peers NAME ARG…` runs one against a server",
    run,
};

pub(crate) const LITELLM: Environment =
    Environment { name: "litellm", requirements: include_str!("../../peers/litellm.txt") };

const AI_SDK: &str = include_str!("../../peers/ai-sdk.json");

/// A client with its installation. The command lacks its arguments, which the script's own header names.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Installs it, unless it is there.
    pub(crate) command: fn() -> Result<Command, Failure>,
}

pub(crate) const PEERS: &[Peer] =
    &[Peer { name: "litellm", command: litellm }, Peer { name: "ai-sdk", command: ai_sdk }];

fn run(args: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = args.split_first() else {
        return PEERS.iter().try_for_each(|peer| (peer.command)().map(|_| ()));
    };
    let peer = PEERS.iter().find(|peer| peer.name == name).ok_or_else(|| {
        let names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
        Failure::usage(format!("there is no peer {name:?}: there are {}", names.join(", ")))
    })?;
    run_command((peer.command)()?.args(rest))
}

fn litellm() -> Result<Command, Failure> {
    let mut command = Command::new(LITELLM.ensure()?);
    command.arg(root().join("xtask/peers/litellm.py"));
    Ok(command)
}

fn ai_sdk() -> Result<Command, Failure> {
    let dir = target().join("tools/ai-sdk");
    let node = find("node").ok_or_else(|| {
        Failure::environment("node is missing: install Node.js, with npm, to run the AI SDK")
    })?;
    let stamp = dir.join("installed.json");
    if !fs::read_to_string(&stamp).is_ok_and(|had| had == AI_SDK) {
        fs::create_dir_all(&dir).map_err(|error| unwritable(&dir, &error))?;
        write(&dir.join("package.json"), AI_SDK)?;
        run_command(Command::new("npm").current_dir(&dir).args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]))?;
        write(&stamp, AI_SDK)?;
    }
    // A module of Node's finds its packages only from where it lies itself.
    let script = dir.join("ai-sdk.mjs");
    write(&script, include_str!("../../peers/ai-sdk.mjs"))?;
    let mut command = Command::new(node);
    command.arg(script);
    Ok(command)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::environment(format!("cannot write {}: {error}", path.display()))
}
