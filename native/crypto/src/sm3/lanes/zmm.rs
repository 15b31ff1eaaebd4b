//! 16 lanes of AVX-512: rotations are one instruction, every three-way logic function too.

use super::super::compress::ROUND;
use super::super::{BLOCK_BYTES, DIGEST_BYTES};
use super::rounds::{vector_compress, vector_expanded, vector_four, vector_next, vector_round, vector_rounds};
use super::states::{Expanded, States};
use core::arch::x86_64::*;

type Vector = __m512i;

vector_compress!("avx512f,avx512bw,avx512vl", 16);
vector_expanded!("avx512f,avx512bw,avx512vl", States<16>);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn add(x: Vector, y: Vector) -> Vector {
    _mm512_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn xor(x: Vector, y: Vector) -> Vector {
    _mm512_xor_si512(x, y)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0x96>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn parity(x: Vector, y: Vector, z: Vector) -> Vector {
    xor3(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xe8>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn choose(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xca>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn rotl<const N: i32>(x: Vector) -> Vector {
    _mm512_rol_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn splat(word: u32) -> Vector {
    _mm512_set1_epi32(word as i32)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn load(states: &States<16>) -> [Vector; 8] {
    let mut out = [splat(0); 8];
    for (out, row) in out.iter_mut().zip(&states.words) {
        // SAFETY: a row is 64 bytes of plain words; the load takes any alignment.
        *out = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
    }
    out
}

/// Feeds the old chaining values forward.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn store(states: &mut States<16>, new: [Vector; 8]) {
    for (row, new) in states.words.iter_mut().zip(new) {
        // SAFETY: a row is 64 bytes of plain words; load and store take any alignment.
        unsafe {
            let old = _mm512_loadu_si512(row.as_ptr().cast());
            _mm512_storeu_si512(row.as_mut_ptr().cast(), xor(old, new));
        }
    }
}

/// Words 0..16 of block `at` of every run, word by word: a 16×16 transpose.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn load_blocks(runs: &[&[[u8; BLOCK_BYTES]]; 16], at: usize) -> [Vector; 16] {
    let big_endian = _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    macro_rules! row {
        ($($lane:literal)*) => {[$({
            // SAFETY: a block is 64 bytes; the load takes any alignment.
            let block = unsafe { _mm512_loadu_si512(runs[$lane][at].as_ptr().cast()) };
            _mm512_shuffle_epi8(block, big_endian)
        }),*]};
    }
    // Written out: a loop over the rows takes them through memory, and `map` is compiled without vector instructions.
    let row = row!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    // Four rows at a time: 4×4 words inside each 128-bit quarter. quads[r][w] holds words w, w+4, w+8, w+12 of rows
    // 4r..4r+4.
    let mut quads = [[row[0]; 4]; 4];
    for r in 0..4 {
        let low01 = _mm512_unpacklo_epi32(row[4 * r], row[4 * r + 1]);
        let high01 = _mm512_unpackhi_epi32(row[4 * r], row[4 * r + 1]);
        let low23 = _mm512_unpacklo_epi32(row[4 * r + 2], row[4 * r + 3]);
        let high23 = _mm512_unpackhi_epi32(row[4 * r + 2], row[4 * r + 3]);
        quads[r] = [
            _mm512_unpacklo_epi64(low01, low23),
            _mm512_unpackhi_epi64(low01, low23),
            _mm512_unpacklo_epi64(high01, high23),
            _mm512_unpackhi_epi64(high01, high23),
        ];
    }
    // Then 4×4 quarters of the four groups.
    let mut words = row;
    for w in 0..4 {
        let even01 = _mm512_shuffle_i32x4::<0x88>(quads[0][w], quads[1][w]);
        let odd01 = _mm512_shuffle_i32x4::<0xdd>(quads[0][w], quads[1][w]);
        let even23 = _mm512_shuffle_i32x4::<0x88>(quads[2][w], quads[3][w]);
        let odd23 = _mm512_shuffle_i32x4::<0xdd>(quads[2][w], quads[3][w]);
        words[w] = _mm512_shuffle_i32x4::<0x88>(even01, even23);
        words[w + 8] = _mm512_shuffle_i32x4::<0xdd>(even01, even23);
        words[w + 4] = _mm512_shuffle_i32x4::<0x88>(odd01, odd23);
        words[w + 12] = _mm512_shuffle_i32x4::<0xdd>(odd01, odd23);
    }
    words
}

/// The digests of all lanes: an 8×16 transpose.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn digests(states: &States<16>) -> [[u8; DIGEST_BYTES]; 16] {
    let big_endian = _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    let rows = load(states);
    // halves[h][m], 128-bit quarter q: words 4h..4h+4 of lane 4q + m.
    let mut halves = [[rows[0]; 4]; 2];
    for (half, row) in halves.iter_mut().zip(rows.as_chunks::<4>().0) {
        let low01 = _mm512_unpacklo_epi32(row[0], row[1]);
        let high01 = _mm512_unpackhi_epi32(row[0], row[1]);
        let low23 = _mm512_unpacklo_epi32(row[2], row[3]);
        let high23 = _mm512_unpackhi_epi32(row[2], row[3]);
        *half = [
            _mm512_unpacklo_epi64(low01, low23),
            _mm512_unpackhi_epi64(low01, low23),
            _mm512_unpacklo_epi64(high01, high23),
            _mm512_unpackhi_epi64(high01, high23),
        ];
    }
    let front = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    let back = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    let mut out = [[0; DIGEST_BYTES]; 16];
    for m in 0..4 {
        for (base, pick) in [(0, front), (8, back)] {
            let both = _mm512_permutex2var_epi64(halves[0][m], pick, halves[1][m]);
            let both = _mm512_shuffle_epi8(both, big_endian);
            // SAFETY: a digest is 32 bytes; the stores take any alignment.
            unsafe {
                _mm256_storeu_si256(out[base + m].as_mut_ptr().cast(), _mm512_castsi512_si256(both));
                let high = _mm512_extracti64x4_epi64::<1>(both);
                _mm256_storeu_si256(out[base + 4 + m].as_mut_ptr().cast(), high);
            }
        }
    }
    out
}
