//! QS-3: entries survive the way people type. Needs amounts as QS-1 reads them.

use tally::entry::parse;

#[test]
fn any_white_space_separates() {
    let entry = parse("2026-03-01\tfood   1,200.5  big   dinner ").expect("an entry");
    assert_eq!(entry.amount, 120_050);
    assert_eq!(entry.note, "big dinner");
}

#[test]
fn comments_and_blank_lines_are_no_entries() {
    assert_eq!(parse(""), None);
    assert_eq!(parse("   "), None);
    assert_eq!(parse("# 2026-03-01 food 12.50"), None);
}

#[test]
fn a_date_is_checked() {
    assert_eq!(parse("yesterday food 12.50"), None);
    assert!(parse("2026-12-31 food 12.50").is_some());
    assert_eq!(parse("2026-13-01 food 12.50"), None);
}
