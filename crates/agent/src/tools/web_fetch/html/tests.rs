use proptest::prelude::*;

use super::to_markdown;

fn markdown(html: &str) -> String {
    to_markdown(html).1
}

#[test]
fn a_page_becomes_readable_text() {
    let html = "<!DOCTYPE html><html><head><title> A &amp; B\n page</title><style>p { x: 1 }</style>\
        <script>alert('<p>')</script></head><body><nav><a href=\"/home\">Home</a> <a href='#top'>Top</a>\
        </nav><h1>Title</h1><p>One\n  two <b>three</b>,<br>four &lt;five&gt;.</p><ul><li>a<li>b<ol><li>x\
        </li><li>y</li></ol></li></ul><pre><code>fn main() {\n    x &amp;&amp; y;\n}\n</code></pre>\
        <table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table><p>Use <code>a b</code> \
        now.</p></body></html>";
    let (title, text) = to_markdown(html);
    assert_eq!(title.as_deref(), Some("A & B page"));
    assert_eq!(
        text,
        "[Home](/home) Top\n\n# Title\n\nOne two three,\nfour <five>.\n\n- a\n- b\n  1. x\n  2. y\n\n\
         ```\nfn main() {\n    x && y;\n}\n```\n\nk | v\n1 | 2\n\nUse `a b` now.\n"
    );
}

#[test]
fn nothing_hides_the_rest_of_a_page() {
    assert_eq!(markdown("<head><title>t</title><body>text"), "text\n");
    assert_eq!(markdown("<svg><title>pic</title></svg>text"), "text\n");
    assert_eq!(markdown("a<noscript>no</noscript>b"), "ab\n");
    assert_eq!(markdown("<pre>open"), "```\nopen\n```\n");
    assert_eq!(markdown("plain & simple"), "plain & simple\n");
    assert_eq!(to_markdown(""), (None, String::new()));
}

#[test]
fn links_that_lead_nowhere_are_words() {
    assert_eq!(markdown("<a href='javascript:x()'>a</a> <a>b</a> <a href='/p'></a>c"), "a b c\n");
    assert_eq!(markdown("<a href='/p'><div><h3>Card</h3></div></a>"), "[### Card](/p)\n");
    assert_eq!(markdown("</a></ul></pre></x>ok"), "ok\n");
}

#[test]
fn hostile_pages_take_linear_time() {
    let parts = [
        "<a ",
        "<a href='",
        "<!-- ",
        "<script>",
        "</script",
        "&#x",
        "<ul><li>",
        "<pre>",
        "<svg>",
        "< ",
        "<a href=x>",
        "[",
        "<title>",
        "</",
    ];
    for part in parts {
        let (_, text) = to_markdown(&part.repeat(2_000_000 / part.len()));
        assert!(text.len() < 20_000_000, "{part}: {}", text.len());
    }
}

proptest! {
    #[test]
    fn never_panics_and_loses_no_plain_text(html in "[<>/a-d!\\-'\"=& ;#xé\n]{0,80}", word in "[f-k]{1,8}") {
        to_markdown(&html);
        let page = format!("<p>{word}</p>{html}");
        prop_assert!(markdown(&page).starts_with(&word));
    }
}
