use canon_digest::Digest;
use canon_digest::merkle::{
    ProofError, consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::*;

/// The leaves that implementations of RFC 6962 test each other with.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// The root of the first n of them, n from 0.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn digest(text: &str) -> Digest {
    text.parse().unwrap()
}

fn leaves() -> Vec<Digest> {
    LEAVES.iter().map(|leaf| leaf_hash(leaf)).collect()
}

#[test]
fn roots_as_published() {
    let leaves = leaves();
    for (size, expected) in ROOTS.iter().enumerate() {
        assert_eq!(root(&leaves[..size]), digest(expected), "{size}");
    }
}

#[test]
fn proofs_as_published() {
    let leaves = leaves();
    let inclusion = |size: usize, index| inclusion_proof(&leaves[..size], index).unwrap();
    assert_eq!(inclusion(1, 0), []);
    assert_eq!(
        inclusion(8, 0),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
        .map(digest)
    );
    assert_eq!(inclusion(3, 2), [ROOTS[2]].map(digest));
    let consistency = |old, new: usize| consistency_proof(&leaves[..new], old).unwrap();
    assert_eq!(consistency(1, 1), []);
    assert_eq!(
        consistency(6, 8),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
        .map(digest)
    );
}

#[test]
fn there_is_no_proof_of_what_is_not_there() {
    let leaves = leaves();
    assert_eq!(inclusion_proof(&leaves, 8), None);
    assert_eq!(consistency_proof(&leaves, 9), None);
    let any = leaves[0];
    assert!(matches!(verify_inclusion(any, 3, 3, &[], any), Err(ProofError::Size(_))));
    assert!(matches!(
        verify_inclusion(any, u64::MAX, u64::MAX, &[], any),
        Err(ProofError::Size(_))
    ));
    assert!(matches!(verify_consistency(3, any, 2, any, &[]), Err(ProofError::Size(_))));
    assert!(matches!(verify_consistency(3, any, 4, any, &[]), Err(ProofError::Length(0))));
    assert!(matches!(verify_consistency(0, any, 4, any, &[]), Err(ProofError::Root { .. })));
    assert!(matches!(verify_consistency(4, any, 4, any, &[any]), Err(ProofError::Length(1))));
}

fn numbered(size: usize) -> Vec<Digest> {
    (0..size).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect()
}

fn flipped(digest: Digest, bit: usize) -> Digest {
    let mut bytes = *digest.as_bytes();
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    Digest::from_bytes(bytes)
}

/// A proof with one thing wrong with it.
fn spoilt(proof: &[Digest], how: usize, bit: usize) -> Vec<Digest> {
    let mut proof = proof.to_vec();
    match how % 3 {
        0 => proof.push(leaf_hash(b"more")),
        1 if proof.pop().is_some() => {}
        _ if proof.is_empty() => proof.push(leaf_hash(b"more")),
        _ => {
            let at = bit % proof.len();
            proof[at] = flipped(proof[at], bit);
        }
    }
    proof
}

proptest! {
    #[test]
    fn every_leaf_is_shown_to_be_in_and_nothing_else(
        size in 1_usize..70, index in any::<prop::sample::Index>(), how in 0_usize..3, bit in 0_usize..4096,
    ) {
        let leaves = numbered(size);
        let index = index.index(size);
        let proof = inclusion_proof(&leaves, index).unwrap();
        let verify = |leaf, index: usize, size: usize, proof: &[Digest]| {
            verify_inclusion(leaf, index as u64, size as u64, proof, root(&leaves))
        };
        prop_assert_eq!(verify(leaves[index], index, size, &proof), Ok(()));
        prop_assert!(verify(flipped(leaves[index], bit), index, size, &proof).is_err());
        prop_assert!(verify(leaves[index], index, size, &spoilt(&proof, how, bit)).is_err());
        for other in (0..size).filter(|other| *other != index) {
            prop_assert!(verify(leaves[index], other, size, &proof).is_err(), "{}", other);
        }
    }

    #[test]
    fn every_older_tree_is_shown_to_be_the_start_and_nothing_else(
        new_size in 2_usize..70, old in any::<prop::sample::Index>(), how in 0_usize..3, bit in 0_usize..4096,
    ) {
        let leaves = numbered(new_size);
        let old_size = 1 + old.index(new_size - 1);
        let (old_root, new_root) = (root(&leaves[..old_size]), root(&leaves));
        let proof = consistency_proof(&leaves, old_size).unwrap();
        let verify = |old_root, new_root, proof: &[Digest]| {
            verify_consistency(old_size as u64, old_root, new_size as u64, new_root, proof)
        };
        prop_assert_eq!(verify(old_root, new_root, &proof), Ok(()));
        prop_assert!(verify(flipped(old_root, bit), new_root, &proof).is_err());
        prop_assert!(verify(old_root, flipped(new_root, bit), &proof).is_err());
        prop_assert!(verify(old_root, new_root, &spoilt(&proof, how, bit)).is_err());
    }
}
