//! The `canon` binary.
fn main() {}
