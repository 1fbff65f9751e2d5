use serde_json::json;

use super::*;
use crate::issue::BlockerRef;

fn issue() -> Issue {
    Issue {
        id: "7".into(),
        native_ref: Some(serde_json::Map::from_iter([("file".to_owned(), json!("CAN-7.md"))])),
        identifier: "CAN-7".into(),
        title: "Fix <it> & {{ issue.id }}".into(),
        description: None,
        priority: Some(2),
        state: "Todo".into(),
        branch_name: None,
        url: None,
        assignee_id: None,
        labels: vec!["bug".into(), "ui".into()],
        blocked_by: vec![BlockerRef {
            id: Some("6".into()),
            identifier: Some("CAN-6".into()),
            state: None,
        }],
        dispatchable: true,
        created_at: Some("2026-02-24T20:15:30Z".parse().unwrap()),
        updated_at: None,
    }
}

fn render(source: &str) -> Result<String, TemplateError> {
    Template::parse(source, 1)?.render(&issue(), None)
}

fn unknown(source: &str) -> (Option<usize>, String) {
    match render(source) {
        Err(TemplateError::Render { line, message }) => (line, message),
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn s17_1_prompt_renders_issue_and_attempt() {
    let template =
        Template::parse("{{ issue.identifier }}: {{ issue.title }} ({{ attempt }})", 1).unwrap();
    assert_eq!(template.render(&issue(), None).unwrap(), "CAN-7: Fix <it> & {{ issue.id }} ()");
    assert_eq!(template.render(&issue(), Some(3)).unwrap(), "CAN-7: Fix <it> & {{ issue.id }} (3)");
}

#[test]
fn s12_3_attempt_is_null_on_the_first_run_and_can_be_asked_for() {
    let template =
        Template::parse("{% if attempt %}again {{ attempt }}{% else %}first{% endif %}", 1)
            .unwrap();
    assert_eq!(template.render(&issue(), None).unwrap(), "first");
    assert_eq!(template.render(&issue(), Some(1)).unwrap(), "again 1");
}

#[test]
fn s12_2_lists_and_maps_can_be_iterated() {
    let text = "{% for l in issue.labels %}[{{ l }}{% unless forloop.last %},{% endunless %}]{% endfor %}\
                {% for b in issue.blocked_by %}{{ b.identifier }}{% if b.state %}!{% else %}?{% endif %}{% endfor %}";
    assert_eq!(render(text).unwrap(), "[bug,][ui]CAN-6?");
    assert_eq!(
        render("{{ issue.labels | join: ', ' }} {{ issue.labels[0] }} {{ issue.labels.size }}")
            .unwrap(),
        "bug, ui bug 2"
    );
    assert_eq!(
        render("{{ issue.native_ref.file }} {{ issue.blocked_by[0].id }}").unwrap(),
        "CAN-7.md 6"
    );
}

#[test]
fn null_fields_are_blank_and_false() {
    assert_eq!(
        render("<{{ issue.url }}>{% if issue.description %}d{% else %}none{% endif %}").unwrap(),
        "<>none"
    );
    assert_eq!(render("{{ issue.url | default: 'no url' }}").unwrap(), "no url");
    assert_eq!(render("{{ issue.created_at }}").unwrap(), "2026-02-24T20:15:30Z");
}

#[test]
fn s17_1_unknown_variables_fail_wherever_they_stand() {
    for source in [
        "{{ nope }}",
        "{{ issue.nope }}",
        "{{ issue.title.nope }}",
        "{{ issue.native_ref.nope }}",
        "{{ attempt.nope }}",
        "{{ issue[nope] }}",
        "{% for x in nope %}{% endfor %}",
        "{% for x in issue.nope %}{% endfor %}",
        "{% for x in issue.labels limit: nope %}{% endfor %}",
        "{{ issue.title | append: nope }}",
        "{{ issue.title | append: issue.nope }}",
        "{{ nope | default: 'x' }}",
        "{% assign a = nope %}",
        "{% case nope %}{% when 'a' %}b{% endcase %}",
        "{% case 'a' %}{% when nope %}b{% endcase %}",
        "{% capture x %}{{ nope }}{% endcapture %}",
        "{% if nope == 'a' %}x{% endif %}",
        "{% if 'a' == nope %}x{% endif %}",
        "{% if issue.title == 'a' %}x{% elsif issue.nope contains 'b' %}y{% endif %}",
    ] {
        assert_eq!(render(source).unwrap_err().class(), "template_render_error", "{source}");
    }
}

#[test]
fn ruling_12_unknown_variables_fail_in_bare_conditions_too() {
    for (source, name) in [
        ("{% if unknown %}x{% endif %}", "unknown"),
        ("a\n{% unless unknown %}x{% endunless %}", "unknown"),
        ("{% if issue.nope %}x{% endif %}", "issue.nope"),
        ("{% if issue.native_ref.nope %}x{% endif %}", "issue.native_ref.nope"),
        ("{% if issue.blocked_by[0].nope %}x{% endif %}", "issue.blocked_by[].nope"),
        ("{% if attempt %}x{% elsif unknown %}y{% endif %}", "unknown"),
        ("{% if issue.title and issue.nope %}x{% endif %}", "issue.nope"),
        ("{% for b in issue.blocked_by %}{% if b.nope %}x{% endif %}{% endfor %}", "b.nope"),
        ("{% assign i = issue %}\n{%- if i.nope or i.title -%}x{%- endif -%}", "i.nope"),
    ] {
        let (line, message) = unknown(source);
        assert!(message.contains(name.rsplit('.').next().unwrap()), "{source}: {message}");
        assert!(line.is_some(), "{source}");
    }
}

#[test]
fn conditions_keep_their_meaning_when_made_explicit() {
    for (condition, expected) in [
        ("x", true),
        ("f", false),
        ("n", false),
        ("f or x", true),
        ("x and f", false),
        ("f and x or x", true),
        ("x and n or f", false),
        ("issue.url or x", true),
        ("x == 'and'", true),
        ("x contains 'n' and x", true),
        ("e", true),
    ] {
        let source = format!(
            "{{% assign x = 'and' %}}{{% assign f = false %}}{{% assign n = issue.url %}}{{% assign e = '' %}}\
             {{% if {condition} %}}yes{{% else %}}no{{% endif %}}"
        );
        assert_eq!(render(&source).unwrap(), if expected { "yes" } else { "no" }, "{condition}");
    }
}

#[test]
fn what_the_template_makes_itself_is_known() {
    assert_eq!(render("{% increment n %}{% increment n %}{{ n }}").unwrap(), "012");
    assert_eq!(render("{% assign a = 1 %}{% if a %}{{ a }}{% endif %}").unwrap(), "1");
    assert_eq!(render("{% capture c %}x{% endcapture %}{{ c }}").unwrap(), "x");
    assert_eq!(
        render("{% for l in issue.labels %}{% if forloop.first %}{{ l }}{% endif %}{% endfor %}")
            .unwrap(),
        "bug"
    );
}

#[test]
fn s5_4_unknown_filters_and_tags_fail() {
    for (source, word) in
        [("a\nb {{ issue.title | shout }}", "shout"), ("a\n{% frobnicate %}", "frobnicate")]
    {
        match Template::parse(source, 10).unwrap_err() {
            TemplateError::Parse { line, message } => {
                assert!(message.contains(word), "{message}");
                assert_eq!(line, Some(11), "{source}");
            }
            other => panic!("{other}"),
        }
    }
    for source in [
        "{% if %}x{% endif %}",
        "{% if issue.title %}",
        "{{ issue.title",
        "{% include 'a' %}",
        "{% render 'a' %}",
    ] {
        assert_eq!(
            Template::parse(source, 1).unwrap_err().class(),
            "template_parse_error",
            "{source}"
        );
    }
}

#[test]
fn errors_name_the_line_of_the_workflow_file() {
    let template =
        Template::parse("one\ntwo {{ issue.title }}\nthree {{ issue.nope }}", 20).unwrap();
    let error = template.render(&issue(), None).unwrap_err();
    assert_eq!(error.to_string(), "template_render_error: line 22: unknown variable `issue.nope`");
}

#[test]
fn raw_and_comment_are_left_alone() {
    assert_eq!(
        render("{% raw %}{{ nope }}{% if b %}{% endraw %}").unwrap(),
        "{{ nope }}{% if b %}"
    );
    assert_eq!(
        render("a{% comment %}don't {{ nope }} {% if x.y %}{% endif %}{% endcomment %}b").unwrap(),
        "ab"
    );
}

#[test]
fn quotes_in_raw_text_do_not_hide_what_follows() {
    let source = "{% raw %}{{ don't }}{% endraw %}{% for b in issue.blocked_by %}{% if b.nope == 'x' or b.nope %}'{% endif %}{% endfor %}";
    assert_eq!(render(source).unwrap_err().class(), "template_render_error");
    let source =
        "{% raw %}{{ don't }}{% endraw %}{% assign i = issue %}{% if i.nope %}{% endif %} it's";
    assert_eq!(render(source).unwrap_err().class(), "template_render_error");
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_template_or_an_error(source in "([ -~\n]|\\{%|%\\}|\\{\\{|\\}\\}| if | raw | for x in issue.labels ){0,40}") {
        let scan = Scan::of(&source);
        proptest::prop_assert_eq!(scan.strict_source.matches('\n').count(), source.matches('\n').count());
        if let Ok(template) = Template::parse(&source, 1) {
            let _ = template.render(&issue(), Some(1));
        }
    }
}

#[test]
fn s5_4_an_empty_body_is_the_default_prompt() {
    assert_eq!(render("  \n ").unwrap(), DEFAULT_PROMPT);
}

#[test]
fn text_of_the_issue_is_never_a_template() {
    let mut hostile = issue();
    hostile.title = "{{ nope }}{% if %}".into();
    let prompt = Template::parse("{{ issue.title }}", 1).unwrap().render(&hostile, None).unwrap();
    assert_eq!(prompt, "{{ nope }}{% if %}");
}

#[test]
fn a_template_that_explodes_is_an_error() {
    let source = "{% assign a = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' %}{% for i in (1..1000) %}{% for j in (1..1000) %}{{ a }}{% endfor %}{% endfor %}";
    assert_eq!(render(source).unwrap_err().class(), "template_render_error");
    assert!(render("{{ 1 | divided_by: 0 }}").is_err());
    assert!(render("{% tablerow i in issue.labels cols: 0 %}x{% endtablerow %}").is_err());
}

#[test]
fn the_continuation_prompt_names_issue_state_and_turn() {
    let text = continuation(&issue(), 2, 20);
    assert!(
        text.contains("CAN-7")
            && text.contains("\"Todo\"")
            && text.contains("turn 2 of at most 20")
    );
}
