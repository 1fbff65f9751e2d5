use proptest::prelude::*;

use super::scene::Scene;
use super::*;
use crate::graph::Parsed;

fn graph(source: &str) -> Graph {
    let Parsed { graph, .. } = Graph::parse(source).unwrap();
    graph
}

fn draw(source: &str) -> String {
    svg(&graph(source), &Options::default()).unwrap()
}

/// Whether it is XML as [`xml`] writes it: elements end in the order in which they began, no
/// markup stands in texts or values, and only elements that draw are there.
fn assert_well_formed(text: &str) {
    const KNOWN: [&str; 12] = [
        "svg", "title", "desc", "style", "rect", "text", "g", "path", "polygon", "polyline",
        "ellipse", "circle",
    ];
    let mut open = Vec::new();
    let mut ids = std::collections::HashSet::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        assert_plain(&rest[..at]);
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split(' ').next().unwrap();
        assert!(KNOWN.contains(&name), "{name}");
        for (at, part) in tag.split('"').enumerate() {
            if at % 2 == 1 {
                assert_plain(part);
            } else {
                assert!(!part.trim().starts_with("on"), "{tag}");
            }
        }
        if let Some(id) = tag.split(" id=\"").nth(1) {
            assert!(ids.insert(id.split('"').next().unwrap()), "an id twice: {tag}");
        }
        if !empty {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty());
}

fn assert_plain(text: &str) {
    assert!(!text.contains('>') && !text.contains('<'), "{text}");
    for entity in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;", "#10;", "#9;"];
        assert!(known.iter().any(|known| entity.starts_with(known)), "{text}");
    }
    assert!(text.chars().all(|c| c >= ' ' || c == '\n' || c == '\t'));
}

/// Nodes apart, everything within the picture, clusters around their nodes and no others.
fn assert_readable(graph: &Graph) {
    let scene = Scene::new(graph).unwrap();
    let [x1, x2, y1, y2] = scene.bounds;
    let boxes: Vec<[f64; 4]> = scene
        .nodes
        .iter()
        .map(|node| {
            let ((x, y), (w, h)) = (node.at, node.size);
            [x - w / 2.0, x + w / 2.0, y - h / 2.0, y + h / 2.0]
        })
        .collect();
    for (at, one) in boxes.iter().enumerate() {
        assert!(one.iter().all(|place| place.is_finite()));
        assert!(
            one[0] >= x1 - 0.1 && one[1] <= x2 + 0.1 && one[2] >= y1 - 0.1 && one[3] <= y2 + 0.1
        );
        for other in &boxes[at + 1..] {
            assert!(!overlap(one, other), "{one:?} {other:?}");
        }
    }
    for edge in &scene.edges {
        assert!(!edge.curve.segments.is_empty());
        assert!(
            edge.curve
                .points()
                .all(|(x, y)| { x >= x1 - 0.1 && x <= x2 + 0.1 && y >= y1 - 0.1 && y <= y2 + 0.1 })
        );
    }
    for cluster in &scene.clusters {
        let ids = cluster.subgraph.nodes();
        for (node, bounds) in graph.node_indexes().zip(&boxes) {
            let [a, b, c, d] = cluster.borders;
            let inside = bounds[0] >= a && bounds[1] <= b && bounds[2] >= c && bounds[3] <= d;
            // A node of two clusters stands in one of them.
            let only = graph.node(node).subgraphs().len() == 1;
            if !ids.contains(&node) {
                assert!(!overlap(bounds, &cluster.borders), "{}", graph.id(node));
            } else if only {
                assert!(inside, "{}: {bounds:?} {:?}", graph.id(node), cluster.borders);
            }
        }
    }
}

fn overlap(one: &[f64; 4], other: &[f64; 4]) -> bool {
    let apart = |a: f64, b: f64| a - 0.1 <= b;
    !(apart(one[1], other[0])
        || apart(other[1], one[0])
        || apart(one[3], other[2])
        || apart(other[3], one[2]))
}

