use std::collections::HashMap;

use super::*;

struct Run {
    outcome: &'static str,
    label: &'static str,
    context: HashMap<&'static str, &'static str>,
}

impl Lookup for Run {
    fn outcome(&self) -> &str {
        self.outcome
    }

    fn preferred_label(&self) -> &str {
        self.label
    }

    fn context(&self, key: &str) -> Option<Cow<'_, str>> {
        self.context.get(key).map(|value| Cow::Borrowed(*value))
    }
}

fn run() -> Run {
    let context = [
        ("tests_passed", "true"),
        ("context.both", "qualified"),
        ("both", "bare"),
        ("a.b", "c"),
        ("no", "false"),
        ("none", "0"),
        ("words", "a && b"),
    ];
    Run { outcome: "success", label: "Fix", context: HashMap::from(context) }
}

fn holds(condition: &str) -> bool {
    Condition::parse(condition).unwrap().holds(&run())
}

#[test]
fn pipeline_11_9_equals_compares_texts_exactly() {
    assert!(holds("outcome=success"));
    assert!(holds("  outcome = success  "));
    assert!(holds("outcome=\"success\""));
    assert!(!holds("outcome=Success"));
    assert!(!holds("outcome=succes"));
}

#[test]
fn pipeline_11_9_not_equals_is_its_opposite() {
    assert!(holds("outcome!=fail"));
    assert!(!holds("outcome != success"));
    assert!(holds("context.absent!=exhausted"));
}

#[test]
fn pipeline_11_9_all_clauses_must_hold() {
    assert!(holds("outcome=success && context.tests_passed=true"));
    assert!(!holds("outcome=success && context.tests_passed=false"));
    assert!(!holds("outcome=fail&&context.tests_passed=true"));
    assert!(holds("outcome=success && tests_passed=true && preferred_label=Fix"));
}

#[test]
fn pipeline_11_9_outcome_and_preferred_label_are_of_the_stage() {
    assert!(holds("preferred_label=Fix"));
    assert!(!holds("preferred_label=fix"));
    assert_eq!(Condition::parse("outcome=x").unwrap().clauses()[0].key, Key::Outcome);
}

#[test]
fn pipeline_11_9_context_keys_are_looked_up_and_missing_ones_are_empty() {
    assert!(holds("context.both=qualified"));
    assert!(holds("context.a.b=c"));
    assert!(holds("context.absent=\"\""));
    assert!(!holds("context.absent=x"));
}

#[test]
fn pipeline_11_9_an_empty_condition_is_true() {
    for condition in ["", "  ", "&&", " && && "] {
        assert!(holds(condition), "{condition:?}");
    }
}

#[test]
fn ruling_pipeline_20_bare_and_unqualified_keys_are_looked_up() {
    assert!(holds("both=bare"));
    assert!(holds("tests_passed"));
    assert!(holds("context.tests_passed && outcome"));
    assert!(!holds("context.absent"));
    assert!(!holds("no") && !holds("none"));
}

#[test]
fn ruling_pipeline_20_and_within_quotes_does_not_split() {
    assert!(holds("words=\"a && b\""));
    assert!(!holds("words=\"a && c\""));
    assert_eq!(Condition::parse("words=\"\\\" && \\\"\"").unwrap().clauses().len(), 1);
}

#[test]
fn what_is_no_condition_is_refused_with_its_place_and_what_to_write() {
    let cases = [
        ("outcome==success", "`==` is no operator", (7, 9)),
        ("outcome=a || outcome=b", "conditions have no OR", (10, 12)),
        ("outcome=a & b", "a single `&`", (10, 11)),
        ("=success", "a clause begins with a key", (0, 1)),
        ("!outcome", "a clause begins with a key", (0, 1)),
        ("x=1 && (a=b)", "a clause begins with a key", (7, 8)),
        ("context.score > 5", "`>` is no operator", (14, 15)),
        ("outcome=success and x=1", "the value `success and x=1` needs quotes", (8, 23)),
        ("outcome is success", "`is` is no operator", (8, 10)),
        ("outcome=", "a value is missing", (8, 8)),
        ("preferred_label=Fix it", "the value `Fix it` needs quotes", (16, 22)),
        ("context.a-b=c", "`context.a-b` is no key", (0, 11)),
        ("context.=c", "`context.` is no key", (0, 8)),
        ("x=\"a", "the string is not closed", (2, 3)),
        ("x=\"a\" b", "`b` after the value", (5, 7)),
        ("x=a!=b", "two comparisons without `&&` between them", (3, 4)),
        ("a=é", "the value `é` needs quotes", (2, 4)),
    ];
    for (condition, message, (start, end)) in cases {
        let error = Condition::parse(condition).unwrap_err();
        assert_eq!(error.message, message, "{condition}");
        assert_eq!(error.span, Span { start, end }, "{condition}");
        assert!(!error.fix.is_empty(), "{condition}");
    }
}
