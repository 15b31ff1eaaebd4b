//! Eight field elements in eight lanes: radix 2^52, five limbs, Montgomery form with R = 2^260.
//!
//! Values are loose: limbs in [0, 2^52), value in [0, 16p). A product of factors a·b < 16p² is below 2p. Sums and
//! differences keep limbs signed and unnormalised in [`Raw`] until they are brought back by [`Raw::carry`] (no
//! reduction) or [`Raw::reduce`] (below 2.01p), because multiplications read the low 52 bits of a limb only.
//!
//! Every function carries K independent elements of eight lanes: one chain of multiplications waits for itself, two
//! fill the unit.

use super::super::field::P;
use super::super::limbs::reduce_once;
use std::arch::x86_64::*;

/// Bits of a limb.
const LIMB_BITS: u32 = 52;
/// The low 52 bits.
pub(super) const MASK: u64 = (1 << LIMB_BITS) - 1;
/// 1 in Montgomery form.
pub(super) const ONE: [u64; 5] = [0x10, 0xffff_ffff_0000, 0, 0, 0x10_0000];
/// 2^520 mod p: a product with it brings a plain integer into Montgomery form.
pub(super) const R2: [u64; 5] = [
    0x0000_0200_0000_0300,
    0x000f_ffff_fff0_0000,
    0x0000_0001_0000_0002,
    0x0000_2000_0000_1000,
    0x0000_0000_0400_0000,
];
/// p in limbs.
pub(super) const P52: [u64; 5] = [
    0x000f_ffff_ffff_ffff,
    0x000f_f000_0000_0fff,
    0x000f_ffff_ffff_ffff,
    0x000f_ffff_ffff_ffff,
    0x0000_ffff_fffe_ffff,
];

/// Eight elements, limb by limb; limbs in [0, 2^52), values below 16p.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [__m512i; 5]);

/// Eight sums of elements whose limbs are signed and may pass 52 bits.
#[derive(Clone, Copy)]
pub(super) struct Raw([__m512i; 5]);

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(value: u64) -> __m512i {
    _mm512_set1_epi64(value as i64)
}

/// limb 1 and limb 4 of p + 1 with the borrow of limb 1 left out: p + 1 = 2^52·(C1 − 2^52) + 2^208·C4.
const C1: u64 = (1 << 52) - (1 << 44) + (1 << 12);
const C4: u64 = (1 << 48) - (1 << 16);

/// Adds factor·p for the factor that clears t[at], and moves the rest of t[at] up; t[at] is dead afterwards. A macro,
/// as the accumulators stay in registers only when all of a product is one function.
macro_rules! reduce_limb {
    ($t:ident, $at:expr) => {{
        let (mask, c1, c4) = (splat(MASK), splat(C1), splat(C4));
        for t in $t.iter_mut() {
            // −p⁻¹ ≡ 1 mod 2^52, so the factor is the limb itself.
            let factor = _mm512_and_si512(t[$at], mask);
            let carry = _mm512_srai_epi64::<LIMB_BITS>(t[$at]);
            t[$at + 1] = _mm512_add_epi64(_mm512_madd52lo_epu64(t[$at + 1], factor, c1), carry);
            t[$at + 2] = _mm512_sub_epi64(_mm512_madd52hi_epu64(t[$at + 2], factor, c1), factor);
            t[$at + 4] = _mm512_madd52lo_epu64(t[$at + 4], factor, c4);
            t[$at + 5] = _mm512_madd52hi_epu64(t[$at + 5], factor, c4);
        }
    }};
}

/// Limbs 5 to 9, what the reduction leaves, normalised.
macro_rules! upper {
    ($t:ident) => {{
        let mask = splat(MASK);
        let mut out = [Lanes([_mm512_setzero_si512(); 5]); K];
        for (t, out) in $t.iter_mut().zip(&mut out) {
            for i in 5..9 {
                t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srai_epi64::<LIMB_BITS>(t[i]));
                out.0[i - 5] = _mm512_and_si512(t[i], mask);
            }
            out.0[4] = t[9];
        }
        out
    }};
}

/// a·b·2^−260 mod p, below (1 + k)·p for a·b < 16k·p².
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn mul<const K: usize>(a: [&Lanes; K], b: [&Lanes; K]) -> [Lanes; K] {
    let mut t = [[_mm512_setzero_si512(); 10]; K];
    for i in 0..5 {
        for j in 0..5 {
            for k in 0..K {
                t[k][i + j] = _mm512_madd52lo_epu64(t[k][i + j], a[k].0[i], b[k].0[j]);
            }
        }
        for j in 0..5 {
            for k in 0..K {
                t[k][i + j + 1] = _mm512_madd52hi_epu64(t[k][i + j + 1], a[k].0[i], b[k].0[j]);
            }
        }
        reduce_limb!(t, i);
    }
    upper!(t)
}

