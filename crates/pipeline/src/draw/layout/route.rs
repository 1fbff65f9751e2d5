//! The ways of edges, through their bends.

use std::collections::HashMap;

use super::place::{Across, Along};
use super::rank::Ranks;
use super::verts::Net;
use super::{Link, Placed, Plan, Route};

pub(super) fn placed(
    plan: &Plan,
    ranked: &Ranks,
    net: &Net,
    across: &Across,
    along: &Along,
    outline: &dyn Fn(usize, f64, f64) -> f64,
) -> Placed {
    let place = |at: usize| (across.verts[at], along.ranks[net.verts[at].rank].0);
    // Where an edge ends at a node: as straight before or after its last bend as the node allows.
    let port = |item: usize, toward: f64, sign: f64| {
        let (x, y) = place(item);
        let aside = (toward - x).clamp(-plan.items[item].ports, plan.items[item].ports);
        (x + aside, y + sign * outline(item, aside, sign))
    };
    // Where several edges lead from one node to another, each keeps its bend.
    let mut pairs: HashMap<(usize, usize), usize> = HashMap::new();
    let pair = |link: &Link| (link.from.min(link.to), link.from.max(link.to));
    for link in &plan.links {
        *pairs.entry(pair(link)).or_default() += 1;
    }
    let mut routes = Vec::new();
    for ((link, turned), bends) in plan.links.iter().zip(&ranked.turned).zip(&net.bends) {
        let (from, to) = if *turned { (link.to, link.from) } else { (link.from, link.to) };
        let toward =
            |bend: Option<&usize>, other: usize| across.verts[bend.copied().unwrap_or(other)];
        let mut route = Route::default();
        route.points.push(port(from, toward(bends.first(), to), 1.0));
        for &bend in bends {
            let (x, y) = place(bend);
            let (_, tall) = along.ranks[net.verts[bend].rank];
            let alone = pairs.get(&pair(link)).is_none_or(|count| *count == 1);
            if net.verts[bend].rank % 2 == 1 && tall <= 0.0 && (alone || bends.len() > 1) {
                // Between ranks of nodes there is nothing to pass: the shortest way will do.
                continue;
            }
            let vert = &net.verts[bend];
            if vert.half > 0.0 {
                route.label = Some((x, y));
            }
            // Straight past the nodes of a rank, or along the label.
            let half =
                if vert.rank.is_multiple_of(2) { along.ranks[vert.rank].1 } else { vert.half };
            route.points.push((x, y - half));
            route.points.push((x, y + half));
        }
        route.points.push(port(to, toward(bends.last(), from), -1.0));
        route.points.dedup_by(|next, before| next.1 - before.1 < 0.5);
        if *turned {
            route.points.reverse();
        }
        routes.push(route);
    }
    let groups = along.groups.iter().zip(&across.groups).map(|(along, (low, high))| {
        let (start, end) = (*along)?;
        Some([*low, *high, start, end])
    });
    Placed { items: (0..plan.items.len()).map(place).collect(), routes, groups: groups.collect() }
}
