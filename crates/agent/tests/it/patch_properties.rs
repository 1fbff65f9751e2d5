//! Patches made from differences, and patches that were damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use canon_agent::patch::{Found, Patch, Step};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use similar::TextDiff;

use crate::patch_scenarios::tree;
use crate::support::Place;
use crate::tools::call;

const ROOT: &str = "/w";

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(entries: &[(&str, &str)]) -> Files {
    let entries = entries.iter();
    entries.map(|(name, text)| (Path::new(ROOT).join(name), text.as_bytes().to_vec())).collect()
}

fn planned(patch: &str, files: &Files) -> Result<Vec<Step>, String> {
    let patch = Patch::parse(patch).map_err(|error| error.to_string())?;
    let read = |path: &Path| match files.get(path) {
        Some(content) => Found::File(Some(content.clone())),
        None => Found::Absent,
    };
    let plan = patch.plan(Path::new(ROOT), &read);
    plan.map(|plan| plan.steps).map_err(|problems| format!("{problems:?}"))
}

/// Makes the steps, each of which has to fit what the ones before it left.
fn made(files: &Files, steps: &[Step]) -> Files {
    let mut files = files.clone();
    for step in steps {
        match step {
            Step::Create { path, content } => {
                assert_eq!(files.insert(path.clone(), content.clone()), None, "{step:?}");
            }
            Step::Replace { path, old, new } => {
                assert_eq!(files.insert(path.clone(), new.clone()).as_ref(), Some(old));
            }
            Step::Rename { from, to } => {
                let content = files.remove(from).unwrap();
                assert_eq!(files.insert(to.clone(), content), None, "{step:?}");
            }
            Step::Remove { path } => assert!(files.remove(path).is_some(), "{step:?}"),
        }
    }
    files
}

/// A patch of one file, from the difference of its lines.
fn patch_of(old: &str, new: &str, context: usize) -> String {
    let mut patch = "*** Begin Patch\n*** Update File: f\n".to_owned();
    let diff = TextDiff::from_lines(old, new);
    for group in diff.grouped_ops(context) {
        patch.push_str("@@\n");
        for op in &group {
            for change in diff.iter_changes(op) {
                patch.push_str(&format!("{}{}", change.tag(), change.value()));
            }
        }
    }
    patch + "*** End Patch\n"
}

fn joined(lines: &[String], end: &str, last_has_one: bool) -> String {
    let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
    if last_has_one { text } else { text.strip_suffix(end).unwrap_or_default().to_owned() }
}

/// Lines that are all different, and an edit: for each line of the old, whether it goes, and how
/// many come above it.
fn edits() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    prop::collection::vec((0u8..8, "[ \ta-zé“–]{0,12}"), 1..60).prop_map(|choices| {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for (at, (choice, text)) in choices.into_iter().enumerate() {
            let line = format!("{text}{at}");
            if choice == 0 {
                new.push(format!("{text} new {at}"));
            }
            if choice != 1 {
                new.push(line.clone());
            }
            old.push(line);
        }
        (old, new)
    })
}