/// The square of the elements that $a holds. A macro for the same reason.
macro_rules! square_of {
    ($a:expr) => {{
        let a = $a;
        let mut t = [[_mm512_setzero_si512(); 10]; K];
        // Cross products, doubled, then the squares.
        for i in 0..5 {
            for j in i + 1..5 {
                for k in 0..K {
                    t[k][i + j] = _mm512_madd52lo_epu64(t[k][i + j], a[k].0[i], a[k].0[j]);
                    t[k][i + j + 1] = _mm512_madd52hi_epu64(t[k][i + j + 1], a[k].0[i], a[k].0[j]);
                }
            }
        }
        for i in 1..9 {
            for t in t.iter_mut() {
                t[i] = _mm512_add_epi64(t[i], t[i]);
            }
        }
        for i in 0..5 {
            for k in 0..K {
                t[k][2 * i] = _mm512_madd52lo_epu64(t[k][2 * i], a[k].0[i], a[k].0[i]);
                t[k][2 * i + 1] = _mm512_madd52hi_epu64(t[k][2 * i + 1], a[k].0[i], a[k].0[i]);
            }
        }
        for i in 0..5 {
            reduce_limb!(t, i);
        }
        upper!(t)
    }};
}

/// a²·2^−260 mod p, below (1 + k)·p for a² < 16k·p².
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn square<const K: usize>(a: [&Lanes; K]) -> [Lanes; K] {
    square_of!(a)
}

/// Replaces elements by their 2^count-th powers. M sets of K chains, one set after the other: while the carries of one go
/// through, the products of the next fill the unit.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn square_times<const K: usize, const M: usize>(a: &mut [[Lanes; K]; M], count: usize) {
    for _ in 0..count {
        for a in a.iter_mut() {
            *a = square_of!(&a);
        }
    }
}

impl Raw {
    /// Limbs in [0, 2^52); the value must be in [0, 2^260).
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn carry(self) -> Lanes {
        let mask = splat(MASK);
        let mut limbs = self.0;
        for i in 0..4 {
            limbs[i + 1] = _mm512_add_epi64(limbs[i + 1], _mm512_srai_epi64::<LIMB_BITS>(limbs[i]));
            limbs[i] = _mm512_and_si512(limbs[i], mask);
        }
        Lanes(limbs)
    }

    /// A value in (0, 2.01p) that is the same modulo p, for values in (−2^262, 2^262) with limbs below 2^56.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn reduce(self) -> Lanes {
        let mut t = self.0;
        // Takes off (q − 1)·p with q = floor(top limb / 2^48), within 1 of value / 2^256 since limbs are unnormalised.
        let q = _mm512_srai_epi64::<48>(t[4]);
        let q = _mm512_sub_epi64(q, splat(1));
        t[0] = _mm512_add_epi64(t[0], q);
        t[1] = _mm512_add_epi64(
            t[1],
            _mm512_sub_epi64(_mm512_slli_epi64::<44>(q), _mm512_slli_epi64::<12>(q)),
        );
        t[4] = _mm512_add_epi64(
            _mm512_sub_epi64(t[4], _mm512_slli_epi64::<48>(q)),
            _mm512_slli_epi64::<16>(q),
        );
        Self(t).carry()
    }

    /// self − other.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn minus(self, other: &Lanes) -> Self {
        self.minus_raw(other.raw())
    }

    /// self − other.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn minus_raw(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| _mm512_sub_epi64(self.0[i], other.0[i])))
    }

    /// self + multiple·p.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn plus_p(self, multiple: u64) -> Self {
        Self(std::array::from_fn(|i| {
            _mm512_add_epi64(self.0[i], splat(P52[i] * multiple))
        }))
    }

    /// factor·self, for small factors.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn times(self, factor: u32) -> Self {
        Self(self.0.map(|limb| match factor {
            2 => _mm512_add_epi64(limb, limb),
            3 => _mm512_add_epi64(limb, _mm512_add_epi64(limb, limb)),
            4 => _mm512_slli_epi64::<2>(limb),
            _ => _mm512_slli_epi64::<3>(limb),
        }))
    }

    /// self + other.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn plus(self, other: &Lanes) -> Self {
        Self(std::array::from_fn(|i| _mm512_add_epi64(self.0[i], other.0[i])))
    }
}

