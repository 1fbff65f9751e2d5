//! Shapes of nodes: how large around a text, which outline, which strokes.

use std::f64::consts::TAU;

/// A place, or a way from one to another: x to the right, y down.
pub(super) type Point = (f64, f64);

/// A shape of Graphviz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Box,
    Mdiamond,
    Msquare,
    Hexagon,
    Diamond,
    Component,
    Octagon(u8),
    Parallelogram,
    House,
    Tab,
    Circle(u8),
    Ellipse,
    Plain,
}

/// What is drawn, around the middle of the node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stroke {
    /// Closed and filled.
    Polygon(Vec<Point>),
    /// Closed and filled: half the width and half the height.
    Ellipse(f64, f64),
    /// Closed and filled, corners perhaps rounded: half the width and half the height.
    Rectangle(f64, f64),
    /// A line only.
    Line(Vec<Point>),
}

/// From one ring of `tripleoctagon` or `doublecircle` to the next.
const RING: f64 = 4.0;
/// How far the roof of a house rises over its walls.
const ROOF: f64 = 16.0;
/// The height of a tab.
const TAB: f64 = 8.0;
/// How far a parallelogram leans.
const LEAN: f64 = 14.0;

impl Shape {
    /// The shape of a name; an ellipse when it is not known.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "box" | "rect" | "rectangle" | "square" | "record" | "Mrecord" | "note" | "folder"
            | "cylinder" | "box3d" => Self::Box,
            "Mdiamond" => Self::Mdiamond,
            "Msquare" => Self::Msquare,
            "hexagon" => Self::Hexagon,
            "diamond" => Self::Diamond,
            "component" => Self::Component,
            "octagon" => Self::Octagon(1),
            "doubleoctagon" => Self::Octagon(2),
            "tripleoctagon" => Self::Octagon(3),
            "parallelogram" => Self::Parallelogram,
            "house" => Self::House,
            "tab" => Self::Tab,
            "circle" | "Mcircle" => Self::Circle(1),
            "doublecircle" => Self::Circle(2),
            "none" | "plain" | "plaintext" => Self::Plain,
            _ => Self::Ellipse,
        }
    }

    /// Width and height around a text of a width and a height.
    pub(super) fn size(self, width: f64, height: f64) -> Point {
        let (wide, high) = ((width + 24.0).max(60.0), (height + 18.0).max(36.0));
        match self {
            Self::Box => (wide, high),
            Self::Plain => (width + 8.0, height + 8.0),
            Self::Mdiamond | Self::Diamond => {
                // The text touches the sides where width/w + height/h = 1.
                let h = (height * 2.2 + 16.0).max(48.0);
                (((width + 4.0) / (1.0 - (height + 2.0) / h)).max(64.0), h)
            }
            Self::Msquare => ((width + 30.0).max(52.0), (height + 30.0).max(46.0)),
            Self::Hexagon => (wide + high * 0.5, high),
            Self::Component => (wide + 12.0, high),
            Self::Octagon(rings) => {
                let more = f64::from(rings.saturating_sub(1)) * RING * 2.0;
                (wide + 4.0 + more, high + 2.0 + more)
            }
            Self::Parallelogram => (wide + LEAN * 1.6, high),
            Self::House => (wide + 4.0, high + ROOF),
            Self::Tab => (wide, high + TAB),
            Self::Circle(rings) => {
                let across = (width.hypot(height) + 8.0).max(40.0);
                let across = across + f64::from(rings.saturating_sub(1)) * RING * 2.0;
                (across, across)
            }
            Self::Ellipse => ((width * 1.3 + 20.0).max(60.0), (height * 1.4 + 14.0).max(38.0)),
        }
    }

    /// How far below the middle of the node the middle of its text is.
    pub(super) fn text_shift(self) -> Point {
        match self {
            Self::House => (0.0, ROOF * 0.45),
            Self::Tab => (0.0, TAB / 2.0),
            Self::Component => (5.0, 0.0),
            _ => (0.0, 0.0),
        }
    }

    /// What is drawn for a node of a width and a height.
    pub(super) fn strokes(self, width: f64, height: f64) -> Vec<Stroke> {
        let (w, h) = (width / 2.0, height / 2.0);
        match self {
            Self::Plain => Vec::new(),
            Self::Box => vec![Stroke::Rectangle(w, h)],
            Self::Ellipse => vec![Stroke::Ellipse(w, h)],
            Self::Circle(rings) => rings_of(rings, |inset| Stroke::Ellipse(w - inset, h - inset)),
            Self::Octagon(rings) => {
                rings_of(rings, |inset| Stroke::Polygon(octagon(w - inset, h - inset)))
            }
            Self::Mdiamond => {
                let mut strokes = vec![Stroke::Polygon(self.outline(width, height))];
                let (x, y) = (w * 0.76, h * 0.24);
                for side in [-1.0, 1.0] {
                    strokes.push(Stroke::Line(vec![(side * x, -y), (side * x, y)]));
                    strokes.push(Stroke::Line(vec![
                        (-w * 0.24, side * h * 0.76),
                        (w * 0.24, side * h * 0.76),
                    ]));
                }
                strokes
            }
            Self::Msquare => {
                let mut strokes = vec![Stroke::Polygon(self.outline(width, height))];
                let cut = 11.0;
                for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)] {
                    let ends = vec![(x * (w - cut), y * h), (x * w, y * (h - cut))];
                    strokes.push(Stroke::Line(ends));
                }
                strokes
            }
            Self::Component => {
                let mut strokes = vec![Stroke::Polygon(self.outline(width, height))];
                for y in [-h * 0.45, h * 0.45] {
                    strokes.push(Stroke::Polygon(vec![
                        (-w, y - 4.0),
                        (-w + 14.0, y - 4.0),
                        (-w + 14.0, y + 4.0),
                        (-w, y + 4.0),
                    ]));
                }
                strokes
            }
            Self::Tab => vec![
                Stroke::Polygon(self.outline(width, height)),
                Stroke::Line(vec![(-w, -h + TAB), (-w + tab(w), -h + TAB)]),
            ],
            Self::Hexagon | Self::Diamond | Self::Parallelogram | Self::House => {
                vec![Stroke::Polygon(self.outline(width, height))]
            }
        }
    }

    /// The outline, as a polygon.
    pub(super) fn outline(self, width: f64, height: f64) -> Vec<Point> {
        let (w, h) = (width / 2.0, height / 2.0);
        match self {
            Self::Box | Self::Msquare | Self::Plain => vec![(-w, -h), (w, -h), (w, h), (-w, h)],
            Self::Component => vec![(-w + 7.0, -h), (w, -h), (w, h), (-w + 7.0, h)],
            Self::Mdiamond | Self::Diamond => vec![(0.0, -h), (w, 0.0), (0.0, h), (-w, 0.0)],
            Self::Hexagon => {
                let x = w - h * 0.5;
                vec![(-x, -h), (x, -h), (w, 0.0), (x, h), (-x, h), (-w, 0.0)]
            }
            Self::Octagon(_) => octagon(w, h),
            Self::Parallelogram => vec![(-w + LEAN, -h), (w, -h), (w - LEAN, h), (-w, h)],
            Self::House => vec![(0.0, -h), (w, -h + ROOF), (w, h), (-w, h), (-w, -h + ROOF)],
            Self::Tab => {
                let x = -w + tab(w);
                vec![(-w, -h), (x, -h), (x, -h + TAB), (w, -h + TAB), (w, h), (-w, h)]
            }
            Self::Circle(_) | Self::Ellipse => (0..48)
                .map(|step| {
                    let (sin, cos) = (f64::from(step) * TAU / 48.0).sin_cos();
                    (w * cos, h * sin)
                })
                .collect(),
        }
    }

    /// How far from the middle an edge may end to either side, as a part of half the extent.
    pub(super) fn ports(self) -> f64 {
        match self {
            Self::Diamond | Self::Mdiamond | Self::House => 0.25,
            Self::Circle(_) | Self::Ellipse => 0.4,
            _ => 0.6,
        }
    }
}

