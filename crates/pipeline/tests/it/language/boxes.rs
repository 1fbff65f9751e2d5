//! The boxes of §11.1, §11.2 and the rows of §11.12 that are about reading and checking.

use std::time::Duration;

use canon_pipeline::{Checker, Diagnostic, Graph, Kind, Rule, Severity, stylesheet};

use super::support::{check, finds, finds_nothing, graph, pipeline};

const SMOKE: &str = r#"
digraph test_pipeline {
    graph [goal="Create a hello world Python script"]

    start       [shape=Mdiamond]
    plan        [shape=box, prompt="Plan how to create a hello world script for: $goal"]
    implement   [shape=box, prompt="Write the code based on the plan", goal_gate=true]
    review      [shape=box, prompt="Review the code for correctness"]
    done        [shape=Msquare]

    start -> plan
    plan -> implement
    implement -> review [condition="outcome=success"]
    implement -> plan   [condition="outcome=fail", label="Retry"]
    review -> done      [condition="outcome=success"]
    review -> implement [condition="outcome=fail", label="Fix"]
}
"#;

fn ids(graph: &Graph) -> Vec<&str> {
    graph.nodes().iter().map(canon_pipeline::Node::id).collect()
}

fn edges(graph: &Graph) -> Vec<(&str, &str)> {
    graph.edges().iter().map(|edge| (graph.id(edge.from()), graph.id(edge.to()))).collect()
}

fn kind(graph: &Graph, id: &str) -> Kind {
    graph.kind(graph.find(id).unwrap())
}

#[test]
fn pipeline_11_1_the_supported_subset_is_accepted() {
    let source = r#"digraph Branch {
        graph [goal="Implement and validate a feature"]
        rankdir=LR
        node [shape=box, timeout="900s"]
        edge [weight=0];

        start     [shape=Mdiamond, label="Start"]
        exit      [shape=Msquare, label="Exit"]
        plan      [label="Plan", prompt="Plan the implementation"]
        implement [label="Implement", prompt="Implement the plan"]
        validate  [label="Validate", prompt="Run tests"]
        gate      [shape=diamond, label="Tests passing?"];

        start -> plan -> implement -> validate -> gate
        gate -> exit      [label="Yes", condition="outcome=success"]
        gate -> implement [label="No", condition="outcome!=success"];
    }"#;
    let checked = check(source);
    assert!(checked.is_ok(), "{:?}", checked.diagnostics);
    // Only the loop is told of.
    let rules: Vec<_> = checked.diagnostics.iter().map(|found| &*found.rule).collect();
    assert_eq!(rules, ["loop_bounded"]);
    let graph = checked.graph.unwrap();
    assert_eq!((graph.name(), graph.attrs().text("rankdir")), ("Branch", "LR"));
    assert_eq!(edges(&graph).len(), 6);
    assert_eq!(kind(&graph, "gate"), Kind::Conditional);
}

#[test]
fn pipeline_11_1_attributes_of_the_graph_are_extracted() {
    let source = r##"digraph g {
        graph [goal="Build it", model_stylesheet="* { llm_model: m }"]
        label = "My graph"
        stack.child_dotfile = "child.dot"
        default_max_retries = 3
    }"##;
    let graph = graph(source);
    assert_eq!((graph.goal(), graph.label()), ("Build it", "My graph"));
    assert_eq!(graph.model_stylesheet(), "* { llm_model: m }");
    assert_eq!(graph.attrs().text("stack.child_dotfile"), "child.dot");
    assert_eq!(graph.default_max_retries(), 3);
}

#[test]
fn pipeline_11_1_attribute_blocks_may_span_lines() {
    let source = "digraph g {\n review_gate [\n  shape=hexagon,\n  label=\"Review\nChanges\",\n  type=\"wait.human\"\n ]\n}";
    let graph = graph(source);
    let node = graph.node(graph.find("review_gate").unwrap());
    assert_eq!((node.shape(), node.label()), ("hexagon", "Review\nChanges"));
    assert_eq!(node.type_name(), Some("wait.human"));
}

