//! The system packages that tests need, by their names in Debian and Ubuntu.

use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::workspace::{cargo, find, run};

/// A package, and what tells whether it is there.
struct Need {
    package: &'static str,
    sign: Sign,
    why: &'static str,
}

enum Sign {
    Program(&'static str),
    /// A module of Python's own library, which some systems package apart.
    PythonModule(&'static str),
}

impl Sign {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(program) => find(program).is_some(),
            Self::PythonModule(module) => Command::new("python3")
                .args(["-c", &format!("import {module}")])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

const fn need(package: &'static str, program: &'static str, why: &'static str) -> Need {
    Need { package, sign: Sign::Program(program), why }
}

const ALWAYS: &[Need] = &[
    need("gcc", "cc", "links Rust programs and compiles SQLite"),
    need("git", "git", "workspaces, commits, tree digests"),
    need("bash", "bash", "the agent's shell, hooks"),
    need("bubblewrap", "bwrap", "the sandbox"),
    need("procps", "ps", "looks for processes that a session left behind"),
    need("openssh-client", "ssh-keygen", "keys and signatures"),
    need("openssh-server", "sshd", "workers behind a real sshd"),
    need("openssl", "openssl", "an independent check of signatures"),
];

const FOR_CODEX: &[Need] =
    &[need("nodejs", "node", "runs npm"), need("npm", "npm", "installs the real Codex CLI")];

const FOR_SDKS: &[Need] = &[
    need("python3", "python3", "runs the official SDKs of model providers"),
    Need {
        package: "python3-venv",
        sign: Sign::PythonModule("ensurepip"),
        why: "keeps them in an environment of their own",
    },
];

/// What is to be installed beside what tests always need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) codex: bool,
    pub(crate) sdks: bool,
}

/// What to do about packages that are missing.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    /// Arguments of `apt-get install`.
    Install(Vec<&'static str>),
    /// The one line that a person has to run.
    Tell(String),
}

/// Says what is needed, installs what is missing where it may, and otherwise says how.
pub(crate) fn ensure(wanted: Wanted) -> Result<(), Failure> {
    let codex = if wanted.codex { FOR_CODEX } else { &[] };
    let sdks = if wanted.sdks { FOR_SDKS } else { &[] };
    let needs = ALWAYS.iter().chain(codex).chain(sdks);
    println!("system packages:");
    let mut missing = Vec::new();
    for Need { package, sign, why } in needs {
        let found = sign.is_there();
        println!("  {package:<15} {:<8} {why}", if found { "there" } else { "missing" });
        if !found {
            missing.push(*package);
        }
    }
    let apt = find("apt-get").is_some();
    match plan(missing, rustix::process::geteuid().is_root(), apt) {
        Plan::Nothing => {}
        Plan::Install(packages) => install(&packages)?,
        Plan::Tell(line) => {
            return Err(Failure::environment(format!(
                "packages are missing: run `{line}`, then try again"
            )));
        }
    }
    components()
}

fn plan(missing: Vec<&'static str>, root: bool, apt: bool) -> Plan {
    let names = missing.join(" ");
    match (missing.is_empty(), apt, root) {
        (true, ..) => Plan::Nothing,
        (_, true, true) => Plan::Install(missing),
        (_, true, false) => {
            Plan::Tell(format!("sudo apt-get install --yes --no-install-recommends {names}"))
        }
        (_, false, _) => Plan::Tell(format!("your system's package manager to install {names}")),
    }
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
        run(&mut command)
    };
    // An old package list is often good enough, so a mirror that does not answer is not the end yet.
    if let Err(failure) = apt(&["update"]) {
        eprintln!(
            "xtask: going on with the package lists that are there: {}",
            failure.message().unwrap_or_default()
        );
    }
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(packages);
    apt(&args).map_err(|failure| {
        Failure::environment(format!(
            "cannot install {}: {}",
            packages.join(", "),
            failure.message().unwrap_or_default()
        ))
    })
}

/// The parts of Rust itself that a minimal installation lacks.
fn components() -> Result<(), Failure> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let there =
            cargo([subcommand, "--version"]).output().is_ok_and(|output| output.status.success());
        if there {
            continue;
        }
        if find("rustup").is_none() {
            return Err(Failure::environment(format!(
                "cargo {subcommand} is missing: install {component} for this Rust"
            )));
        }
        run(Command::new("rustup").args(["component", "add", component]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_installs_and_everyone_else_is_told_one_line() {
        assert_eq!(plan(vec![], false, false), Plan::Nothing);
        assert_eq!(plan(vec!["git", "npm"], true, true), Plan::Install(vec!["git", "npm"]));
        let told = |root, apt| match plan(vec!["git", "npm"], root, apt) {
            Plan::Tell(line) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(false, true), "sudo apt-get install --yes --no-install-recommends git npm");
        assert_eq!(told(true, false), "your system's package manager to install git npm");
    }
}
