//! QS-1: amounts are read as people write them.

use tally::amount::{format, parse};

#[test]
fn one_decimal_means_tens_of_cents() {
    assert_eq!(parse("12.5"), Some(1250));
    assert_eq!(parse("12.50"), Some(1250));
    assert_eq!(parse("12.05"), Some(1205));
    assert_eq!(parse("7"), Some(700));
}

#[test]
fn commas_group_thousands() {
    assert_eq!(parse("1,234.50"), Some(123_450));
    assert_eq!(parse("1,000,000"), Some(100_000_000));
}

#[test]
fn negative_amounts_keep_their_cents() {
    assert_eq!(parse("-3.25"), Some(-325));
    assert_eq!(parse("-0.50"), Some(-50));
    assert_eq!(format(-50), "-0.50");
}

#[test]
fn what_is_no_amount_is_none() {
    for text in ["", ".", "abc", "1.234", "1.x", "--2", "1.-5"] {
        assert_eq!(parse(text), None, "{text:?}");
    }
}
