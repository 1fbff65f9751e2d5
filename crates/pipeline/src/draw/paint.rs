//! A scene as SVG.

use super::Options;
use super::scene::{DrawnCluster, DrawnEdge, DrawnNode, Scene};
use super::shape::{Point, Stroke};
use super::style::{Dash, Style};
use super::text::{Align, Block, LEADING};
use super::xml::{Xml, id, number};
use crate::graph::{EdgeIx, Graph, NodeIx};

/// The fonts whose widths are known, then any.
const FONTS: &str = "Helvetica, Arial, 'Liberation Sans', sans-serif";
/// Around everything.
const MARGIN: f64 = 12.0;
/// The length of an arrowhead, and half its width.
const ARROW: (f64, f64) = (9.0, 3.8);
/// Characters of a prompt that are shown where the pointer rests on a node.
const TIP: usize = 400;
/// How nodes look that a run has come to.
const MARKS: &str = "\
.canon-graph .running .outline { fill: #dbeafe; stroke: #2563eb; stroke-width: 2.5 }
.canon-graph .waiting .outline { fill: #fef3c7; stroke: #d97706; stroke-width: 2.5 }
.canon-graph .succeeded .outline { fill: #dcfce7; stroke: #16a34a }
.canon-graph .partial .outline { fill: #ecfccb; stroke: #65a30d }
.canon-graph .failed .outline { fill: #fee2e2; stroke: #dc2626; stroke-width: 2.5 }
.canon-graph .skipped .outline { fill: #f3f4f6; stroke: #9ca3af }
";

pub(super) fn paint(graph: &Graph, scene: &Scene<'_>, options: &Options) -> String {
    let [x1, x2, y1, y2] = scene.bounds;
    let (x, y) = (number(x1 - MARGIN), number(y1 - MARGIN));
    let (width, height) = (number(x2 - x1 + MARGIN * 2.0), number(y2 - y1 + MARGIN * 2.0));
    let mut xml = Xml::default();
    xml.open(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("class", "canon-graph"),
            ("role", "img"),
            ("width", &width),
            ("height", &height),
            ("viewBox", &format!("{x} {y} {width} {height}")),
            ("font-family", FONTS),
        ],
    );
    let name = Some(graph.label()).filter(|label| !label.trim().is_empty());
    xml.text("title", &[], name.unwrap_or("pipeline"));
    if !graph.goal().trim().is_empty() {
        xml.text("desc", &[], graph.goal());
    }
    if !options.marks.is_empty() {
        xml.text("style", &[], MARKS);
    }
    let page = Style::of(graph.attrs(), &base("none", "#ffffff", "#0f172a"));
    let background =
        [("x", &*x), ("y", &y), ("width", &width), ("height", &height), ("fill", &page.fill)];
    xml.empty("rect", &background);
    write(&mut xml, &scene.title, scene.title_at, &page.ink, Some("bold"));
    for at in &scene.clusters {
        cluster(&mut xml, at);
    }
    for (at, drawn) in graph.edge_indexes().zip(&scene.edges) {
        edge(&mut xml, graph, at, drawn);
    }
    for (at, drawn) in graph.node_indexes().zip(&scene.nodes) {
        node(&mut xml, graph, at, drawn, options);
    }
    xml.finish()
}

fn base(stroke: &str, fill: &str, ink: &str) -> Style {
    Style {
        stroke: stroke.to_owned(),
        fill: fill.to_owned(),
        ink: ink.to_owned(),
        width: 1.2,
        dash: Dash::Solid,
        rounded: false,
    }
}

fn cluster(xml: &mut Xml, drawn: &DrawnCluster<'_>) {
    let style = Style::of(drawn.subgraph.attrs(), &base("#94a3b8", "none", "#475569"));
    let [x1, x2, y1, y2] = drawn.borders;
    let name = id("", drawn.subgraph.id().unwrap_or_default());
    xml.open("g", &[("id", &name), ("class", "cluster")]);
    xml.text("title", &[], name_of(drawn));
    let half = ((x2 - x1) / 2.0, (y2 - y1) / 2.0);
    let middle = (f64::midpoint(x1, x2), f64::midpoint(y1, y2));
    stroke(xml, &Stroke::Rectangle(half.0, half.1), middle, &style);
    let at = (x1 + 8.0 + drawn.label.width / 2.0, y1 + 6.0 + drawn.label.height / 2.0);
    write(xml, &drawn.label, at, &style.ink, Some("bold"));
    xml.close();
}

fn name_of<'a>(drawn: &'a DrawnCluster<'_>) -> &'a str {
    let label = drawn.subgraph.attrs().non_empty("label");
    label.or_else(|| drawn.subgraph.id()).unwrap_or_default()
}

fn node(xml: &mut Xml, graph: &Graph, at: NodeIx, drawn: &DrawnNode, options: &Options) {
    let node = graph.node(at);
    let kind = graph.kind(at);
    let mut class = format!("node {}", id("", &kind.as_str().replace('.', "-")));
    if let Some(mark) = options.marks.get(&at) {
        class.push(' ');
        class.push_str(mark.as_str());
    }
    let name = id("node-", node.id());
    xml.open("g", &[("id", &name), ("class", &class), ("data-id", node.id())]);
    let mut tip = format!("{}: {kind}", node.id());
    let more = Some(node.prompt()).filter(|prompt| !prompt.trim().is_empty());
    if let Some(text) = more.or_else(|| node.tool_command()) {
        tip.push('\n');
        tip.extend(text.trim().chars().take(TIP));
        if text.trim().chars().count() > TIP {
            tip.push('…');
        }
    }
    xml.text("title", &[], &tip);
    let style = Style::of(node.attrs(), &base("#334155", "#f8fafc", "#0f172a"));
    for part in drawn.shape.strokes(drawn.size.0, drawn.size.1) {
        stroke(xml, &part, drawn.at, &style);
    }
    let (dx, dy) = drawn.shape.text_shift();
    write(xml, &drawn.label, (drawn.at.0 + dx, drawn.at.1 + dy), &style.ink, None);
    xml.close();
}

fn edge(xml: &mut Xml, graph: &Graph, at: EdgeIx, drawn: &DrawnEdge) {
    let edge = graph.edge(at);
    let (from, to) = (graph.id(edge.from()), graph.id(edge.to()));
    let style = Style::of(edge.attrs(), &base("#64748b", "none", "#334155"));
    let name = format!("edge-{}", at.index());
    xml.open("g", &[("id", &name), ("class", "edge"), ("data-from", from), ("data-to", to)]);
    xml.text("title", &[], &format!("{from} → {to}"));
    let mut curve = drawn.curve.clone();
    let scale = (style.width / 1.2).clamp(1.0, 2.5);
    let arrow = curve.shorten(ARROW.0 * scale * 0.9);
    let mut path = format!("M{}", pair(curve.start));
    for [one, two, end] in &curve.segments {
        path.push_str(&format!(" C{} {} {}", pair(*one), pair(*two), pair(*end)));
    }
    let width = number(style.width);
    xml.empty(
        "path",
        &[
            ("d", &path),
            ("fill", "none"),
            ("stroke", &style.stroke),
            ("stroke-width", &width),
            dashes(style.dash),
        ],
    );
    if let Some(((x, y), (dx, dy))) = arrow {
        let (long, wide) = (ARROW.0 * scale, ARROW.1 * scale);
        let (back_x, back_y) = (x - dx * long, y - dy * long);
        let corners = [
            (x, y),
            (back_x - dy * wide, back_y + dx * wide),
            (back_x + dy * wide, back_y - dx * wide),
        ];
        xml.empty("polygon", &[("points", &points(&corners)), ("fill", &style.stroke)]);
    }
    write(xml, &drawn.label, drawn.label_at, &style.ink, None);
    xml.close();
}

fn dashes(dash: Dash) -> (&'static str, &'static str) {
    match dash {
        Dash::Solid => ("", ""),
        Dash::Dashed => ("stroke-dasharray", "6 4"),
        Dash::Dotted => ("stroke-dasharray", "1.5 3.5"),
    }
}

fn stroke(xml: &mut Xml, part: &Stroke, (x, y): Point, style: &Style) {
    let width = number(style.width);
    let look = [
        ("class", "outline"),
        ("fill", if matches!(part, Stroke::Line(_)) { "none" } else { &style.fill }),
        ("stroke", &style.stroke),
        ("stroke-width", &width),
        dashes(style.dash),
    ];
    let moved = |all: &[Point]| -> String {
        let moved: Vec<Point> = all.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        points(&moved)
    };
    match part {
        Stroke::Polygon(all) => {
            let all = moved(all);
            xml.empty("polygon", &with(&[("points", &all)], &look));
        }
        Stroke::Line(all) => {
            let all = moved(all);
            let look = &look[1..];
            xml.empty("polyline", &with(&[("points", &all)], look));
        }
        Stroke::Ellipse(rx, ry) => {
            let [x, y, rx, ry] = [x, y, *rx, *ry].map(number);
            xml.empty("ellipse", &with(&[("cx", &x), ("cy", &y), ("rx", &rx), ("ry", &ry)], &look));
        }
        Stroke::Rectangle(w, h) => {
            let corner = number(if style.rounded { h.min(*w).min(10.0) } else { 0.0 });
            let [x, y, w, h] = [x - w, y - h, w * 2.0, h * 2.0].map(number);
            let place = [("x", &*x), ("y", &y), ("width", &w), ("height", &h), ("rx", &corner)];
            xml.empty("rect", &with(&place, &look));
        }
    }
}

fn with<'a>(
    place: &[(&'static str, &'a str)],
    look: &[(&'static str, &'a str)],
) -> Vec<(&'static str, &'a str)> {
    place.iter().chain(look).copied().collect()
}

fn pair((x, y): Point) -> String {
    format!("{},{}", number(x), number(y))
}

fn points(all: &[Point]) -> String {
    all.iter().map(|point| pair(*point)).collect::<Vec<_>>().join(" ")
}

/// Writes a label around a middle.
fn write(xml: &mut Xml, block: &Block, (x, y): Point, ink: &str, weight: Option<&str>) {
    let mut top = y - block.height / 2.0;
    for line in &block.lines {
        let size = block.size_of(line);
        let (at, anchor) = match line.align {
            Align::Left => (x - block.width / 2.0, "start"),
            Align::Middle => (x, "middle"),
            Align::Right => (x + block.width / 2.0, "end"),
        };
        let (at, base) = (number(at), number(top + size * (LEADING / 2.0 + 0.35)));
        let size_text = number(size);
        let style = if line.small { ("font-style", "italic") } else { ("", "") };
        let weight = weight.map_or(("", ""), |weight| ("font-weight", weight));
        if !line.text.trim().is_empty() {
            let attributes = [
                ("x", &*at),
                ("y", &base),
                ("text-anchor", anchor),
                ("font-size", &size_text),
                ("fill", ink),
                style,
                weight,
            ];
            xml.text("text", &attributes, &line.text);
        }
        top += size * LEADING;
    }
}
