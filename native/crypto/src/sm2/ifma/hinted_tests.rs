//! Roots, sums of multiples, and what the coefficients are for.

use super::super::VerifyStatus;
use super::super::batch::BatchItem;
use super::super::field::Fe;
use super::super::key::generate;
use super::super::point::{Affine, G, Projective, curve_rhs};
use super::super::scalar::Scalar;
use super::super::verify::{Equation, verify_single};
use super::buckets::Terms;
use super::hinted::{Batch, Work};
use super::lists::ListSums;
use super::roots::{Compressed, points};
use super::table::{Entry, Form};
use crate::kernel::Kernel;
use crate::sm3::sm3;

fn random(label: &str, index: u64) -> Scalar {
    Scalar::from_bytes_reduced(&sm3(&[label.as_bytes(), &index.to_be_bytes()].concat()))
}

fn multiple(point: &Affine, scalar: &Scalar) -> Projective {
    let mut sum = Projective::INFINITY;
    for bit in (0..256).rev() {
        sum = sum.double();
        if scalar.bit(bit) == 1 {
            sum = sum.add_affine(point);
        }
    }
    sum
}

fn vanish(terms: &mut Terms) -> bool {
    // SAFETY: the callers checked that the kernel is available.
    unsafe { terms.vanish(&mut ListSums::new()) }
}

#[test]
fn roots_match_the_scalar_field() {
    if !Kernel::Ifma.is_available() {
        return;
    }
    for count in [1, 8, 15, 16, 17, 200] {
        let asked: Vec<Compressed> = (0..count)
            .map(|i| Compressed {
                x: if i % 20 == 7 { [i, 0, 0, 0] } else { random("x", i).0 },
                odd: i % 3 == 0,
            })
            .collect();
        // SAFETY: the kernel is available.
        let (found, exist) = unsafe { points(&asked) };
        assert_eq!((found.len(), exist.len()), (asked.len(), asked.len()));
        for ((asked, point), exists) in asked.iter().zip(found).zip(exist) {
            let x = Fe::from_words(&asked.x);
            let root = curve_rhs(&x).sqrt();
            assert_eq!(exists, root.is_some());
            if let Some(root) = root {
                let y = if (root.to_words()[0] & 1 == 1) == asked.odd {
                    root
                } else {
                    root.neg()
                };
                assert!(point.0 == Entry::new(&Affine { x, y }, Form::Lanes).0);
            }
        }
    }
}

#[test]
fn short_products_match_long_ones() {
    let borders = [
        [0, 0],
        [1, 0],
        [u64::MAX, u64::MAX],
        [0, 1],
        [u64::MAX, 0],
        [0, u64::MAX],
    ];
    let top = Scalar([0; 4]).sub(&Scalar::ONE);
    let scalars = [Scalar([0; 4]), Scalar::ONE, top, top.sub(&Scalar([0, 0, 1, 0]))];
    let randoms = (0..3000).map(|i| random("factor", i));
    for (i, scalar) in scalars.into_iter().chain(randoms).enumerate() {
        let of_random = random("short", i as u64).0;
        for short in borders.into_iter().chain([[of_random[0], of_random[1]]]) {
            let want = scalar.mul(&Scalar([short[0], short[1], 0, 0]));
            assert_eq!(scalar.mul_short(&short), want, "{scalar:?} {short:x?}");
        }
    }
}

