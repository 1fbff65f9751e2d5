//! Which rank each node stands in.

use super::Plan;

/// Ranks of nodes: even numbers.
pub(super) struct Ranks {
    pub(super) of: Vec<usize>,
    /// Which links run against the direction of the ranks.
    pub(super) turned: Vec<bool>,
}

pub(super) fn rank(plan: &Plan) -> Ranks {
    let turned = turned(plan);
    let mut out = vec![Vec::new(); plan.items.len()];
    let mut into = vec![Vec::new(); plan.items.len()];
    for (link, turned) in plan.links.iter().zip(&turned) {
        let (from, to) = if *turned { (link.to, link.from) } else { (link.from, link.to) };
        out[from].push(to);
        into[to].push(from);
    }
    let mut of = longest(&out, &into);
    tighten(&mut of, &out, &into);
    Ranks { of: of.into_iter().map(|rank| rank * 2).collect(), turned }
}

/// The links that lead back to a node on the way to them: without these there are no cycles.
fn turned(plan: &Plan) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnTheWay,
        Done,
    }
    let mut out = vec![Vec::new(); plan.items.len()];
    let mut sources = vec![true; plan.items.len()];
    for (at, link) in plan.links.iter().enumerate() {
        out[link.from].push(at);
        sources[link.to] = false;
    }
    let sources = (0..plan.items.len()).filter(|item| sources[*item]);
    let roots = plan.first.iter().copied().chain(sources).chain(0..plan.items.len());
    let mut seen = vec![Seen::No; plan.items.len()];
    let mut turned = vec![false; plan.links.len()];
    for root in roots {
        if seen[root] != Seen::No {
            continue;
        }
        seen[root] = Seen::OnTheWay;
        let mut way = vec![(root, 0)];
        while let Some((item, next)) = way.last_mut() {
            let Some(&at) = out[*item].get(*next) else {
                seen[*item] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let to = plan.links[at].to;
            match seen[to] {
                Seen::OnTheWay => turned[at] = true,
                Seen::Done => {}
                Seen::No => {
                    seen[to] = Seen::OnTheWay;
                    way.push((to, 0));
                }
            }
        }
    }
    turned
}

/// Each node one rank after the last of those before it.
fn longest(out: &[Vec<usize>], into: &[Vec<usize>]) -> Vec<usize> {
    let mut of = vec![0; out.len()];
    for item in sorted(out, into) {
        for to in &out[item] {
            of[*to] = of[*to].max(of[item] + 1);
        }
    }
    of
}

/// Nodes, each after those before it.
fn sorted(out: &[Vec<usize>], into: &[Vec<usize>]) -> Vec<usize> {
    let mut missing: Vec<usize> = into.iter().map(Vec::len).collect();
    let mut sorted: Vec<usize> = (0..out.len()).filter(|item| missing[*item] == 0).collect();
    let mut next = 0;
    while let Some(&item) = sorted.get(next) {
        next += 1;
        for to in &out[item] {
            missing[*to] -= 1;
            if missing[*to] == 0 {
                sorted.push(*to);
            }
        }
    }
    sorted
}

/// Moves nodes where that makes edges shorter.
fn tighten(of: &mut [usize], out: &[Vec<usize>], into: &[Vec<usize>]) {
    let sorted = sorted(out, into);
    for _ in 0..4 {
        let mut moved = false;
        for &item in sorted.iter().rev() {
            let Some(last) = out[item].iter().map(|to| of[*to].saturating_sub(1)).min() else {
                continue;
            };
            let first = into[item].iter().map(|from| of[*from] + 1).max();
            let best = match first {
                None => last,
                Some(first) if into[item].len() > out[item].len() => first,
                Some(_) if into[item].len() < out[item].len() => last,
                Some(_) => of[item],
            };
            moved |= best != of[item];
            of[item] = best;
        }
        if !moved {
            break;
        }
    }
}
