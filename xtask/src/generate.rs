//! `cargo xtask gen`: documentation that is made from the program, so that it cannot differ from it, and
//! the model catalogue, which is made from a public list.

mod catalogue;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::workspace::{capture, cargo, root, run as run_command, target};

/// What is made, relative to the root.
const CLI: &str = "docs/cli.md";

const INTRO: &str = "\
<!-- made by `cargo xtask gen`; change the doc comments under crates/app/src/cli instead -->

# Commands

Data goes to standard output, everything for people to standard error; `NO_COLOR` is honoured.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | the work failed |
| 2 | the input is wrong: a file, a flag, a setting |
| 3 | the environment is wrong: a tool, the network, a permission |
| 130 | interrupted |
";

/// Writes the generated files, or with `--check` fails if one is not what it would be.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        [what, rest @ ..] if what == "catalogue" => return catalogue::run(rest),
        _ => return Err(Failure::usage("gen takes no argument but --check, or `catalogue`")),
    };
    run_command(&mut cargo(["build", "--package", "canon", "--bin", "canon"]))?;
    let wanted = commands(&target().join("debug/canon"))?;
    let path = root().join(CLI);
    if fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
        println!("{CLI} is up to date");
        return Ok(());
    }
    if check {
        return Err(Failure::work(format!("{CLI} is out of date: run `cargo xtask gen`")));
    }
    fs::write(&path, wanted)
        .map_err(|error| Failure::environment(format!("cannot write {CLI}: {error}")))?;
    println!("wrote {CLI}");
    Ok(())
}

/// The page: the program's own help, and that of each command that it lists.
fn commands(canon: &Path) -> Result<String, Failure> {
    let overview = help(canon, None)?;
    let names = names(&overview);
    if names.is_empty() {
        return Err(Failure::work("`canon --help` lists no commands"));
    }
    let mut page = INTRO.to_owned();
    section(&mut page, "canon", &overview);
    for name in names {
        section(&mut page, &format!("canon {name}"), &help(canon, Some(name))?);
    }
    Ok(page)
}

/// The same text on every terminal.
fn help(canon: &Path, command: Option<&str>) -> Result<String, Failure> {
    let mut asked = Command::new(canon);
    asked.args(command).arg("--help").env("COLUMNS", "100").env("NO_COLOR", "1");
    capture(&mut asked)
}

fn section(page: &mut String, title: &str, help: &str) {
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(page, "\n## `{title}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
}

/// The names in the block `Commands:`; lines that go on with a description are indented further.
fn names(overview: &str) -> Vec<&str> {
    overview
        .lines()
        .skip_while(|line| line.trim_end() != "Commands:")
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_their_descriptions() {
        let overview = "Does.\n\nUsage: canon <COMMAND>\n\nCommands:\n  up      Orchestrate: poll,\n          \
                        supervise\n  status  Show\n  help    Print\n\nOptions:\n  -h, --help  Print help\n";
        assert_eq!(names(overview), ["up", "status"]);
        assert_eq!(names("Usage: canon\n"), [""; 0]);
    }

    #[test]
    fn a_section_ends_without_blank_lines() {
        let mut page = String::new();
        section(&mut page, "canon up", "Usage  \n\n  -h\n\n");
        assert_eq!(page, "\n## `canon up`\n\n```text\nUsage\n\n  -h\n```\n");
    }
}
