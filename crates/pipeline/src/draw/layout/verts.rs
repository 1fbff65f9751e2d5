//! Nodes, and the bends of edges in the ranks between them, as one net of neighbours.

use super::rank::Ranks;
use super::{BESIDE, BETWEEN, OUTSIDE, Plan};

/// Something that has a place in a rank.
#[derive(Debug, Clone)]
pub(super) struct Vert {
    pub(super) rank: usize,
    pub(super) low: f64,
    pub(super) high: f64,
    /// How far it extends along.
    pub(super) half: f64,
    pub(super) group: Option<usize>,
    /// Whether it is a node.
    pub(super) solid: bool,
    /// Neighbours in the rank before, in the rank after: which, and how straight the way there
    /// should be.
    pub(super) before: Vec<(usize, f64)>,
    pub(super) after: Vec<(usize, f64)>,
}

pub(super) struct Net {
    /// Nodes first, in their order.
    pub(super) verts: Vec<Vert>,
    /// The bends of each link, in the direction of the ranks.
    pub(super) bends: Vec<Vec<usize>>,
    /// The verts of each rank, in their order across.
    pub(super) ranks: Vec<Vec<usize>>,
    /// The groups around each group, the outermost first, itself last.
    pub(super) paths: Vec<Vec<usize>>,
    /// The first and the last rank of each group; none for one without nodes.
    pub(super) spans: Vec<Option<(usize, usize)>>,
}

/// What two neighbours in a rank are kept apart by: their places, or the borders of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Vert(usize),
    Enter(usize),
    Leave(usize),
}

impl Net {
    pub(super) fn new(plan: &Plan, ranked: &Ranks) -> Self {
        let mut paths: Vec<Vec<usize>> = Vec::new();
        for (at, group) in plan.groups.iter().enumerate() {
            let mut path = group.parent.and_then(|at| paths.get(at)).cloned().unwrap_or_default();
            path.push(at);
            paths.push(path);
        }
        let ranks = ranked.of.iter().max().map_or(0, |last| last + 1);
        let mut net = Self {
            verts: Vec::new(),
            bends: Vec::new(),
            ranks: vec![Vec::new(); ranks],
            paths,
            spans: vec![None; plan.groups.len()],
        };
        for (item, rank) in plan.items.iter().zip(&ranked.of) {
            let (low, high, half) = (item.low, item.high, item.half);
            net.verts.push(Vert { solid: true, ..vert(*rank, (low, high, half), item.group) });
            for group in net.path(item.group).to_vec() {
                let span = net.spans[group].get_or_insert((*rank, *rank));
                *span = (span.0.min(*rank), span.1.max(*rank));
            }
        }
        for (link, turned) in plan.links.iter().zip(&ranked.turned) {
            let (from, to) = if *turned { (link.to, link.from) } else { (link.from, link.to) };
            let group = net.shared(plan.items[from].group, plan.items[to].group);
            // The label stands near the source, where the choice is made.
            let labelled = if *turned { ranked.of[to] - 1 } else { ranked.of[from] + 1 };
            let mut bends = Vec::new();
            let mut last = from;
            for rank in ranked.of[from] + 1..ranked.of[to] {
                let room = link.label.filter(|_| rank == labelled);
                let (low, high, along) = room.unwrap_or((2.0, 2.0, 0.0));
                let next = net.verts.len();
                net.verts.push(vert(rank, (low, high, along / 2.0), group));
                net.join(last, next, *turned);
                bends.push(next);
                last = next;
            }
            net.join(last, to, *turned);
            net.bends.push(bends);
        }
        net.hold();
        net.fill();
        net
    }

