//! 8 lanes of AVX-512 VL: the operations of the 16-lane kernel in half the width, for calls of few messages.

use super::super::BLOCK_BYTES;
use super::super::compress::ROUND;
use super::super::stream::Words;
use super::rounds::{
    vector_compress, vector_expand, vector_expanded, vector_four, vector_next, vector_round, vector_rounds,
};
use super::states::{Expanded, States};
use core::arch::x86_64::*;

type Vector = __m256i;

vector_compress!("avx512f,avx512bw,avx512vl", 8);
vector_expanded!("avx512f,avx512bw,avx512vl", States<8>);
vector_expand!("avx512f,avx512bw,avx512vl");

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn add(x: Vector, y: Vector) -> Vector {
    _mm256_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn xor(x: Vector, y: Vector) -> Vector {
    _mm256_xor_si256(x, y)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_ternarylogic_epi32::<0x96>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn parity(x: Vector, y: Vector, z: Vector) -> Vector {
    xor3(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_ternarylogic_epi32::<0xe8>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn choose(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_ternarylogic_epi32::<0xca>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn rotl<const N: i32>(x: Vector) -> Vector {
    _mm256_rol_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn splat(word: u32) -> Vector {
    _mm256_set1_epi32(word as i32)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn to_words(x: Vector) -> [u32; 8] {
    let mut out = [0; 8];
    // SAFETY: a row is 32 bytes of plain words; the store takes any alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), x) };
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load(states: &States<8>) -> [Vector; 8] {
    let mut out = [splat(0); 8];
    for (out, row) in out.iter_mut().zip(&states.words) {
        // SAFETY: a row is 32 bytes of plain words; the load takes any alignment.
        *out = unsafe { _mm256_loadu_si256(row.as_ptr().cast()) };
    }
    out
}

/// Feeds the old chaining values forward.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn store(states: &mut States<8>, new: [Vector; 8]) {
    for (row, new) in states.words.iter_mut().zip(new) {
        // SAFETY: a row is 32 bytes of plain words; load and store take any alignment.
        unsafe {
            let old = _mm256_loadu_si256(row.as_ptr().cast());
            _mm256_storeu_si256(row.as_mut_ptr().cast(), xor(old, new));
        }
    }
}

/// Words 0..16 of block `at` of every run, word by word: two 8×8 transposes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn load_blocks(runs: &[&[[u8; BLOCK_BYTES]]; 8], at: usize) -> [Vector; 16] {
    let big_endian = _mm256_broadcastsi128_si256(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    let mut words = [big_endian; 16];
    for half in 0..2 {
        macro_rules! row {
            ($($lane:literal)*) => {[$({
                // SAFETY: a block is 64 bytes, so both halves of 32 lie inside; the load takes any alignment.
                let part = unsafe { _mm256_loadu_si256(runs[$lane][at].as_ptr().add(32 * half).cast()) };
                _mm256_shuffle_epi8(part, big_endian)
            }),*]};
        }
        // Written out: a loop over the rows takes them through memory, and `map` is compiled without vector
        // instructions.
        let row = row!(0 1 2 3 4 5 6 7);
        // Four rows at a time: 4×4 words inside each 128-bit half. quads[r][w] holds words w and w+4 of four rows.
        let mut quads = [[row[0]; 4]; 2];
        for r in 0..2 {
            let low01 = _mm256_unpacklo_epi32(row[4 * r], row[4 * r + 1]);
            let high01 = _mm256_unpackhi_epi32(row[4 * r], row[4 * r + 1]);
            let low23 = _mm256_unpacklo_epi32(row[4 * r + 2], row[4 * r + 3]);
            let high23 = _mm256_unpackhi_epi32(row[4 * r + 2], row[4 * r + 3]);
            quads[r] = [
                _mm256_unpacklo_epi64(low01, low23),
                _mm256_unpackhi_epi64(low01, low23),
                _mm256_unpacklo_epi64(high01, high23),
                _mm256_unpackhi_epi64(high01, high23),
            ];
        }
        for w in 0..4 {
            words[8 * half + w] = _mm256_permute2x128_si256::<0x20>(quads[0][w], quads[1][w]);
            words[8 * half + w + 4] = _mm256_permute2x128_si256::<0x31>(quads[0][w], quads[1][w]);
        }
    }
    words
}