#[test]
fn graphs_of_every_form_are_drawn() {
    let sources = [
        "digraph {}",
        "digraph { a }",
        "digraph { a b c }",
        "digraph { a -> a }",
        "digraph { a -> a [label=x] a -> a [label=y] a -> b -> a }",
        "digraph { a -> b a -> b [label=one] a -> b [label=two] b -> a }",
        "digraph { a -> b -> c -> a b -> d c -> d e -> f }",
        "digraph { rankdir=LR a -> b [label=\"long label here\"] b -> a b -> b [label=again] }",
        "digraph { rankdir=BT a -> b -> c a -> c }",
        "digraph { rankdir=RL a -> b -> c a -> c subgraph cluster_x { label=\"a long label\" b } }",
        "digraph { subgraph cluster_a { a b subgraph cluster_b { c } } subgraph cluster_c { d } \
         a -> d -> b -> c x -> c d -> x }",
        "digraph { subgraph cluster_empty { } subgraph cluster_a { a c } subgraph cluster_b { a } \
         a -> b -> c }",
    ];
    for source in sources {
        let graph = graph(source);
        assert_readable(&graph);
        let picture = svg(&graph, &Options::default()).unwrap();
        assert_well_formed(&picture);
        assert_eq!(picture, svg(&graph, &Options::default()).unwrap());
    }
}

#[test]
fn what_a_source_says_is_data() {
    let picture = draw(
        "digraph x { label=\"</title><script>alert(1)</script>\" goal=\"<!-- &nbsp; ]]>\" \
         bgcolor=\"url(#a)\" a [label=\"<b>&amp;\\\" onload=\\\"x\", color=\"red\\\"/><script>\", \
         fillcolor=\"javascript:x\", style=filled, prompt=\"<script>\", shape=\"<x>\", \
         penwidth=\"9999\", type=\"\\\"><x>\"] \
         subgraph cluster_x { label=\"<svg onload=x>\" c } \
         a -> c [label=\"&lt;\", condition=\"outcome=<x>\", color=\"expression(x)\"] }",
    );
    assert_well_formed(&picture);
    assert!(
        !picture.contains("<script")
            && !picture.contains("url(")
            && !picture.contains("javascript")
    );
    assert!(picture.contains("&lt;/title&gt;&lt;script&gt;alert(1)"));
    assert!(picture.contains("&amp;lt;") && picture.contains("stroke-width=\"8\""));
}

#[test]
fn colours_and_styles_are_taken_over() {
    let picture = draw(
        "digraph { a [style=\"filled,dashed,rounded\", fillcolor=\"lightblue\", color=\"#ff0000\", \
         fontcolor=navy, penwidth=2] b [style=filled] a -> b [style=dotted, color=green] }",
    );
    for expected in [
        "fill=\"lightblue\" stroke=\"#ff0000\" stroke-width=\"2\" stroke-dasharray=\"6 4\"",
        "rx=\"10\"",
        "fill=\"navy\"",
        "fill=\"lightgrey\"",
        "stroke=\"green\" stroke-width=\"1.2\" stroke-dasharray=\"1.5 3.5\"",
    ] {
        assert!(picture.contains(expected), "{expected}\n{picture}");
    }
}

#[test]
fn a_page_can_find_and_colour_nodes() {
    let graph = graph("digraph { start -> work -> exit }");
    let marks = [(graph.find("work").unwrap(), Mark::Running)].into();
    let picture = svg(&graph, &Options { marks }).unwrap();
    assert_well_formed(&picture);
    assert!(
        picture.contains("<g id=\"node-work\" class=\"node codergen running\" data-id=\"work\">")
    );
    assert!(
        picture.contains("<g id=\"edge-1\" class=\"edge\" data-from=\"work\" data-to=\"exit\">")
    );
    assert!(picture.contains(".canon-graph .running"));
    for mark in Mark::ALL {
        assert!(picture.contains(&format!(".canon-graph .{} ", mark.as_str())));
    }
}

#[test]
fn where_no_shape_is_written_the_kind_says_it() {
    let scene = graph("digraph { start -> ask -> exit ask [type=\"wait.human\"] }");
    let scene = Scene::new(&scene).unwrap();
    let shapes: Vec<_> = scene.nodes.iter().map(|node| node.shape).collect();
    use super::shape::Shape;
    assert_eq!(shapes, [Shape::Mdiamond, Shape::Hexagon, Shape::Msquare]);
}

#[test]
fn ranks_follow_the_direction() {
    let place = |rankdir: &str| {
        let graph = graph(&format!("digraph {{ rankdir={rankdir} a -> b }}"));
        let scene = Scene::new(&graph).unwrap();
        let ((ax, ay), (bx, by)) = (scene.nodes[0].at, scene.nodes[1].at);
        let sign =
            |difference: f64| if difference.abs() < 1.0 { 0 } else { difference.signum() as i32 };
        (sign(bx - ax), sign(by - ay))
    };
    assert_eq!(place("TB"), (0, 1));
    assert_eq!(place("BT"), (0, -1));
    assert_eq!(place("LR"), (1, 0));
    assert_eq!(place("RL"), (-1, 0));
}

