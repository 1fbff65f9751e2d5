//! One expense.

use crate::amount;

/// One line of the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Day, as written.
    pub date: String,
    /// What kind of expense it is.
    pub category: String,
    /// Cents.
    pub amount: i64,
    /// Whatever else the line says.
    pub note: String,
}

/// Reads a line `DATE CATEGORY AMOUNT NOTE…`; `None` if it is no expense.
pub fn parse(line: &str) -> Option<Entry> {
    let mut words = line.split(' ');
    let date = words.next()?.to_string();
    let category = words.next()?.to_string();
    let amount = amount::parse(words.next()?)?;
    let note = words.collect::<Vec<_>>().join(" ");
    Some(Entry { date, category, amount, note })
}
