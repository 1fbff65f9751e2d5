//! A graph as what is to be drawn, where: the layout, turned into the direction that the graph
//! asks for.

use super::TooLarge;
use super::curve::{self, Curve};
use super::layout::{self, Group, Item, Link, Plan};
use super::shape::{Point, Shape, reach};
use super::text::Block;
use crate::graph::{Edge, EdgeIx, Graph, Kind, NodeIx, Subgraph};

/// The size of a node's text, of an edge's, of a cluster's, in pixels.
const NODE_TEXT: f64 = 13.0;
const EDGE_TEXT: f64 = 11.0;
const CLUSTER_TEXT: f64 = 12.0;
const TITLE_TEXT: f64 = 15.0;
/// Between a cluster's border and what it holds.
const PADDING: f64 = 12.0;
/// How far a loop swings out from its node.
const LOOP: f64 = 22.0;

/// A node that has its place: its middle.
pub(super) struct DrawnNode {
    pub(super) shape: Shape,
    pub(super) label: Block,
    pub(super) at: Point,
    pub(super) size: Point,
}

/// An edge that has its way.
pub(super) struct DrawnEdge {
    pub(super) label: Block,
    pub(super) curve: Curve,
    /// The middle of its label.
    pub(super) label_at: Point,
}

/// A cluster that has its borders: low x, high x, low y, high y.
pub(super) struct DrawnCluster<'a> {
    pub(super) subgraph: &'a Subgraph,
    pub(super) label: Block,
    pub(super) borders: [f64; 4],
}

/// What is drawn.
pub(super) struct Scene<'a> {
    pub(super) title: Block,
    pub(super) title_at: Point,
    pub(super) nodes: Vec<DrawnNode>,
    /// In the order of the graph's edges.
    pub(super) edges: Vec<DrawnEdge>,
    pub(super) clusters: Vec<DrawnCluster<'a>>,
    /// Low x, high x, low y, high y of all of it.
    pub(super) bounds: [f64; 4],
}

/// In which direction the ranks follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Down,
    Up,
    Right,
    Left,
}

impl Direction {
    fn of(graph: &Graph) -> Self {
        match graph.attrs().text("rankdir").trim() {
            "LR" => Self::Right,
            "RL" => Self::Left,
            "BT" => Self::Up,
            _ => Self::Down,
        }
    }

    fn is_upright(self) -> bool {
        matches!(self, Self::Down | Self::Up)
    }

    /// (across, along) as (x, y).
    fn to_page(self, (across, along): Point) -> Point {
        match self {
            Self::Down => (across, along),
            Self::Up => (across, -along),
            Self::Right => (along, across),
            Self::Left => (-along, across),
        }
    }

    /// (x, y) as (across, along).
    fn of_page(self, (x, y): Point) -> Point {
        match self {
            Self::Down => (x, y),
            Self::Up => (x, -y),
            Self::Right => (y, x),
            Self::Left => (y, -x),
        }
    }
}

