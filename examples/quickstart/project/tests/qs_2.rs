//! QS-2: a report by category.

use tally::entry::parse;
use tally::report::{by_category, render};

#[test]
fn sums_are_by_category_in_alphabetical_order() {
    let lines = ["2026-03-01 food 12.50 lunch", "2026-03-01 bus 3.00", "2026-03-02 food 7.25 cake"];
    let entries: Vec<_> = lines.iter().filter_map(|line| parse(line)).collect();
    assert_eq!(by_category(&entries), vec![("bus".to_string(), 300), ("food".to_string(), 1975)]);
}

#[test]
fn the_report_lines_up_and_ends_with_the_total() {
    let sums = vec![("bus".to_string(), 300), ("food".to_string(), 1975)];
    assert_eq!(render(&sums), "bus     3.00\nfood   19.75\ntotal  22.75\n");
}

#[test]
fn nothing_spent_is_a_total_of_zero() {
    assert_eq!(render(&by_category(&[])), "total  0.00\n");
}
