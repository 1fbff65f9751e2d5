//! What is said at the end, and the verdict.

use std::fmt;
use std::time::Duration;

use super::options::Step;
use super::skips::Skip;
use super::tally::Tally;
use crate::failure::Failure;

/// How a step that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Skipped,
}

pub(crate) struct Finished {
    pub(crate) step: Step,
    pub(crate) took: Duration,
    pub(crate) result: Result<Outcome, Failure>,
}

/// Everything that came of a run.
pub(crate) struct Summary {
    pub(crate) finished: Vec<Finished>,
    pub(crate) skips: Vec<Skip>,
    pub(crate) tally: Tally,
    pub(crate) allowed: Vec<String>,
    pub(crate) in_ci: bool,
}

impl Summary {
    /// Skips that fail this run.
    fn forbidden(&self) -> impl Iterator<Item = &Skip> {
        self.skips.iter().filter(|skip| self.in_ci && !self.allowed.contains(&skip.name))
    }

    /// Steps that failed, other than through tests that are counted already.
    fn failed_steps(&self) -> usize {
        let counted = |step| step == Step::Test && self.tally.failed > 0;
        self.finished
            .iter()
            .filter(|finished| finished.result.is_err() && !counted(finished.step))
            .count()
    }

    /// Tests, and whatever else makes the run fail: a line that says 0 failed is the line of a run that passed.
    fn failed(&self) -> u64 {
        self.tally.failed + (self.failed_steps() + self.forbidden().count()) as u64
    }

    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        match self.finished.iter().find_map(|finished| finished.result.as_ref().err()) {
            Some(Failure::Environment(_)) if self.finished.len() == 1 => Err(Failure::Environment(
                "the machine is not ready: do what is said above, then try again".to_owned(),
            )),
            _ if self.failed() > 0 => Err(Failure::Reported),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "=== summary")?;
        for Finished { step, took, result } in &self.finished {
            let outcome = match result {
                Ok(Outcome::Done) => "ok",
                Ok(Outcome::Skipped) => "skipped",
                Err(_) => "FAILED",
            };
            writeln!(f, "{:<9} {outcome:<8} {:>7.1} s", step.name(), took.as_secs_f64())?;
        }
        for Finished { step, result, .. } in &self.finished {
            if let Some(message) = result.as_ref().err().and_then(Failure::message) {
                writeln!(f, "failed: {}: {message}", step.name())?;
            }
        }
        for name in &self.tally.failures {
            writeln!(f, "failed: {name}")?;
        }
        for Skip { name, why } in &self.skips {
            writeln!(f, "skipped: {name}: {why}")?;
        }
        for Skip { name, .. } in self.forbidden() {
            writeln!(f, "failed: {name} was skipped, and ci/allowed-skips does not list it")?;
        }
        let skipped = self.tally.ignored + self.skips.len() as u64;
        writeln!(f, "{} passed, {} failed, {skipped} skipped", self.tally.passed, self.failed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(result: Result<Outcome, Failure>, in_ci: bool) -> Summary {
        let mut tally = Tally::default();
        tally.feed("test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured");
        Summary {
            finished: vec![
                Finished {
                    step: Step::Fmt,
                    took: Duration::from_millis(1234),
                    result: Ok(Outcome::Done),
                },
                Finished { step: Step::Test, took: Duration::from_secs(61), result },
            ],
            skips: vec![Skip { name: "docker".to_owned(), why: "no engine".to_owned() }],
            tally,
            allowed: vec!["other".to_owned()],
            in_ci,
        }
    }

    #[test]
    fn the_last_line_has_the_totals() {
        let summary = summary(Ok(Outcome::Done), false);
        assert_eq!(summary.verdict(), Ok(()));
        let expected = "\
=== summary
fmt       ok           1.2 s
test      ok          61.0 s
skipped: docker: no engine
7 passed, 0 failed, 1 skipped
";
        assert_eq!(summary.to_string(), expected);
    }

    #[test]
    fn a_failed_step_shows_in_the_last_line() {
        let summary = summary(Err(Failure::work("it does not compile")), false);
        assert_eq!(summary.verdict(), Err(Failure::Reported));
        assert!(summary.to_string().ends_with(
            "failed: test: it does not compile\nskipped: docker: no engine\n7 passed, 1 failed, 1 skipped\n"
        ));
    }

    #[test]
    fn a_skip_that_is_not_listed_fails_in_ci_only() {
        let mut summary = summary(Ok(Outcome::Done), true);
        assert_eq!(summary.verdict(), Err(Failure::Reported));
        assert!(summary.to_string().ends_with(
            "failed: docker was skipped, and ci/allowed-skips does not list it\n7 passed, 1 failed, 1 skipped\n"
        ));
        summary.allowed.push("docker".to_owned());
        assert_eq!(summary.verdict(), Ok(()));
    }
}
