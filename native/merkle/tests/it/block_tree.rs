//! Block trees against the twin, and proofs that must fail.

use crate::twin;
use hn_merkle::InclusionProof;
use hn_merkle::block_tree::{prove, root};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn roots_and_proofs_equal_the_twins_for_many_counts() {
    for count in (0..70).chain([127, 128, 129, 1023, 1024, 1025, 3001]) {
        let leaves: Vec<Vec<u8>> = (0..count)
            .map(|i: usize| i.to_be_bytes()[8 - i % 9..].to_vec())
            .collect();
        assert_eq!(root(&leaves), twin::block_root(&leaves), "{count}");
        for index in (0..count).step_by(1 + count / 7) {
            let proof = prove(&leaves, &[index]).unwrap().remove(0);
            assert_eq!(proof, twin::block_proof(&leaves, index), "{count} {index}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn changed_proofs_fail(
        leaves in vec(vec(any::<u8>(), 0..40), 1..40),
        at in any::<prop::sample::Index>(),
        flips in vec((any::<prop::sample::Index>(), 0u8..8), 1..16),
    ) {
        let index = at.index(leaves.len());
        let top = root(&leaves);
        let proof = prove(&leaves, &[index]).unwrap().remove(0);
        let leaf = leaves[index].clone();
        prop_assert!(proof.verify(&leaf, &top));
        let bytes = proof.encode();
        for (at, bit) in flips {
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1 << bit;
            if let Ok(changed) = InclusionProof::decode(&flipped) {
                prop_assert_eq!(changed.encode(), flipped);
                prop_assert!(!changed.verify(&leaf, &top));
            }
        }
        prop_assert!(InclusionProof::decode(&bytes[..bytes.len() - 1]).is_err());
        let mut extra = proof.clone();
        extra.siblings.push([1; 32]);
        prop_assert!(!extra.verify(&leaf, &top) && InclusionProof::decode(&extra.encode()).is_err());
        if !proof.siblings.is_empty() {
            let mut short = proof.clone();
            short.siblings.pop();
            prop_assert!(!short.verify(&leaf, &top) && InclusionProof::decode(&short.encode()).is_err());
        }
        let beyond = InclusionProof { index: proof.count, ..proof.clone() };
        prop_assert!(!beyond.verify(&leaf, &top) && InclusionProof::decode(&beyond.encode()).is_err());
        let mut longer = leaf.clone();
        longer.push(0);
        prop_assert!(!proof.verify(&longer, &top));
    }
}
