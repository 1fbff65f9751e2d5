//! Adds up small expenses: one line of text each.

pub mod amount;
pub mod entry;
pub mod split;
