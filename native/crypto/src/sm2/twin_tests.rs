//! Field and scalar arithmetic against schoolbook integers, and the group law against itself.

use super::comb::{Comb, sign_table, verify_table};
use super::field::{Fe, P};
use super::jacobian::{Jacobian, to_affine_all};
use super::point::{Affine, G, Projective};
use super::scalar::{N, Scalar};
use proptest::prelude::*;

type Words = [u64; 4];

/// a·b mod m, by 32-bit schoolbook product and bitwise long division.
fn naive_mul(a: &Words, b: &Words, m: &Words) -> Words {
    let halves = |x: &Words| -> Vec<u64> { x.iter().flat_map(|w| [w & 0xffff_ffff, w >> 32]).collect() };
    let (a, b) = (halves(a), halves(b));
    let mut product = [0u64; 16];
    for (i, x) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, y) in b.iter().enumerate() {
            let t = product[i + j] + x * y + carry;
            product[i + j] = t & 0xffff_ffff;
            carry = t >> 32;
        }
        product[i + 8] = carry;
    }
    let mut rest = [0u64; 4];
    for bit in (0..512).rev() {
        let top = rest[3] >> 63;
        for i in (1..4).rev() {
            rest[i] = rest[i] << 1 | rest[i - 1] >> 63;
        }
        rest[0] = rest[0] << 1 | (product[bit / 32] >> (bit % 32) & 1);
        if top == 1 || !naive_less(&rest, m) {
            naive_subtract(&mut rest, m);
        }
    }
    rest
}

fn naive_less(a: &Words, b: &Words) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// a −= b mod 2^256.
fn naive_subtract(a: &mut Words, b: &Words) {
    let mut borrow = 0i128;
    for (x, y) in a.iter_mut().zip(b) {
        let t = i128::from(*x) - i128::from(*y) - borrow;
        *x = t as u64;
        borrow = i128::from(t < 0);
    }
}

/// a + b mod m for a, b < m.
fn naive_add(a: &Words, b: &Words, m: &Words) -> Words {
    // a + b mod m = a − (m − b), plus m when that is negative.
    let mut rest = *m;
    naive_subtract(&mut rest, b);
    let mut out = *a;
    if naive_less(a, &rest) {
        let mut negative = rest;
        naive_subtract(&mut negative, a);
        out = *m;
        naive_subtract(&mut out, &negative);
    } else {
        naive_subtract(&mut out, &rest);
    }
    if naive_less(&out, m) { out } else { [0; 4] }
}

fn reduce(mut x: Words, m: &Words) -> Words {
    if !naive_less(&x, m) {
        naive_subtract(&mut x, m);
    }
    x
}

/// Values at the borders of words, of the modulus and of Montgomery form.
fn border_values(m: &Words) -> Vec<Words> {
    const WORDS: [u64; 6] = [0, 1, 0xffff_ffff, 0xffff_ffff_0000_0000, u64::MAX - 1, u64::MAX];
    let mut out: Vec<Words> = Vec::new();
    for a in WORDS {
        for b in WORDS {
            out.extend([[a, b, a, b], [a, a, b, b], [b, a, a, a]]);
        }
    }
    for offset in 0..4u64 {
        let mut near = *m;
        naive_subtract(&mut near, &[offset + 1, 0, 0, 0]);
        out.push(near);
        out.push([offset, 0, 0, 0]);
    }
    out.into_iter().map(|x| reduce(x, m)).collect()
}

