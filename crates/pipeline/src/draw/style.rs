//! How lines and areas are drawn: what people write into DOT, as far as it is harmless.

use super::color::color;
use crate::graph::Attrs;

/// How a line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Dash {
    #[default]
    Solid,
    Dashed,
    Dotted,
}

/// The look of a node, an edge or a cluster.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Style {
    pub(super) stroke: String,
    pub(super) fill: String,
    pub(super) ink: String,
    pub(super) width: f64,
    pub(super) dash: Dash,
    pub(super) rounded: bool,
}

impl Style {
    /// The style that attributes say; what they do not say is as in `base`.
    pub(super) fn of(attrs: &Attrs, base: &Self) -> Self {
        let mut style = base.clone();
        let mut filled = false;
        for word in attrs.text("style").split([',', ' ']) {
            match word.trim() {
                "filled" | "radial" | "striped" | "wedged" => filled = true,
                "rounded" => style.rounded = true,
                "dashed" => style.dash = Dash::Dashed,
                "dotted" => style.dash = Dash::Dotted,
                "solid" => style.dash = Dash::Solid,
                "bold" => style.width = base.width * 2.0,
                // `invis` too: a stage that is there is shown.
                _ => {}
            }
        }
        let said = |key: &str| attrs.non_empty(key).and_then(color);
        if let Some(stroke) = said("pencolor").or_else(|| said("color")) {
            style.stroke = stroke;
        }
        if filled {
            let fill = said("fillcolor").or_else(|| said("color"));
            style.fill = fill.unwrap_or_else(|| "lightgrey".to_owned());
        } else if let Some(fill) = said("bgcolor") {
            style.fill = fill;
        }
        if let Some(ink) = said("fontcolor").filter(|ink| ink != "none") {
            style.ink = ink;
        }
        let width = attrs.get("penwidth").and_then(|attr| attr.value.as_float());
        if let Some(width) = width.filter(|width| width.is_finite()) {
            style.width = width.clamp(0.25, 8.0);
        }
        style
    }
}
