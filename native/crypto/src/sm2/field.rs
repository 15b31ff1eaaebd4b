//! The field of p = 2^256 − 2^224 − 2^96 + 2^64 − 1 in Montgomery form (R = 2^256), values always below p.
//!
//! −p⁻¹ ≡ 1 mod 2^64, so a reduction step multiplies nothing: its factor is the low word itself, and factor · p is
//! made of shifts.

use super::limbs::{
    adc, add_mod, add4, from_be_bytes, less, mask_zero4, reduce_once, sbb, select4, sub_mod, to_be_bytes,
};

/// The prime p (GB/T 32918.5).
pub(crate) const P: [u64; 4] = [
    0xffff_ffff_ffff_ffff,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_ffff,
    0xffff_fffe_ffff_ffff,
];
/// R² mod p.
const R2: Fe = Fe([
    0x0000_0002_0000_0003,
    0x0000_0002_ffff_ffff,
    0x0000_0001_0000_0001,
    0x0000_0004_0000_0002,
]);
/// (p + 1) / 4: since p ≡ 3 mod 4, this power is a square root.
const SQRT_EXPONENT: [u64; 4] = [
    0x4000_0000_0000_0000,
    0xffff_ffff_c000_0000,
    0xffff_ffff_ffff_ffff,
    0x3fff_ffff_bfff_ffff,
];

/// A field element in Montgomery form, below p.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fe(pub(crate) [u64; 4]);

/// One reduction step on four words: (a + a₀·p) / 2^64, below 2^256 (2^192 + p at most).
#[inline(always)]
const fn reduce_word(a: [u64; 4]) -> [u64; 4] {
    let m = a[0];
    let (low, high) = (m << 32, m >> 32);
    // m·(p + 1) / 2^64 = m·2^192 + m − (m·2^160 + m·2^32): one borrow chain.
    let (x0, c) = sbb(m, low, 0);
    let (x1, c) = sbb(0, high, c);
    let (x2, c) = sbb(0, low, c);
    let (x3, _) = sbb(m, high, c);
    let (r0, c) = adc(a[1], x0, 0);
    let (r1, c) = adc(a[2], x1, c);
    let (r2, c) = adc(a[3], x2, c);
    let (r3, _) = adc(x3, c, 0);
    [r0, r1, r2, r3]
}

/// Montgomery reduction of a value below p·2^256.
#[inline(always)]
fn reduce_wide(t: [u64; 8]) -> [u64; 4] {
    let low = reduce_word(reduce_word(reduce_word(reduce_word([t[0], t[1], t[2], t[3]]))));
    let (words, carry) = add4(&low, &[t[4], t[5], t[6], t[7]]);
    reduce_once(&words, carry, &P)
}

/// The products that every target has; also the twin of the kernels in tests.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) mod portable {
    use super::super::limbs::{mul_wide, square_wide};
    use super::reduce_wide;

    /// a·b·2^−256 mod p for a·b < p·2^256.
    #[inline(always)]
    pub(crate) fn mul(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
        reduce_wide(mul_wide(a, b))
    }

    /// a²·2^−256 mod p for a² < p·2^256.
    #[inline(always)]
    pub(crate) fn square(a: &[u64; 4]) -> [u64; 4] {
        reduce_wide(square_wide(a))
    }
}

#[cfg(target_arch = "x86_64")]
use super::field_x86 as kernel;
#[cfg(not(target_arch = "x86_64"))]
use portable as kernel;

impl Fe {
    /// 0.
    pub(crate) const ZERO: Self = Self([0; 4]);
    /// 1, that is R mod p.
    pub(crate) const ONE: Self = Self([1, 0x0000_0000_ffff_ffff, 0, 0x0000_0001_0000_0000]);

    /// From a plain integer below p.
    pub(crate) fn from_words(words: &[u64; 4]) -> Self {
        Self(*words).mul(&R2)
    }

