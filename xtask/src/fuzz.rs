//! `cargo xtask fuzz`: the fuzz targets for longer than the tests run them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::Failure;
use crate::workspace::{cargo, run as run_command};

/// For each target, when nothing else is said.
const SECONDS: u64 = 60;

#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// All of them when absent.
    target: Option<String>,
    seconds: u64,
    seed: Option<u64>,
}

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let Options { target, seconds, seed } = parse(args)?;
    let seed = seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64
    });
    println!("seed {seed}; what fails is made small and kept under crates/llm/tests/fuzz");
    // A build for tests: it checks its arithmetic.
    let mut command = cargo(["test", "--package", "canon-llm", "--test", "it", "--", "fuzz::"]);
    command.arg("--nocapture");
    command.env("CANON_FUZZ_SECONDS", seconds.to_string());
    command.env("CANON_FUZZ_SEED", seed.to_string());
    if let Some(target) = target {
        command.env("CANON_FUZZ_TARGET", target);
    }
    run_command(&mut command)
}

fn parse(args: &[String]) -> Result<Options, Failure> {
    let mut options = Options { target: None, seconds: SECONDS, seed: None };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| Failure::usage(format!("{arg} needs a number")))
        };
        match arg.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = Some(number()?),
            name if !name.starts_with('-') && options.target.is_none() => {
                options.target = Some(name.to_owned());
            }
            other => return Err(Failure::usage(format!("fuzz takes no argument {other:?}"))),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Options, Failure> {
        parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_target_a_time_and_a_seed_may_be_given() {
        let usual = Options { target: None, seconds: SECONDS, seed: None };
        assert_eq!(parsed(&[]), Ok(usual));
        let all = Options { target: Some("sse".into()), seconds: 5, seed: Some(7) };
        assert_eq!(parsed(&["sse", "--seconds", "5", "--seed", "7"]), Ok(all));
        for wrong in [&["--seconds"][..], &["--seed", "x"], &["sse", "request"], &["--long"]] {
            assert!(parsed(wrong).is_err_and(|failure| failure.is_usage()), "{wrong:?}");
        }
    }
}
