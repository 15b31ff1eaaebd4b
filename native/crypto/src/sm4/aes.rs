//! SM4 for AVX2 with AES-NI: 8 blocks a group, word i of each block in one register, two groups in flight.
//!
//! The S-box borrows the inversion of `aesenclast`: the affine maps before and after it, with the isomorphism between the
//! two fields and the affine map of AES taken back, are two look-ups each in tables of sixteen bytes inside a register
//! (`pshufb`). Nothing indexes memory or branches on keys or data.

use super::block::{BLOCK_BYTES, FIRST_BLOCKS_MAX, FK, ck};
use std::arch::x86_64::*;
use zeroize::Zeroize;

/// Blocks of a group.
const GROUP: usize = 8;
/// Groups of a pass.
const GROUPS: usize = 2;
/// Blocks and bytes of a pass.
const PASS: usize = GROUP * GROUPS;
const PASS_BYTES: usize = PASS * BLOCK_BYTES;

/// Words 0..4 of 8 blocks; block 2i + k stands at position 4k + i.
type Group = [__m256i; 4];

/// What sixteen bytes are looked up in, in both halves of a register.
type Table = [u8; 16];

/// φ(A·x + c) for the lower four bits of x, and what its upper four bits add.
const INTO: [Table; 2] = [
    [
        0x3e, 0xb2, 0x0e, 0x82, 0xbb, 0x37, 0x8b, 0x07, 0xa1, 0x2d, 0x91, 0x1d, 0x24, 0xa8, 0x14, 0x98,
    ],
    [
        0x00, 0xdc, 0x2e, 0xf2, 0xc5, 0x19, 0xeb, 0x37, 0x08, 0xd4, 0x26, 0xfa, 0xcd, 0x11, 0xe3, 0x3f,
    ],
];
/// A·φ⁻¹(y) + c for the y whose image under the affine map of AES is given.
const BACK: [Table; 2] = [
    [
        0x6c, 0xd4, 0xa6, 0x1e, 0x52, 0xea, 0x98, 0x20, 0x0b, 0xb3, 0xc1, 0x79, 0x35, 0x8d, 0xff, 0x47,
    ],
    [
        0x00, 0xe0, 0x50, 0xb0, 0x9d, 0x7d, 0xcd, 0x2d, 0xc0, 0x20, 0x90, 0x70, 0x5d, 0xbd, 0x0d, 0xed,
    ],
];
/// Where byte i of a state goes in ShiftRows is undone by taking byte (13·i) mod 16; then the words are rotated left by
/// 0, 8, 16 and 24 bits.
const UNSHIFT: [Table; 4] = {
    let mut out = [[0; 16]; 4];
    let mut rotation = 0;
    while rotation < 4 {
        let mut at = 0;
        while at < 16 {
            let from = at / 4 * 4 + (at + 4 - rotation) % 4;
            out[rotation][at] = (13 * from % 16) as u8;
            at += 1;
        }
        rotation += 1;
    }
    out
};
const SWAP_WORDS: Table = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];

#[inline]
#[target_feature(enable = "avx2")]
fn table(bytes: &Table) -> __m256i {
    // SAFETY: the array has the 16 bytes that are read; no alignment is asked for.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

/// The affine map of two tables on each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn map(x: __m256i, tables: &[Table; 2]) -> __m256i {
    let mask = _mm256_set1_epi8(0x0f);
    let low = _mm256_shuffle_epi8(table(&tables[0]), _mm256_and_si256(x, mask));
    let high = _mm256_shuffle_epi8(table(&tables[1]), _mm256_and_si256(_mm256_srli_epi16::<4>(x), mask));
    _mm256_xor_si256(low, high)
}

/// The S-box on each byte; bytes come out shifted as `aesenclast` shifts them.
#[inline]
#[target_feature(enable = "avx2,aes")]
fn substitute(x: __m256i) -> __m256i {
    let x = map(x, &INTO);
    let zero = _mm_setzero_si128();
    let low = _mm_aesenclast_si128(_mm256_castsi256_si128(x), zero);
    let high = _mm_aesenclast_si128(_mm256_extracti128_si256::<1>(x), zero);
    map(_mm256_set_m128i(high, low), &BACK)
}

/// Key schedule (GB/T 32907 §7.3).
#[target_feature(enable = "avx2,aes")]
pub(super) fn key_schedule(key: &[u8; BLOCK_BYTES]) -> [u32; 32] {
    let mut k = FK;
    for (word, bytes) in k.iter_mut().zip(key.as_chunks::<4>().0) {
        *word ^= u32::from_be_bytes(*bytes);
    }
    let mut keys = [0; 32];
    for (round, out) in (0u32..).zip(&mut keys) {
        // The word in all places, so that shifted rows make no difference.
        let x = _mm256_set1_epi32((k[1] ^ k[2] ^ k[3] ^ ck(round)) as i32);
        let b = _mm256_shuffle_epi8(substitute(x), table(&UNSHIFT[0]));
        let b = _mm256_cvtsi256_si32(b) as u32;
        *out = k[0] ^ b ^ b.rotate_left(13) ^ b.rotate_left(23);
        k = [k[1], k[2], k[3], *out];
    }
    k.zeroize();
    keys
}

