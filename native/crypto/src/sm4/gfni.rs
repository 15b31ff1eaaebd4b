//! SM4 for AVX-512 with GFNI: 16 blocks a group, word i of each block in one register; up to four groups in flight.
//!
//! The S-box is two instructions: its inversion modulo x^8+x^7+x^6+x^5+x^4+x^2+1 becomes the one of GFNI (modulo
//! x^8+x^4+x^3+x+1) by the isomorphism x ↦ 0x23, and both changes of basis merge with the affine maps of the standard.
//! Nothing indexes memory or branches on keys or data.

use super::block::{BLOCK_BYTES, FIRST_BLOCKS_MAX, FK, ck};
use std::arch::x86_64::*;

/// Blocks of a group.
const GROUP: usize = 16;
/// Bytes of a group.
const GROUP_BYTES: usize = GROUP * BLOCK_BYTES;
/// Groups of a full pass: enough independent work to hide the latency of a round.
const GROUPS: usize = 4;

/// x ↦ φ(A·x + c) up to its constant: into the field of GFNI.
const INTO: i64 = 0x4c28_7db9_1a22_505d;
/// φ(c).
const INTO_CONSTANT: i32 = 0x3e;
/// y ↦ A·φ⁻¹(y): back, after the inversion.
const BACK: i64 = 0xf3ab_34a9_74a6_b589u64 as i64;
/// c.
const BACK_CONSTANT: i32 = 0xd3;

/// Words 0..4 of 16 blocks. Block 4i + k stands at position 4k + i, which makes loading a 4 × 4 transposition.
type Group = [__m512i; 4];

/// Key schedule (GB/T 32907 §7.3), about 350 cycles.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn key_schedule(key: &[u8; BLOCK_BYTES]) -> [u32; 32] {
    let mut k = FK;
    for (word, bytes) in k.iter_mut().zip(key.as_chunks::<4>().0) {
        *word ^= u32::from_be_bytes(*bytes);
    }
    let mut keys = [0; 32];
    for (round, out) in (0u32..).zip(&mut keys) {
        let x = _mm512_castsi128_si512(_mm_cvtsi32_si128((k[1] ^ k[2] ^ k[3] ^ ck(round)) as i32));
        let b = _mm_cvtsi128_si32(_mm512_castsi512_si128(substitute(x))) as u32;
        *out = k[0] ^ b ^ b.rotate_left(13) ^ b.rotate_left(23);
        k = [k[1], k[2], k[3], *out];
    }
    zeroize::Zeroize::zeroize(&mut k);
    keys
}

/// The S-box on each byte.
#[inline]
#[target_feature(enable = "avx512f,gfni")]
fn substitute(x: __m512i) -> __m512i {
    let x = _mm512_gf2p8affine_epi64_epi8::<INTO_CONSTANT>(x, _mm512_set1_epi64(INTO));
    _mm512_gf2p8affineinv_epi64_epi8::<BACK_CONSTANT>(x, _mm512_set1_epi64(BACK))
}

/// x0 ^= L(S(x1 ^ x2 ^ x3 ^ key)) in each group, word `I` of a group being x0.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn round<const G: usize, const I: usize>(x: &mut [Group; G], key: u32) {
    const XOR3: i32 = 0x96;
    let key = _mm512_set1_epi32(key as i32);
    let mut s = [key; G];
    for (s, x) in s.iter_mut().zip(x.iter()) {
        *s = _mm512_ternarylogic_epi32::<XOR3>(*s, x[(I + 1) % 4], x[(I + 2) % 4]);
        *s = _mm512_xor_si512(*s, x[(I + 3) % 4]);
    }
    for s in &mut s {
        *s = substitute(*s);
    }
    for (s, x) in s.iter().zip(x.iter_mut()) {
        // L = s ^ s<<<24 ^ (s ^ s<<<8 ^ s<<<16)<<<2.
        let t = _mm512_ternarylogic_epi32::<XOR3>(*s, _mm512_rol_epi32::<8>(*s), _mm512_rol_epi32::<16>(*s));
        let u = _mm512_ternarylogic_epi32::<XOR3>(x[I], *s, _mm512_rol_epi32::<24>(*s));
        x[I] = _mm512_xor_si512(u, _mm512_rol_epi32::<2>(t));
    }
}

/// All rounds; afterwards the words stand in the order of the output (§7.1: X35, X34, X33, X32).
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn rounds<const G: usize>(keys: &[u32; 32], x: &mut [Group; G]) {
    for keys in keys.as_chunks::<4>().0 {
        round::<G, 0>(x, keys[0]);
        round::<G, 1>(x, keys[1]);
        round::<G, 2>(x, keys[2]);
        round::<G, 3>(x, keys[3]);
    }
    for group in x {
        group.reverse();
    }
}

/// Reverses the bytes of each 32-bit word: blocks are big-endian.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_words(x: __m512i) -> __m512i {
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(order))
}

/// 4 × 4 transposition of words in each 128-bit lane; its own reverse.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(x: &Group) -> Group {
    let low01 = _mm512_unpacklo_epi32(x[0], x[1]);
    let high01 = _mm512_unpackhi_epi32(x[0], x[1]);
    let low23 = _mm512_unpacklo_epi32(x[2], x[3]);
    let high23 = _mm512_unpackhi_epi32(x[2], x[3]);
    [
        _mm512_unpacklo_epi64(low01, low23),
        _mm512_unpackhi_epi64(low01, low23),
        _mm512_unpacklo_epi64(high01, high23),
        _mm512_unpackhi_epi64(high01, high23),
    ]
}

