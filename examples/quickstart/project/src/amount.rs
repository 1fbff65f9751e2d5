//! Amounts of money, in cents.

/// Reads an amount such as `12.50`, `7` or `1,234.5`; `None` if it is none.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.replace(',', ".");
    let (units, cents) = text.split_once('.').unwrap_or((&text, ""));
    let units: i64 = units.parse().ok()?;
    let cents: i64 = if cents.is_empty() { 0 } else { cents.parse().ok()? };
    Some(units * 100 + cents)
}

/// Writes an amount with two decimals.
pub fn format(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}
