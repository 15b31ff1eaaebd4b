//! Answers against the rule: in every place of a batch, alone, and in sums made to meet exceptional additions.

use super::super::key::{PublicKey, SecretKey, generate};
use super::super::scalar::Scalar;
use super::super::verify::{Answer, Equation, VerifyStatus, verify_digest_single};
use super::*;
use crate::kernel;
use crate::sm3::sm3;
use std::sync::OnceLock;

/// A sound signature with its table, to fill the places beside the one that is looked at.
fn filler() -> &'static (OddTable, Equation) {
    static FILLER: OnceLock<(OddTable, Equation)> = OnceLock::new();
    FILLER.get_or_init(|| {
        let key = generate(&sm3(b"filler"));
        let e = sm3(b"of places");
        (
            OddTable::build(key.public_key().point(), 6, Form::Words),
            Equation::parse(&e, &key.sign_digest(&e)).unwrap(),
        )
    })
}

/// The kernels that have products of their own here.
fn kernels() -> impl Iterator<Item = Kernel> {
    kernel::available()
        .into_iter()
        .filter(|kernel| *kernel <= Kernel::Scalar)
}

/// The signature gets the rule's verdict, or a question, in every place beside sound ones, alone, and four times.
pub(crate) fn check_places(pk: &PublicKey, e: &[u8; 32], signature: &[u8; 64], rule: VerifyStatus) {
    let Ok(equation) = Equation::parse(e, signature) else {
        return;
    };
    let want = |answer: Answer| match answer {
        Answer::Accept => rule == VerifyStatus::Valid,
        Answer::Reject => rule == VerifyStatus::BadSignature,
        Answer::Ask => true,
    };
    let table = OddTable::build(pk.point(), 6, Form::Words);
    let (beside, own) = (
        filler(),
        Job {
            equation: &equation,
            table: &table,
        },
    );
    let other = Job {
        equation: &beside.1,
        table: &beside.0,
    };
    for kernel in kernels() {
        for place in 0..5 {
            let jobs: Vec<Job<'_>> = (0..5).map(|at| if at == place { own } else { other }).collect();
            for (at, answer) in answer(kernel, &jobs).into_iter().enumerate() {
                let expected = if at == place {
                    want(answer)
                } else {
                    answer == Answer::Accept
                };
                assert!(expected, "{kernel}, place {place}, at {at}: {answer:?}");
            }
        }
        assert!(answer(kernel, &[own; 4]).into_iter().all(want));
        assert!(answer(kernel, &[own]).into_iter().all(want));
    }
}

/// Keys and signatures of random messages, every third one broken; widths 5 to 10 in turn.
#[test]
fn known_keys_get_their_verdicts() {
    let keys: Vec<SecretKey> = (0..5u64).map(|i| generate(&sm3(&i.to_be_bytes()))).collect();
    for width in 5..=10 {
        let tables: Vec<OddTable> = keys
            .iter()
            .map(|key| OddTable::build(key.public_key().point(), width, Form::Words))
            .collect();
        let equations: Vec<Equation> = (0..150)
            .map(|i| {
                let e = sm3(&[i as u8, width as u8]);
                let mut signature = keys[i % 5].sign_digest(&e);
                signature[40] ^= u8::from(i % 3 == 1);
                Equation::parse(&e, &signature).unwrap()
            })
            .collect();
        let jobs: Vec<Job<'_>> = (0..150)
            .map(|i| Job {
                equation: &equations[i],
                table: &tables[i % 5],
            })
            .collect();
        for kernel in kernels() {
            for count in [0, 1, 3, 4, 5, 7, 8, 9, 127, 128, 129, 150] {
                let got = answer(kernel, &jobs[..count]);
                let want = |i: usize| if i % 3 == 1 { Answer::Reject } else { Answer::Accept };
                assert_eq!(got, (0..count).map(want).collect::<Vec<_>>(), "{kernel}, {count}");
            }
        }
    }
}

/// With P = 2^−252·G the last entry of the key's table and the first of G's are the same point or negatives of each other.
#[test]
fn exceptional_additions_are_asked_about() {
    let d = Scalar([0, 0, 0, 1 << 60]).invert();
    let pk = SecretKey::from_bytes(&d.to_bytes()).unwrap().public_key().clone();
    let table = OddTable::build(pk.point(), 6, Form::Words);
    // t odd and below 2^253 has 1 as its highest digit; s has 1 or −1 as its lowest.
    for (t, s) in [(10_001, 8193), (10_001, 8191), (20_001, 8193), (20_001, 8191)] {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&Scalar([t - s, 0, 0, 0]).to_bytes());
        signature[32..].copy_from_slice(&Scalar([s, 0, 0, 0]).to_bytes());
        for e in [[0; 32], sm3(b"any")] {
            check_places(&pk, &e, &signature, verify_digest_single(&pk, &e, &signature));
            let equation = Equation::parse(&e, &signature).unwrap();
            let job = Job {
                equation: &equation,
                table: &table,
            };
            for kernel in kernels() {
                assert_eq!(answer(kernel, &[job; 5]), [Answer::Ask; 5], "{kernel}");
            }
        }
    }
}
