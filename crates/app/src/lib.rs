//! The `canon` binary as a library: one module per command, and the bridges between the parts.
