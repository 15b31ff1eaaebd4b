//! Affine points in lanes, added pairwise, with one inversion for a whole round of additions.
//!
//! A sum of m points is a tree: the first round adds the points 2i and 2i + 1 of every signature, the next one the
//! results, and so on. A round costs 5M + 1S an addition and one inversion in all, and there are only log2(m) rounds.

use super::field::{Lanes, ONE, R2, Raw, mul, square};
use super::invert::invert;
use std::arch::x86_64::*;

/// Eight affine points, none of them infinity. Coordinates below 2.01p; the limbs of y may be signed.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: Lanes,
    pub(super) y: Lanes,
}

/// Two independent groups of eight.
pub(super) type Pair = [Point; 2];

/// Lanes of a pair whose sum met an exceptional addition: the result means nothing.
pub(super) type Flags = [__mmask8; 2];

/// The points of many sums: `points[sum·stride + i]` is term i of the sums of one pair of groups.
pub(super) struct Sums {
    pub(super) points: Vec<Pair>,
    pub(super) stride: usize,
    pub(super) flags: Vec<Flags>,
    products: Vec<[Lanes; 2]>,
}

/// One value for each group of a pair. A macro, because closures of this size become calls.
macro_rules! both {
    ($k:ident => $value:expr) => {
        [
            {
                let $k = 0usize;
                $value
            },
            {
                let $k = 1usize;
                $value
            },
        ]
    };
}
pub(super) use both;

/// x2 − x1, in (0.9p, 5.1p).
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn delta(first: &Lanes, second: &Lanes) -> Lanes {
    second.raw().minus(first).plus_p(3).carry()
}

impl Sums {
    /// No sums yet.
    pub(super) const fn new() -> Self {
        Self {
            points: Vec::new(),
            stride: 1,
            flags: Vec::new(),
            products: Vec::new(),
        }
    }

    /// Makes room for `count` pairs of sums of `stride` terms; what the terms hold is left from earlier sums.
    #[target_feature(enable = "avx512f")]
    pub(super) fn begin(&mut self, count: usize, stride: usize) {
        let zero = Lanes::zero();
        self.stride = stride;
        self.points.resize(count * stride, [Point { x: zero, y: zero }; 2]);
        self.flags.clear();
        self.flags.resize(count, [0; 2]);
    }

    /// Adds the terms down to `left` a sum, `left` = 1 or 2; they end up at the first and, for two, at the returned place.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn add_up(&mut self, left: usize) -> usize {
        let (mut terms, mut step) = (self.stride, 1);
        while terms > left {
            self.round(terms / 2, step);
            terms = terms.div_ceil(2);
            step *= 2;
        }
        step
    }

    /// Adds the terms at 2i·step and (2i + 1)·step of each sum, for i below `half`; the results take the first place.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn round(&mut self, half: usize, step: usize) {
        let one = Lanes::splat(&ONE);
        let mut product = [one; 2];
        self.products.clear();
        for (terms, flags) in self.points.chunks_exact_mut(self.stride).zip(&mut self.flags) {
            for i in 0..half {
                let (first, second) = two_terms(terms, i, step);
                let mut d = [delta(&first[0].x, &second[0].x), delta(&first[1].x, &second[1].x)];
                if d[0].maybe_zero() || d[1].maybe_zero() {
                    for k in 0..2 {
                        flags[k] |= separate(&first[k].x, &mut second[k].x);
                        d[k] = delta(&first[k].x, &second[k].x);
                    }
                }
                self.products.push(product);
                product = mul(product.each_ref(), d.each_ref());
            }
        }
        let mut inverse = invert(&product);
        let mut products = self.products.iter().rev();
        for terms in self.points.chunks_exact_mut(self.stride).rev() {
            for i in (0..half).rev() {
                let Some(before) = products.next() else { return };
                let (first, second) = two_terms(terms, i, step);
                let d = [delta(&first[0].x, &second[0].x), delta(&first[1].x, &second[1].x)];
                let own = mul(inverse.each_ref(), before.each_ref());
                inverse = mul(inverse.each_ref(), d.each_ref());
                add_assign(first, second, &own);
            }
        }
    }
}

