//! Colours of Graphviz as those of SVG. What is none of them is not used: the picture never
//! carries a text of the source where a viewer would read more than a colour.

/// The names that SVG and X11 share.
const NAMES: &str = "aliceblue antiquewhite aqua aquamarine azure beige bisque black \
blanchedalmond blue blueviolet brown burlywood cadetblue chartreuse chocolate coral \
cornflowerblue cornsilk crimson cyan darkblue darkcyan darkgoldenrod darkgray darkgreen darkgrey \
darkkhaki darkmagenta darkolivegreen darkorange darkorchid darkred darksalmon darkseagreen \
darkslateblue darkslategray darkslategrey darkturquoise darkviolet deeppink deepskyblue dimgray \
dimgrey dodgerblue firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod \
gray green greenyellow grey honeydew hotpink indianred indigo ivory khaki lavender lavenderblush \
lawngreen lemonchiffon lightblue lightcoral lightcyan lightgoldenrodyellow lightgray lightgreen \
lightgrey lightpink lightsalmon lightseagreen lightskyblue lightslategray lightslategrey \
lightsteelblue lightyellow lime limegreen linen magenta maroon mediumaquamarine mediumblue \
mediumorchid mediumpurple mediumseagreen mediumslateblue mediumspringgreen mediumturquoise \
mediumvioletred midnightblue mintcream mistyrose moccasin navajowhite navy oldlace olive \
olivedrab orange orangered orchid palegoldenrod palegreen paleturquoise palevioletred papayawhip \
peachpuff peru pink plum powderblue purple rebeccapurple red rosybrown royalblue saddlebrown \
salmon sandybrown seagreen seashell sienna silver skyblue slateblue slategray slategrey snow \
springgreen steelblue tan teal thistle tomato turquoise violet wheat white whitesmoke yellow \
yellowgreen";

/// The colour, as SVG writes it; none when it is no colour that is known. Of several (`a:b`, a
/// gradient) the first one.
pub(super) fn color(text: &str) -> Option<String> {
    let text = text.split([':', ';']).next()?.trim();
    if let Some(digits) = text.strip_prefix('#') {
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return (hex && matches!(digits.len(), 3 | 4 | 6 | 8)).then(|| text.to_ascii_lowercase());
    }
    // `/x11/red` and `//red` name the scheme too.
    let name = text.rsplit('/').next()?.to_ascii_lowercase();
    match name.as_str() {
        "transparent" | "none" | "invis" => return Some("none".to_owned()),
        "lightgoldenrod" => return Some("lightgoldenrodyellow".to_owned()),
        "violetred" => return Some("mediumvioletred".to_owned()),
        "lightslateblue" => return Some("mediumslateblue".to_owned()),
        "navyblue" => return Some("navy".to_owned()),
        _ => {}
    }
    if NAMES.split_ascii_whitespace().any(|known| known == name) {
        return Some(name);
    }
    numbered(&name).or_else(|| hsv(text))
}

/// `gray90`, and the shades 1 to 4 of X11 as the colour itself.
fn numbered(name: &str) -> Option<String> {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: u32 = name.get(base.len()..)?.parse().ok()?;
    if matches!(base, "gray" | "grey") {
        let level = (number <= 100).then(|| (number * 255 + 50) / 100)?;
        return Some(format!("#{level:02x}{level:02x}{level:02x}"));
    }
    if !(1..=4).contains(&number) {
        return None;
    }
    if base == "lightgoldenrod" {
        return Some("lightgoldenrodyellow".to_owned());
    }
    NAMES.split_ascii_whitespace().any(|known| known == base).then(|| base.to_owned())
}

/// Hue, saturation and value, each from 0 to 1.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 255
fn hsv(text: &str) -> Option<String> {
    let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
    let numbers: Vec<f64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hue, saturation, value] = numbers[..] else { return None };
    let all = [hue, saturation, value];
    if all.iter().any(|number| !(0.0..=1.0).contains(number)) {
        return None;
    }
    let channel = |shift: f64| {
        let k = (shift + hue * 6.0) % 6.0;
        let level = value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0);
        (level * 255.0).round() as u8
    };
    Some(format!("#{:02x}{:02x}{:02x}", channel(5.0), channel(3.0), channel(1.0)))
}

#[cfg(test)]
mod tests {
    use super::color;

    #[test]
    fn colours_of_graphviz_are_understood_and_nothing_else() {
        let cases = [
            ("red", Some("red")),
            ("LightBlue", Some("lightblue")),
            ("lightblue2", Some("lightblue")),
            ("gray100", Some("#ffffff")),
            ("gray0", Some("#000000")),
            ("#FfA07a", Some("#ffa07a")),
            ("#abc", Some("#abc")),
            ("red:blue", Some("red")),
            ("transparent", Some("none")),
            ("0.0 1.0 1.0", Some("#ff0000")),
            ("0.5,1,0.5", Some("#008080")),
            ("/x11/navy", Some("navy")),
            ("url(javascript)", None),
            ("red\"/><script>", None),
            ("#12345", None),
            ("gray101", None),
            ("currentcolor", None),
            ("nan nan nan", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(color(text).as_deref(), expected, "{text}");
        }
    }
}