impl Lanes {
    /// 0.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn zero() -> Self {
        Self([_mm512_setzero_si512(); 5])
    }

    /// The element as a sum of one term.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn raw(&self) -> Raw {
        Raw(self.0)
    }

    /// The same element in all lanes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn splat(limbs: &[u64; 5]) -> Self {
        Self(limbs.map(|limb| splat(limb)))
    }

    /// Eight plain integers, word by word, as limbs: no change of form.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn unpack(words: [__m512i; 4]) -> Self {
        let mask = splat(MASK);
        let [w0, w1, w2, w3] = words;
        let join = |low, high| _mm512_and_si512(_mm512_or_si512(low, high), mask);
        Self([
            _mm512_and_si512(w0, mask),
            join(_mm512_srli_epi64::<52>(w0), _mm512_slli_epi64::<12>(w1)),
            join(_mm512_srli_epi64::<40>(w1), _mm512_slli_epi64::<24>(w2)),
            join(_mm512_srli_epi64::<28>(w2), _mm512_slli_epi64::<36>(w3)),
            _mm512_srli_epi64::<16>(w3),
        ])
    }

    /// The integers, below p, that the lanes hold (in whatever form); the element must be below 2p.
    #[target_feature(enable = "avx512f")]
    pub(super) fn to_words(self) -> [[u64; 4]; 8] {
        let limbs = self.0.map(|limb| to_array(limb));
        std::array::from_fn(|lane| {
            let [l0, l1, l2, l3, l4] = limbs.map(|limb| limb[lane]);
            let words = [
                l0 | l1 << 52,
                l1 >> 12 | l2 << 40,
                l2 >> 24 | l3 << 28,
                l3 >> 36 | l4 << 16,
            ];
            reduce_once(&words, l4 >> 48, &P)
        })
    }

    /// The same modulo p, below p: for values below 3p.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn canonical(&self) -> Self {
        let mut out = *self;
        for _ in 0..2 {
            let less = out.raw().minus(&Self::splat(&P52)).carry();
            let negative = _mm512_cmplt_epi64_mask(less.0[4], _mm512_setzero_si512());
            for (limb, less) in out.0.iter_mut().zip(less.0) {
                *limb = _mm512_mask_mov_epi64(less, negative, *limb);
            }
        }
        out
    }

    /// Five limbs as four words, for values below 2^256.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn pack(&self) -> [__m512i; 4] {
        let [l0, l1, l2, l3, l4] = self.0;
        [
            _mm512_or_si512(l0, _mm512_slli_epi64::<52>(l1)),
            _mm512_or_si512(_mm512_srli_epi64::<12>(l1), _mm512_slli_epi64::<40>(l2)),
            _mm512_or_si512(_mm512_srli_epi64::<24>(l2), _mm512_slli_epi64::<28>(l3)),
            _mm512_or_si512(_mm512_srli_epi64::<36>(l3), _mm512_slli_epi64::<16>(l4)),
        ]
    }

    /// Lanes whose limbs are exactly those of `multiple`·p, for p, 2p, …
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn equals_multiple(&self, multiple: u64) -> __mmask8 {
        let mut carry = 0;
        let mut equal = !0;
        for (limb, p) in self.0.iter().zip(P52) {
            let sum = p * multiple + carry;
            carry = sum >> LIMB_BITS;
            equal &= _mm512_cmpeq_epi64_mask(*limb, splat(sum & MASK));
        }
        equal
    }

    /// Lanes that are 0 modulo p, for the result of [`Raw::reduce`].
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn zero_lanes(&self) -> __mmask8 {
        self.equals_multiple(1) | self.equals_multiple(2)
    }

    /// Whether some lane may be p, 2p, … or 7p: true for all that are, false for nearly all others.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn maybe_zero(&self) -> bool {
        // multiple·p ≡ −multiple mod 2^52.
        _mm512_cmpgt_epu64_mask(self.0[0], splat(MASK - 7)) != 0
    }
}

/// The eight numbers of a vector.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn to_array(vector: __m512i) -> [u64; 8] {
    let mut out = [0u64; 8];
    // SAFETY: the store writes the 64 bytes of `out`, for which no alignment is needed.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), vector) };
    out
}

/// A vector of eight numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn from_array(numbers: &[u64; 8]) -> __m512i {
    // SAFETY: the load reads the 64 bytes of `numbers`, for which no alignment is needed.
    unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) }
}
