//! Where nodes, edges and clusters go: drawing in ranks (Sugiyama's way). Pure, and total: any
//! graph is laid out, in a time that its size bounds.
//!
//! Edges run *along*, from rank to rank; a rank extends *across*. Which of these is x and which
//! y is none of the layout's business. Every second rank is kept for labels, so that each edge
//! has at least one bend of its own and several edges between two nodes stay apart.

mod order;
mod place;
mod rank;
mod route;
mod verts;

use super::shape::Point;

/// A node to lay out, around an anchor.
#[derive(Debug, Clone, Default)]
pub(super) struct Item {
    /// How far it extends across, before the anchor.
    pub(super) low: f64,
    /// How far it extends across, after the anchor: loops included.
    pub(super) high: f64,
    /// How far it extends along, to either side.
    pub(super) half: f64,
    /// How far across from its anchor edges may end.
    pub(super) ports: f64,
    /// The innermost cluster that it stands in.
    pub(super) group: Option<usize>,
}

/// An edge to lay out; not a loop.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    /// What its label needs: across before the line, across after it, along.
    pub(super) label: Option<(f64, f64, f64)>,
}

/// A cluster to lay out: the space between its border and what it holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) parent: Option<usize>,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) start: f64,
    pub(super) end: f64,
    /// How far it extends across at least.
    pub(super) least: f64,
}

/// What is to be laid out.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) links: Vec<Link>,
    /// An outer one before those within it.
    pub(super) groups: Vec<Group>,
    /// The nodes that should come first.
    pub(super) first: Vec<usize>,
}

/// The way of an edge, from its source to its target.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Route {
    /// Places that it passes, (across, along); along either grows or shrinks from one to the next.
    pub(super) points: Vec<Point>,
    /// The middle of its label's room: where the line passes, (across, along).
    pub(super) label: Option<Point>,
}

/// What is laid out. Places are (across, along).
#[derive(Debug, Clone, Default)]
pub(super) struct Placed {
    pub(super) items: Vec<Point>,
    pub(super) routes: Vec<Route>,
    /// The borders of each cluster: low and high across, start and end along. None for a cluster
    /// that holds no node.
    pub(super) groups: Vec<Option<[f64; 4]>>,
}

/// Between two nodes of a rank.
const BETWEEN: f64 = 24.0;
/// Between an edge and its neighbour in a rank.
const BESIDE: f64 = 14.0;
/// Between a rank and the rank of labels after it.
const STEP: f64 = 19.0;
/// Between a cluster's border and what is outside of it.
const OUTSIDE: f64 = 12.0;

/// Bends of all edges that are laid out at most.
const MAX_BENDS: usize = 150_000;

/// The edges pass so many ranks that laying them out would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// Lays out a plan. `outline(item, across, sign)` is how far a node reaches along, forward
/// (`sign` 1) or backward (-1), at a distance across from its anchor.
pub(super) fn lay_out(
    plan: &Plan,
    outline: &dyn Fn(usize, f64, f64) -> f64,
) -> Result<Placed, TooLong> {
    let ranked = rank::rank(plan);
    let bends = plan.links.iter().map(|link| ranked.of[link.from].abs_diff(ranked.of[link.to]));
    if bends.sum::<usize>() > MAX_BENDS {
        return Err(TooLong);
    }
    let mut net = verts::Net::new(plan, &ranked);
    order::order(plan, &mut net);
    let across = place::across(plan, &net);
    let along = place::along(plan, &net);
    Ok(route::placed(plan, &ranked, &net, &across, &along, outline))
}
