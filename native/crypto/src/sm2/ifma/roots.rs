//! Points from x and the parity of y, sixteen at a time: p ≡ 3 mod 4, so w^((p+1)/4) is a root of w when there is one.

use super::super::point::B;
use super::field::{Lanes, P52, R2, from_array, mul, square, square_times, to_array};
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

/// Pairs of groups of eight in flight.
const PAIRS: usize = 2;
/// Points found at a time.
const COUNT: usize = 16 * PAIRS;

/// The point of each, and whether there is one with that x; if not, the point means nothing. 254 squarings and 18
/// products each.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn points(compressed: &[Compressed]) -> (Vec<Entry>, Vec<bool>) {
    let mut out = vec![Entry([0; 8]); compressed.len()];
    let mut sound = Vec::with_capacity(compressed.len().next_multiple_of(COUNT));
    for (chunk, out) in compressed.chunks(COUNT).zip(out.chunks_mut(COUNT)) {
        let lanes = std::array::from_fn(|at| chunk[at.min(chunk.len() - 1)]);
        sound.extend(some(&lanes, out));
    }
    sound.truncate(compressed.len());
    (out, sound)
}

/// Writes the points; says which of them exist.
#[target_feature(enable = "avx512f,avx512ifma")]
fn some(compressed: &[Compressed; COUNT], out: &mut [Entry]) -> [bool; COUNT] {
    let zero = Lanes::zero();
    let r2 = Lanes::splat(&R2);
    let b = Lanes::splat(&B52);
    let mut x = [[zero; 2]; PAIRS];
    let mut w = [[zero; 2]; PAIRS];
    for ((x, w), compressed) in x.iter_mut().zip(&mut w).zip(compressed.as_chunks::<16>().0) {
        let plain = both!(k => {
            let word = |at: usize| from_array(&std::array::from_fn(|lane| compressed[8 * k + lane].x[at]));
            Lanes::unpack([word(0), word(1), word(2), word(3)])
        });
        *x = mul(plain.each_ref(), [&r2, &r2]);
        let squares = square(x.each_ref());
        let cubes = mul(squares.each_ref(), x.each_ref());
        *w = both!(k => cubes[k].raw().minus_raw(x[k].raw().times(3)).plus(&b).reduce());
    }
    let roots = root(&w);
    let one = Lanes::splat(&[1, 0, 0, 0, 0]);
    let mut sound = [false; COUNT];
    let outputs = out.chunks_mut(16).zip(sound.as_chunks_mut::<16>().0);
    let pairs = x.iter().zip(&w).zip(&roots).zip(compressed.as_chunks::<16>().0);
    for ((((x, w), root), compressed), (out, sound)) in pairs.zip(outputs) {
        let again = square(root.each_ref());
        // The parity is that of the plain integer.
        let plain = mul(root.each_ref(), [&one, &one]);
        for (k, (out, sound)) in out.chunks_mut(8).zip(sound.chunks_mut(8)).enumerate() {
            let exist = again[k].raw().minus(&w[k]).reduce().zero_lanes();
            let odd = _mm512_test_epi64_mask(plain[k].canonical().0[0], _mm512_set1_epi64(1));
            let wanted = (0..8).fold(0, |mask, lane| mask | u8::from(compressed[8 * k + lane].odd) << lane);
            let mut y = root[k].canonical();
            let other = Lanes::splat(&P52).raw().minus(&y).carry();
            for (limb, other) in y.0.iter_mut().zip(other.0) {
                *limb = _mm512_mask_mov_epi64(*limb, odd ^ wanted, other);
            }
            let words = [x[k].canonical().pack(), y.pack()].map(|words| words.map(|word| to_array(word)));
            for (lane, (out, sound)) in out.iter_mut().zip(sound).enumerate() {
                out.0 = std::array::from_fn(|at| words[at / 4][at % 4][lane]);
                *sound = exist >> lane & 1 == 1;
            }
        }
    }
    sound
}

type Sets = [[Lanes; 2]; PAIRS];

/// a^(2^count)·b.
#[target_feature(enable = "avx512f,avx512ifma")]
fn shift_mul(a: &Sets, count: usize, b: &Sets) -> Sets {
    let mut out = *a;
    square_times(&mut out, count);
    for (out, b) in out.iter_mut().zip(b) {
        *out = mul(out.each_ref(), b.each_ref());
    }
    out
}

/// w^((p+1)/4).
#[target_feature(enable = "avx512f,avx512ifma")]
fn root(w: &Sets) -> Sets {
    // (p + 1) / 4 = 2^62·(2^32 − 1)·(2^160 − 1). One step takes w^(2^k − 1) to w^(2^2k − 1).
    let mut x = *w;
    for level in 0..5 {
        x = shift_mul(&x, 1 << level, &x);
    }
    let x1 = x;
    let x2 = shift_mul(&x1, 1, &x1);
    let x4 = shift_mul(&x2, 2, &x2);
    let mut x = shift_mul(&x4, 1, &x1);
    for level in 0..5 {
        x = shift_mul(&x, 5 << level, &x);
    }
    square_times(&mut x, 62);
    x
}
