//! QS-4: shares add up.

use tally::split::evenly;

#[test]
fn the_shares_add_up_to_the_whole() {
    for cents in [0, 1, 99, 100, 1000, -5] {
        for people in 1..=7 {
            let shares = evenly(cents, people);
            assert_eq!(shares.len(), people);
            assert_eq!(shares.iter().sum::<i64>(), cents, "{cents} among {people}");
        }
    }
}

#[test]
fn they_differ_by_at_most_a_cent_and_the_first_pay_more() {
    assert_eq!(evenly(1000, 3), [334, 333, 333]);
}

#[test]
fn nobody_pays_nothing() {
    assert_eq!(evenly(1000, 0), Vec::<i64>::new());
}
