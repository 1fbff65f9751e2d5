//! What Rust sources may contain.

use std::path::Path;

use super::lexer::{code, has_word};
use super::{Violation, assert_none, files};

/// The longest file outside tests.
const MAX_LINES: usize = 800;

/// A piece of code that has its one place.
struct Rule {
    code: &'static str,
    rule: &'static str,
    /// Whether the rule holds in a file. The flag says that the line is for tests.
    applies: fn(&Path, bool) -> bool,
}

fn everywhere(_: &Path, _: bool) -> bool {
    true
}

fn outside_exec(path: &Path, _: bool) -> bool {
    !path.starts_with("crates/exec")
}

/// Tests may spawn what they like, and the fakes know no crate of ours.
fn outside_runtime(path: &Path, test: bool) -> bool {
    !test && !path.starts_with("crates/runtime") && !path.starts_with("crates/testkit")
}

const SPAWN: &str = "tasks are spawned by canon_runtime::task::spawn, with a name and policies";
const UNFINISHED: &str = "nothing unfinished is committed";

const RULES: &[Rule] = &[
    Rule { code: "tokio::spawn", rule: SPAWN, applies: outside_runtime },
    Rule { code: "tokio::task::spawn", rule: SPAWN, applies: outside_runtime },
    Rule { code: "spawn_local", rule: SPAWN, applies: outside_runtime },
    Rule { code: "unsafe", rule: "unsafe code is in crates/exec only", applies: outside_exec },
    Rule { code: "todo!", rule: UNFINISHED, applies: everywhere },
    Rule { code: "unimplemented!", rule: UNFINISHED, applies: everywhere },
    Rule {
        code: "#[ignore",
        rule: "a test runs, or prints that it is skipped and why; none is ignored",
        applies: everywhere,
    },
];

fn check(path: &Path, source: &str) -> Vec<Violation> {
    let code = code(source);
    let mut violations = Vec::new();
    if !files::is_test(path) && source.lines().count() > MAX_LINES {
        let rule = format!(
            "{} lines, {MAX_LINES} are allowed: one concept a file",
            source.lines().count()
        );
        violations.push(Violation::new(path, MAX_LINES + 1, rule));
    }
    let mut test = files::is_test(path);
    for (at, line) in code.lines().enumerate() {
        // By custom, the tests of a file are its last module.
        test |= line.trim() == "#[cfg(test)]";
        for Rule { code, rule, applies } in RULES {
            if has_word(line, code) && applies(path, test) {
                violations.push(Violation::new(path, at + 1, format!("`{code}`: {rule}")));
            }
        }
    }
    if path.file_name().is_some_and(|name| name == "mod.rs") {
        violations.extend(logic_in_mod(path, &code));
    }
    violations
}

/// The first line of a `mod.rs` that is more than a declaration.
fn logic_in_mod(path: &Path, code: &str) -> Option<Violation> {
    let starts = [
        "fn",
        "impl",
        "struct",
        "enum",
        "trait",
        "const",
        "static",
        "type",
        "macro_rules!",
        "async",
        "union",
    ];
    let at = code.lines().position(|line| {
        let words = line
            .split_whitespace()
            .skip_while(|word| word.starts_with("pub") || word.ends_with(')'));
        words.take(1).any(|word| starts.contains(&word))
    })?;
    Some(Violation::new(path, at + 1, "a mod.rs holds no logic: use foo.rs beside foo/"))
}

#[test]
fn sources_keep_the_rules() {
    let violations: Vec<_> =
        files::rust().iter().flat_map(|(path, source)| check(path, source)).collect();
    assert_none(&violations);
}

#[test]
fn what_breaks_a_rule_is_found_with_its_line() {
    let found = |path: &str, source: &str| {
        let violations = check(Path::new(path), source);
        violations.into_iter().map(|violation| violation.line).collect::<Vec<_>>()
    };
    let app = "crates/app/src/x.rs";
    assert_eq!(found(app, "\nfn f() { tokio::spawn(g()); }\n"), [2]);
    assert_eq!(found(app, "use tokio::task::spawn;\n"), [1]);
    assert_eq!(
        found(
            app,
            "tokio::task::spawn_blocking(f); // tokio::spawn\n#[cfg(test)]\nmod tests { tokio::spawn(g()) }\n"
        ),
        [0_usize; 0]
    );
    assert_eq!(found("crates/runtime/src/task.rs", "tokio::spawn(g())"), [0_usize; 0]);
    assert_eq!(found(app, "unsafe { f() }"), [1]);
    assert_eq!(found("crates/exec/src/x.rs", "unsafe { f() }"), [0_usize; 0]);
    assert_eq!(
        found(
            app,
            "#[cfg(test)]\nmod tests {\n #[ignore = \"slow\"]\n fn f() { todo!() }\n unimplemented!()"
        ),
        [3, 4, 5]
    );
    assert_eq!(found(app, &"\n".repeat(801)), [801]);
    assert_eq!(found(app, &"\n".repeat(800)), [0_usize; 0]);
    assert_eq!(found("crates/app/tests/it/x.rs", &"\n".repeat(2000)), [0_usize; 0]);
    assert_eq!(
        found("crates/app/src/x/mod.rs", "//! X\npub mod a;\npub(crate) use a::B;\n"),
        [0_usize; 0]
    );
    assert_eq!(found("crates/app/src/x/mod.rs", "pub mod a;\npub(crate) fn f() {}\n"), [2]);
}
