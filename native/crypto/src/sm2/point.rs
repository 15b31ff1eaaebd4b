//! Points of y² = x³ − 3x + b. [`Projective`] uses the complete formulas of Renes, Costello and Batina (2016, algorithms
//! 4–6): no exceptional case exists, so neither the rule (`verify_single`) nor the signer needs a branch.

use super::field::Fe;

/// The coefficient b in Montgomery form.
pub(crate) const B: Fe = Fe([
    0x90d2_3063_2bc0_dd42,
    0x71cf_379a_e9b5_37ab,
    0x5279_8150_5ea5_1c3c,
    0x240f_e188_ba20_e2c8,
]);

/// An affine point, never infinity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Affine {
    pub(crate) x: Fe,
    pub(crate) y: Fe,
}

/// The base point G (GB/T 32918.5).
pub(crate) const G: Affine = Affine {
    x: Fe([
        0x6132_8990_f418_029e,
        0x3e79_81ed_dca6_c050,
        0xd6a1_ed99_ac24_c3c3,
        0x9116_7a5e_e1c1_3b05,
    ]),
    y: Fe([
        0xc135_4e59_3c2d_0ddd,
        0xc1f5_e578_8d32_95fa,
        0x8d4c_fb06_6e2a_48f8,
        0x63cd_65d4_81d7_35bd,
    ]),
};

/// x³ − 3x + b.
pub(crate) fn curve_rhs(x: &Fe) -> Fe {
    x.square().mul(x).sub(&x.triple()).add(&B)
}

impl Affine {
    /// Whether the point satisfies the curve equation.
    pub(crate) fn is_on_curve(&self) -> bool {
        self.y.square() == curve_rhs(&self.x)
    }
}

/// x = X/Z, y = Y/Z; infinity is (0 : 1 : 0).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Projective {
    pub(crate) x: Fe,
    pub(crate) y: Fe,
    pub(crate) z: Fe,
}

impl From<&Affine> for Projective {
    fn from(point: &Affine) -> Self {
        Self {
            x: point.x,
            y: point.y,
            z: Fe::ONE,
        }
    }
}

impl Projective {
    /// The neutral element.
    pub(crate) const INFINITY: Self = Self {
        x: Fe::ZERO,
        y: Fe::ONE,
        z: Fe::ZERO,
    };

    /// Whether this is the neutral element.
    pub(crate) fn is_infinity(&self) -> bool {
        self.z.is_zero()
    }

    /// The tail that algorithms 4 and 5 share, from x1x2, y1y2, z1z2 and the three cross sums.
    #[inline(always)]
    fn finish_add(xx: &Fe, yy: &Fe, zz: &Fe, xy: &Fe, yz: &Fe, xz: &Fe) -> Self {
        let b_part = xz.sub(&B.mul(zz)).triple();
        let minus = yy.sub(&b_part);
        let plus = yy.add(&b_part);
        let zz3 = zz.triple();
        let c_part = B.mul(xz).sub(&zz3).sub(xx).triple();
        let d_part = xx.triple().sub(&zz3);
        Self {
            x: plus.mul(xy).sub(&yz.mul(&c_part)),
            y: plus.mul(&minus).add(&d_part.mul(&c_part)),
            z: minus.mul(yz).add(&xy.mul(&d_part)),
        }
    }

    /// self + other, for any two points (algorithm 4).
    pub(crate) fn add(&self, other: &Self) -> Self {
        let xx = self.x.mul(&other.x);
        let yy = self.y.mul(&other.y);
        let zz = self.z.mul(&other.z);
        let xy = self.x.add(&self.y).mul(&other.x.add(&other.y)).sub(&xx).sub(&yy);
        let yz = self.y.add(&self.z).mul(&other.y.add(&other.z)).sub(&yy).sub(&zz);
        let xz = self.x.add(&self.z).mul(&other.x.add(&other.z)).sub(&xx).sub(&zz);
        Self::finish_add(&xx, &yy, &zz, &xy, &yz, &xz)
    }

    /// self + other for any self, other affine (algorithm 5).
    pub(crate) fn add_affine(&self, other: &Affine) -> Self {
        let xx = self.x.mul(&other.x);
        let yy = self.y.mul(&other.y);
        let xy = self.x.add(&self.y).mul(&other.x.add(&other.y)).sub(&xx).sub(&yy);
        let yz = other.y.mul(&self.z).add(&self.y);
        let xz = other.x.mul(&self.z).add(&self.x);
        Self::finish_add(&xx, &yy, &self.z, &xy, &yz, &xz)
    }

    /// 2·self (algorithm 6).
    pub(crate) fn double(&self) -> Self {
        let xx = self.x.square();
        let yy = self.y.square();
        let zz = self.z.square();
        let xy2 = self.x.mul(&self.y).double();
        let xz2 = self.x.mul(&self.z).double();
        let yz2 = self.y.mul(&self.z).double();
        let b_part = B.mul(&zz).sub(&xz2).triple();
        let minus = yy.sub(&b_part);
        let plus = yy.add(&b_part);
        let zz3 = zz.triple();
        let c_part = B.mul(&xz2).sub(&zz3).sub(&xx).triple();
        let d_part = xx.triple().sub(&zz3);
        Self {
            x: minus.mul(&xy2).sub(&c_part.mul(&yz2)),
            y: plus.mul(&minus).add(&d_part.mul(&c_part)),
            z: yz2.mul(&yy).double().double(),
        }
    }

    /// `a` where `mask` is all ones, `b` where it is zero.
    pub(crate) fn select(mask: u64, a: &Self, b: &Self) -> Self {
        Self {
            x: Fe::select(mask, &a.x, &b.x),
            y: Fe::select(mask, &a.y, &b.y),
            z: Fe::select(mask, &a.z, &b.z),
        }
    }

    /// Affine coordinates; infinity becomes (0, 0), which callers exclude. Constant time.
    pub(crate) fn to_affine(self) -> Affine {
        let inverse = self.z.invert();
        Affine {
            x: self.x.mul(&inverse),
            y: self.y.mul(&inverse),
        }
    }
}
