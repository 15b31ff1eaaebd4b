//! One inversion for sixteen elements: the product of all lanes is inverted by the scalar code.

use super::super::field::Fe;
use super::super::inverse::invert_public;
use super::field::{Lanes, mul};
use std::arch::x86_64::*;

/// 2^776 mod p: turns the inverse of y = x·2^260 into x⁻¹·2^260 by one product of the scalar field (R = 2^256).
const TO_MONTGOMERY: Fe = Fe([
    0x0000_1200_0000_1600,
    0x0000_0eff_ffff_f800,
    0x0000_0a00_0000_0c00,
    0x0000_1b00_0000_0900,
]);

/// Lanes rotated by one half, one quarter or one eighth.
#[inline]
#[target_feature(enable = "avx512f")]
fn swap<const LEVEL: usize>(a: &Lanes) -> Lanes {
    Lanes(a.0.map(|limb| match LEVEL {
        4 => _mm512_shuffle_i64x2::<0x4e>(limb, limb),
        2 => _mm512_shuffle_i64x2::<0xb1>(limb, limb),
        _ => _mm512_permutex_epi64::<0xb1>(limb),
    }))
}

/// The inverse of each lane; all of them must be nonzero modulo p. About 5,000 cycles.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn invert(elements: &[Lanes; 2]) -> [Lanes; 2] {
    let [a, b] = elements;
    let [both] = mul([a], [b]);
    let half = swap::<4>(&both);
    let [four] = mul([&both], [&half]);
    let quarter = swap::<2>(&four);
    let [two] = mul([&four], [&quarter]);
    let eighth = swap::<1>(&two);
    // The product of the other lanes, while the product of all of them goes the scalar way.
    let [all, others] = mul([&two, &eighth], [&eighth, &quarter]);
    let inverse = Lanes::splat(&invert_lane(&all));
    let [others] = mul([&others], [&half]);
    let [inverse] = mul([&others], [&inverse]);
    mul([&inverse, &inverse], [b, a])
}

/// The inverse of lane 0, as limbs of the Montgomery form.
#[target_feature(enable = "avx512f")]
fn invert_lane(element: &Lanes) -> [u64; 5] {
    let [plain, ..] = element.to_words();
    let inverse = Fe(invert_public(&plain)).mul(&TO_MONTGOMERY);
    limbs(&inverse.0)
}

/// Four words as five limbs.
pub(super) const fn limbs(words: &[u64; 4]) -> [u64; 5] {
    const MASK: u64 = super::field::MASK;
    [
        words[0] & MASK,
        (words[0] >> 52 | words[1] << 12) & MASK,
        (words[1] >> 40 | words[2] << 24) & MASK,
        (words[2] >> 28 | words[3] << 36) & MASK,
        words[3] >> 16,
    ]
}