#[test]
fn pipeline_11_1_attributes_of_edges_are_parsed() {
    let graph = graph(
        "digraph g { a b a -> b [label=\"[Y] Yes\", condition=\"outcome=success\", weight=7, \
         fidelity=\"summary:high\", thread_id=t, loop_restart=true] }",
    );
    let edge = &graph.edges()[0];
    assert_eq!((edge.label(), edge.condition()), ("[Y] Yes", Some("outcome=success")));
    assert_eq!((edge.weight(), edge.thread_id(), edge.loop_restart()), (7, Some("t"), true));
    assert_eq!(edge.fidelity().unwrap().as_str(), "summary:high");
}

#[test]
fn pipeline_11_1_chained_edges_are_one_edge_a_pair() {
    let graph = graph("digraph g { A B C A -> B -> C [label=\"next\"] }");
    assert_eq!(edges(&graph), [("A", "B"), ("B", "C")]);
    assert!(graph.edges().iter().all(|edge| edge.label() == "next"));
}

#[test]
fn pipeline_11_1_default_blocks_apply_to_what_follows() {
    let source = r#"digraph g {
        before
        node [shape=hexagon, timeout="900s"]
        after
        own [timeout="1800s"]
        a -> b
        edge [weight=5]
        c -> d
        e -> f [weight=1]
    }"#;
    let graph = graph(source);
    let node = |id: &str| graph.node(graph.find(id).unwrap());
    assert_eq!((node("before").shape(), node("before").timeout()), ("box", None));
    assert_eq!(node("after").timeout(), Some(Duration::from_secs(900)));
    assert_eq!(node("own").timeout(), Some(Duration::from_secs(1800)));
    assert_eq!(node("own").shape(), "hexagon");
    let weights: Vec<i64> = graph.edges().iter().map(canon_pipeline::Edge::weight).collect();
    assert_eq!(weights, [0, 5, 1]);
}

#[test]
fn pipeline_11_1_subgraphs_are_flattened_and_scope_defaults_and_classes() {
    let source = r#"digraph g {
        node [timeout="1s"]
        start -> Plan
        subgraph cluster_loop {
            label = "Loop A: 1st!"
            node [thread_id="loop-a", timeout="900s"]
            Plan      [label="Plan next step"]
            Implement [label="Implement", timeout="1800s"]
            subgraph inner { label="Inner" Deep }
        }
        Implement [prompt="later, outside"]
        outside
    }"#;
    let graph = graph(source);
    let at = |id: &str| graph.find(id).unwrap();
    let node = |id: &str| graph.node(at(id));
    assert_eq!(ids(&graph), ["start", "Plan", "Implement", "Deep", "outside"]);
    assert_eq!(node("Plan").timeout(), Some(Duration::from_secs(900)));
    assert_eq!(node("Plan").thread_id(), Some("loop-a"));
    assert_eq!(node("Implement").timeout(), Some(Duration::from_secs(1800)));
    assert_eq!(node("Implement").thread_id(), Some("loop-a"));
    assert_eq!((node("outside").thread_id(), graph.classes(at("outside")).len()), (None, 0));
    assert_eq!(graph.classes(at("Plan")), ["loop-a-1st"]);
    assert_eq!(graph.classes(at("Deep")), ["loop-a-1st", "inner"]);
    assert_eq!(node("Deep").thread_id(), Some("loop-a"));
}

#[test]
fn pipeline_11_1_class_merges_in_the_stylesheets_attributes() {
    let source = "digraph g { model_stylesheet=\".fast { llm_model: quick; }\" \
                  a [class=\"code,fast\"] b }";
    let graph = stylesheet::apply(&graph(source));
    assert_eq!(graph.node(graph.find("a").unwrap()).attrs().text("llm_model"), "quick");
    assert_eq!(graph.llm_model(graph.find("b").unwrap()), None);
}