    /// From 32 big-endian bytes; `None` when the value is not below p.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let words = from_be_bytes(bytes);
        (less(&words, &P) == 1).then(|| Self::from_words(&words))
    }

    /// The plain integer.
    pub(crate) fn to_words(self) -> [u64; 4] {
        reduce_wide([self.0[0], self.0[1], self.0[2], self.0[3], 0, 0, 0, 0])
    }

    /// 32 big-endian bytes.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        to_be_bytes(&self.to_words())
    }

    /// self + other.
    #[inline(always)]
    pub(crate) const fn add(&self, other: &Self) -> Self {
        Self(add_mod(&self.0, &other.0, &P))
    }

    /// self − other.
    #[inline(always)]
    pub(crate) const fn sub(&self, other: &Self) -> Self {
        Self(sub_mod(&self.0, &other.0, &P))
    }

    /// 2·self.
    #[inline(always)]
    pub(crate) const fn double(&self) -> Self {
        self.add(self)
    }

    /// 3·self.
    #[inline(always)]
    pub(crate) const fn triple(&self) -> Self {
        self.double().add(self)
    }

    /// −self.
    #[inline(always)]
    pub(crate) const fn neg(&self) -> Self {
        Self::ZERO.sub(self)
    }

    /// self · other.
    #[inline(always)]
    pub(crate) fn mul(&self, other: &Self) -> Self {
        Self(kernel::mul(&self.0, &other.0))
    }

    /// self².
    #[inline(always)]
    pub(crate) fn square(&self) -> Self {
        Self(kernel::square(&self.0))
    }

    /// self^(2^count).
    pub(crate) fn square_times(&self, count: u32) -> Self {
        let mut out = *self;
        for _ in 0..count {
            out = out.square();
        }
        out
    }

    /// self⁻¹ by Fermat, 0 for 0; constant time. 255 squarings, 15 products.
    pub(crate) fn invert(&self) -> Self {
        // xk = self^(2^k − 1); p − 2 = 31 ones, 0, 128 ones, 32 zeros, 62 ones, 0, 1.
        let x2 = self.square().mul(self);
        let x3 = x2.square().mul(self);
        let x6 = x3.square_times(3).mul(&x3);
        let x12 = x6.square_times(6).mul(&x6);
        let x15 = x12.square_times(3).mul(&x3);
        let x30 = x15.square_times(15).mul(&x15);
        let x31 = x30.square().mul(self);
        let x32 = x31.square().mul(self);
        let x64 = x32.square_times(32).mul(&x32);
        let x128 = x64.square_times(64).mul(&x64);
        let head = x31.square_times(129).mul(&x128);
        head.square_times(64)
            .mul(&x32)
            .square_times(30)
            .mul(&x30)
            .square_times(2)
            .mul(self)
    }

    /// A square root, when one exists (public data: variable time).
    pub(crate) fn sqrt(&self) -> Option<Self> {
        let mut root = Self::ONE;
        for bit in (0..256).rev() {
            root = root.square();
            if SQRT_EXPONENT[bit / 64] >> (bit % 64) & 1 == 1 {
                root = root.mul(self);
            }
        }
        (root.square() == *self).then_some(root)
    }

    /// All ones when 0, else zero.
    #[inline(always)]
    pub(crate) const fn zero_mask(&self) -> u64 {
        mask_zero4(&self.0)
    }

    /// Whether the value is 0 (for public data).
    #[inline(always)]
    pub(crate) const fn is_zero(&self) -> bool {
        self.zero_mask() != 0
    }

    /// `a` where `mask` is all ones, `b` where it is zero.
    #[inline(always)]
    pub(crate) const fn select(mask: u64, a: &Self, b: &Self) -> Self {
        Self(select4(mask, &a.0, &b.0))
    }

    /// Replaces every element by its inverse with one inversion and three products each; zeros stay zero.
    pub(crate) fn invert_all(elements: &mut [Self], scratch: &mut Vec<Self>) {
        scratch.clear();
        let mut product = Self::ONE;
        for element in elements.iter() {
            scratch.push(product);
            if !element.is_zero() {
                product = product.mul(element);
            }
        }
        let mut inverse = product.invert();
        for (element, before) in elements.iter_mut().zip(scratch.iter()).rev() {
            if !element.is_zero() {
                let next = inverse.mul(element);
                *element = inverse.mul(before);
                inverse = next;
            }
        }
    }
}