/// Terms 2i and 2i + 1 of a round.
#[inline]
fn two_terms(terms: &mut [Pair], i: usize, step: usize) -> (&mut Pair, &mut Pair) {
    let (head, tail) = terms.split_at_mut((2 * i + 1) * step);
    (&mut head[2 * i * step], &mut tail[0])
}

/// The sum of two points with the inverse of x2 − x1.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn add(first: &Pair, second: &Pair, inverse: &[Lanes; 2]) -> Pair {
    let mut sum = *first;
    add_assign(&mut sum, second, inverse);
    sum
}

/// Adds a point with the inverse of x2 − x1. In place: copies of points are memory traffic.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn add_assign(first: &mut Pair, second: &Pair, inverse: &[Lanes; 2]) {
    let rise = [delta(&first[0].y, &second[0].y), delta(&first[1].y, &second[1].y)];
    let slope = mul(inverse.each_ref(), rise.each_ref());
    third(first, [&second[0].x, &second[1].x], &slope);
}

/// Twice a point, with the inverse of 2y.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn double(point: &Pair, inverse: &[Lanes; 2]) -> Pair {
    let squares = square([&point[0].x, &point[1].x]);
    let one = Lanes::splat(&ONE);
    // a = −3: the slope is 3(x² − 1) / 2y.
    let rise = both!(k => squares[k].raw().minus(&one).times(3).reduce());
    let slope = mul(inverse.each_ref(), rise.each_ref());
    let mut out = *point;
    third(&mut out, [&point[0].x, &point[1].x], &slope);
    out
}

/// Replaces the first point by x3 = slope² − x1 − x2, y3 = slope·(x1 − x3) − y1.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn third(first: &mut Pair, second_x: [&Lanes; 2], slope: &[Lanes; 2]) {
    let squares = square(slope.each_ref());
    let x = both!(k => squares[k].raw().minus(&first[k].x).minus(second_x[k]).reduce());
    let back = both!(k => delta(&x[k], &first[k].x));
    let falls = mul(slope.each_ref(), back.each_ref());
    for (k, first) in first.iter_mut().enumerate() {
        first.y = falls[k].raw().minus(&first.y).reduce();
        first.x = x[k];
    }
}

/// Makes the x that are equal modulo p differ, by one unit; the lanes that this concerns.
#[cold]
#[target_feature(enable = "avx512f")]
fn separate(first: &Lanes, second: &mut Lanes) -> __mmask8 {
    let equal = second.raw().minus(first).reduce().zero_lanes();
    let mut moved = *first;
    moved.0[0] = _mm512_add_epi64(moved.0[0], _mm512_set1_epi64(1));
    for (limb, moved) in second.0.iter_mut().zip(moved.0) {
        *limb = _mm512_mask_mov_epi64(*limb, equal, moved);
    }
    equal
}

/// Lanes in which the sum of the two points has one of the given x (plain integers), and those in which the addition
/// is exceptional. No inversion: x3 = (Δy/Δx)² − x1 − x2 is compared as (x3 + x1 + x2)·Δx² = Δy².
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn sum_has_x(first: &Point, second: &Point, candidates: &[Lanes]) -> (__mmask8, __mmask8) {
    let run = second.x.raw().minus(&first.x).reduce();
    let rise = second.y.raw().minus(&first.y).reduce();
    let [run_square, rise_square] = square([&run, &rise]);
    let mut equal = 0;
    for candidate in candidates {
        let [x] = mul([candidate], [&Lanes::splat(&R2)]);
        let sum: Raw = x.raw().plus(&first.x).plus(&second.x);
        let [product] = mul([&sum.reduce()], [&run_square]);
        equal |= product.raw().minus(&rise_square).reduce().zero_lanes();
    }
    (equal, run.zero_lanes())
}
