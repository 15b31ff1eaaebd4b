//! Certificates: every way to fail that formats §8 names.

use crate::fixture::validators;
use hn_crypto::sm2::KeyCache;
use hn_primitives::*;

const CHAIN: Hash32 = [1; 32];
const BLOCK: Hash32 = [2; 32];
const HEIGHT: u64 = 9;
const ROUND: u32 = 2;

struct Setup {
    set: ValidatorSet,
    precommits: Vec<(usize, Sig64)>,
}

fn setup(powers: &[u64]) -> Setup {
    let (set, secrets) = validators(powers);
    let message = vote_sign_bytes(&CHAIN, VoteType::Precommit, HEIGHT, ROUND, Some(&BLOCK));
    let precommits = secrets
        .iter()
        .enumerate()
        .map(|(index, key)| (index, key.sign(&message)))
        .collect();
    Setup { set, precommits }
}

impl Setup {
    fn certificate(&self, indices: &[usize]) -> Certificate {
        let precommits = indices.iter().map(|index| self.precommits[*index]);
        Certificate::from_precommits(CHAIN, HEIGHT, ROUND, BLOCK, &self.set, precommits).unwrap()
    }

    /// The verdict of both verifiers, which must agree; 0 = valid.
    fn code(&self, certificate: &Certificate) -> u32 {
        let plain = certificate.verify(&self.set, &CHAIN, HEIGHT, &BLOCK);
        let cached = certificate.verify_cached(&KeyCache::new(1 << 20), &self.set, &CHAIN, HEIGHT, &BLOCK);
        assert_eq!(plain, cached);
        plain.map_or_else(|error| error.code(), |()| 0)
    }
}

#[test]
fn quorum_decides_by_power_not_by_count() {
    let setup_equal = setup(&[1, 1, 1, 1]);
    assert_eq!(setup_equal.set.quorum(), 3);
    assert_eq!(setup_equal.code(&setup_equal.certificate(&[0, 2, 3])), 0);
    assert_eq!(setup_equal.code(&setup_equal.certificate(&[3, 2, 1, 0])), 0);
    assert_eq!(
        setup_equal.code(&setup_equal.certificate(&[0, 3])),
        codes::CERTIFICATE_QUORUM
    );
    assert_eq!(
        setup_equal.code(&setup_equal.certificate(&[])),
        codes::CERTIFICATE_QUORUM
    );
    let mut powers = [1, 1, 1, 1];
    let (set, _) = validators(&powers);
    let strong = set.validators()[0].key;
    for (power, key) in powers.iter_mut().zip(crate::fixture::KEYS.iter()) {
        *power = if key.public_key().to_bytes() == strong { 10 } else { 1 };
    }
    let weighted = setup(&powers);
    assert_eq!(weighted.set.quorum(), 9);
    assert_eq!(weighted.code(&weighted.certificate(&[0])), 0);
    assert_eq!(
        weighted.code(&weighted.certificate(&[1, 2, 3])),
        codes::CERTIFICATE_QUORUM
    );
}

#[test]
fn another_chain_height_block_or_set_is_refused() {
    let setup = setup(&[1, 1, 1, 1]);
    let good = setup.certificate(&[0, 1, 2]);
    let code =
        |chain: &Hash32, height, block: &Hash32| good.verify(&setup.set, chain, height, block).unwrap_err().code();
    assert_eq!(code(&[9; 32], HEIGHT, &BLOCK), codes::CERTIFICATE_CHAIN);
    assert_eq!(code(&CHAIN, HEIGHT + 1, &BLOCK), codes::CERTIFICATE_BLOCK);
    assert_eq!(code(&CHAIN, HEIGHT, &[9; 32]), codes::CERTIFICATE_BLOCK);
    let (larger, _) = validators(&[1; 5]);
    assert_eq!(
        good.verify(&larger, &CHAIN, HEIGHT, &BLOCK).unwrap_err().code(),
        codes::CERTIFICATE_SIGNER
    );
    let (other_epoch, _) = validators(&[5, 5, 5, 5]);
    assert!(
        good.verify(&other_epoch, &CHAIN, HEIGHT, &BLOCK).is_ok(),
        "same members: only power counts"
    );
}

