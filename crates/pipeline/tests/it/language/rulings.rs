//! Rulings on the language and the checks.

use canon_pipeline::{Checker, Dialect, Graph, Kind, Prepare, Severity};

use super::support::{check, finds, finds_nothing, found, graph, pipeline};

fn kind(graph: &Graph, id: &str) -> Kind {
    graph.kind(graph.find(id).unwrap())
}

#[test]
fn ruling_pipeline_11_the_shape_decides_and_the_id_only_without_it() {
    let by_shape = graph("digraph g { start begin [shape=Mdiamond] END done [shape=Msquare] }");
    assert_eq!(by_shape.start(), by_shape.find("begin"));
    assert_eq!(
        (kind(&by_shape, "start"), kind(&by_shape, "END")),
        (Kind::Codergen, Kind::Codergen)
    );
    let by_id = graph("digraph g { START [shape=box] End [prompt=x] }");
    assert_eq!((kind(&by_id, "START"), kind(&by_id, "End")), (Kind::Start, Kind::Exit));
}

#[test]
fn ruling_pipeline_11_the_role_binds_the_handler() {
    let graph = graph("digraph g { start [type=tool] exit [shape=Msquare, type=codergen] }");
    assert_eq!((kind(&graph, "start"), kind(&graph, "exit")), (Kind::Start, Kind::Exit));
}

#[test]
fn ruling_pipeline_12_undeclared_nodes_are_made_and_are_an_error_or_in_february_a_warning() {
    let source = pipeline("start -> a -> exit");
    assert!(graph(&source).find("a").is_some());
    finds(&source, "edge_target_exists", Severity::Error);
    let old = pipeline("dialect=\"2026-02\" start -> a -> exit");
    finds(&old, "edge_target_exists", Severity::Warning);
    let asked = Prepare::new().dialect(Dialect::February2026).check(&source);
    assert!(asked.is_ok(), "{:?}", asked.diagnostics);
}

#[test]
fn ruling_pipeline_13_retry_targets_count_as_edges() {
    let nodes = "a [prompt=x, retry_target=fix] fix [prompt=x] start -> a -> exit fix -> a";
    finds_nothing(&pipeline(nodes), "reachability");
    finds_nothing(
        &pipeline(&format!("{nodes} b [prompt=x] retry_target=b b -> a")),
        "reachability",
    );
    finds(
        &pipeline("a [prompt=x] fix [prompt=x] start -> a -> exit fix -> a"),
        "reachability",
        Severity::Error,
    );
}

#[test]
fn ruling_pipeline_14_an_unknown_type_is_an_error_unless_it_is_registered() {
    let source = pipeline("a [type=\"wait.humann\"] start -> a -> exit");
    let found = finds(&source, "type_known", Severity::Error);
    assert_eq!(found.fix.as_deref(), Some("write `type=\"wait.human\"`"));
    assert!(Prepare::new().checker(Checker::with_types(&["wait.humann"])).check(&source).is_ok());
}

#[test]
fn ruling_pipeline_04_edges_that_are_all_conditional_and_leave_a_case_open_are_a_warning() {
    let open = pipeline("a [prompt=x] start -> a a -> exit [condition=\"context.ready=true\"]");
    let warning = finds(&open, "all_conditional", Severity::Warning);
    assert!(warning.message.contains("start -> a"), "{warning}");
    assert!(check(&open).is_ok());
    let covered = pipeline(
        "a [prompt=x] start -> a a -> exit [condition=\"context.x=1 && outcome!=fail\"] \
         a -> exit [condition=\"context.x!=1 && outcome!=fail\"] a -> a [condition=\"outcome=fail\"]",
    );
    finds_nothing(&covered, "all_conditional");
    let only_fail_open =
        pipeline("a [prompt=x] start -> a a -> exit [condition=\"outcome=success\"]");
    finds(&only_fail_open, "all_conditional", Severity::Info);
}

#[test]
fn ruling_pipeline_05_a_goal_gate_that_can_be_passed_by_is_a_warning() {
    let around = "gate [prompt=x, goal_gate=true, retry_target=a] a [prompt=x] \
                  start -> a a -> gate -> exit";
    finds_nothing(&pipeline(around), "gate_visited");
    let warning =
        finds(&pipeline(&format!("{around} a -> exit")), "gate_visited", Severity::Warning);
    assert!(warning.message.contains("start -> a -> exit"), "{warning}");
}

#[test]
fn ruling_pipeline_08_a_fan_out_without_branches_is_an_error() {
    let source = pipeline("fan [shape=component] start -> fan start -> exit");
    finds(&source, "parallel_branches", Severity::Error);
}

#[test]
fn ruling_pipeline_08_a_restart_within_a_branch_is_an_error() {
    let branches = "fan [shape=component] a [prompt=x] b [prompt=x] join [shape=tripleoctagon] \
                    start -> fan fan -> {a b} {a b} -> join";
    let inside = pipeline(&format!("{branches} join -> exit b -> a [loop_restart=true]"));
    let found = finds(&inside, "restart_in_branch", Severity::Error);
    assert_eq!(found.edge, Some(("b".into(), "a".into())));
    let after = pipeline(&format!("{branches} join -> exit join -> fan [loop_restart=true]"));
    finds_nothing(&after, "restart_in_branch");
}

