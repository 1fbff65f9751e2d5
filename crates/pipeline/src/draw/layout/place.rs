//! Where verts stand across their ranks, and where ranks stand along.

use super::verts::{Net, Token};
use super::{Plan, STEP};

/// Places across.
pub(super) struct Across {
    pub(super) verts: Vec<f64>,
    /// The borders of each group.
    pub(super) groups: Vec<(f64, f64)>,
}

pub(super) fn across(plan: &Plan, net: &Net) -> Across {
    let tokens: Vec<_> = (0..net.ranks.len()).map(|rank| net.tokens(plan, rank)).collect();
    let gaps: Vec<Vec<f64>> = tokens.iter().map(|tokens| gaps(tokens)).collect();
    let mut places = packed(net, &gaps);
    let mut best = (f64::INFINITY, places.clone());
    let rounds = if net.verts.len() < 5_000 { 12 } else { 3 };
    for round in 0..rounds * 2 {
        let last = net.ranks.len();
        for step in 0..last {
            if round % 2 == 0 {
                settle(net, &mut places, step, &gaps[step], Toward::Before);
            } else {
                let rank = last - 1 - step;
                settle(net, &mut places, rank, &gaps[rank], Toward::After);
            }
        }
        if round % 2 == 1 {
            for (rank, gaps) in gaps.iter().enumerate() {
                settle(net, &mut places, rank, gaps, Toward::Both);
            }
        }
        let cost = cost(net, &places);
        if cost < best.0 - 1e-6 {
            best = (cost, places.clone());
        }
    }
    let mut places = best.1;
    let apart = Apart::new(plan, net, &tokens);
    places.resize(net.verts.len() + plan.groups.len() * 2, 0.0);
    apart.widen(plan, net, &mut places);
    for _ in 0..8 {
        apart.relax(net, &mut places);
        apart.straighten(net, &mut places);
    }
    let groups = plan.groups.iter().enumerate().map(|(at, _)| {
        let low = net.verts.len() + at * 2;
        (places[low], places[low + 1])
    });
    let groups = groups.collect();
    places.truncate(net.verts.len());
    Across { verts: places, groups }
}

/// The distance of each vert of a rank from the one before it.
fn gaps(tokens: &[(Token, f64)]) -> Vec<f64> {
    let mut gaps = Vec::new();
    let mut gap = 0.0;
    for (token, apart) in tokens {
        gap += apart;
        if matches!(token, Token::Vert(_)) {
            gaps.push(if gaps.is_empty() { 0.0 } else { gap });
            gap = 0.0;
        }
    }
    gaps
}

/// Each rank packed around 0.
fn packed(net: &Net, gaps: &[Vec<f64>]) -> Vec<f64> {
    let mut places = vec![0.0; net.verts.len()];
    for (rank, gaps) in net.ranks.iter().zip(gaps) {
        let mut place = -gaps.iter().sum::<f64>() / 2.0;
        for (at, gap) in rank.iter().zip(gaps) {
            place += gap;
            places[*at] = place;
        }
    }
    places
}

#[derive(Clone, Copy, PartialEq)]
enum Toward {
    Before,
    After,
    Both,
}

/// Verts of a rank that touch and move as one.
struct Run {
    /// How many there are.
    count: usize,
    /// From the first to the last.
    length: f64,
    /// Where the first would stand if one of them had its way, and how much it wants that.
    wishes: Vec<(f64, f64)>,
    /// Weight, and weighted sum of the wishes.
    sums: (f64, f64),
    place: f64,
}

/// Places a rank as near to the neighbours as its order and gaps allow.
fn settle(net: &Net, places: &mut [f64], rank: usize, gaps: &[f64], toward: Toward) {
    let members = &net.ranks[rank];
    // Medians keep long edges straight; means are quicker where a rank is crowded.
    let medians = members.len() <= 120;
    let mut runs: Vec<Run> = Vec::new();
    for (&at, &gap) in members.iter().zip(gaps) {
        let (wish, weight) = wish(net, places, at, toward);
        let mut run = Run {
            count: 1,
            length: 0.0,
            wishes: vec![(wish, weight)],
            sums: (weight, weight * wish),
            place: wish,
        };
        let mut gap = gap;
        while let Some(before) =
            runs.pop_if(|before| before.place + before.length + gap > run.place)
        {
            let shift = before.length + gap;
            let mut wishes = before.wishes;
            if medians {
                wishes.extend(run.wishes.iter().map(|(wish, weight)| (wish - shift, *weight)));
            }
            let sums =
                (before.sums.0 + run.sums.0, before.sums.1 + run.sums.1 - run.sums.0 * shift);
            let place = if medians { median(&mut wishes) } else { sums.1 / sums.0 };
            run = Run {
                count: before.count + run.count,
                length: shift + run.length,
                wishes,
                sums,
                place,
            };
            let first: usize = runs.iter().map(|run| run.count).sum();
            gap = gaps.get(first).copied().unwrap_or(0.0);
        }
        runs.push(run);
    }
    let mut members = members.iter().zip(gaps);
    for run in runs {
        let mut place = run.place;
        for (position, (at, gap)) in members.by_ref().take(run.count).enumerate() {
            if position > 0 {
                place += gap;
            }
            places[*at] = place;
        }
    }
}

