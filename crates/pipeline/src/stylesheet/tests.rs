use super::*;

/// A graph of the nodes, with the stylesheet applied.
fn styled(sheet: &str, nodes: &str) -> Graph {
    let sheet = sheet.replace('"', "\\\"");
    let source = format!("digraph g {{ graph [model_stylesheet=\"{sheet}\"] {nodes} }}");
    apply(&Graph::parse(&source).unwrap().graph)
}

fn model(graph: &Graph, id: &str) -> Option<String> {
    graph.llm_model(graph.find(id).unwrap()).map(str::to_owned)
}

fn effort(graph: &Graph, id: &str) -> String {
    graph.reasoning_effort(graph.find(id).unwrap()).to_owned()
}

#[test]
fn pipeline_11_10_the_example_of_the_specification() {
    let sheet = "
        * { llm_model: claude-sonnet-4-5; llm_provider: anthropic; }
        .code { llm_model: claude-opus-4-6; llm_provider: anthropic; }
        #critical_review { llm_model: gpt-5.2; llm_provider: openai; reasoning_effort: high; }
    ";
    let nodes = "plan [class=\"planning\"] implement [class=\"code\"] critical_review [class=code]";
    let graph = styled(sheet, nodes);
    assert_eq!(model(&graph, "plan").unwrap(), "claude-sonnet-4-5");
    assert_eq!(model(&graph, "implement").unwrap(), "claude-opus-4-6");
    assert_eq!(model(&graph, "critical_review").unwrap(), "gpt-5.2");
    let review = graph.find("critical_review").unwrap();
    assert_eq!(graph.llm_provider(review), Some("openai"));
}

#[test]
fn pipeline_11_10_selectors_by_shape() {
    let graph = styled("box { llm_model: \"claude-opus-4-6\"; }", "a b [shape=hexagon]");
    assert_eq!(model(&graph, "a").unwrap(), "claude-opus-4-6");
    assert_eq!(model(&graph, "b"), None);
}

#[test]
fn pipeline_11_10_selectors_by_class() {
    let nodes = "a [class=\"slow, fast\"] b subgraph cluster_x { label=\"Fast\" c }";
    let graph = styled(".fast { llm_model: \"gemini-3-flash-preview\" }", nodes);
    assert_eq!(model(&graph, "a").unwrap(), "gemini-3-flash-preview");
    assert_eq!(model(&graph, "b"), None);
    assert_eq!(model(&graph, "c").unwrap(), "gemini-3-flash-preview");
}

#[test]
fn pipeline_11_10_selectors_by_id() {
    let graph = styled("#review { reasoning_effort: \"low\" }", "review other");
    assert_eq!((effort(&graph, "review"), effort(&graph, "other")), ("low".into(), "high".into()));
}

#[test]
fn pipeline_11_10_specificity_is_universal_shape_class_id() {
    // In the order of falling specificity, so that the order of rules alone would be wrong.
    let sheet = "#d { llm_model: id } .c { llm_model: class } \
                 box { llm_model: shape } * { llm_model: all }";
    let nodes = "a [shape=hexagon] b c [class=c] d [class=c]";
    let graph = styled(sheet, nodes);
    let models: Vec<_> = ["a", "b", "c", "d"].map(|id| model(&graph, id).unwrap()).into();
    assert_eq!(models, ["all", "shape", "class", "id"]);
}

#[test]
fn pipeline_11_10_of_equal_specificity_the_later_rule_counts() {
    let sheet = ".x { llm_model: first; llm_provider: p } .y { llm_model: second }";
    let graph = styled(sheet, "a [class=\"y,x\"]");
    assert_eq!(model(&graph, "a").unwrap(), "second");
    assert_eq!(graph.llm_provider(graph.find("a").unwrap()), Some("p"));
}

#[test]
fn pipeline_11_10_explicit_attributes_win() {
    let graph = styled("#a { llm_model: sheet; llm_provider: sheet }", "a [llm_model=own]");
    assert_eq!(model(&graph, "a").unwrap(), "own");
    assert_eq!(graph.llm_provider(graph.find("a").unwrap()), Some("sheet"));
}

#[test]
fn pipeline_11_10_the_graphs_own_model_ranks_below_the_stylesheet() {
    let graph = styled("#a { llm_model: sheet }", "llm_model=graph a b");
    assert_eq!(model(&graph, "a").unwrap(), "sheet");
    assert_eq!(model(&graph, "b").unwrap(), "graph");
}

#[test]
fn ruling_pipeline_21_an_empty_stylesheet_is_allowed() {
    assert_eq!(Stylesheet::parse(" /* nothing */ ").unwrap(), Stylesheet::default());
    assert!(Stylesheet::parse("* {}").unwrap().rules()[0].declarations.is_empty());
}

#[test]
fn ruling_pipeline_21_values_may_hold_a_slash() {
    let graph = styled("* { llm_model: meta/llama-4:free; }", "a");
    assert_eq!(model(&graph, "a").unwrap(), "meta/llama-4:free");
}

#[test]
fn ruling_pipeline_21_blocks_of_defaults_count_as_explicit() {
    let graph = styled("* { llm_model: sheet }", "a node [llm_model=block] b");
    assert_eq!(model(&graph, "a").unwrap(), "sheet");
    assert_eq!(model(&graph, "b").unwrap(), "block");
}

#[test]
fn ruling_pipeline_21_the_default_effort_ranks_below_the_stylesheet() {
    let graph = styled("* { reasoning_effort: low }", "a b [reasoning_effort=medium]");
    assert_eq!((effort(&graph, "a"), effort(&graph, "b")), ("low".into(), "medium".into()));
}

#[test]
fn ruling_pipeline_21_aliases_are_read() {
    let graph = styled("* { model: x; provider: y }", "a b [model=z]");
    assert_eq!(model(&graph, "a").unwrap(), "x");
    assert_eq!(model(&graph, "b").unwrap(), "z");
    assert_eq!(graph.llm_provider(graph.find("b").unwrap()), Some("y"));
}

#[test]
fn ruling_pipeline_21_a_syntax_error_has_a_place_and_changes_nothing() {
    let cases = [
        ("* llm_model: x", "expected `{` after the selector, found `l`", (2, 3)),
        ("* { llm_model x }", "expected `:` after `llm_model`, found `x`", (14, 15)),
        ("* { llm_model: ; }", "expected a value, found `;`", (15, 16)),
        ("* { temperature: 1 }", "`temperature` is no property", (4, 15)),
        (
            "* { llm_model: x",
            "expected `;` or `}` after a value, found the end of the stylesheet",
            (16, 16),
        ),
        ("a, b { llm_model: x }", "expected `{` after the selector, found `,`", (1, 2)),
        (". { }", "expected a class after `.`, found `{`", (2, 3)),
        ("{ }", "expected a selector, found `{`", (0, 1)),
        ("* { llm_model: 'x }", "the string is not closed", (15, 16)),
        ("* { llm_model: a b }", "expected `;` or `}` after a value, found `b`", (17, 18)),
        ("/* x", "the comment is not closed", (0, 2)),
    ];
    for (sheet, message, (start, end)) in cases {
        let error = Stylesheet::parse(sheet).unwrap_err();
        assert_eq!(error.message, message, "{sheet}");
        assert_eq!(error.span, Span { start, end }, "{sheet}");
        assert_eq!(model(&styled(sheet, "a"), "a"), None);
    }
}