#[test]
fn a_simple_chain_is_straight_and_parallel_edges_are_apart() {
    let chain = graph("digraph { a -> b -> c -> d -> b }");
    let scene = Scene::new(&chain).unwrap();
    let xs: Vec<f64> = scene.nodes.iter().map(|node| node.at.0).collect();
    assert!(xs.iter().all(|x| (x - xs[0]).abs() < 0.1), "{xs:?}");
    let parallel = graph("digraph { a -> b a -> b b -> a }");
    let scene = Scene::new(&parallel).unwrap();
    let middle = |at: usize| {
        let points: Vec<_> = scene.edges[at].curve.points().collect();
        points[points.len() / 2].0
    };
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        assert!((middle(one) - middle(other)).abs() > 8.0);
    }
}

#[test]
fn graphs_that_are_too_large_are_refused_in_words() {
    let mut large = Graph::new("large");
    for at in 0..=MAX_NODES {
        large.add_node(&format!("n{at}"));
    }
    let refused = svg(&large, &Options::default()).unwrap_err();
    assert_eq!(refused, TooLarge::Count { nodes: MAX_NODES + 1, edges: 0 });
    assert!(refused.to_string().contains("5001 nodes"));
    // A chain with an edge from each node to the last: few edges, millions of bends.
    let mut tangled = Graph::new("tangled");
    let nodes: Vec<_> = (0..2_000).map(|at| tangled.add_node(&format!("n{at}"))).collect();
    for pair in nodes.windows(2) {
        tangled.add_edge(pair[0], pair[1]);
        tangled.add_edge(pair[0], nodes[nodes.len() - 1]);
    }
    assert_eq!(svg(&tangled, &Options::default()), Err(TooLarge::Tangled));
}

#[test]
fn a_thousand_nodes_are_drawn() {
    let mut source = String::from("digraph {");
    for at in 0..1_000 {
        source.push_str(&format!("n{} -> n{at}; ", at * 7 / 10));
        if at % 5 == 0 {
            source.push_str(&format!("n{at} -> n{} [label=retry]; ", at * 7 / 10));
        }
    }
    source.push('}');
    assert_readable(&graph(&source));
}

/// A graph of some nodes, edges between any of them, and clusters within one another.
fn any_graph() -> impl Strategy<Value = String> {
    let label = prop_oneof![Just(""), Just("x"), Just("a longer label"), Just("two\\nlines")];
    let edges = proptest::collection::vec((0usize..14, 0usize..14, label), 0..28);
    let clusters = proptest::collection::vec((0usize..3, 0usize..14), 0..12);
    let rankdir = prop_oneof![Just("TB"), Just("LR"), Just("BT"), Just("RL")];
    let shapes = prop_oneof![Just("box"), Just("diamond"), Just("circle"), Just("house")];
    (1usize..14, edges, clusters, rankdir, shapes).prop_map(
        |(nodes, edges, clusters, dir, shape)| {
            let mut source = format!("digraph {{ rankdir={dir} ");
            let mut taken = std::collections::HashSet::new();
            for cluster in 0..3 {
                // The last stands within the one before it.
                source.push_str(&format!(
                    "subgraph cluster_{cluster} {{ label=\"cluster {cluster}\" "
                ));
                for (_, node) in
                    clusters.iter().filter(|(of, node)| *of == cluster && *node < nodes)
                {
                    if taken.insert(*node) {
                        source.push_str(&format!("n{node} "));
                    }
                }
                if cluster != 1 {
                    source.push_str("} ");
                }
            }
            source.push_str("} ");
            for node in 0..nodes {
                source.push_str(&format!("n{node} [shape={shape}] "));
            }
            for (from, to, label) in edges {
                let (from, to) = (from % nodes, to % nodes);
                source.push_str(&format!("n{from} -> n{to} [label=\"{label}\"] "));
            }
            source.push('}');
            source
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_graph_is_readable(source in any_graph()) {
        let graph = graph(&source);
        assert_readable(&graph);
        assert_well_formed(&svg(&graph, &Options::default()).unwrap());
    }
}