impl<'a> Scene<'a> {
    pub(super) fn new(graph: &'a Graph) -> Result<Self, TooLarge> {
        let direction = Direction::of(graph);
        let clusters = Clusters::of(graph);
        let mut nodes: Vec<DrawnNode> = graph.node_indexes().map(|at| node(graph, at)).collect();
        let labels: Vec<Block> =
            graph.edge_indexes().map(|at| edge_label(graph, graph.edge(at))).collect();
        let mut plan = Plan {
            first: graph.roles().starts.iter().map(|at| at.index()).collect(),
            ..Plan::default()
        };
        for (at, node) in graph.node_indexes().zip(&nodes) {
            let (half_width, half_height) = (node.size.0 / 2.0, node.size.1 / 2.0);
            let (half, along) = if direction.is_upright() {
                (half_width, half_height)
            } else {
                (half_height, half_width)
            };
            let loops = loops(graph, at, &labels, direction).map(|(_, end)| end).last();
            plan.items.push(Item {
                low: half,
                high: half + loops.unwrap_or(0.0),
                half: along,
                ports: half * node.shape.ports(),
                group: clusters.of_node(graph, at),
            });
        }
        let links: Vec<EdgeIx> =
            graph.edge_indexes().filter(|at| !is_loop(graph.edge(*at))).collect();
        for &at in &links {
            let (from, to) = (graph.edge(at).from().index(), graph.edge(at).to().index());
            plan.links.push(Link { from, to, label: room(&labels[at.index()], direction) });
        }
        plan.groups = clusters.groups(direction);
        let outlines: Vec<Vec<Point>> = nodes
            .iter()
            .map(|node| {
                let outline = node.shape.outline(node.size.0, node.size.1);
                outline.into_iter().map(|point| direction.of_page(point)).collect()
            })
            .collect();
        let reaches = |item: usize, across: f64, sign: f64| reach(&outlines[item], across, sign);
        let placed = layout::lay_out(&plan, &reaches).map_err(|_| TooLarge::Tangled)?;
        for (node, at) in nodes.iter_mut().zip(&placed.items) {
            node.at = direction.to_page(*at);
        }
        let mut edges: Vec<DrawnEdge> = labels
            .iter()
            .map(|label| DrawnEdge {
                label: label.clone(),
                curve: Curve::default(),
                label_at: (0.0, 0.0),
            })
            .collect();
        for (at, route) in links.into_iter().zip(&placed.routes) {
            let edge = &mut edges[at.index()];
            edge.curve = curve::through(&route.points).map(|point| direction.to_page(point));
            if let Some(at) = route.label {
                edge.label_at = beside(direction.to_page(at), &edge.label, direction);
            }
        }
        for at in graph.node_indexes() {
            // The outline with across and along exchanged: how far it reaches across.
            let side: Vec<Point> =
                outlines[at.index()].iter().map(|(across, along)| (*along, *across)).collect();
            let item = (&plan.items[at.index()], placed.items[at.index()], &*side);
            draw_loops(graph, at, item, &mut edges, &labels, direction);
        }
        let clusters = clusters.drawn(&placed.groups, direction);
        let title = Block::new(graph.attrs().text("label"), TITLE_TEXT, &[('G', graph.name())]);
        let mut scene =
            Self { title, title_at: (0.0, 0.0), nodes, edges, clusters, bounds: [0.0; 4] };
        scene.bound();
        Ok(scene)
    }

    /// Finds the bounds; the title stands above everything.
    fn bound(&mut self) {
        let mut bounds: Option<[f64; 4]> = None;
        let mut add = |(x, y): Point, (wide, high): Point| {
            let new = [x - wide / 2.0, x + wide / 2.0, y - high / 2.0, y + high / 2.0];
            bounds = Some(match bounds {
                None => new,
                Some(old) => {
                    [old[0].min(new[0]), old[1].max(new[1]), old[2].min(new[2]), old[3].max(new[3])]
                }
            });
        };
        for node in &self.nodes {
            add(node.at, node.size);
        }
        for edge in &self.edges {
            edge.curve.points().for_each(|point| add(point, (2.0, 2.0)));
            if !edge.label.is_empty() {
                add(edge.label_at, (edge.label.width, edge.label.height));
            }
        }
        for DrawnCluster { borders: [x1, x2, y1, y2], .. } in &self.clusters {
            add((f64::midpoint(*x1, *x2), f64::midpoint(*y1, *y2)), (x2 - x1, y2 - y1));
        }
        let [x1, x2, y1, y2] = bounds.unwrap_or([0.0, 0.0, 0.0, 0.0]);
        self.bounds = [x1, x2, y1, y2];
        if !self.title.is_empty() {
            let x = f64::midpoint(x1, x2);
            let above = self.title.height + 12.0;
            self.title_at = (x, y1 - above + self.title.height / 2.0);
            let half = self.title.width / 2.0;
            self.bounds = [x1.min(x - half), x2.max(x + half), y1 - above, y2];
        }
    }
}