/// x0 ^= L(S(x1 ^ x2 ^ x3 ^ key)) in each group, word `I` of a group being x0.
#[inline]
#[target_feature(enable = "avx2,aes")]
fn round<const I: usize>(x: &mut [Group; GROUPS], key: u32) {
    let key = _mm256_set1_epi32(key as i32);
    for x in x {
        let sum = _mm256_xor_si256(_mm256_xor_si256(x[(I + 1) % 4], x[(I + 2) % 4]), x[(I + 3) % 4]);
        let s = substitute(_mm256_xor_si256(sum, key));
        let [s0, s8, s16, s24] = UNSHIFT.each_ref().map(|order| _mm256_shuffle_epi8(s, table(order)));
        // L = s ^ s<<<24 ^ (s ^ s<<<8 ^ s<<<16)<<<2.
        let t = _mm256_xor_si256(_mm256_xor_si256(s0, s8), s16);
        let t = _mm256_or_si256(_mm256_slli_epi32::<2>(t), _mm256_srli_epi32::<30>(t));
        let u = _mm256_xor_si256(_mm256_xor_si256(x[I], s0), s24);
        x[I] = _mm256_xor_si256(u, t);
    }
}

/// All rounds; afterwards the words stand in the order of the output (§7.1: X35, X34, X33, X32).
#[inline]
#[target_feature(enable = "avx2,aes")]
fn rounds(keys: &[u32; 32], x: &mut [Group; GROUPS]) {
    for keys in keys.as_chunks::<4>().0 {
        round::<0>(x, keys[0]);
        round::<1>(x, keys[1]);
        round::<2>(x, keys[2]);
        round::<3>(x, keys[3]);
    }
    for group in x {
        group.reverse();
    }
}

/// 4 × 4 transposition of words in each half; its own reverse.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(x: &Group) -> Group {
    let low01 = _mm256_unpacklo_epi32(x[0], x[1]);
    let high01 = _mm256_unpackhi_epi32(x[0], x[1]);
    let low23 = _mm256_unpacklo_epi32(x[2], x[3]);
    let high23 = _mm256_unpackhi_epi32(x[2], x[3]);
    [
        _mm256_unpacklo_epi64(low01, low23),
        _mm256_unpackhi_epi64(low01, low23),
        _mm256_unpacklo_epi64(high01, high23),
        _mm256_unpackhi_epi64(high01, high23),
    ]
}

/// The images of sixteen blocks, in place.
#[target_feature(enable = "avx2,aes")]
fn encrypt(keys: &[u32; 32], blocks: &mut [u8; PASS_BYTES]) {
    let mut x = [[_mm256_setzero_si256(); 4]; GROUPS];
    for (row, bytes) in x.as_flattened_mut().iter_mut().zip(blocks.as_chunks::<32>().0) {
        // SAFETY: the array has the 32 bytes that are read; no alignment is asked for.
        let loaded = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        *row = _mm256_shuffle_epi8(loaded, table(&SWAP_WORDS));
    }
    for group in &mut x {
        *group = transpose(group);
    }
    rounds(keys, &mut x);
    for group in &mut x {
        *group = transpose(group);
    }
    for (row, bytes) in x.as_flattened().iter().zip(blocks.as_chunks_mut::<32>().0) {
        let swapped = _mm256_shuffle_epi8(*row, table(&SWAP_WORDS));
        // SAFETY: the array has the 32 bytes that are written; no alignment is asked for.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), swapped) };
    }
}

/// Replaces blocks by their images, 16 at a time.
#[target_feature(enable = "avx2,aes")]
pub(super) fn apply(keys: &[u32; 32], blocks: &mut [[u8; BLOCK_BYTES]]) {
    for chunk in blocks.as_flattened_mut().chunks_mut(PASS_BYTES) {
        let mut pass = [0; PASS_BYTES];
        pass[..chunk.len()].copy_from_slice(chunk);
        encrypt(keys, &mut pass);
        chunk.copy_from_slice(&pass[..chunk.len()]);
    }
}

/// data ^= E(counter) ‖ E(counter + 1) ‖ …; the counter is 128 bits and may come round.
#[target_feature(enable = "avx2,aes")]
pub(super) fn xor_stream(keys: &[u32; 32], counter: u128, data: &mut [u8]) {
    let mut next = counter;
    let mut stream = [0; PASS_BYTES];
    for chunk in data.chunks_mut(PASS_BYTES) {
        for block in stream.as_chunks_mut::<BLOCK_BYTES>().0 {
            *block = next.to_be_bytes();
            next = next.wrapping_add(1);
        }
        encrypt(keys, &mut stream);
        for (byte, mask) in chunk.iter_mut().zip(&stream) {
            *byte ^= mask;
        }
    }
    wipe(&mut stream);
}

/// E(0), then E(nonce ‖ 1), E(nonce ‖ 2), …, E(nonce ‖ 15); returns 16, their number.
#[target_feature(enable = "avx2,aes")]
pub(super) fn first_pass(keys: &[u32; 32], nonce: &[u8; 12], out: &mut [u128; FIRST_BLOCKS_MAX]) -> usize {
    let mut blocks = [0; PASS_BYTES];
    for (count, block) in (0u32..).zip(blocks.as_chunks_mut::<BLOCK_BYTES>().0).skip(1) {
        block[..12].copy_from_slice(nonce);
        block[12..].copy_from_slice(&count.to_be_bytes());
    }
    encrypt(keys, &mut blocks);
    for (out, block) in out.iter_mut().zip(blocks.as_chunks::<BLOCK_BYTES>().0) {
        *out = u128::from_ne_bytes(*block);
    }
    wipe(&mut blocks);
    PASS
}

fn wipe(bytes: &mut [u8; PASS_BYTES]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}
