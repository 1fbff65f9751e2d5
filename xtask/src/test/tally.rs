//! What cargo's test output says.

use super::skips::Skip;

/// Totals over all test binaries, fed with the output line by line.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Tests that passed and did not report themselves as skipped.
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Tests that libtest ignored.
    pub(crate) ignored: u64,
    /// The names of tests that failed.
    pub(crate) failures: Vec<String>,
    section: Section,
    /// The test whose captured output is being read, until it reports a skip.
    current: bool,
    /// Tests that reported a skip.
    skipped: u64,
}

/// Where in the output of one test binary we are. What tests wrote themselves stands in between two equal headings:
/// after the first their output, after the second their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Progress,
    Output {
        failures: bool,
    },
    Names {
        failures: bool,
    },
}

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Worth showing: everything but what passing tests wrote.
    pub(crate) show: bool,
    pub(crate) skip: Option<Skip>,
}

impl Tally {
    pub(crate) fn feed(&mut self, line: &str) -> Seen {
        self.section = match (line, self.section) {
            ("successes:", Section::Progress) => Section::Output { failures: false },
            ("successes:", Section::Output { failures: false }) => {
                Section::Names { failures: false }
            }
            ("failures:", Section::Progress | Section::Names { failures: false }) => {
                Section::Output { failures: true }
            }
            ("failures:", Section::Output { failures: true }) => Section::Names { failures: true },
            (_, section) => section,
        };
        if !matches!(self.section, Section::Output { .. }) && self.result(line) {
            self.section = Section::Progress;
            return Seen { show: true, skip: None };
        }
        let skip = Skip::parse(line);
        match self.section {
            Section::Output { .. } if is_header(line) => self.current = true,
            Section::Output { failures: false } if skip.is_some() && self.current => {
                self.current = false;
                self.skipped += 1;
            }
            Section::Names { failures: true } => {
                self.failures.extend(line.strip_prefix("    ").map(str::to_owned));
            }
            _ => {}
        }
        let quiet = matches!(
            self.section,
            Section::Output { failures: false } | Section::Names { failures: false }
        );
        Seen { show: !quiet, skip }
    }

    /// `test result: ok. 2 passed; 0 failed; 1 ignored; …`
    fn result(&mut self, line: &str) -> bool {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return false;
        };
        for count in counts.split("; ") {
            match count.split_once(' ').map(|(number, word)| (number.parse::<u64>(), word)) {
                Some((Ok(number), "passed")) => self.passed += number.saturating_sub(self.skipped),
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.ignored += number,
                _ => {}
            }
        }
        self.skipped = 0;
        true
    }
}

/// `---- name stdout ----`
fn is_header(line: &str) -> bool {
    line.starts_with("---- ") && line.ends_with(" stdout ----")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test b ... ok
test c ... FAILED

successes:

---- a stdout ----
test result: ok. 99 passed; 0 failed; 0 ignored
skipped: docker: no engine
skipped: docker: no engine

---- b stdout ----
hello


successes:
    a
    b

failures:

---- c stdout ----
assertion failed
test result: ok. 99 passed; 0 failed; 0 ignored

failures:
    c

test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.01s

running 1 test
test d ... ok

successes:

successes:
    d

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn results_are_added_up_and_captured_output_is_not_mistaken_for_them() {
        let mut tally = Tally::default();
        let mut shown = Vec::new();
        let mut skips = Vec::new();
        for line in OUTPUT.lines() {
            let seen = tally.feed(line);
            skips.extend(seen.skip);
            if seen.show {
                shown.push(line);
            }
        }
        assert_eq!((tally.passed, tally.failed, tally.ignored), (2, 1, 4));
        assert_eq!(tally.failures, ["c"]);
        assert_eq!(skips.len(), 2);
        assert!(shown.contains(&"assertion failed") && shown.contains(&"    c"));
        assert!(!shown.contains(&"hello") && !shown.contains(&"    a"));
    }
}