fn is_loop(edge: &Edge) -> bool {
    edge.from() == edge.to()
}

fn node(graph: &Graph, at: NodeIx) -> DrawnNode {
    let node = graph.node(at);
    let label = Block::new(node.label(), NODE_TEXT, &[('N', node.id()), ('G', graph.name())]);
    // Where no shape is written, what the node does says it.
    let shape = match node.attrs().non_empty("shape") {
        Some(shape) => shape,
        None => shape_of(&graph.kind(at)),
    };
    let shape = Shape::of(shape);
    let size = shape.size(label.width, label.height);
    DrawnNode { shape, label, at: (0.0, 0.0), size }
}

/// The shape that a kind of node has in the specification (§2.8).
fn shape_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Start => "Mdiamond",
        Kind::Exit => "Msquare",
        Kind::WaitHuman => "hexagon",
        Kind::Conditional => "diamond",
        Kind::Parallel => "component",
        Kind::FanIn => "tripleoctagon",
        Kind::Tool => "parallelogram",
        Kind::ManagerLoop => "house",
        Kind::Prompt => "tab",
        Kind::Codergen | Kind::Wait | Kind::Custom(_) => "box",
    }
}

/// The label, and small below it the condition.
fn edge_label(graph: &Graph, edge: &Edge) -> Block {
    let names = [('T', graph.id(edge.from())), ('H', graph.id(edge.to())), ('G', graph.name())];
    let mut block = Block::new(edge.label().trim(), EDGE_TEXT, &names);
    if let Some(condition) = edge.condition().map(str::trim) {
        block.add_small(condition);
    }
    block
}

/// The room that a label takes: across before the line and after it, along.
fn room(label: &Block, direction: Direction) -> Option<(f64, f64, f64)> {
    (!label.is_empty()).then(|| {
        if direction.is_upright() {
            (3.0, label.width + 8.0, label.height + 2.0)
        } else {
            (label.height + 4.0, 3.0, label.width + 10.0)
        }
    })
}

/// The middle of a label: to the right of a line that goes up or down, above another.
fn beside((x, y): Point, label: &Block, direction: Direction) -> Point {
    if direction.is_upright() {
        (x + 6.0 + label.width / 2.0, y)
    } else {
        (x, y - 3.0 - label.height / 2.0)
    }
}

/// The loops of a node, with how far across from the node each begins to swing and ends.
fn loops<'a>(
    graph: &'a Graph,
    at: NodeIx,
    labels: &'a [Block],
    direction: Direction,
) -> impl Iterator<Item = (EdgeIx, f64)> + 'a {
    let own = graph.outgoing(at).iter().filter(|edge| is_loop(graph.edge(**edge)));
    own.scan(0.0, move |end, edge| {
        let label = &labels[edge.index()];
        *end += LOOP + across(label, direction);
        Some((*edge, *end))
    })
}

fn across(label: &Block, direction: Direction) -> f64 {
    match label.is_empty() {
        true => 0.0,
        false if direction.is_upright() => label.width + 14.0,
        false => label.height + 8.0,
    }
}