/// Where a vert would like to stand, and how much.
fn wish(net: &Net, places: &[f64], at: usize, toward: Toward) -> (f64, f64) {
    let vert = &net.verts[at];
    let before = vert.before.iter().filter(|_| toward != Toward::After);
    let after = vert.after.iter().filter(|_| toward != Toward::Before);
    let mut near: Vec<(f64, f64)> =
        before.chain(after).map(|(next, weight)| (places[*next], *weight)).collect();
    if near.is_empty() {
        // What stands at an end stays, unless something pushes it.
        return (places[at], 0.05);
    }
    let weight = near.iter().map(|(_, weight)| weight).sum();
    let (low, high) = medians(&mut near);
    // A bend between two others is as good anywhere between them: where it stands, the line
    // stays straight.
    let wish = if vert.solid { f64::midpoint(low, high) } else { places[at].clamp(low, high) };
    (wish, weight)
}

fn median(values: &mut [(f64, f64)]) -> f64 {
    let (low, high) = medians(values);
    f64::midpoint(low, high)
}

/// The middle of weighted values: one of them, or anything between two.
fn medians(values: &mut [(f64, f64)]) -> (f64, f64) {
    values.sort_by(|one, other| one.0.total_cmp(&other.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    for (at, (value, weight)) in values.iter().enumerate() {
        sum += weight;
        if (sum - half).abs() < 1e-9 {
            let next = values.get(at + 1).map_or(*value, |(next, _)| *next);
            return (*value, next);
        }
        if sum > half {
            return (*value, *value);
        }
    }
    values.last().map_or((0.0, 0.0), |(value, _)| (*value, *value))
}

/// How far all edges go across.
fn cost(net: &Net, places: &[f64]) -> f64 {
    let edges =
        net.verts.iter().enumerate().flat_map(|(at, vert)| {
            vert.after.iter().map(move |(next, weight)| (at, *next, *weight))
        });
    edges.map(|(at, next, weight)| (places[at] - places[next]).abs() * weight).sum()
}

/// All distances that are kept, between verts and borders of groups: the low border of group `g`
/// is variable `verts + 2g`, the high one follows it.
struct Apart {
    /// Variables, each after those that stand lower.
    sorted: Vec<usize>,
    lower: Vec<Vec<(usize, f64)>>,
    higher: Vec<Vec<(usize, f64)>>,
    verts: usize,
}

impl Apart {
    fn new(plan: &Plan, net: &Net, tokens: &[Vec<(Token, f64)>]) -> Self {
        let verts = net.verts.len();
        let variable = |token: &Token| match token {
            Token::Vert(at) => *at,
            Token::Enter(group) => verts + group * 2,
            Token::Leave(group) => verts + group * 2 + 1,
        };
        let all = verts + plan.groups.len() * 2;
        let mut lower = vec![Vec::new(); all];
        let mut higher = vec![Vec::new(); all];
        let mut keep = |one: usize, other: usize, apart: f64| {
            lower[other].push((one, apart));
            higher[one].push((other, apart));
        };
        for rank in tokens {
            for pair in rank.windows(2) {
                keep(variable(&pair[0].0), variable(&pair[1].0), pair[1].1);
            }
        }
        for (at, group) in plan.groups.iter().enumerate() {
            keep(verts + at * 2, verts + at * 2 + 1, group.least);
        }
        let mut missing: Vec<usize> = lower.iter().map(Vec::len).collect();
        let mut sorted: Vec<usize> = (0..all).filter(|at| missing[*at] == 0).collect();
        let mut next = 0;
        while let Some(&at) = sorted.get(next) {
            next += 1;
            for (higher, _) in &higher[at] {
                missing[*higher] -= 1;
                if missing[*higher] == 0 {
                    sorted.push(*higher);
                }
            }
        }
        Self { sorted, lower, higher, verts }
    }

    /// Moves what stands too near, half of it to either side.
    fn widen(&self, plan: &Plan, net: &Net, places: &mut [f64]) {
        for low in (self.verts..places.len()).step_by(2) {
            places[low] = f64::INFINITY;
            places[low + 1] = f64::NEG_INFINITY;
        }
        for (at, vert) in net.verts.iter().enumerate() {
            for &group in net.path(vert.group) {
                let low = self.verts + group * 2;
                places[low] = places[low].min(places[at] - vert.low - plan.groups[group].low);
                places[low + 1] =
                    places[low + 1].max(places[at] + vert.high + plan.groups[group].high);
            }
        }
        for place in places.iter_mut().filter(|place| !place.is_finite()) {
            *place = 0.0;
        }
        let mut up = places.to_vec();
        for &at in &self.sorted {
            for (lower, apart) in &self.lower[at] {
                up[at] = up[at].max(up[*lower] + apart);
            }
        }
        let mut down = places.to_vec();
        for &at in self.sorted.iter().rev() {
            for (higher, apart) in &self.higher[at] {
                down[at] = down[at].min(down[*higher] - apart);
            }
        }
        for (place, (up, down)) in places.iter_mut().zip(up.iter().zip(&down)) {
            *place = f64::midpoint(*up, *down);
        }
    }

    /// What the others leave to a variable.
    fn room(&self, places: &[f64], at: usize) -> (f64, f64) {
        let low = self.lower[at].iter().map(|(lower, apart)| places[*lower] + apart);
        let high = self.higher[at].iter().map(|(higher, apart)| places[*higher] - apart);
        (low.fold(f64::NEG_INFINITY, f64::max), high.fold(f64::INFINITY, f64::min))
    }

    /// Puts as many bends of an edge that follow one another as can be on one line.
    fn straighten(&self, net: &Net, places: &mut [f64]) {
        for bends in &net.bends {
            let mut rest = bends.as_slice();
            while !rest.is_empty() {
                let mut room = (f64::NEG_INFINITY, f64::INFINITY);
                let mut count = 0;
                for &bend in rest {
                    let (low, high) = self.room(places, bend);
                    let both = (room.0.max(low), room.1.min(high));
                    if both.0 > both.1 {
                        break;
                    }
                    room = both;
                    count += 1;
                }
                let (line, after) = rest.split_at(count.max(1));
                rest = after;
                if count == 0 {
                    continue;
                }
                let mut wishes: Vec<(f64, f64)> =
                    line.iter().map(|bend| (places[*bend], 1.0)).collect();
                let place = median(&mut wishes).clamp(room.0, room.1);
                for bend in line {
                    places[*bend] = place;
                }
            }
        }
    }

    /// Moves each variable, within what the others leave to it, toward where it would like to be.
    fn relax(&self, net: &Net, places: &mut [f64]) {
        for &at in &self.sorted {
            let (low, high) = self.room(places, at);
            if low > high {
                continue;
            }
            let wish = if at < self.verts {
                wish(net, places, at, Toward::Both).0
            } else if (at - self.verts).is_multiple_of(2) {
                // Borders stand as near to what they hold as they may.
                high
            } else {
                low
            };
            if wish.is_finite() {
                places[at] = wish.clamp(low, high);
            }
        }
    }
}

/// Places along.
pub(super) struct Along {
    /// The middle of each rank, and how far it extends to either side.
    pub(super) ranks: Vec<(f64, f64)>,
    /// Where each group begins and ends; none for one without nodes.
    pub(super) groups: Vec<Option<(f64, f64)>>,
}

pub(super) fn along(plan: &Plan, net: &Net) -> Along {
    let halves: Vec<f64> = net
        .ranks
        .iter()
        .map(|rank| rank.iter().map(|at| net.verts[*at].half).fold(0.0, f64::max))
        .collect();
    // The space that a group needs before its first rank and after its last, those within it
    // included, which stand after it in the list.
    let mut needs: Vec<(f64, f64)> =
        plan.groups.iter().map(|group| (group.start, group.end)).collect();
    for at in (0..plan.groups.len()).rev() {
        let (Some(parent), Some((first, last))) = (plan.groups[at].parent, net.spans[at]) else {
            continue;
        };
        let Some((parent_first, parent_last)) = net.spans[parent] else { continue };
        if parent_first == first {
            needs[parent].0 = needs[parent].0.max(plan.groups[parent].start + needs[at].0);
        }
        if parent_last == last {
            needs[parent].1 = needs[parent].1.max(plan.groups[parent].end + needs[at].1);
        }
    }
    let mut before = vec![0.0f64; halves.len()];
    let mut after = vec![0.0f64; halves.len()];
    for (span, (start, end)) in net.spans.iter().zip(&needs) {
        if let Some((first, last)) = span {
            before[*first] = before[*first].max(*start);
            after[*last] = after[*last].max(*end);
        }
    }
    let mut ranks: Vec<(f64, f64)> = Vec::new();
    let mut edge = 0.0;
    for (rank, half) in halves.iter().enumerate() {
        let step = if rank == 0 { 0.0 } else { STEP };
        let middle = edge + step + before[rank] + half;
        edge = middle + half + after[rank];
        ranks.push((middle, *half));
    }
    let groups = net.spans.iter().zip(&needs).map(|(span, (start, end))| {
        let (first, last) = (*span)?;
        let ((begin, half), (finish, last_half)) = (ranks[first], ranks[last]);
        Some((begin - half - start, finish + last_half + end))
    });
    let groups = groups.collect();
    Along { ranks, groups }
}
