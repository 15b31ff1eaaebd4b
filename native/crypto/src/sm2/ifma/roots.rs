//! Points from x and the parity of y, sixteen at a time: p ≡ 3 mod 4, so w^((p+1)/4) is a root of w when there is one.

use super::super::point::B;
use super::field::{Lanes, P52, R2, from_array, mul, square, to_array};
use super::invert::limbs;
use super::points::both;
use super::table::Entry;
use std::arch::x86_64::*;

/// The coefficient b of the curve; four doublings take R = 2^256 to R = 2^260.
const B52: [u64; 5] = limbs(&B.double().double().double().double().0);

/// What is known of a point.
#[derive(Clone, Copy)]
pub(super) struct Compressed {
    /// A plain integer below p.
    pub(super) x: [u64; 4],
    /// Whether y is odd.
    pub(super) odd: bool,
}

/// The point of each, or `None` when no point has that x. 252 squarings and 18 products for sixteen.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn points(compressed: &[Compressed]) -> Vec<Option<Entry>> {
    let mut out = Vec::with_capacity(compressed.len().next_multiple_of(16));
    for chunk in compressed.chunks(16) {
        let groups = [0, 8].map(|start| std::array::from_fn(|lane| chunk[(start + lane).min(chunk.len() - 1)]));
        out.extend(sixteen(&groups));
    }
    out.truncate(compressed.len());
    out
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn sixteen(groups: &[[Compressed; 8]; 2]) -> [Option<Entry>; 16] {
    let r2 = Lanes::splat(&R2);
    let x = both!(k => {
        let word = |at: usize| from_array(&groups[k].map(|point| point.x[at]));
        Lanes::unpack([word(0), word(1), word(2), word(3)])
    });
    let x = mul(x.each_ref(), [&r2, &r2]);
    let squares = square(x.each_ref());
    let cubes = mul(squares.each_ref(), x.each_ref());
    let b = Lanes::splat(&B52);
    let w = both!(k => cubes[k].raw().minus_raw(x[k].raw().times(3)).plus(&b).reduce());
    let root = root(&w);
    let again = square(root.each_ref());
    // The parity is that of the plain integer.
    let one = Lanes::splat(&[1, 0, 0, 0, 0]);
    let plain = mul(root.each_ref(), [&one, &one]);
    let mut out = [None; 16];
    for (k, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let sound = again[k].raw().minus(&w[k]).reduce().zero_lanes();
        let odd = _mm512_test_epi64_mask(plain[k].canonical().0[0], _mm512_set1_epi64(1));
        let wanted = (0..8).fold(0, |mask, lane| mask | u8::from(groups[k][lane].odd) << lane);
        let mut y = root[k].canonical();
        let other = Lanes::splat(&P52).raw().minus(&y).carry();
        for (limb, other) in y.0.iter_mut().zip(other.0) {
            *limb = _mm512_mask_mov_epi64(*limb, odd ^ wanted, other);
        }
        let words = [x[k].canonical().pack(), y.pack()].map(|words| words.map(|word| to_array(word)));
        for (lane, out) in out.iter_mut().enumerate() {
            let entry = Entry(std::array::from_fn(|at| words[at / 4][at % 4][lane]));
            *out = (sound >> lane & 1 == 1).then_some(entry);
        }
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn square_times(a: &[Lanes; 2], count: usize) -> [Lanes; 2] {
    let mut out = *a;
    for _ in 0..count {
        out = square(out.each_ref());
    }
    out
}

/// w^((p+1)/4).
#[target_feature(enable = "avx512f,avx512ifma")]
fn root(w: &[Lanes; 2]) -> [Lanes; 2] {
    // (p + 1) / 4 = 2^62·(2^32 − 1)·(2^160 − 1). One step takes w^(2^k − 1) to w^(2^2k − 1).
    let twice = |a: &[Lanes; 2], ones: usize| {
        let shifted = square_times(a, ones);
        mul(shifted.each_ref(), a.each_ref())
    };
    let mut x = *w;
    for level in 0..5 {
        x = twice(&x, 1 << level);
    }
    let x32 = x;
    let x4 = twice(&twice(&x32, 1), 2);
    let shifted = square_times(&x4, 1);
    let mut x = mul(shifted.each_ref(), x32.each_ref());
    for level in 0..5 {
        x = twice(&x, 5 << level);
    }
    square_times(&x, 62)
}
