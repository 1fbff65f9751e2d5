//! The language and its checks.

mod boxes;
mod hostile;
mod properties;
mod rulings;
mod scenarios;
mod support;
