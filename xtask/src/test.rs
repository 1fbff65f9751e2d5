//! `cargo xtask test`: everything that CI runs, in one command.

mod options;
mod skips;
mod suite;
mod summary;
mod tally;

use std::time::Instant;

use crate::failure::Failure;
use crate::packages::Wanted;
use crate::workspace::{cargo, in_ci, run as run_command};
use crate::{codex, generate, packages, readme, sdks};
use options::{Options, Step};
use skips::Skip;
use summary::{Finished, Outcome, Summary};
use tally::Tally;

/// What the steps leave for the ones after them and for the summary.
#[derive(Default)]
struct Findings {
    skips: Vec<Skip>,
    tally: Tally,
}

/// Runs the steps in order. A step that fails does not keep the later ones from running, apart from the packages
/// that they need.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let options = Options::parse(args)?;
    if options.list {
        for step in Step::ALL {
            println!("{:<9} {}", step.name(), step.what());
        }
        return Ok(());
    }
    let allowed = skips::allowed()?;
    let mut findings = Findings::default();
    let mut finished = Vec::new();
    for step in options.steps() {
        println!("\n=== {}: {}", step.name(), step.what());
        let start = Instant::now();
        let result = perform(step, &options, &mut findings);
        if let Err(failure) = &result {
            println!("{} failed: {}", step.name(), failure.message().unwrap_or("see above"));
        }
        let stop = step == Step::Packages && result.is_err();
        finished.push(Finished { step, took: start.elapsed(), result });
        if stop {
            break;
        }
    }
    let Findings { skips, tally } = findings;
    let summary =
        Summary { finished, skips: skips::distinct(skips), tally, allowed, in_ci: in_ci() };
    print!("\n{summary}");
    summary.verdict()
}

fn perform(step: Step, options: &Options, findings: &mut Findings) -> Result<Outcome, Failure> {
    match step {
        Step::Packages => {
            let wanted = Wanted { codex: wants_codex(options), sdks: wants_sdks(options) };
            packages::ensure(wanted).map(|()| Outcome::Done)
        }
        Step::Codex => provide_codex(options, findings),
        Step::Sdks => provide_sdks(options, findings),
        Step::Fmt => format(),
        Step::Clippy => {
            let mut command = cargo(["clippy", "--all-targets"]);
            command.args(options.selection());
            if !options.is_narrowed() {
                command.args(["--features", "xtask/bench"]);
            }
            run_command(command.args(["--", "-D", "warnings"]))?;
            if options.is_narrowed() {
                return Ok(Outcome::Done);
            }
            // Neither the program nor the library needs the feature `mcp`.
            let mut bare = cargo(["clippy", "--package", "canon", "--no-default-features"]);
            run_command(bare.args(["--", "-D", "warnings"])).map(|()| Outcome::Done)
        }
        Step::Test => suite(options, findings),
        Step::Doc => {
            let mut command = cargo(["doc", "--no-deps"]);
            command.args(options.selection()).env("RUSTDOCFLAGS", "-D warnings");
            run_command(&mut command).map(|()| Outcome::Done)
        }
        Step::Gen => generate::run(&["--check".to_owned()]).map(|()| Outcome::Done),
        Step::Readme => {
            let skipped = readme::run()?;
            let outcome = if skipped.is_empty() { Outcome::Done } else { Outcome::Skipped };
            findings.skips.extend(skipped.into_iter().map(|(name, why)| Skip { name, why }));
            Ok(outcome)
        }
    }
}

fn format() -> Result<Outcome, Failure> {
    // Names of files; the differences themselves are one command away.
    match run_command(&mut cargo(["fmt", "--all", "--check", "--", "-l"])) {
        Ok(()) => Ok(Outcome::Done),
        Err(Failure::Work(_)) => {
            Err(Failure::work("these files are not formatted: run `cargo fmt --all`"))
        }
        Err(other) => Err(other),
    }
}

fn suite(options: &Options, findings: &mut Findings) -> Result<Outcome, Failure> {
    let mut command = cargo(["test", "--no-fail-fast"]);
    command.args(options.selection());
    if let Some(binary) = codex::installed() {
        command.env(codex::VARIABLE, binary);
    }
    if let Some(python) = sdks::installed() {
        command.env(sdks::VARIABLE, python);
    }
    let (tally, skips) = suite::run(&mut command)?;
    findings.skips.extend(skips);
    findings.tally = tally;
    if findings.tally.failed > 0 {
        return Err(Failure::work("tests failed, see above"));
    }
    Ok(Outcome::Done)
}

fn wants_codex(options: &Options) -> bool {
    (options.with_codex || in_ci()) && codex::installed().is_none()
}

fn wants_sdks(options: &Options) -> bool {
    (options.with_sdks || in_ci()) && sdks::installed().is_none()
}

fn provide_codex(options: &Options, findings: &mut Findings) -> Result<Outcome, Failure> {
    if wants_codex(options) || codex::installed().is_some() {
        return codex::ensure().map(|_| Outcome::Done);
    }
    let why = "the real Codex CLI is installed in CI, or with --with-codex";
    Ok(skip("codex", why, findings))
}

fn provide_sdks(options: &Options, findings: &mut Findings) -> Result<Outcome, Failure> {
    if wants_sdks(options) || sdks::installed().is_some() {
        return sdks::ensure().map(|_| Outcome::Done);
    }
    let why = "the official SDKs of model providers are installed in CI, or with --with-sdks";
    Ok(skip("sdks", why, findings))
}

fn skip(name: &str, why: &str, findings: &mut Findings) -> Outcome {
    println!("skipped: {name}: {why}");
    findings.skips.push(Skip { name: name.to_owned(), why: why.to_owned() });
    Outcome::Skipped
}
