//! QS-5: budgets.

use tally::budget::{Status, check};

#[test]
fn under_the_limit_is_fine() {
    assert_eq!(check(7_999, 10_000), Status::Within);
}

#[test]
fn from_eighty_per_cent_on_it_warns() {
    assert_eq!(check(8_000, 10_000), Status::Near);
    assert_eq!(check(10_000, 10_000), Status::Near);
}

#[test]
fn over_the_limit_says_by_how_much() {
    assert_eq!(check(10_001, 10_000), Status::Over(1));
}
