//! What holds of every source.

use canon_pipeline::dot::ast::{
    Attribute, Defaults, Document, Edge, End, Node, Statement, Subgraph, Target, Text,
};
use canon_pipeline::dot::read;
use canon_pipeline::{Condition, Graph, Lines, Stylesheet};
use proptest::collection::vec;
use proptest::prelude::*;

use super::support::check;

/// Pieces of the language, which get further than random characters do.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("digraph g {"),
        Just("}"),
        Just("{"),
        Just("["),
        Just("]"),
        Just("="),
        Just("->"),
        Just("--"),
        Just(","),
        Just(";"),
        Just("\""),
        Just("\\"),
        Just("a"),
        Just("start"),
        Just("exit"),
        Just("shape=diamond"),
        Just("node"),
        Just("edge"),
        Just("graph"),
        Just("subgraph"),
        Just("condition=\"outcome=fail\""),
        Just("<"),
        Just(">"),
        Just("/*"),
        Just("*/"),
        Just("//"),
        Just("\n"),
        Just(" "),
        Just("#"),
        Just("é"),
        Just("9"),
        Just("."),
        Just(":"),
        Just("+"),
        Just("-"),
        Just("goal_gate=true"),
        Just("retry_target=a"),
        Just("shape=component"),
        Just("model_stylesheet=\"* { llm_model: x }\""),
        Just("\r\n"),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.join(""))
}

fn quoted(text: String) -> Text {
    Text { text: text.into(), quoted: true, ..Text::default() }
}

fn bare(text: &str) -> Text {
    Text { text: text.into(), ..Text::default() }
}

fn id() -> impl Strategy<Value = Text> {
    prop_oneof![
        "[a-z_][a-z0-9_]{0,6}"
            .prop_filter("no keyword", |id| {
                !["graph", "node", "edge", "subgraph", "digraph", "strict"].contains(&id.as_str())
            })
            .prop_map(|id| bare(&id)),
        "[ -~\n\té]{1,8}".prop_map(quoted),
    ]
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let key = prop_oneof![
        "[a-z_]{1,5}(\\.[a-z]{1,5})?".prop_map(|key| bare(&key)),
        "[ -~]{1,5}".prop_map(quoted)
    ];
    let value = prop_oneof![
        "[a-z_][a-z0-9_.:]{0,6}".prop_map(|value| bare(&value)),
        "-?[0-9]{1,5}(ms|s|m|h|d)?".prop_map(|value| bare(&value)),
        "[ -~\n\t\r\u{e9}]{0,12}".prop_map(quoted),
    ];
    (key, value).prop_map(|(key, value)| Attribute { key, value })
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    vec(attribute(), 0..4)
}

fn statement() -> impl Strategy<Value = Statement> {
    let target = prop_oneof![Just(Target::Graph), Just(Target::Node), Just(Target::Edge)];
    let span = canon_pipeline::Span::default();
    let leaf = prop_oneof![
        attribute().prop_map(Statement::Attribute),
        (target, attributes()).prop_map(move |(target, attributes)| Statement::Defaults(
            Defaults { target, attributes, span }
        )),
        (id(), attributes()).prop_map(move |(id, attributes)| Statement::Node(Node {
            id,
            attributes,
            span
        })),
        (vec(id().prop_map(End::Node), 2..4), attributes())
            .prop_map(move |(ends, attributes)| Statement::Edge(Edge { ends, attributes, span })),
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        let subgraph = (proptest::option::of(id()), vec(inner, 0..4))
            .prop_map(move |(id, statements)| Subgraph { id, statements, span })
            .boxed();
        prop_oneof![
            subgraph.clone().prop_map(Statement::Subgraph),
            (subgraph, id(), attributes()).prop_map(move |(group, id, attributes)| {
                Statement::Edge(Edge {
                    ends: vec![End::Group(group), End::Node(id)],
                    attributes,
                    span,
                })
            }),
        ]
    })
}

fn without_places(mut document: Document) -> Document {
    fn text(text: &mut Text) {
        (text.span, text.map) = Default::default();
    }
    fn attributes(all: &mut [Attribute]) {
        for attribute in all {
            text(&mut attribute.key);
            text(&mut attribute.value);
        }
    }
    fn group(subgraph: &mut Subgraph) {
        subgraph.span = Default::default();
        subgraph.id.iter_mut().for_each(text);
        statements(&mut subgraph.statements);
    }
    fn statements(all: &mut [Statement]) {
        for statement in all {
            match statement {
                Statement::Attribute(attribute) => attributes(std::slice::from_mut(attribute)),
                Statement::Defaults(defaults) => {
                    defaults.span = Default::default();
                    attributes(&mut defaults.attributes);
                }
                Statement::Node(node) => {
                    node.span = Default::default();
                    text(&mut node.id);
                    attributes(&mut node.attributes);
                }
                Statement::Edge(edge) => {
                    edge.span = Default::default();
                    attributes(&mut edge.attributes);
                    for end in &mut edge.ends {
                        match end {
                            End::Node(id) => text(id),
                            End::Group(subgraph) => group(subgraph),
                        }
                    }
                }
                Statement::Subgraph(subgraph) => group(subgraph),
            }
        }
    }
    document.span = Default::default();
    document.name.iter_mut().for_each(text);
    statements(&mut document.statements);
    document
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_source_panics_and_every_place_lies_within_it(
        source in prop_oneof![pieces(), pieces().prop_map(|p| format!("digraph g {{ {p}")), any::<String>()],
    ) {
        let lines = Lines::new(&source);
        for found in check(&source).diagnostics {
            if let Some(span) = found.span {
                prop_assert!(span.start <= span.end, "{found:?}");
                prop_assert!(span.end as usize <= source.len() + 1, "{found:?}");
                prop_assert!(lines.locate(span.start).line <= lines.count());
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_document_is_read_as_it_was_printed(statements in vec(statement(), 0..6), name in id()) {
        let document = Document { name: Some(name), statements, ..Document::default() };
        let printed = document.to_string();
        let again = read(&printed);
        let errors: Vec<_> = again.diagnostics.iter().filter(|found| found.is_error()).collect();
        prop_assert!(errors.is_empty(), "{printed}\n{errors:?}");
        prop_assert_eq!(without_places(again.document), document, "{}", printed);
    }

    #[test]
    fn a_graph_keeps_its_edges_in_step(source in pieces().prop_map(|p| format!("digraph g {{ {p} }}"))) {
        let Ok(parsed) = Graph::parse(&source) else { return Ok(()) };
        let graph = parsed.graph;
        let leaving: usize = graph.node_indexes().map(|node| graph.outgoing(node).len()).sum();
        let coming: usize = graph.node_indexes().map(|node| graph.incoming(node).len()).sum();
        prop_assert_eq!((leaving, coming), (graph.edges().len(), graph.edges().len()));
        for node in graph.node_indexes() {
            prop_assert_eq!(graph.find(graph.id(node)), Some(node));
        }
    }

    #[test]
    fn no_condition_and_no_stylesheet_panics(
        text in prop_oneof![any::<String>(), "[a-z=!&|\". \\\\{}:;#*/]{0,40}"],
    ) {
        for span in [
            Condition::parse(&text).err().map(|error| error.span),
            Stylesheet::parse(&text).err().map(|error| error.span),
        ].into_iter().flatten() {
            prop_assert!(span.start <= span.end && span.end as usize <= text.len(), "{span:?}");
        }
    }
}
