//! The command line of `cargo xtask test`.

use crate::failure::Failure;

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Packages,
    Codex,
    Sdks,
    Fmt,
    Clippy,
    Test,
    Doc,
    Gen,
    Readme,
}

impl Step {
    /// In the order in which they run.
    pub(crate) const ALL: [Self; 9] = [
        Self::Packages,
        Self::Codex,
        Self::Sdks,
        Self::Fmt,
        Self::Clippy,
        Self::Test,
        Self::Doc,
        Self::Gen,
        Self::Readme,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Packages => "packages",
            Self::Codex => "codex",
            Self::Sdks => "sdks",
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Test => "test",
            Self::Doc => "doc",
            Self::Gen => "gen",
            Self::Readme => "readme",
        }
    }

    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Packages => "the system packages that tests need",
            Self::Codex => "the real Codex CLI (in CI, or with --with-codex)",
            Self::Sdks => "the official SDKs of model providers (in CI, or with --with-sdks)",
            Self::Fmt => "formatting",
            Self::Clippy => "lints, warnings are errors",
            Self::Test => "all tests of the workspace",
            Self::Doc => "documentation, warnings are errors",
            Self::Gen => "generated documentation is up to date",
            Self::Readme => "the commands of the README, on a copy of the examples",
        }
    }

    fn named(name: &str) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|step| step.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Failure::usage(format!("there is no step {name:?}: the steps are {names}"))
        })
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) list: bool,
    pub(crate) with_codex: bool,
    pub(crate) with_sdks: bool,
    /// Packages to lint, test and document. Empty: the workspace.
    packages: Vec<String>,
    /// Empty: all of them.
    only: Vec<Step>,
}

impl Options {
    pub(crate) fn parse(args: &[String]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => options.list = true,
                "--with-codex" => options.with_codex = true,
                "--with-sdks" => options.with_sdks = true,
                "--only" => {
                    let names = args
                        .next()
                        .ok_or_else(|| Failure::usage("--only needs the names of steps"))?;
                    options.restrict(names)?;
                }
                "--package" | "-p" => {
                    let name =
                        args.next().ok_or_else(|| Failure::usage("--package needs a name"))?;
                    options.packages.push(name.clone());
                }
                other => match other.strip_prefix("--only=") {
                    Some(names) => options.restrict(names)?,
                    None => {
                        return Err(Failure::usage(format!("test takes no argument {other:?}")));
                    }
                },
            }
        }
        Ok(options)
    }

    fn restrict(&mut self, names: &str) -> Result<(), Failure> {
        for name in names.split(',') {
            self.only.push(Step::named(name.trim())?);
        }
        Ok(())
    }

    /// Which packages a cargo command is about, in its own words.
    pub(crate) fn selection(&self) -> Vec<&str> {
        if self.packages.is_empty() {
            return vec!["--workspace"];
        }
        self.packages.iter().flat_map(|name| ["--package", name]).collect()
    }

    pub(crate) fn is_narrowed(&self) -> bool {
        !self.packages.is_empty()
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        Step::ALL.into_iter().filter(|step| self.only.is_empty() || self.only.contains(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, Failure> {
        Options::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn steps_run_in_their_own_order() {
        assert!(parse(&[]).unwrap().steps().eq(Step::ALL));
        let some = parse(&["--only", "doc, fmt", "--only=fmt", "--with-codex"]).unwrap();
        assert!(some.steps().eq([Step::Fmt, Step::Doc]));
        assert!(some.with_codex && !some.with_sdks && !some.list);
        assert!(parse(&["--with-sdks"]).unwrap().with_sdks);
        assert_eq!(some.selection(), ["--workspace"]);
        let two = parse(&["-p", "a", "--package", "b"]).unwrap();
        assert_eq!(two.selection(), ["--package", "a", "--package", "b"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (args, word) in [
            (&["--only", "tset"][..], "tset"),
            (&["--only"], "--only"),
            (&["-p"], "--package"),
            (&["fast"], "fast"),
        ] {
            let failure = parse(args).unwrap_err();
            assert!(failure.is_usage() && failure.message().unwrap().contains(word), "{failure:?}");
        }
    }
}