#[test]
fn nil_is_never_certified() {
    let (set, secrets) = validators(&[1, 1, 1, 1]);
    let message = vote_sign_bytes(&CHAIN, VoteType::Precommit, HEIGHT, ROUND, None);
    let precommits = secrets
        .iter()
        .enumerate()
        .map(|(index, key)| (index, key.sign(&message)));
    let nil = Certificate::from_precommits(CHAIN, HEIGHT, ROUND, ZERO_HASH, &set, precommits).unwrap();
    assert_eq!(
        nil.verify(&set, &CHAIN, HEIGHT, &ZERO_HASH).unwrap_err().code(),
        codes::CERTIFICATE_BLOCK
    );
}

#[test]
fn every_signature_must_be_a_precommit_for_the_block() {
    let (_, secrets) = validators(&[1, 1, 1, 1]);
    let messages = [
        vote_sign_bytes(&CHAIN, VoteType::Prevote, HEIGHT, ROUND, Some(&BLOCK)),
        vote_sign_bytes(&CHAIN, VoteType::Precommit, HEIGHT, ROUND + 1, Some(&BLOCK)),
        vote_sign_bytes(&CHAIN, VoteType::Precommit, HEIGHT + 1, ROUND, Some(&BLOCK)),
        vote_sign_bytes(&CHAIN, VoteType::Precommit, HEIGHT, ROUND, None),
        vote_sign_bytes(&[9; 32], VoteType::Precommit, HEIGHT, ROUND, Some(&BLOCK)),
    ];
    for (case, message) in messages.iter().enumerate() {
        let mut setup = setup(&[1, 1, 1, 1]);
        setup.precommits[3].1 = secrets[3].sign(message);
        // Three good signatures reach the quorum; the bad fourth must still be fatal.
        assert_eq!(
            setup.code(&setup.certificate(&[0, 1, 2, 3])),
            codes::CERTIFICATE_SIGNATURE,
            "case {case}"
        );
        assert_eq!(setup.code(&setup.certificate(&[0, 1, 2])), 0);
    }
    let mut swapped = setup(&[1, 1, 1, 1]);
    swapped.precommits[0].1 = swapped.precommits[1].1;
    assert_eq!(
        swapped.code(&swapped.certificate(&[0, 1, 2])),
        codes::CERTIFICATE_SIGNATURE
    );
    let mut zeros = setup(&[1, 1, 1, 1]);
    zeros.precommits[1].1 = [0; 64];
    assert_eq!(zeros.code(&zeros.certificate(&[0, 1, 2])), codes::CERTIFICATE_SIGNATURE);
}

#[test]
fn precommits_must_be_distinct_members() {
    let setup = setup(&[1, 1, 1, 1]);
    let make = |indices: &[usize]| {
        let precommits = indices.iter().map(|index| (*index, [1; 64]));
        Certificate::from_precommits(CHAIN, HEIGHT, ROUND, BLOCK, &setup.set, precommits)
    };
    for bad in [&[0, 0][..], &[4], &[1 << 16]] {
        assert_eq!(make(bad).unwrap_err().code(), codes::CERTIFICATE_MALFORMED);
    }
}

#[test]
fn the_encoding_is_exact() {
    let setup = setup(&[1, 1, 1, 1]);
    let good = setup.certificate(&[0, 1, 3]);
    let bytes = good.encode();
    assert_eq!(bytes.len(), 1 + 32 + 8 + 4 + 32 + 2 + 1 + 3 * 64);
    assert_eq!(bytes[79], 0b1011);
    assert_eq!(Certificate::decode(&bytes), Ok(good));
    let with_bitmap = |bitmap: u8| {
        let mut changed = bytes.clone();
        changed[79] = bitmap;
        Certificate::decode(&changed).map_err(|error| error.fault)
    };
    assert_eq!(with_bitmap(0b1_1011), Err(Fault::NotCanonical("bitmap")));
    assert_eq!(with_bitmap(0b1111), Err(Fault::Mismatch("signatures")));
    assert_eq!(with_bitmap(0b0011), Err(Fault::Mismatch("signatures")));
    let moved = with_bitmap(0b0111).unwrap();
    assert_eq!(setup.code(&moved), codes::CERTIFICATE_SIGNATURE);
    // A count of all ones with an empty input allocates nothing.
    let mut huge = bytes[..79].to_vec();
    huge[77..79].copy_from_slice(&[0xff, 0xff]);
    assert!(Certificate::decode(&huge).is_err());
}
