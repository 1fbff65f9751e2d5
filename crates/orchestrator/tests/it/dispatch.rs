//! The dispatch machine, rule by rule.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod operator;
mod random;
mod restart;
mod rig;
mod rulings;
mod spec;
