//! In which order verts stand in their rank, so that few edges cross. The members of a group
//! stand together, and groups stand in one order in all ranks.

use super::Plan;
use super::verts::Net;

/// A vert's or group's place in the order: where it would like to be, then what decides ties.
type Key = (f64, usize, usize);

pub(super) fn order(plan: &Plan, net: &mut Net) {
    let mut sweep =
        Sweep { places: vec![0.0; net.verts.len()], groups: vec![0.0; plan.groups.len()] };
    for rank in 0..net.ranks.len() {
        sweep.measure(net, rank);
    }
    sweep.weigh_groups(net);
    for rank in 0..net.ranks.len() {
        sweep.arrange(net, rank, |_| None);
    }
    let rounds = match net.verts.len() {
        0..2_000 => 24,
        2_000..20_000 => 10,
        _ => 4,
    };
    let mut best = (crossings(net), net.ranks.clone());
    let mut idle = 0;
    for round in 0..rounds {
        if best.0 == 0 || idle == 6 {
            break;
        }
        sweep.weigh_groups(net);
        let last = net.ranks.len();
        for step in 0..last {
            if round % 2 == 0 {
                sweep.arrange(net, step, |vert| mean(&vert.before));
            } else {
                sweep.arrange(net, last - 1 - step, |vert| mean(&vert.after));
            }
        }
        let found = crossings(net);
        idle += 1;
        if found < best.0 {
            best = (found, net.ranks.clone());
            idle = 0;
        }
    }
    net.ranks = best.1;
    if net.verts.len() < 4_000 {
        swap_neighbours(net);
    }
}

fn mean(neighbours: &[(usize, f64)]) -> Option<&[(usize, f64)]> {
    (!neighbours.is_empty()).then_some(neighbours)
}

struct Sweep {
    /// Where each vert is across, as far as is known now.
    places: Vec<f64>,
    /// Where each group would like to be.
    groups: Vec<f64>,
}

impl Sweep {
    /// Sorts a rank by the mean place of each vert's neighbours; a vert without keeps its place.
    fn arrange<F>(&mut self, net: &mut Net, rank: usize, neighbours: F)
    where
        F: for<'a> Fn(&'a super::verts::Vert) -> Option<&'a [(usize, f64)]>,
    {
        let mut keyed: Vec<(Vec<Key>, usize)> = Vec::with_capacity(net.ranks[rank].len());
        for (position, &at) in net.ranks[rank].iter().enumerate() {
            let vert = &net.verts[at];
            let wish = neighbours(vert).map_or(self.places[at], |near| self.mean_of(near));
            let path = net.path(vert.group).iter();
            let mut key: Vec<Key> = path.map(|group| (self.groups[*group], *group, 0)).collect();
            key.push((wish, usize::MAX, position));
            keyed.push((key, at));
        }
        keyed.sort_by(|(one, _), (other, _)| {
            let pairs = one.iter().zip(other);
            pairs
                .map(|(a, b)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)))
                .find(|found| found.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        net.ranks[rank] = keyed.into_iter().map(|(_, at)| at).collect();
        self.measure(net, rank);
    }

    #[allow(clippy::cast_precision_loss)] // neighbours of a vert
    fn mean_of(&self, neighbours: &[(usize, f64)]) -> f64 {
        let sum: f64 = neighbours.iter().map(|(at, _)| self.places[*at]).sum();
        sum / neighbours.len() as f64
    }

    /// Places the verts of a rank side by side, around 0.
    fn measure(&mut self, net: &Net, rank: usize) {
        let wide = |at: usize| net.verts[at].low + net.verts[at].high + super::BESIDE;
        let whole: f64 = net.ranks[rank].iter().map(|at| wide(*at)).sum();
        let mut edge = -whole / 2.0;
        for &at in &net.ranks[rank] {
            self.places[at] = edge + wide(at) / 2.0;
            edge += wide(at);
        }
    }

    /// Groups would like to be where the neighbours of their members are.
    fn weigh_groups(&mut self, net: &Net) {
        let mut sums = vec![(0.0, 0.0); self.groups.len()];
        for (at, vert) in net.verts.iter().enumerate() {
            let near = vert.before.iter().chain(&vert.after).map(|(next, _)| *next);
            let path = net.path(vert.group);
            if path.is_empty() {
                continue;
            }
            for place in near.chain([at]).map(|next| self.places[next]) {
                for group in path {
                    sums[*group].0 += place;
                    sums[*group].1 += 1.0;
                }
            }
        }
        for (group, (sum, count)) in self.groups.iter_mut().zip(sums) {
            *group = if count > 0.0 { sum / count } else { 0.0 };
        }
    }
}

/// How many edges cross.
fn crossings(net: &Net) -> u64 {
    let mut position = vec![0; net.verts.len()];
    for rank in &net.ranks {
        for (at, vert) in rank.iter().enumerate() {
            position[*vert] = at;
        }
    }
    let mut all = 0;
    for pair in net.ranks.windows(2) {
        let mut ends: Vec<(usize, usize)> = Vec::new();
        for &at in &pair[0] {
            let after = net.verts[at].after.iter();
            ends.extend(after.map(|(next, _)| (position[at], position[*next])));
        }
        ends.sort_unstable();
        // Ends that were met before and lie after: counted in a tree of sums.
        let mut sums = vec![0u64; pair[1].len() + 1];
        for (met, (_, end)) in (0u64..).zip(&ends) {
            let mut not_after = 0;
            let mut at = end + 1;
            while at > 0 {
                not_after += sums[at];
                at &= at - 1;
            }
            all += met - not_after;
            let mut at = end + 1;
            while at < sums.len() {
                sums[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    all
}

/// Swaps neighbours of one group where that takes crossings away.
fn swap_neighbours(net: &mut Net) {
    let mut position = vec![0; net.verts.len()];
    for rank in &net.ranks {
        for (at, vert) in rank.iter().enumerate() {
            position[*vert] = at;
        }
    }
    for _ in 0..8 {
        let mut swapped = false;
        for rank in 0..net.ranks.len() {
            for at in 1..net.ranks[rank].len() {
                let (one, other) = (net.ranks[rank][at - 1], net.ranks[rank][at]);
                if net.verts[one].group != net.verts[other].group {
                    continue;
                }
                let now = pair_crossings(net, &position, one, other);
                let then = pair_crossings(net, &position, other, one);
                if then < now {
                    net.ranks[rank].swap(at - 1, at);
                    position.swap(one, other);
                    swapped = true;
                }
            }
        }
        if !swapped {
            break;
        }
    }
}

/// Crossings of the edges of two verts of a rank, the first before the second.
fn pair_crossings(net: &Net, position: &[usize], first: usize, second: usize) -> usize {
    let count = |ones: &[(usize, f64)], others: &[(usize, f64)]| -> usize {
        let before = |end: usize| others.iter().filter(|(at, _)| position[*at] < end).count();
        ones.iter().map(|(at, _)| before(position[*at])).sum()
    };
    let (first, second) = (&net.verts[first], &net.verts[second]);
    count(&first.before, &second.before) + count(&first.after, &second.after)
}
