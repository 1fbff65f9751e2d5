//! Integration tests of canon-digest: published vectors, and git itself.

mod canonical;
mod chain;
mod merkle;
mod tree;
