use super::*;

fn read(text: &str) -> Result<Workflow, WorkflowError> {
    parse(Path::new("/repo/WORKFLOW.md"), text.as_bytes())
}

fn place(text: &[u8]) -> (usize, usize, String) {
    match parse(Path::new("/repo/WORKFLOW.md"), text).unwrap_err() {
        WorkflowError::Parse { line, column, message, .. } => (line, column, message),
        other => panic!("{other}"),
    }
}

#[test]
fn s5_2_front_matter_and_trimmed_body() {
    let workflow =
        read("---\npolling:\n  interval_ms: 5\n---\n\n\n  Do {{ issue.title }}\n\n").unwrap();
    assert_eq!(workflow.config["polling"]["interval_ms"], 5);
    assert_eq!(workflow.prompt_template, "Do {{ issue.title }}");
    assert_eq!(workflow.template_line, 7);
    assert_eq!(workflow.dir(), Path::new("/repo"));
}

#[test]
fn s5_2_without_front_matter_everything_is_the_prompt() {
    let workflow = read("Fix it.\n\n---\n\nnow\n").unwrap();
    assert!(workflow.config.is_empty());
    assert_eq!(workflow.prompt_template, "Fix it.\n\n---\n\nnow");
    assert_eq!(read("").unwrap().prompt_template, "");
}

#[test]
fn s5_2_empty_front_matter_is_an_empty_map() {
    assert!(read("---\n---\nhello").unwrap().config.is_empty());
    assert!(read("---\n# only a comment\n---\nhello").unwrap().config.is_empty());
}

#[test]
fn crlf_and_a_byte_order_mark_change_nothing() {
    let plain = read("---\nhooks:\n  before_run: |\n    a\n    b\n---\nbody\n").unwrap();
    let marked =
        read("\u{feff}---\r\nhooks:\r\n  before_run: |\r\n    a\r\n    b\r\n---\r\nbody\r\n")
            .unwrap();
    assert_eq!(plain.config, marked.config);
    assert_eq!(plain.prompt_template, marked.prompt_template);
    assert_ne!(plain.digest, marked.digest);
}

#[test]
fn a_rule_inside_a_block_scalar_does_not_end_the_front_matter() {
    let workflow =
        read("---\nhooks:\n  before_run: |\n    cat <<X\n    ---\n    X\n---\nbody").unwrap();
    assert_eq!(workflow.config["hooks"]["before_run"], "cat <<X\n---\nX\n");
    assert_eq!(workflow.prompt_template, "body");
}

#[test]
fn s17_1_invalid_yaml_is_a_typed_error_with_its_place() {
    let (line, column, message) = place(b"---\npolling:\n  interval_ms: [1,\n---\nbody");
    assert!((3..=4).contains(&line) && column >= 1, "{line}:{column} {message}");
    let error = read("---\na: b: c\n---\n").unwrap_err();
    assert_eq!(error.class(), "workflow_parse_error");
    assert!(error.to_string().starts_with("workflow_parse_error: /repo/WORKFLOW.md:2:"), "{error}");
}

#[test]
fn a_repeated_key_is_an_error_with_its_place() {
    let (line, _, message) =
        place(b"---\nagent:\n  max_turns: 1\n  kind: codex\n  max_turns: 2\n---\n");
    assert_eq!(line, 5, "{message}");
    assert!(message.contains("max_turns"), "{message}");
}

#[test]
fn an_unclosed_front_matter_is_an_error() {
    assert_eq!(place(b"---\ntracker:\n  kind: files\nbody").0, 1);
    assert_eq!(place(b"---").0, 1);
}

#[test]
fn yaml_1_1_booleans_stay_text() {
    let workflow = read("---\na: yes\nb: on\nc: true\nd: 'true'\n---\n").unwrap();
    assert_eq!(workflow.config["a"], "yes");
    assert_eq!(workflow.config["b"], "on");
    assert_eq!(workflow.config["c"], true);
    assert_eq!(workflow.config["d"], "true");
}

#[test]
fn s17_1_front_matter_that_is_no_map_is_a_typed_error() {
    for (text, found) in
        [("---\n- a\n- b\n---\n", "a list"), ("---\njust words\n---\n", "a string")]
    {
        match read(text).unwrap_err() {
            WorkflowError::FrontMatterNotAMap { found: said, .. } => assert_eq!(said, found),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_a_typed_error_with_its_place() {
    let (line, column, message) = place(b"---\na: 1\n---\nab\xff");
    assert_eq!((line, column), (4, 3));
    assert!(message.contains("UTF-8"));
}

#[test]
fn a_file_beyond_the_limit_is_a_typed_error() {
    let (_, _, message) = place(&vec![b'a'; MAX_BYTES as usize + 1]);
    assert!(message.contains("larger"));
}

#[test]
fn an_alias_bomb_ends_in_an_error() {
    let mut text = String::from("---\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let previous = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![previous; 10].join(", ")));
    }
    text.push_str("---\n");
    assert_eq!(read(&text).unwrap_err().class(), "workflow_parse_error");
}

#[test]
fn s17_1_missing_file_is_a_typed_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = load(&dir.path().join("WORKFLOW.md")).unwrap_err();
    assert_eq!(error.class(), "missing_workflow_file");
    assert_eq!(load(dir.path()).unwrap_err().class(), "missing_workflow_file");
}

#[test]
fn s17_1_path_precedence() {
    let cwd = Path::new("/srv");
    assert_eq!(resolve_path(None, cwd), Path::new("/srv/WORKFLOW.md"));
    assert_eq!(resolve_path(Some(Path::new("other.md")), cwd), Path::new("/srv/other.md"));
    assert_eq!(resolve_path(Some(Path::new("/etc/flow.md")), cwd), Path::new("/etc/flow.md"));
}

#[test]
fn a_key_is_found_on_its_line() {
    let workflow = read("---\n# tracker\ntracker:\n  kind: x\n\npolling:\n  interval_ms: 4\nagent: {max_turns: 3}\n---\n").unwrap();
    assert_eq!(workflow.line_of("tracker.kind"), Some(4));
    assert_eq!(workflow.line_of("polling.interval_ms"), Some(7));
    assert_eq!(workflow.line_of("agent"), Some(8));
    assert_eq!(workflow.line_of("tracker.interval_ms"), None);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_workflow_or_an_error(
        front in "([ -~\n]|- |: |\\[|&a|\\*a){0,60}",
        tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
    ) {
        let mut bytes = format!("---\n{front}\n---\n").into_bytes();
        bytes.extend(tail);
        if let Err(WorkflowError::Parse { line, column, .. }) = parse(Path::new("/w.md"), &bytes) {
            proptest::prop_assert!(line >= 1 && column >= 1);
        }
    }
}
