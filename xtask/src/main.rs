//! Tasks of this repository: the one place that knows what a machine needs.

// Talking to people on a terminal is what this program does.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod codex;
mod failure;
mod fuzz;
mod generate;
mod packages;
mod python;
mod readme;
mod sdks;
mod test;
mod workspace;

use std::process::ExitCode;

use failure::Failure;

const USAGE: &str = "\
usage: cargo xtask <command>

  test                    run everything that CI runs
    --only STEP,…         some of the steps
    --package NAME        lint, test and document some of the packages
    --with-codex          install the real Codex CLI and test against it
    --with-sdks           install the providers' official SDKs and test against them
    --list                name the steps
  gen [--check]           write the generated documentation, or check that it is up to date
  gen catalogue --from FILE [--as-of DATE]
                          write the model catalogue from LiteLLM's or models.dev's price list
  bench [NAME [ARG…]]     measure; without a name, list what can be measured
  fuzz [TARGET] [--seconds N] [--seed N]
                          feed what reads others' input with inputs that nobody would write
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    let outcome = match command.as_deref() {
        Some("test") => test::run(&rest),
        Some("bench") => bench::run(&rest),
        Some("fuzz") => fuzz::run(&rest),
        Some("gen") => generate::run(&rest),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        Some(other) => Err(Failure::usage(format!("there is no command {other:?}"))),
        None => Err(Failure::usage("no command was given")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                eprintln!("xtask: {message}");
            }
            if failure.is_usage() {
                eprint!("\n{USAGE}");
            }
            failure.exit_code()
        }
    }
}