/// A sum of many multiples with the right multiple of G taken off vanishes, and with another one it does not; points occur
/// once, again, with the opposite sign, and on both sides.
#[test]
fn sums_of_multiples_vanish() {
    if !Kernel::Ifma.is_available() {
        return;
    }
    for count in [0u64, 1, 2, 40, 300] {
        for repeated in [false, true] {
            let mut terms = Terms::new();
            terms.begin(4 * count as usize + 1, 12345);
            let mut rest = Scalar([0; 4]);
            for i in 0..count {
                let d = random("d", if repeated { i / 3 } else { i });
                let mut point = multiple(&G, &d).to_affine();
                let d = if repeated && i % 3 == 1 {
                    point.y = point.y.neg();
                    Scalar([0; 4]).sub(&d)
                } else {
                    d
                };
                let scalar = match i {
                    0 => Scalar([0; 4]),
                    1 => Scalar::ONE,
                    2 => Scalar([0; 4]).sub(&Scalar::ONE),
                    _ => random("k", i),
                };
                let short = [random("short", i).0[0], if i == 4 { u64::MAX } else { i }];
                let entry = Entry::new(&point, Form::Lanes);
                if i % 2 == 0 {
                    terms.add(&entry, &scalar);
                    rest = rest.add(&scalar.mul(&d));
                }
                if i % 2 == 1 || repeated {
                    terms.subtract(&entry, short);
                    rest = rest.sub(&Scalar([short[0], short[1], 0, 0]).mul(&d));
                }
            }
            terms.add(&Entry::new(&G, Form::Lanes), &Scalar([0; 4]).sub(&rest));
            assert!(vanish(&mut terms), "{count} {repeated}");
            terms.add(&Entry::new(&G, Form::Lanes), &Scalar::ONE);
            assert!(!vanish(&mut terms), "{count} {repeated}");
        }
    }
}

/// Small multiples of G meet each other's sums: additions are exceptional, and the answer is no, never a wrong yes.
#[test]
fn exceptional_additions_do_not_accept() {
    if !Kernel::Ifma.is_available() {
        return;
    }
    let mut sum = Projective::INFINITY;
    let mut terms = Terms::new();
    terms.begin(600, 1);
    let mut rest = Scalar::ONE;
    for i in 1..500u64 {
        sum = sum.add_affine(&G);
        terms.subtract(&Entry::new(&sum.to_affine(), Form::Lanes), [1 << (i % 5), 0]);
        rest = rest.add(&Scalar([i << (i % 5), 0, 0, 0]));
    }
    terms.add(&Entry::new(&multiple(&G, &rest).to_affine(), Form::Lanes), &Scalar::ONE);
    assert!(!vanish(&mut terms));
}

/// What random coefficients are for: with all of them 1, two signatures whose errors cancel pass together.
#[test]
fn equal_coefficients_would_accept_a_forgery() {
    if !Kernel::Ifma.is_available() {
        return;
    }
    let key = generate(&sm3(b"forger"));
    let mut signed: Vec<([u8; 32], [u8; 64])> = (0..80u8).map(|i| (sm3(&[i]), key.sign(&sm3(&[i])))).collect();
    for (at, error) in [(11, Scalar::ONE), (12, Scalar([0; 4]).sub(&Scalar::ONE))] {
        let ([_, s], _) = signed[at].1.as_chunks_mut::<32>() else {
            unreachable!()
        };
        *s = Scalar::from_bytes_reduced(s).add(&error).to_bytes();
    }
    let items: Vec<BatchItem<'_>> = signed.iter().map(|(m, s)| (key.public_key(), &m[..], s)).collect();
    let hints: Vec<bool> = (0..80u8)
        .map(|i| super::super::verify_with_hint(key.public_key(), &sm3(&[i]), &key.sign(&sm3(&[i]))).1)
        .collect();
    let mut batch = Batch::new(&items, &hints);
    let mut work = Work::new();
    assert_eq!(batch.members.len(), 80);
    assert!(!batch.holds(&batch.members, &mut work));
    for (member, item) in batch.members.iter_mut().zip(&items) {
        let equation = Equation::parse(&item.0.digest(item.1), item.2).unwrap();
        member.z = [1, 0];
        (member.of_base, member.of_key) = (equation.s, equation.t);
    }
    assert!(
        batch.holds(&batch.members, &mut work),
        "the forgery that equal coefficients let pass"
    );
    let verdicts = super::hinted::verify(&items, &hints);
    for (at, (verdict, (pk, message, signature))) in verdicts.into_iter().zip(items).enumerate() {
        assert_eq!(verdict, verify_single(pk, message, signature));
        assert_eq!(verdict == VerifyStatus::Valid, at != 11 && at != 12);
    }
}
