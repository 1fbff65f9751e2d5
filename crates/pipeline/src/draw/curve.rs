//! Smooth lines through points.

use super::shape::Point;

/// A smooth line: where it begins, then cubic segments, each two control points and an end.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Curve {
    pub(super) start: Point,
    pub(super) segments: Vec<[Point; 3]>,
}

/// A curve through points that are (across, along), along growing or shrinking all the way; it
/// never swings out beyond its points (Steffen's interpolation).
pub(super) fn through(points: &[Point]) -> Curve {
    let Some(&start) = points.first() else { return Curve::default() };
    let slopes: Vec<f64> = points.windows(2).map(|pair| slope(pair[0], pair[1])).collect();
    let inner = |at: usize| {
        let (one, other) = (slopes[at - 1], slopes[at]);
        if one * other <= 0.0 {
            return 0.0;
        }
        let before = (points[at].1 - points[at - 1].1).abs();
        let after = (points[at + 1].1 - points[at].1).abs();
        let mixed = (one * after + other * before) / (before + after);
        one.signum() * one.abs().min(other.abs()).min(mixed.abs() / 2.0) * 2.0
    };
    let last = points.len() - 1;
    // Ends lean toward their neighbour, but less than it would take to go there straight.
    let end = |slope: f64, inner: f64| ((3.0 * slope - inner) / 2.0).clamp(-1.6, 1.6);
    let tangents: Vec<f64> = (0..points.len())
        .map(|at| match at {
            _ if last < 1 => 0.0,
            0 if last == 1 => slopes[0],
            0 => end(slopes[0], inner(1)),
            _ if at == last && last == 1 => slopes[0],
            _ if at == last => end(slopes[last - 1], inner(last - 1)),
            _ => inner(at),
        })
        .collect();
    let segments = points.windows(2).enumerate().map(|(at, pair)| {
        let third = (pair[1].1 - pair[0].1) / 3.0;
        [
            (pair[0].0 + third * tangents[at], pair[0].1 + third),
            (pair[1].0 - third * tangents[at + 1], pair[1].1 - third),
            pair[1],
        ]
    });
    Curve { start, segments: segments.collect() }
}

fn slope(one: Point, other: Point) -> f64 {
    let along = other.1 - one.1;
    if along.abs() < 1e-6 { 0.0 } else { (other.0 - one.0) / along }
}

impl Curve {
    /// All its points moved.
    pub(super) fn map(&self, to: impl Fn(Point) -> Point) -> Self {
        let segments = self.segments.iter().map(|segment| segment.map(&to)).collect();
        Self { start: to(self.start), segments }
    }

    /// Makes room for an arrowhead: takes its length off the end. The tip, and the direction.
    pub(super) fn shorten(&mut self, length: f64) -> Option<(Point, Point)> {
        let start = self.start;
        let before = self.segments.len().checked_sub(2).map_or(start, |at| self.segments[at][2]);
        let [first, second, tip] = self.segments.last_mut()?;
        let near = [*second, *first, before];
        let far = near.into_iter().find(|from| (tip.0 - from.0).hypot(tip.1 - from.1) > 0.5)?;
        let (dx, dy) = (tip.0 - far.0, tip.1 - far.1);
        let whole = dx.hypot(dy);
        let (dx, dy) = (dx / whole, dy / whole);
        let at = *tip;
        *tip = (tip.0 - dx * length, tip.1 - dy * length);
        *second = (second.0 - dx * length, second.1 - dy * length);
        Some((at, (dx, dy)))
    }

    /// All its points, control points too: the line stays within them.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        [self.start].into_iter().chain(self.segments.iter().flatten().copied())
    }
}