/// The kernel of this processor gives the words of the portable one.
fn check_kernels(a: &Words, b: &Words) {
    #[cfg(target_arch = "x86_64")]
    {
        use super::{field::portable, field_adx, field_x86, products::Products};
        assert_eq!(field_x86::mul(a, b), portable::mul(a, b), "{a:x?} * {b:x?}");
        assert_eq!(field_x86::square(a), portable::square(a), "{a:x?} squared");
        if let Some(adx) = field_adx::Adx::new() {
            assert_eq!(adx.mul(&Fe(*a), &Fe(*b)).0, portable::mul(a, b), "{a:x?} * {b:x?}");
            assert_eq!(adx.square(&Fe(*a)).0, portable::square(a), "{a:x?} squared");
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (a, b);
}

fn check_field(a: &Words, b: &Words) {
    let (x, y) = (Fe::from_words(a), Fe::from_words(b));
    assert_eq!(x.to_words(), *a);
    assert_eq!(x.mul(&y).to_words(), naive_mul(a, b, &P), "{a:x?} * {b:x?}");
    assert_eq!(x.square(), x.mul(&x), "{a:x?} squared");
    check_kernels(a, b);
    assert_eq!(x.add(&y).to_words(), naive_add(a, b, &P));
    assert_eq!(x.sub(&y).add(&y), x);
    assert_eq!(x.neg().add(&x), Fe::ZERO);
    assert_eq!(x.triple(), x.add(&x).add(&x));
    // The same words taken as a Montgomery form reach other carries.
    let (x, y) = (Fe(*a), Fe(*b));
    assert_eq!(x.mul(&y).to_words(), naive_mul(&x.to_words(), &y.to_words(), &P));
    assert_eq!(x.square(), x.mul(&x));
}

fn check_scalar(a: &Words, b: &Words) {
    let (x, y) = (Scalar(*a), Scalar(*b));
    assert_eq!(x.mul(&y).0, naive_mul(a, b, &N), "{a:x?} * {b:x?}");
    assert_eq!(x.add(&y).0, naive_add(a, b, &N));
    assert_eq!(x.sub(&y).add(&y), x);
}

#[test]
fn products_at_the_borders() {
    let values = border_values(&P);
    values
        .iter()
        .for_each(|a| values.iter().for_each(|b| check_field(a, b)));
    let values = border_values(&N);
    values
        .iter()
        .for_each(|a| values.iter().for_each(|b| check_scalar(a, b)));
}

#[test]
fn inverses_and_roots() {
    for words in border_values(&P) {
        let x = Fe::from_words(&words);
        let want = if x.is_zero() { Fe::ZERO } else { Fe::ONE };
        assert_eq!(x.invert().mul(&x), want);
        let root = x.square().sqrt().unwrap();
        assert!(root == x || root == x.neg());
    }
    for words in border_values(&N) {
        let x = Scalar(words);
        assert_eq!(x.invert().mul(&x), if x.is_zero() { x } else { Scalar::ONE });
    }
    let mut all: Vec<Fe> = border_values(&P).iter().map(Fe::from_words).collect();
    let singly: Vec<Fe> = all.iter().map(Fe::invert).collect();
    Fe::invert_all(&mut all, &mut Vec::new());
    assert_eq!(all, singly);
}

fn check_digits<const W: usize>(scalar: &Scalar) {
    // Σ digit·2^(W·i) by Horner from the top, modulo n.
    let base = Scalar([1 << W, 0, 0, 0]);
    let sum = (0..Comb::<W>::WINDOWS).rev().fold(Scalar([0; 4]), |sum, window| {
        let (magnitude, negative) = scalar.signed_digit(window, W);
        assert!(magnitude <= Comb::<W>::HALF as u64 && (negative == 0 || negative == u64::MAX));
        let digit = Scalar([magnitude, 0, 0, 0]);
        let sum = sum.mul(&base);
        if negative == 0 {
            sum.add(&digit)
        } else {
            sum.sub(&digit)
        }
    });
    assert_eq!(sum, *scalar, "width {W}");
}

fn check_all_digits(words: &Words) {
    let scalar = Scalar(reduce(*words, &N));
    check_digits::<5>(&scalar);
    check_digits::<6>(&scalar);
    check_digits::<7>(&scalar);
    check_digits::<8>(&scalar);
}

#[test]
fn signed_digits_at_the_borders() {
    border_values(&N).iter().for_each(check_all_digits);
    for shift in 0..256 {
        let mut one = [0; 4];
        one[shift / 64] = 1 << (shift % 64);
        check_all_digits(&one);
    }
}

/// scalar·point by doubling and adding with the complete formulas.
pub(super) fn naive_multiple(point: &Affine, scalar: &Scalar) -> Projective {
    (0..256).rev().fold(Projective::INFINITY, |sum, bit| {
        let sum = sum.double();
        if scalar.bit(bit) == 1 {
            sum.add_affine(point)
        } else {
            sum
        }
    })
}

fn same(a: &Projective, b: &Projective) -> bool {
    a.x.mul(&b.z) == b.x.mul(&a.z) && a.y.mul(&b.z) == b.y.mul(&a.z) && a.is_infinity() == b.is_infinity()
}

#[test]
fn complete_formulas_cover_every_case() {
    let g = Projective::from(&G);
    let minus = Projective::from(&Affine { x: G.x, y: G.y.neg() });
    let infinity = Projective::INFINITY;
    assert!(g.add(&minus).is_infinity() && g.add_affine(&minus.to_affine()).is_infinity());
    assert!(same(&g.add(&g), &g.double()) && same(&g.add_affine(&G), &g.double()));
    assert!(same(&g.add(&infinity), &g) && same(&infinity.add(&g), &g) && same(&infinity.add_affine(&G), &g));
    assert!(infinity.double().is_infinity() && infinity.add(&infinity).is_infinity());
    assert!(naive_multiple(&G, &Scalar(N)).is_infinity());
    let mut last = N;
    naive_subtract(&mut last, &[1, 0, 0, 0]);
    assert!(same(&naive_multiple(&G, &Scalar(last)), &minus));
}

#[test]
fn jacobian_steps_report_their_exceptions() {
    let g = Jacobian::from(G);
    let minus = Affine { x: G.x, y: G.y.neg() };
    assert!(g.add_affine(&G).is_none() && g.add_affine(&minus).is_none());
    assert!(g.add(&g).is_none() && g.add(&g.neg()).is_none());
    let two = g.double();
    let three = two.add_affine(&G).unwrap();
    let five = three.add(&two).unwrap();
    let affine = to_affine_all(&[g, two, three, five]);
    for (point, multiple) in affine.iter().zip([1, 2, 3, 5]) {
        assert!(point.is_on_curve());
        assert_eq!(*point, naive_multiple(&G, &Scalar([multiple, 0, 0, 0])).to_affine());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn field_matches_the_twin(a: [u64; 4], b: [u64; 4]) {
        check_field(&reduce(a, &P), &reduce(b, &P));
    }

    #[test]
    fn scalars_match_the_twin(a: [u64; 4], b: [u64; 4]) {
        check_scalar(&reduce(a, &N), &reduce(b, &N));
    }

    #[test]
    fn signed_digits_sum_to_the_scalar(a: [u64; 4]) {
        check_all_digits(&a);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn combs_match_double_and_add(a: [u64; 4], b: [u64; 4]) {
        let (a, b) = (Scalar(reduce(a, &N)), Scalar(reduce(b, &N)));
        let want = naive_multiple(&G, &a);
        prop_assert!(same(&sign_table().multiply_secret(&a), &want));
        let sum = verify_table().add_multiple(None, &a).unwrap().unwrap();
        prop_assert_eq!(to_affine_all(&[sum])[0], want.to_affine());
        let both = verify_table().add_multiple(Some(sum), &b).unwrap().unwrap();
        prop_assert_eq!(to_affine_all(&[both])[0], want.add(&naive_multiple(&G, &b)).to_affine());
    }
}
