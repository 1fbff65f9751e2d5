use super::*;

fn parent(names: &[&str]) -> Vec<(OsString, OsString)> {
    names.iter().map(|name| (OsString::from(name), OsString::from("v"))).collect()
}

fn names(policy: &EnvPolicy, from: &[&str]) -> Vec<String> {
    policy
        .resolve(parent(from))
        .into_keys()
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn secrets_are_dropped_in_any_case() {
    let from = [
        "OPENAI_API_KEY",
        "my_secret",
        "Github_Token",
        "DB_PASSWORD",
        "X_CREDENTIAL",
        "TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "PATH",
        "TOKENIZER",
        "MONKEY",
        "SECRET_NAME_LEN",
    ];
    assert_eq!(
        names(&EnvPolicy::default(), &from),
        ["MONKEY", "PATH", "SECRET_NAME_LEN", "TOKENIZER"]
    );
}

#[test]
fn core_keeps_only_what_programs_need() {
    let policy = EnvPolicy { inherit: Inherit::Core, ..EnvPolicy::default() };
    assert_eq!(
        names(&policy, &["PATH", "HOME", "LC_ALL", "CARGO_HOME", "EDITOR", "MY_TOKEN"]),
        ["CARGO_HOME", "HOME", "LC_ALL", "PATH"]
    );
}

#[test]
fn explicit_values_may_be_secrets() {
    let policy = EnvPolicy::empty().with("MODEL_API_KEY", "k");
    assert_eq!(names(&policy, &["PATH"]), ["MODEL_API_KEY"]);
}

#[test]
fn ruling_14_a_removed_name_wins_over_everything() {
    let policy = EnvPolicy::default()
        .with("LINEAR_API_KEY", "k")
        .with("Tracker", "x")
        .without("linear_api_key")
        .without("TRACKER");
    assert!(names(&policy, &["LINEAR_API_KEY", "tracker"]).is_empty());
}

#[test]
fn names_and_values_the_system_cannot_carry_are_left_out() {
    let policy =
        EnvPolicy::empty().with("A=B", "x").with("", "x").with("C", "a\0b").with("D", "ok");
    assert_eq!(names(&policy, &[]), ["D"]);
}

#[test]
fn addresses_with_passwords_and_other_spellings_stay_behind() {
    let parent = [
        ("DATABASE_URL", "postgres://u:pw@h/db"),
        ("HOMEPAGE", "https://example.org/a:b@c"),
        ("MIRROR", "https://user@example.org/"),
        ("OPENAI_KEY", "x"),
        ("GITHUB_PAT", "x"),
        ("DB_PASS", "x"),
        ("NPM_AUTH", "x"),
        ("SENTRY_DSN", "x"),
        ("SSH_AUTH_SOCK", "/tmp/agent"),
        ("KEYBOARD", "de"),
        ("MONKEY", "see"),
        ("COMPASS", "n"),
    ];
    let parent = parent.map(|(name, value)| (name.into(), value.into()));
    let kept = EnvPolicy::default().resolve(parent);
    let names: Vec<&str> = kept.keys().filter_map(|name| name.to_str()).collect();
    assert_eq!(names, ["COMPASS", "HOMEPAGE", "KEYBOARD", "MIRROR", "MONKEY"]);
}