fn tab(half_width: f64) -> f64 {
    half_width.min(28.0)
}

fn rings_of(rings: u8, ring: impl Fn(f64) -> Stroke) -> Vec<Stroke> {
    (0..rings).map(|inset| ring(f64::from(inset) * RING)).collect()
}

fn octagon(w: f64, h: f64) -> Vec<Point> {
    let cut = (h.min(w) * 0.55).clamp(1.0, 12.0);
    let (x, y) = (w - cut, h - cut);
    vec![(-x, -h), (x, -h), (w, -y), (w, y), (x, h), (-x, h), (-w, y), (-w, -y)]
}

/// How far an outline reaches in y at an x, downward (`sign` 1) or upward (-1); 0 beside it.
pub(super) fn reach(outline: &[Point], x: f64, sign: f64) -> f64 {
    let mut farthest = 0.0f64;
    for (at, &(x1, y1)) in outline.iter().enumerate() {
        let (x2, y2) = outline[(at + 1) % outline.len()];
        if (x1 - x) * (x2 - x) > 0.0 {
            continue;
        }
        let ends = if (x2 - x1).abs() < 1e-9 {
            (y1 * sign).max(y2 * sign)
        } else {
            (y1 + (y2 - y1) * (x - x1) / (x2 - x1)) * sign
        };
        farthest = farthest.max(ends);
    }
    farthest
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 17] = [
        "box",
        "Mdiamond",
        "Msquare",
        "hexagon",
        "diamond",
        "component",
        "tripleoctagon",
        "doubleoctagon",
        "octagon",
        "parallelogram",
        "house",
        "tab",
        "circle",
        "doublecircle",
        "ellipse",
        "plaintext",
        "of-nobody",
    ];

    fn within(points: &[Point], w: f64, h: f64) -> bool {
        points.iter().all(|(x, y)| x.abs() <= w + 1e-9 && y.abs() <= h + 1e-9)
    }

    #[test]
    fn every_shape_stays_in_its_box_and_holds_its_text() {
        for name in NAMES {
            for (tw, th) in [(0.0, 0.0), (10.0, 16.0), (200.0, 16.0), (80.0, 160.0)] {
                let shape = Shape::of(name);
                let (w, h) = shape.size(tw, th);
                let outline = shape.outline(w, h);
                assert!(within(&outline, w / 2.0, h / 2.0), "{name}");
                for stroke in shape.strokes(w, h) {
                    match stroke {
                        Stroke::Polygon(points) | Stroke::Line(points) => {
                            assert!(within(&points, w / 2.0, h / 2.0), "{name}");
                        }
                        Stroke::Ellipse(a, b) | Stroke::Rectangle(a, b) => {
                            assert!(a > 0.0 && b > 0.0 && a <= w / 2.0 && b <= h / 2.0, "{name}");
                        }
                    }
                }
                let (dx, dy) = shape.text_shift();
                for x in [-tw / 2.0, tw / 2.0] {
                    for (y, sign) in [(-th / 2.0, -1.0), (th / 2.0, 1.0)] {
                        let reach = reach(&outline, x + dx, sign);
                        assert!(reach + 0.5 >= (y + dy) * sign, "{name} {tw}x{th}: {reach}");
                    }
                }
            }
        }
    }

    #[test]
    fn shapes_look_different() {
        let mut seen = Vec::new();
        for name in &NAMES[..15] {
            let shape = Shape::of(name);
            let (width, height) = shape.size(60.0, 16.0);
            let strokes = shape.strokes(width, height);
            assert!(!seen.contains(&strokes), "{name} looks like another");
            seen.push(strokes);
        }
        assert_eq!(Shape::of("of-nobody"), Shape::Ellipse);
    }

    #[test]
    fn an_edge_ends_at_the_outline() {
        let diamond = Shape::Diamond.outline(100.0, 40.0);
        assert!((reach(&diamond, 0.0, 1.0) - 20.0).abs() < 1e-9);
        assert!((reach(&diamond, 25.0, -1.0) - 10.0).abs() < 1e-9);
        assert!(reach(&diamond, 60.0, 1.0).abs() < 1e-9);
    }
}