#[test]
fn ruling_pipeline_08_branches_meet_at_the_nearest_fan_in_that_all_can_reach() {
    let graph = graph(&pipeline(
        "fan [shape=component] inner [shape=component] x y z a b near \
         in1 [shape=tripleoctagon] in2 [shape=tripleoctagon] \
         start -> fan fan -> {a inner} inner -> {x y} {x y} -> in1 -> z -> near a -> near \
         near -> in2 -> b -> exit",
    ));
    let at = |id: &str| graph.find(id).unwrap();
    assert_eq!(graph.join(at("fan")), Some(at("in2")));
    assert_eq!(graph.join(at("inner")), Some(at("in1")));
    let ids = |fan_out| {
        graph.branch_nodes(at(fan_out)).into_iter().map(|n| graph.id(n)).collect::<Vec<_>>()
    };
    assert_eq!(ids("inner"), ["x", "y"]);
    assert_eq!(ids("fan"), ["inner", "x", "y", "z", "a", "near", "in1"]);
    let without =
        self::graph(&pipeline("fan [shape=component] a b c start -> fan -> {a b} -> c -> exit"));
    assert_eq!(without.join(without.find("fan").unwrap()), without.find("c"));
}

#[test]
fn ruling_pipeline_22_what_graphviz_accepts_is_accepted() {
    let source = "\u{feff}# a preprocessor's line\n\
        DIGRAPH \"a name\" { \"node 1\" [\"label\"=\"x\" shape=box; color=red,][style=bold] \
        {A B} -> C:n:sw -> subgraph { D; E }; 3 -> 4.5 é [label=\"a\" + \"b\"] ;; \
        F [label=\"joined \\\nline\"] rankdir=LR; graph [nodesep=.5] edge [] }";
    let checked = Graph::parse(source).unwrap();
    let graph = checked.graph;
    let edges: Vec<_> = graph
        .edges()
        .iter()
        .map(|e| format!("{}>{}", graph.id(e.from()), graph.id(e.to())))
        .collect();
    assert_eq!(edges, ["A>C", "B>C", "C>D", "C>E", "3>4.5"]);
    let text = |id: &str| graph.node(graph.find(id).unwrap()).label().to_owned();
    assert_eq!(
        (text("é"), text("F"), text("node 1")),
        ("ab".into(), "joined line".into(), "x".into())
    );
    assert!(
        checked.diagnostics.iter().all(|found| found.rule == "grammar"),
        "{:?}",
        checked.diagnostics
    );
    assert!(checked.diagnostics.len() >= 10, "{:?}", checked.diagnostics);
}

#[test]
fn ruling_pipeline_22_what_is_no_directed_graph_is_refused_with_place_and_fix() {
    let cases = [
        ("strict digraph g { }", "`strict` is not supported", "strict"),
        ("graph g { }", "a pipeline is a directed graph", "graph"),
        ("digraph g { a -- b }", "`--` is an edge without a direction", "--"),
        ("digraph g { a [label=<b>] }", "HTML labels are not supported", "<b>"),
        ("digraph g { } digraph h { }", "a second graph begins here", "digraph"),
    ];
    for (source, message, place) in cases {
        let refused = Graph::parse(source).unwrap_err();
        let error = refused.diagnostics.iter().find(|found| found.is_error()).unwrap();
        assert!(error.message.starts_with(message), "{error}");
        let span = error.span.unwrap();
        assert_eq!(&source[span.start as usize..span.end as usize], place);
        assert!(error.fix.is_some());
    }
}

#[test]
fn ruling_pipeline_22_several_errors_are_told_at_once() {
    let source = "digraph g {\n my-node [label=\"x\"]\n a [label=@x, max=2]\n b -> \n c [= 3]\n d [x=1\n e -> f\n}";
    let refused = Graph::parse(source).unwrap_err();
    let lines = canon_pipeline::Lines::new(source);
    let errors = refused.diagnostics.iter().filter(|found| found.is_error());
    let at: Vec<_> = errors.map(|found| lines.locate(found.span.unwrap().start).line).collect();
    assert_eq!(at, [2, 3, 5, 7], "{refused}");
}

#[test]
fn ruling_pipeline_dialect_old_names_are_read_and_told() {
    let source = "digraph g { default_max_retry=4 model_stylesheet=\"* { model: x; provider: y }\" \
                  s [shape=circle] e [shape=doublecircle] a [prompt=x] s -> a -> e }";
    let checked = check(source);
    assert!(checked.is_ok(), "{:?}", checked.diagnostics);
    assert_eq!(found(source, "dialect").len(), 5);
    let graph = checked.graph.unwrap();
    assert_eq!(graph.default_max_retries(), 4);
    assert_eq!(graph.llm_model(graph.find("a").unwrap()), Some("x"));
    let old = source.replacen('{', "{ dialect=\"2026-02\"", 1);
    assert_eq!(found(&old, "dialect"), []);
    assert_eq!(found(&old.replace("2026-02", "2025"), "dialect").len(), 6);
}

#[test]
fn ruling_pipeline_dialect_of_february_has_several_exits_and_retries_by_default() {
    let source = pipeline("dialect=\"2026-02\" fail [shape=Msquare] start -> exit start -> fail");
    let checked = check(&source);
    assert!(checked.is_ok(), "{:?}", checked.diagnostics);
    assert_eq!(checked.graph.unwrap().default_max_retries(), 50);
    assert_eq!(graph(&pipeline("start -> exit")).default_max_retries(), 0);
}
