//! Integers modulo the group order n. A [`Scalar`] is a plain integer below n; products go through Montgomery form.

use super::limbs::{adc, add_mod, from_be_bytes, less, mac, mask_zero4, mul_wide, reduce_once, sub_mod, to_be_bytes};
use zeroize::Zeroize;

/// The order n of the base point (GB/T 32918.5).
pub(crate) const N: [u64; 4] = [
    0x53bb_f409_39d5_4123,
    0x7203_df6b_21c6_052b,
    0xffff_ffff_ffff_ffff,
    0xffff_fffe_ffff_ffff,
];
/// −n⁻¹ mod 2^64.
const N_INVERSE_NEG: u64 = 0x327f_9e88_7235_0975;
/// R² mod n, R = 2^256.
const R2: [u64; 4] = [
    0x9011_92af_7c11_4f20,
    0x3464_504a_de6f_a2fa,
    0x620f_c84c_3aff_e0d4,
    0x1eb5_e412_a22b_3d3b,
];
/// n − 2, the Fermat exponent.
const N_MINUS_2: [u64; 4] = [
    0x53bb_f409_39d5_4121,
    0x7203_df6b_21c6_052b,
    0xffff_ffff_ffff_ffff,
    0xffff_fffe_ffff_ffff,
];

/// An integer in [0, n−1].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scalar(pub(crate) [u64; 4]);

/// a·b·R⁻¹ mod n for a·b < n·R.
const fn montgomery_mul(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut t = mul_wide(a, b);
    let mut top = 0;
    let mut i = 0;
    while i < 4 {
        let m = t[i].wrapping_mul(N_INVERSE_NEG);
        let (_, c) = mac(t[i], m, N[0], 0);
        let (w1, c) = mac(t[i + 1], m, N[1], c);
        let (w2, c) = mac(t[i + 2], m, N[2], c);
        let (w3, c) = mac(t[i + 3], m, N[3], c);
        let (w4, c) = adc(t[i + 4], c, top);
        t[i + 1] = w1;
        t[i + 2] = w2;
        t[i + 3] = w3;
        t[i + 4] = w4;
        top = c;
        i += 1;
    }
    reduce_once(&[t[4], t[5], t[6], t[7]], top, &N)
}

/// a + q·(2^256 − n) as (words, carry).
#[cfg(target_arch = "x86_64")]
fn add_fold(a: &[u64; 4], q: (u64, u64)) -> ([u64; 4], u64) {
    // 2^256 − n = 2^224 + FOLD, FOLD two words.
    const FOLD: [u64; 2] = [N[0].wrapping_neg(), !N[1]];
    let (r0, c) = mac(a[0], q.0, FOLD[0], 0);
    let (r1, c) = mac(a[1], q.0, FOLD[1], c);
    let (r2, r3) = adc(a[2], c, 0);
    let (r1, c) = mac(r1, q.1, FOLD[0], 0);
    let (r2, c) = mac(r2, q.1, FOLD[1], c);
    let (r3, high) = adc(r3, c, 0);
    let (r3, c) = adc(a[3], r3, 0);
    let (r3, d) = adc(r3, q.0 << 32, 0);
    let shifted = (q.0 >> 32).wrapping_add(q.1 << 32);
    (
        [r0, r1, r2, r3],
        high.wrapping_add(c).wrapping_add(d).wrapping_add(shifted),
    )
}

impl Scalar {
    /// 1.
    pub(crate) const ONE: Self = Self([1, 0, 0, 0]);