fn draw_loops(
    graph: &Graph,
    at: NodeIx,
    (item, (place, rank), side): (&Item, Point, &[Point]),
    edges: &mut [DrawnEdge],
    labels: &[Block],
    direction: Direction,
) {
    let mut high = (item.half * 0.35).min(12.0);
    // The labels of the loops so far, around which the next one goes.
    let mut inner = 0.0f64;
    for (edge, end) in loops(graph, at, labels, direction) {
        let label = &labels[edge.index()];
        let swing = place + item.low + end - across(label, direction);
        let near = place + reach(side, high, 1.0);
        // A cubic curve goes three quarters of the way to its control points.
        let far = near + (swing - near) / 0.75;
        let wide = high * 1.6 + inner;
        let bulge = [(far, rank - wide), (far, rank + wide), (near, rank + high)];
        let curve = Curve { start: (near, rank - high), segments: vec![bulge] };
        let drawn = &mut edges[edge.index()];
        drawn.curve = curve.map(|point| direction.to_page(point));
        let (x, y) = direction.to_page((swing, rank));
        drawn.label_at = if direction.is_upright() {
            (x + 7.0 + label.width / 2.0, y)
        } else {
            (x, y + 4.0 + label.height / 2.0)
        };
        high = (high + 5.0).min(item.half * 0.9);
        let along = if direction.is_upright() { label.height } else { label.width };
        inner = inner.max(along).min(40.0);
    }
}

/// The subgraphs that are drawn as boxes: those whose id begins with `cluster`, as in Graphviz.
struct Clusters<'a> {
    all: Vec<(&'a Subgraph, Block)>,
    /// The cluster around each subgraph, itself if it is one; and around each cluster.
    around: Vec<Option<usize>>,
    parents: Vec<Option<usize>>,
}

impl<'a> Clusters<'a> {
    fn of(graph: &'a Graph) -> Self {
        let mut clusters = Self { all: Vec::new(), around: Vec::new(), parents: Vec::new() };
        for subgraph in graph.subgraphs() {
            let parent = subgraph
                .parent()
                .and_then(|parent| clusters.around.get(parent.index()).copied().flatten());
            let is_cluster = subgraph.id().is_some_and(|id| id.starts_with("cluster"));
            clusters.around.push(if is_cluster { Some(clusters.all.len()) } else { parent });
            if is_cluster {
                let names = [('G', subgraph.id().unwrap_or_default())];
                let label = Block::new(subgraph.attrs().text("label"), CLUSTER_TEXT, &names);
                clusters.all.push((subgraph, label));
                clusters.parents.push(parent);
            }
        }
        clusters
    }

    /// The innermost cluster of a node. One that is named in two stands in the first.
    fn of_node(&self, graph: &Graph, node: NodeIx) -> Option<usize> {
        let mut innermost = None;
        for subgraph in graph.node(node).subgraphs() {
            let Some(cluster) = self.around.get(subgraph.index()).copied().flatten() else {
                continue;
            };
            if self.parents[cluster] == innermost {
                innermost = Some(cluster);
            }
        }
        innermost
    }

    fn groups(&self, direction: Direction) -> Vec<Group> {
        let group = |((_, label), parent): (&(&Subgraph, Block), &Option<usize>)| {
            let mut group = Group {
                parent: *parent,
                low: PADDING,
                high: PADDING,
                start: PADDING,
                end: PADDING,
                least: 0.0,
            };
            if !label.is_empty() {
                let high = label.height + 4.0;
                match direction {
                    Direction::Down => group.start += high,
                    Direction::Up => group.end += high,
                    Direction::Right | Direction::Left => group.low += high,
                }
                if direction.is_upright() {
                    group.least = label.width + PADDING * 2.0;
                }
            }
            group
        };
        self.all.iter().zip(&self.parents).map(group).collect()
    }

    fn drawn(self, placed: &[Option<[f64; 4]>], direction: Direction) -> Vec<DrawnCluster<'a>> {
        let drawn =
            self.all.into_iter().zip(placed).filter_map(|((subgraph, mut label), placed)| {
                let [low, high, start, end] = (*placed)?;
                let ((x1, y1), (x2, y2)) =
                    (direction.to_page((low, start)), direction.to_page((high, end)));
                let borders = [x1.min(x2), x1.max(x2), y1.min(y2), y1.max(y2)];
                label.cut(borders[1] - borders[0] - PADDING);
                Some(DrawnCluster { subgraph, label, borders })
            });
        drawn.collect()
    }
}
