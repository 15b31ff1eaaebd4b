//! Jacobian points in lanes (x = X/Z², y = Y/Z³), for sums that have doublings between their terms.

use super::field::{Lanes, ONE, R2, mul, square};
use super::points::{Flags, Pair, Point, both, delta};
use std::arch::x86_64::*;

/// Sixteen points that are not infinity: X and Y below 2.01p, Z below 2.6p.
#[derive(Clone, Copy)]
pub(super) struct Jacobian {
    x: [Lanes; 2],
    y: [Lanes; 2],
    z: [Lanes; 2],
}

impl Jacobian {
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(points: &Pair) -> Self {
        Self {
            x: points.each_ref().map(|point| point.x),
            y: points.each_ref().map(|point| point.y.raw().carry()),
            z: [Lanes::splat(&ONE); 2],
        }
    }

    /// Z.
    pub(super) fn z(&self) -> &[Lanes; 2] {
        &self.z
    }

    /// The affine points, with the inverse of Z.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn to_affine(self, inverse: &[Lanes; 2]) -> Pair {
        let squares = square(inverse.each_ref());
        let cubes = mul(squares.each_ref(), inverse.each_ref());
        let x = mul(self.x.each_ref(), squares.each_ref());
        let y = mul(self.y.each_ref(), cubes.each_ref());
        both!(k => Point { x: x[k], y: y[k] })
    }

    /// 2·self, 4M + 4S. The order is odd, so y ≠ 0 and the result is never infinity.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn double(&mut self) {
        let zz = square(self.z.each_ref());
        let yy = square(self.y.each_ref());
        // a = −3: m = 3(x − z²)(x + z²).
        let minus = both!(k => self.x[k].raw().minus(&zz[k]).plus_p(2).carry());
        let plus = both!(k => self.x[k].raw().plus(&zz[k]).carry());
        let m = mul(minus.each_ref(), plus.each_ref());
        let m = both!(k => m[k].raw().times(3).carry());
        let t = mul(self.x.each_ref(), yy.each_ref());
        let z = mul(self.y.each_ref(), self.z.each_ref());
        let squares = square(m.each_ref());
        let x = both!(k => squares[k].raw().minus_raw(t[k].raw().times(8)).reduce());
        let back = both!(k => t[k].raw().times(4).minus(&x[k]).plus_p(3).carry());
        let falls = mul(m.each_ref(), back.each_ref());
        let fourth = square(yy.each_ref());
        self.y = both!(k => falls[k].raw().minus_raw(fourth[k].raw().times(8)).reduce());
        self.x = x;
        self.z = both!(k => z[k].raw().times(2).carry());
    }

    /// self + points, 8M + 3S. Lanes in which both have the same x are flagged, and their result means nothing.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn add(&mut self, points: &Pair, flags: &mut Flags) {
        let zz = square(self.z.each_ref());
        let zzz = mul(zz.each_ref(), self.z.each_ref());
        let u = mul([&points[0].x, &points[1].x], zz.each_ref());
        let y = both!(k => points[k].y.raw().carry());
        let s = mul(y.each_ref(), zzz.each_ref());
        let h = [delta(&self.x[0], &u[0]), delta(&self.x[1], &u[1])];
        if h[0].maybe_zero() || h[1].maybe_zero() {
            for k in 0..2 {
                flags[k] |= u[k].raw().minus(&self.x[k]).reduce().zero_lanes();
            }
        }
        let r = [delta(&self.y[0], &s[0]), delta(&self.y[1], &s[1])];
        let hh = square(h.each_ref());
        let hhh = mul(hh.each_ref(), h.each_ref());
        let v = mul(self.x.each_ref(), hh.each_ref());
        let base = mul(self.y.each_ref(), hhh.each_ref());
        self.z = mul(self.z.each_ref(), h.each_ref());
        let squares = square(r.each_ref());
        self.x = both!(k => squares[k].raw().minus(&hhh[k]).minus_raw(v[k].raw().times(2)).reduce());
        let back = [delta(&self.x[0], &v[0]), delta(&self.x[1], &v[1])];
        let falls = mul(r.each_ref(), back.each_ref());
        self.y = both!(k => falls[k].raw().minus(&base[k]).reduce());
    }

    /// Lanes of a group in which the point has one of the given x (plain integers): x·Z² = X.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn has_x(&self, group: usize, candidates: &[Lanes]) -> __mmask8 {
        let [zz] = square([&self.z[group]]);
        let mut equal = 0;
        for candidate in candidates {
            let [x] = mul([candidate], [&Lanes::splat(&R2)]);
            let [product] = mul([&x], [&zz]);
            equal |= product.raw().minus(&self.x[group]).reduce().zero_lanes();
        }
        equal
    }
}