proptest! {
    #[test]
    fn ruling_apply_patch_a_patch_made_from_a_difference_gives_the_new_file(
        (old, new) in edits(),
        context in 1usize..4,
        windows_file: bool,
        windows_patch: bool,
        last_has_end: bool,
    ) {
        prop_assume!(old != new && !new.is_empty());
        let unix = |lines: &[String]| joined(lines, "\n", true);
        let mut patch = patch_of(&unix(&old), &unix(&new), context);
        if windows_patch {
            patch = patch.replace('\n', "\r\n");
        }
        let end = if windows_file { "\r\n" } else { "\n" };
        // One line without an end shows no line end to keep.
        prop_assume!(!windows_file || old.len() > 1 || last_has_end);
        let before = files(&[("f", &joined(&old, end, last_has_end)), ("other", "x")]);
        let after = files(&[("f", &joined(&new, end, last_has_end)), ("other", "x")]);
        let steps = planned(&patch, &before).map_err(TestCaseError::fail)?;
        prop_assert_eq!(made(&before, &steps), after);
    }

    #[test]
    fn repeated_lines_do_no_harm_where_the_patch_shows_the_whole_file(
        old in prop::collection::vec("[ab]?", 1..20),
        new in prop::collection::vec("[ab]?", 1..20),
    ) {
        prop_assume!(old != new);
        let (old, new) = (joined(&old, "\n", true), joined(&new, "\n", true));
        let before = files(&[("f", &old)]);
        let steps = planned(&patch_of(&old, &new, 100), &before).map_err(TestCaseError::fail)?;
        prop_assert_eq!(made(&before, &steps), files(&[("f", &new)]));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(\\*\\*\\* (Begin Patch|End Patch|Add File: [ab]|Update File: [ab]|Move to: [ab]|Delete File: [ab]|End of File)\n|@@|@@ [ab]|[-+ ][ab]?\n|\n|.){0,30}") {
        let wrapped = format!("*** Begin Patch\n{text}\n*** End Patch");
        let before = files(&[("a", "a\nb\n"), ("b", "b")]);
        for patch in [text, wrapped] {
            if let Ok(steps) = planned(&patch, &before) {
                made(&before, &steps);
            }
        }
    }
}

const WHOLE: &str = "*** Begin Patch
*** Update File: a
@@ fn one
 1
-2
+zwei
 3
@@
-9
+neun
*** Update File: b
*** Move to: d/b
@@
+end
*** Delete File: c
*** Add File: n
+new
*** End Patch
";

#[derive(Debug, Clone)]
enum Damage {
    Cut(Index),
    Drop(Index),
    Double(Index),
    Swap(Index, Index),
    Put(Index, char),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Damage::Cut),
        at().prop_map(Damage::Drop),
        at().prop_map(Damage::Double),
        (at(), at()).prop_map(|(a, b)| Damage::Swap(a, b)),
        (at(), prop::char::any()).prop_map(|(at, c)| Damage::Put(at, c)),
        (at(), prop::sample::select(vec![' ', '+', '-', '@', '*', '\n', '\r', '\0', '/', '.']))
            .prop_map(|(at, c)| Damage::Put(at, c)),
    ]
}

impl Damage {
    fn apply(&self, text: &str) -> String {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut chars: Vec<char> = text.chars().collect();
        if lines.is_empty() {
            return String::new();
        }
        let count = lines.len();
        match self {
            Self::Cut(at) => return chars[..at.index(chars.len())].iter().collect(),
            Self::Put(at, c) => {
                chars.insert(at.index(chars.len()), *c);
                return chars.into_iter().collect();
            }
            Self::Drop(at) => drop(lines.remove(at.index(count))),
            Self::Double(at) => lines.insert(at.index(count), lines[at.index(count)]),
            Self::Swap(a, b) => lines.swap(a.index(count), b.index(count)),
        }
        lines.concat()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn ruling_apply_patch_a_damaged_patch_applies_wholly_or_changes_nothing(
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let patch = damages.iter().fold(WHOLE.to_owned(), |text, damage| damage.apply(&text));
        let before = [("a", "fn one\n1\n2\n3\n4\n9\n"), ("b", "b\n"), ("c", "c\n")];
        let place = Place::new();
        for (name, text) in before {
            place.write(name, text);
        }
        let untouched = tree(place.dir.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let output = runtime.block_on(call(&place, "apply_patch", json!({"patch": patch})));
        let after = tree(place.dir.path());
        if output.is_error {
            prop_assert_eq!(after, untouched);
        } else {
            let before = files(&before);
            let steps = planned(&patch, &before).map_err(TestCaseError::fail)?;
            let wanted: BTreeMap<String, Vec<u8>> = made(&before, &steps)
                .into_iter()
                .map(|(path, content)| {
                    (path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned(), content)
                })
                .collect();
            let after: BTreeMap<String, Vec<u8>> =
                after.into_iter().map(|(name, (content, _))| (name, content)).collect();
            prop_assert_eq!(after, wanted);
        }
    }
}