    /// A group has a place in all its ranks, also where it has no node: nothing else stands in it.
    fn hold(&mut self) {
        let mut there: Vec<Vec<bool>> = Vec::new();
        for span in &self.spans {
            there.push(vec![false; span.map_or(0, |(first, last)| last - first + 1)]);
        }
        for vert in &self.verts {
            for group in self.path(vert.group) {
                if let Some((first, _)) = self.spans[*group]
                    && let Some(there) = there[*group].get_mut(vert.rank.wrapping_sub(first))
                {
                    *there = true;
                }
            }
        }
        for (group, there) in there.iter().enumerate() {
            let Some((first, _)) = self.spans[group] else { continue };
            for (at, _) in there.iter().enumerate().filter(|(_, there)| !**there) {
                self.verts.push(vert(first + at, (2.0, 2.0, 0.0), Some(group)));
            }
        }
    }

    /// Fills the ranks in the order in which a walk from the sources meets the verts.
    fn fill(&mut self) {
        let mut met = vec![false; self.verts.len()];
        let sources = (0..self.verts.len()).filter(|at| self.verts[*at].before.is_empty());
        for source in sources {
            let mut waiting = vec![source];
            while let Some(at) = waiting.pop() {
                if std::mem::replace(&mut met[at], true) {
                    continue;
                }
                self.ranks[self.verts[at].rank].push(at);
                let after = self.verts[at].after.iter().rev();
                waiting.extend(after.map(|(next, _)| *next).filter(|next| !met[*next]));
            }
        }
    }

    fn join(&mut self, from: usize, to: usize, turned: bool) {
        // Nodes that follow one another stand in line; long edges give way to them, and ways back
        // to ways forward.
        let weight = match (self.verts[from].solid || self.verts[to].solid, turned) {
            (true, false) => 3.0,
            (false, false) => 2.0,
            (_, true) => 1.0,
        };
        self.verts[from].after.push((to, weight));
        self.verts[to].before.push((from, weight));
    }

    /// The groups around, the outermost first.
    pub(super) fn path(&self, group: Option<usize>) -> &[usize] {
        group.and_then(|at| self.paths.get(at)).map_or(&[], Vec::as_slice)
    }

    /// The innermost group around both.
    fn shared(&self, one: Option<usize>, other: Option<usize>) -> Option<usize> {
        let both = self.path(one).iter().zip(self.path(other));
        both.take_while(|(one, other)| one == other).last().map(|(group, _)| *group)
    }

    /// What stands in a rank, borders included, with the distance that each keeps from the one
    /// before it.
    pub(super) fn tokens(&self, plan: &Plan, rank: usize) -> Vec<(Token, f64)> {
        let mut tokens: Vec<(Token, f64)> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut push = |token: Token| {
            let apart = tokens.last().map_or(0.0, |(before, _)| self.apart(plan, *before, token));
            tokens.push((token, apart));
        };
        for &at in &self.ranks[rank] {
            let path = self.path(self.verts[at].group);
            let shared = open.iter().zip(path).take_while(|(one, other)| one == other).count();
            for group in open.drain(shared..).rev() {
                push(Token::Leave(group));
            }
            for group in &path[shared..] {
                push(Token::Enter(*group));
                open.push(*group);
            }
            push(Token::Vert(at));
        }
        for group in open.drain(..).rev() {
            push(Token::Leave(group));
        }
        tokens
    }

    fn apart(&self, plan: &Plan, one: Token, other: Token) -> f64 {
        let before = match one {
            Token::Vert(at) => self.verts[at].high,
            Token::Enter(group) => plan.groups[group].low,
            Token::Leave(_) => 0.0,
        };
        let after = match other {
            Token::Vert(at) => self.verts[at].low,
            Token::Leave(group) => plan.groups[group].high,
            Token::Enter(_) => 0.0,
        };
        let between = match (one, other) {
            (Token::Vert(one), Token::Vert(other)) => {
                if self.verts[one].solid && self.verts[other].solid { BETWEEN } else { BESIDE }
            }
            (Token::Leave(_), Token::Vert(_) | Token::Enter(_))
            | (Token::Vert(_), Token::Enter(_)) => OUTSIDE,
            _ => 0.0,
        };
        before + between + after
    }
}

fn vert(rank: usize, (low, high, half): (f64, f64, f64), group: Option<usize>) -> Vert {
    let (before, after) = (Vec::new(), Vec::new());
    Vert { rank, low, high, half, group, solid: false, before, after }
}