/// Replaces blocks by their images, 16 at a time.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn apply(keys: &[u32; 32], blocks: &mut [[u8; BLOCK_BYTES]]) {
    for chunk in blocks.as_flattened_mut().chunks_mut(GROUP_BYTES) {
        let mut x = [[_mm512_setzero_si512(); 4]; 1];
        for (row, bytes) in x[0].iter_mut().zip(chunk.chunks(64)) {
            *row = swap_words(load(bytes));
        }
        x[0] = transpose(&x[0]);
        rounds(keys, &mut x);
        for (row, bytes) in transpose(&x[0]).iter().zip(chunk.chunks_mut(64)) {
            store(bytes, swap_words(*row));
        }
    }
}

/// Up to 64 bytes, zeros behind them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(bytes: &[u8]) -> __m512i {
    // SAFETY: the mask lets through the bytes of the slice and no others.
    unsafe { _mm512_maskz_loadu_epi8(first_bytes(bytes.len()), bytes.as_ptr().cast()) }
}

/// The first bytes of `x`, as many as there is room for, 64 at most.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store(bytes: &mut [u8], x: __m512i) {
    // SAFETY: the mask lets through the bytes of the slice and no others.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), first_bytes(bytes.len()), x) }
}

/// Mask of the first `count` bytes.
#[inline(always)]
fn first_bytes(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// data ^= E(counter) ‖ E(counter + 1) ‖ …; the counter is 128 bits and may come round.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn xor_stream(keys: &[u32; 32], counter: u128, data: &mut [u8]) {
    let mut counter = counter;
    let mut passes = data.chunks_exact_mut(GROUPS * GROUP_BYTES);
    for pass in &mut passes {
        xor_pass::<GROUPS>(keys, counter, pass);
        counter = counter.wrapping_add((GROUPS * GROUP) as u128);
    }
    let rest = passes.into_remainder();
    match rest.len().div_ceil(GROUP_BYTES) {
        0 => {}
        1 => xor_pass::<1>(keys, counter, rest),
        2 => xor_pass::<2>(keys, counter, rest),
        _ => xor_pass::<GROUPS>(keys, counter, rest),
    }
}

/// [`xor_stream`] for at most `G` groups.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn xor_pass<const G: usize>(keys: &[u32; 32], counter: u128, data: &mut [u8]) {
    let mut x = counters::<G>(counter);
    rounds(keys, &mut x);
    for (group, bytes) in x.iter().zip(data.chunks_mut(GROUP_BYTES)) {
        for (row, bytes) in transpose(group).iter().zip(bytes.chunks_mut(64)) {
            let sum = _mm512_xor_si512(load(bytes), swap_words(*row));
            store(bytes, sum);
        }
    }
}

/// The block of a position, which is also the position of a block: 4 × 4 transposition.
#[inline]
#[target_feature(enable = "avx512f")]
fn block_numbers() -> __m512i {
    _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0)
}

/// The blocks counter, counter + 1, … as words.
#[inline]
#[target_feature(enable = "avx512f")]
fn counters<const G: usize>(counter: u128) -> [Group; G] {
    let words = [96, 64, 32, 0].map(|shift| (counter >> shift) as u32);
    let mut x = [words.map(|word| _mm512_set1_epi32(word as i32)); G];
    for (first, group) in (0..).step_by(GROUP).zip(&mut x) {
        group[3] = _mm512_add_epi32(group[3], _mm512_add_epi32(block_numbers(), _mm512_set1_epi32(first)));
    }
    if words[3].checked_add((G * GROUP) as u32).is_none() {
        carry(counter, &mut x);
    }
    x
}

/// The upper words of a pass in which the lowest word comes round: public, and once in 2^32 blocks.
#[cold]
#[target_feature(enable = "avx512f")]
fn carry<const G: usize>(counter: u128, x: &mut [Group; G]) {
    let low = counter as u32;
    let next = (counter >> 32).wrapping_add(1);
    for group in x {
        let wrapped = _mm512_cmplt_epu32_mask(group[3], _mm512_set1_epi32(low as i32));
        for (word, shift) in group.iter_mut().zip([64, 32, 0]) {
            *word = _mm512_mask_set1_epi32(*word, wrapped, (next >> shift) as u32 as i32);
        }
    }
}

/// E(0), then E(nonce ‖ 1), E(nonce ‖ 2), …, E(nonce ‖ 15); returns 16, their number.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn first_pass(keys: &[u32; 32], nonce: &[u8; 12], out: &mut [u128; FIRST_BLOCKS_MAX]) -> usize {
    const ALL_BUT_FIRST: u16 = 0xfffe;
    let mut x = [[block_numbers(); 4]; 1];
    for (word, bytes) in x[0].iter_mut().zip(nonce.as_chunks::<4>().0) {
        *word = _mm512_maskz_set1_epi32(ALL_BUT_FIRST, u32::from_be_bytes(*bytes) as i32);
    }
    rounds(keys, &mut x);
    for (row, out) in transpose(&x[0]).iter().zip(out.as_chunks_mut::<4>().0) {
        // SAFETY: the array has the 64 bytes that are written; no alignment is asked for.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), swap_words(*row)) };
    }
    GROUP
}
