//! Merkle trees and their proofs (RFC 6962, §2.1; verification as in RFC 9162, §2.1.3 and §2.1.4).
//!
//! A tree is a slice of leaf hashes in the order in which they were added.

use crate::{Digest, Sha256Writer, sha256};

/// Why a proof does not hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProofError {
    /// The index or the size is not one that a tree can have.
    #[error("there is no such proof: {0}")]
    Size(&'static str),
    /// The proof has too few or too many hashes for these sizes.
    #[error("the proof has {0} hashes, which does not fit the tree's size")]
    Length(usize),
    /// The hashes lead to another root.
    #[error("the proof leads to the root {found}, not to {expected}")]
    Root {
        /// The root that was to be shown.
        expected: Digest,
        /// The one that the proof leads to.
        found: Digest,
    },
}

/// The hash of a leaf.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut hash = Sha256Writer::new();
    hash.update([0]);
    hash.update(leaf);
    hash.finish()
}

fn node(left: Digest, right: Digest) -> Digest {
    let mut hash = Sha256Writer::new();
    hash.update([1]);
    hash.update(left.as_bytes());
    hash.update(right.as_bytes());
    hash.finish()
}

/// The largest power of two below `size`, which is 2 or more.
fn split(size: usize) -> usize {
    1 << (size - 1).ilog2()
}

/// The root of the tree; that of the empty tree is the digest of nothing.
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => sha256(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(root(left), root(right))
        }
    }
}

/// The proof that leaf `index` is in the tree, from the leaf up. `None` when there is no such leaf.
pub fn inclusion_proof(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    audit_path(leaves, index, &mut path);
    Some(path)
}

fn audit_path(leaves: &[Digest], index: usize, path: &mut Vec<Digest>) {
    if leaves.len() < 2 {
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if index < left.len() {
        audit_path(left, index, path);
        path.push(root(right));
    } else {
        audit_path(right, index - left.len(), path);
        path.push(root(left));
    }
}

/// The proof that the tree of the first `old_size` leaves is the start of this one. `None` when it has fewer leaves.
pub fn consistency_proof(leaves: &[Digest], old_size: usize) -> Option<Vec<Digest>> {
    if old_size > leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    if old_size > 0 {
        subproof(leaves, old_size, true, &mut path);
    }
    Some(path)
}

/// `known`: the verifier has this subtree's root already, because it is the old tree's.
fn subproof(leaves: &[Digest], old_size: usize, known: bool, path: &mut Vec<Digest>) {
    if old_size == leaves.len() {
        if !known {
            path.push(root(leaves));
        }
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if old_size <= left.len() {
        subproof(left, old_size, known, path);
        path.push(root(right));
    } else {
        subproof(right, old_size - left.len(), false, path);
        path.push(root(left));
    }
}

/// Checks that `leaf` is leaf number `index` of the tree of `size` leaves with this root.
///
/// # Errors
/// It is not shown to be.
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    expected: Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Size("the index is beyond the tree"));
    }
    let (mut at, mut last) = (index, size - 1);
    let mut found = leaf;
    for step in proof {
        if last == 0 {
            return Err(ProofError::Length(proof.len()));
        }
        if at & 1 == 1 || at == last {
            found = node(*step, found);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            found = node(found, *step);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length(proof.len()));
    }
    same(expected, found)
}

/// Checks that the tree of `old_size` leaves with root `old_root` is the start of the tree of `new_size` leaves with
/// root `new_root`. The empty tree is the start of every tree, by an empty proof.
///
/// # Errors
/// It is not shown to be.
pub fn verify_consistency(
    old_size: u64,
    old_root: Digest,
    new_size: u64,
    new_root: Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Size("the older tree is the larger one"));
    }
    if old_size == 0 || old_size == new_size {
        if !proof.is_empty() {
            return Err(ProofError::Length(proof.len()));
        }
        return same(old_root, if old_size == 0 { root(&[]) } else { new_root });
    }
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    // An old tree that is a perfect one is a node of the new tree, and left out of the proof.
    let (start, steps) = match proof.split_first() {
        _ if old_size.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(ProofError::Length(0)),
    };
    let (mut old, mut new) = (start, start);
    for step in steps {
        if last == 0 {
            return Err(ProofError::Length(proof.len()));
        }
        if at & 1 == 1 || at == last {
            old = node(*step, old);
            new = node(*step, new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node(new, *step);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length(proof.len()));
    }
    same(old_root, old)?;
    same(new_root, new)
}

fn same(expected: Digest, found: Digest) -> Result<(), ProofError> {
    if expected == found { Ok(()) } else { Err(ProofError::Root { expected, found }) }
}
