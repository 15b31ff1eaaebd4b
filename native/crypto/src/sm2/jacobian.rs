//! Jacobian points (x = X/Z², y = Y/Z³) for the variable-time kernels. Their formulas have exceptions; an addition that
//! meets one answers `None`, and the caller asks `verify_single`.

use super::field::Fe;
use super::point::Affine;
use super::products::{Baseline, Products};

/// A point that is not infinity (Z ≠ 0).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jacobian {
    pub(crate) x: Fe,
    pub(crate) y: Fe,
    pub(crate) z: Fe,
}

impl From<Affine> for Jacobian {
    fn from(point: Affine) -> Self {
        Self {
            x: point.x,
            y: point.y,
            z: Fe::ONE,
        }
    }
}

impl Jacobian {
    /// self + other, 8M + 3S; `None` when both have the same x (doubling, or a sum of infinity).
    #[inline(always)]
    pub(crate) fn add_affine(&self, other: &Affine) -> Option<Self> {
        self.add_affine_by(Baseline, other)
    }

    /// [`Self::add_affine`] by the products of a kernel.
    #[inline(always)]
    pub(crate) fn add_affine_by(&self, by: impl Products, other: &Affine) -> Option<Self> {
        let zz = by.square(&self.z);
        let u = by.mul(&other.x, &zz);
        let s = by.mul(&other.y, &by.mul(&zz, &self.z));
        self.finish_add(by, &self.x, &self.y, &u, &s, &self.z)
    }

    /// self + other, 12M + 4S; `None` when both have the same x.
    pub(crate) fn add(&self, other: &Self) -> Option<Self> {
        let zz1 = self.z.square();
        let zz2 = other.z.square();
        let u1 = self.x.mul(&zz2);
        let s1 = self.y.mul(&zz2.mul(&other.z));
        let u2 = other.x.mul(&zz1);
        let s2 = other.y.mul(&zz1.mul(&self.z));
        self.finish_add(Baseline, &u1, &s1, &u2, &s2, &self.z.mul(&other.z))
    }

    #[inline(always)]
    fn finish_add(&self, by: impl Products, u1: &Fe, s1: &Fe, u2: &Fe, s2: &Fe, z: &Fe) -> Option<Self> {
        let h = u2.sub(u1);
        if h.is_zero() {
            return None;
        }
        let r = s2.sub(s1);
        let hh = by.square(&h);
        let hhh = by.mul(&hh, &h);
        let v = by.mul(u1, &hh);
        let x = by.square(&r).sub(&hhh).sub(&v.double());
        Some(Self {
            x,
            y: by.mul(&r, &v.sub(&x)).sub(&by.mul(s1, &hhh)),
            z: by.mul(z, &h),
        })
    }

    /// 2·self, 4M + 4S. The order is odd, so y ≠ 0 and the result is never infinity.
    #[inline(always)]
    pub(crate) fn double(&self) -> Self {
        // a = −3: 3x² + a·z⁴ = 3(x − z²)(x + z²).
        let zz = self.z.square();
        let m = self.x.sub(&zz).mul(&self.x.add(&zz)).triple();
        let yy2 = self.y.square().double();
        let s = self.x.mul(&yy2).double();
        let x = m.square().sub(&s.double());
        Self {
            x,
            y: m.mul(&s.sub(&x)).sub(&yy2.square().double()),
            z: self.y.mul(&self.z).double(),
        }
    }

    /// 2^count · self.
    pub(crate) fn double_times(&self, count: usize) -> Self {
        let mut out = *self;
        for _ in 0..count {
            out = out.double();
        }
        out
    }

    /// −self.
    pub(crate) fn neg(&self) -> Self {
        Self {
            x: self.x,
            y: self.y.neg(),
            z: self.z,
        }
    }
}

/// Affine forms of all points with one inversion.
pub(crate) fn to_affine_all(points: &[Jacobian]) -> Vec<Affine> {
    let mut inverses: Vec<Fe> = points.iter().map(|point| point.z).collect();
    Fe::invert_all(&mut inverses, &mut Vec::with_capacity(points.len()));
    points
        .iter()
        .zip(&inverses)
        .map(|(point, inverse)| {
            let square = inverse.square();
            Affine {
                x: point.x.mul(&square),
                y: point.y.mul(&square.mul(inverse)),
            }
        })
        .collect()
}