    /// From 32 big-endian bytes; `None` when the value is not below n. Only the answer depends on the value.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let words = from_be_bytes(bytes);
        (less(&words, &N) == 1).then_some(Self(words))
    }

    /// From 32 big-endian bytes, reduced modulo n (2^256 < 2n, so one subtraction is enough).
    pub(crate) fn from_bytes_reduced(bytes: &[u8; 32]) -> Self {
        Self::from_words_reduced(&from_be_bytes(bytes))
    }

    /// From any four words, reduced modulo n.
    pub(crate) fn from_words_reduced(words: &[u64; 4]) -> Self {
        Self(reduce_once(words, 0, &N))
    }

    /// 32 big-endian bytes.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        to_be_bytes(&self.0)
    }

    /// self + other mod n.
    pub(crate) const fn add(&self, other: &Self) -> Self {
        Self(add_mod(&self.0, &other.0, &N))
    }

    /// self − other mod n.
    pub(crate) const fn sub(&self, other: &Self) -> Self {
        Self(sub_mod(&self.0, &other.0, &N))
    }

    /// self · other mod n.
    pub(crate) const fn mul(&self, other: &Self) -> Self {
        Self(montgomery_mul(&montgomery_mul(&self.0, &R2), &other.0))
    }

    /// self · short mod n, for a 128-bit number; half the cost of [`Self::mul`].
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn mul_short(&self, short: &[u64; 2]) -> Self {
        let a = &self.0;
        let (p0, c) = mac(0, a[0], short[0], 0);
        let (p1, c) = mac(0, a[1], short[0], c);
        let (p2, c) = mac(0, a[2], short[0], c);
        let (p3, p4) = mac(0, a[3], short[0], c);
        let (p1, c) = mac(p1, a[0], short[1], 0);
        let (p2, c) = mac(p2, a[1], short[1], c);
        let (p3, c) = mac(p3, a[2], short[1], c);
        let (p4, p5) = mac(p4, a[3], short[1], c);
        // 2^256/n = 1 + 2^−32 + 2^−64 + 2^−96 + …: a quotient that is at most 5 too small, and never too large.
        let h = u128::from(p5) << 64 | u128::from(p4);
        let q = h.wrapping_add(h >> 32).wrapping_add(h >> 64).wrapping_add(h >> 96);
        let (words, top) = add_fold(&[p0, p1, p2, p3], (q as u64, (q >> 64) as u64));
        let top = u128::from(top).wrapping_add(h).wrapping_sub(q) as u64;
        let (words, carry) = add_fold(&words, (top, 0));
        Self(reduce_once(&reduce_once(&words, carry, &N), 0, &N))
    }

    /// self⁻¹ mod n by Fermat, 0 for 0; constant time (the exponent is public).
    pub(crate) fn invert(&self) -> Self {
        let base = montgomery_mul(&self.0, &R2);
        let mut out = montgomery_mul(&Self::ONE.0, &R2);
        for bit in (0..256).rev() {
            out = montgomery_mul(&out, &out);
            if N_MINUS_2[bit / 64] >> (bit % 64) & 1 == 1 {
                out = montgomery_mul(&out, &base);
            }
        }
        Self(montgomery_mul(&out, &Self::ONE.0))
    }

    /// All ones when 0, else zero.
    pub(crate) const fn zero_mask(&self) -> u64 {
        mask_zero4(&self.0)
    }

    /// Whether the value is 0.
    pub(crate) const fn is_zero(&self) -> bool {
        self.zero_mask() != 0
    }

    /// Bit `index` (0..256), 0 or 1.
    pub(crate) const fn bit(&self, index: usize) -> u64 {
        self.0[index / 64] >> (index % 64) & 1
    }

    /// Signed digit `window` of width `width`: Σ digit·2^(width·window) = self, each in [−2^(width−1), 2^(width−1)].
    /// Returned as (magnitude, all ones when negative); no branch on the value. width·window may pass 256.
    #[inline(always)]
    pub(crate) const fn signed_digit(&self, window: usize, width: usize) -> (u64, u64) {
        // The window's bits and the top bit of the one below: width + 1 bits from position width·window − 1.
        let value = if window == 0 {
            (self.0[0] << 1) & ((1 << (width + 1)) - 1)
        } else {
            self.bits_at(width * window - 1, width + 1)
        };
        let negative = 0u64.wrapping_sub(value >> width);
        let rounded = (value + 1) >> 1;
        // value ≥ 2^width means digit = rounded − 2^width, of which the magnitude is 2^width − rounded.
        let magnitude = (rounded ^ negative)
            .wrapping_sub(negative)
            .wrapping_add((1 << width) & negative);
        (magnitude, negative)
    }

    /// `count` ≤ 16 bits from `position`, zeros beyond bit 255.
    #[inline(always)]
    const fn bits_at(&self, position: usize, count: usize) -> u64 {
        let (word, shift) = (position / 64, position % 64);
        let low = if word < 4 { self.0[word] >> shift } else { 0 };
        let high = if shift > 0 && word + 1 < 4 {
            self.0[word + 1] << (64 - shift)
        } else {
            0
        };
        (low | high) & ((1 << count) - 1)
    }
}

impl Zeroize for Scalar {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}