#[test]
fn pipeline_11_1_values_may_be_quoted_or_not() {
    let source = "digraph g { a [max_retries=3, timeout=15m, goal_gate=true, llm_model=gpt-5.2, \
                  type=wait.human] b [max_retries=\"3\", timeout=\"15m\", goal_gate=\"true\", \
                  llm_model=\"gpt-5.2\", type=\"wait.human\"] }";
    let graph = graph(source);
    for id in ["a", "b"] {
        let at = graph.find(id).unwrap();
        let node = graph.node(at);
        assert_eq!((graph.max_retries(at), node.goal_gate()), (3, true));
        assert_eq!(node.timeout(), Some(Duration::from_secs(900)));
        assert_eq!(graph.llm_model(at), Some("gpt-5.2"));
        assert_eq!(graph.kind(at), Kind::WaitHuman);
    }
}

#[test]
fn pipeline_11_1_comments_are_stripped() {
    let source =
        "/* before */ digraph g { // line\n a /* within */ [label=\"http://x /* kept */\"]\n }";
    let graph = graph(source);
    assert_eq!(graph.nodes()[0].label(), "http://x /* kept */");
    assert_eq!(graph.nodes().len(), 1);
}

#[test]
fn pipeline_11_1_escapes_of_strings_are_undone() {
    let graph = graph(r#"digraph g { a [prompt="one\ntwo\t\"three\" \\ \d"] }"#);
    assert_eq!(graph.nodes()[0].prompt(), "one\ntwo\t\"three\" \\ \\d");
}

#[test]
fn pipeline_11_2_exactly_one_start_is_required() {
    let none = "digraph g { a exit [shape=Msquare] a -> exit }";
    finds(none, "start_node", Severity::Error);
    let two = pipeline("second [shape=Mdiamond] start -> exit second -> exit");
    assert_eq!(finds(&two, "start_node", Severity::Error).node.as_deref(), Some("second"));
    for id in ["start", "Start"] {
        finds_nothing(&format!("digraph g {{ {id} exit {id} -> exit }}"), "start_node");
    }
}

#[test]
fn pipeline_11_2_exactly_one_exit_is_required() {
    finds("digraph g { start a start -> a }", "terminal_node", Severity::Error);
    let two = pipeline("done [shape=Msquare] start -> exit start -> done");
    assert_eq!(finds(&two, "terminal_node", Severity::Error).node.as_deref(), Some("done"));
    for id in ["exit", "end"] {
        finds_nothing(&format!("digraph g {{ start {id} start -> {id} }}"), "terminal_node");
    }
}

#[test]
fn pipeline_11_2_the_start_has_no_incoming_edges() {
    let source = pipeline("a [prompt=x] start -> a a -> start a -> exit");
    let edge = finds(&source, "start_no_incoming", Severity::Error).edge;
    assert_eq!(edge, Some(("a".into(), "start".into())));
}

#[test]
fn pipeline_11_2_the_exit_has_no_outgoing_edges() {
    let source = pipeline("a [prompt=x] start -> a a -> exit exit -> a");
    let edge = finds(&source, "exit_no_outgoing", Severity::Error).edge;
    assert_eq!(edge, Some(("exit".into(), "a".into())));
}

#[test]
fn pipeline_11_2_all_nodes_are_reachable() {
    let source = pipeline("orphan [prompt=x] start -> exit");
    let orphan = finds(&source, "reachability", Severity::Error);
    assert_eq!(orphan.node.as_deref(), Some("orphan"));
}

#[test]
fn pipeline_11_2_edges_name_nodes() {
    let source = pipeline("reviw [prompt=x] start -> review -> exit start -> reviw -> exit");
    let found = finds(&source, "edge_target_exists", Severity::Error);
    assert_eq!(found.node.as_deref(), Some("review"));
    assert!(found.fix.unwrap().contains("`reviw`"));
}

#[test]
fn pipeline_11_2_stages_of_agents_have_a_prompt() {
    let source = pipeline("silent said [label=\"Do it\"] start -> silent -> said -> exit");
    let found = finds(&source, "prompt_on_llm_nodes", Severity::Warning);
    assert_eq!(found.node.as_deref(), Some("silent"));
}

#[test]
fn pipeline_11_2_conditions_parse() {
    let source = pipeline("start -> exit [condition=\"outcome == \\\"success\\\"\"]");
    let found = finds(&source, "condition_syntax", Severity::Error);
    assert_eq!(found.edge, Some(("start".into(), "exit".into())));
    let span = found.span.unwrap();
    assert_eq!(&source[span.start as usize..span.end as usize], "==");
}

#[test]
fn pipeline_11_2_validate_or_raise_raises_on_errors_alone() {
    let checker = Checker::new();
    let warned = graph(&pipeline("a start -> a -> exit"));
    assert_eq!(checker.validate_or_raise(&warned).unwrap().len(), 1);
    let wrong = graph(&pipeline("a [prompt=x] start -> exit"));
    let refused = checker.validate_or_raise(&wrong).unwrap_err();
    assert_eq!(refused.to_string(), "error[reachability]: no way leads from `start` to `a`");
}

#[test]
fn pipeline_11_2_findings_say_rule_severity_place_and_message() {
    for finding in check(&pipeline("a start -> a b -> exit")).diagnostics {
        assert!(!finding.rule.is_empty() && !finding.message.is_empty(), "{finding:?}");
        assert!(finding.node.is_some() || finding.edge.is_some(), "{finding:?}");
        assert!(finding.span.is_some() && finding.fix.is_some(), "{finding:?}");
    }
}

#[test]
fn pipeline_11_2_an_embedders_rules_run_after_the_built_in_ones() {
    struct NoA;
    impl Rule for NoA {
        fn name(&self) -> &str {
            "no_a"
        }
        fn apply(&self, graph: &Graph) -> Vec<Diagnostic> {
            graph
                .find("a")
                .map(|_| Diagnostic::error("no_a", "an `a`").node("a"))
                .into_iter()
                .collect()
        }
    }
    let graph = graph(&pipeline("a start -> a -> exit"));
    let found = Checker::new().with_rule(NoA).validate(&graph);
    assert_eq!(found.last().unwrap().rule, "no_a");
    assert!(Checker::new().with_rule(NoA).validate_or_raise(&graph).is_err());
}

#[test]
fn pipeline_11_12_a_linear_pipeline_is_parsed() {
    let graph = graph("digraph Simple { start A B done [shape=Msquare] start -> A -> B -> done }");
    assert_eq!(ids(&graph), ["start", "A", "B", "done"]);
    assert_eq!(edges(&graph), [("start", "A"), ("A", "B"), ("B", "done")]);
    assert_eq!((kind(&graph, "start"), kind(&graph, "done")), (Kind::Start, Kind::Exit));
}

#[test]
fn pipeline_11_13_the_smoke_test_parses_and_has_no_errors() {
    let checked = check(SMOKE);
    assert!(checked.is_ok(), "{:?}", checked.diagnostics);
    let graph = checked.graph.unwrap();
    assert_eq!(graph.goal(), "Create a hello world Python script");
    assert_eq!((graph.nodes().len(), graph.edges().len()), (5, 6));
}

#[test]
fn pipeline_11_3_shapes_and_types_name_handlers() {
    let table = [
        ("Mdiamond", "start"),
        ("Msquare", "exit"),
        ("box", "codergen"),
        ("hexagon", "wait.human"),
        ("diamond", "conditional"),
        ("component", "parallel"),
        ("tripleoctagon", "parallel.fan_in"),
        ("parallelogram", "tool"),
        ("house", "stack.manager_loop"),
    ];
    for (shape, name) in table {
        let by_shape = graph(&format!("digraph g {{ a [shape={shape}] }}"));
        assert_eq!(kind(&by_shape, "a").as_str(), name);
        let by_type = graph(&format!("digraph g {{ a [shape=box, type=\"{name}\"] }}"));
        assert_eq!(kind(&by_type, "a").as_str(), name);
    }
    assert_eq!(kind(&graph("digraph g { a }"), "a"), Kind::Codergen);
    let custom = graph("digraph g { a [type=mine] }");
    assert_eq!(kind(&custom, "a"), Kind::Custom("mine".into()));
}
