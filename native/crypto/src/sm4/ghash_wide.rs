//! GHASH for AVX-512 with VPCLMULQDQ: up to 64 blocks between two reductions, each times its own power of the key.
//!
//! A block read as a big-endian integer holds the coefficient of x^i in bit 127 − i. Such a product comes out one bit too
//! low, so the powers are kept times x; then the value to reduce is the sum of the products as they are.

use std::arch::x86_64::*;
use zeroize::Zeroize;

/// Registers of a full table; each holds four powers.
const ROWS: usize = 16;
/// Bytes that meet one row.
const ROW_BYTES: usize = 64;

/// Key powers and running hash. Zeroised on drop.
pub(super) struct GhashWide {
    /// Row i: H^(4i+4), H^(4i+3), H^(4i+2), H^(4i+1), each times x.
    powers: [[u64; 8]; ROWS],
    rows: usize,
    state: [u64; 2],
}

/// Sums of partial products: low, high, and both middle ones.
struct Products {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

impl GhashWide {
    /// Prepares as many powers as messages of `bytes` bytes can use. About 100 to 350 cycles.
    #[target_feature(enable = "avx512f,avx512bw,pclmulqdq,vpclmulqdq")]
    pub(super) fn new(key: &[u8; 16], bytes: usize) -> Self {
        let [low, high] = key_times_x(key);
        let h1 = _mm_set_epi64x(high as i64, low as i64);
        let h2 = multiply_one(h1, h1);
        let (h3, h4) = (multiply_one(h2, h1), multiply_one(h2, h2));
        let first = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(h4), h3);
        let first = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(first, h2), h1);
        let mut hash = Self {
            powers: [[0; 8]; ROWS],
            rows: bytes.div_ceil(ROW_BYTES).clamp(1, ROWS),
            state: [0; 2],
        };
        store_row(&mut hash.powers[0], first);
        for row in 1..hash.rows {
            // The largest power of two up to `row`: the known rows times their highest power.
            let step = 1 << row.ilog2();
            let top = load_row(&hash.powers[step - 1]);
            let top = _mm512_broadcast_i32x4(_mm512_castsi512_si128(top));
            let product = multiply_four(load_row(&hash.powers[row - step]), top);
            store_row(&mut hash.powers[row], product);
        }
        hash
    }

    /// Takes data, filled up with zeros to whole blocks.
    #[target_feature(enable = "avx512f,avx512bw,pclmulqdq,vpclmulqdq")]
    pub(super) fn update(&mut self, data: &[u8]) {
        for chunk in data.chunks(self.rows * ROW_BYTES) {
            let (rows, rest) = chunk.as_chunks::<ROW_BYTES>();
            if !rows.is_empty() {
                self.rows(rows);
            }
            if !rest.is_empty() {
                self.row_part(rest);
            }
        }
    }

    /// Whole rows, at most as many as there are powers.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,pclmulqdq,vpclmulqdq")]
    fn rows(&mut self, rows: &[[u8; ROW_BYTES]]) {
        let mut state = _mm512_zextsi128_si512(_mm_set_epi64x(self.state[1] as i64, self.state[0] as i64));
        let zero = _mm512_setzero_si512();
        let mut sum = Products {
            low: zero,
            middle: zero,
            high: zero,
        };
        for (row, power) in rows.iter().zip(self.powers[..rows.len().min(ROWS)].iter().rev()) {
            let row = _mm512_xor_si512(swap_blocks(load_bytes(row)), state);
            sum.add(row, load_row(power));
            state = zero;
        }
        self.state = sum.reduce();
    }

    /// Less than a row: its blocks stand at the end of the row, so that they meet the lowest powers.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,pclmulqdq,vpclmulqdq")]
    fn row_part(&mut self, rest: &[u8]) {
        let mut row = [0; ROW_BYTES];
        let start = ROW_BYTES - rest.len().next_multiple_of(16);
        row[start..start + rest.len()].copy_from_slice(rest);
        let state = u128::from(self.state[1]) << 64 | u128::from(self.state[0]);
        for (byte, state) in row[start..].iter_mut().zip(state.to_be_bytes()) {
            *byte ^= state;
        }
        let zero = _mm512_setzero_si512();
        let mut sum = Products {
            low: zero,
            middle: zero,
            high: zero,
        };
        sum.add(swap_blocks(load_bytes(&row)), load_row(&self.powers[0]));
        self.state = sum.reduce();
    }

    pub(super) fn finish(&self) -> [u8; 16] {
        (u128::from(self.state[1]) << 64 | u128::from(self.state[0])).to_be_bytes()
    }
}

impl Drop for GhashWide {
    fn drop(&mut self) {
        self.powers.iter_mut().take(self.rows).for_each(Zeroize::zeroize);
        self.state.zeroize();
    }
}

impl Products {
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    fn add(&mut self, a: __m512i, b: __m512i) {
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128::<0x00>(a, b));
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128::<0x11>(a, b));
        let middle = (
            _mm512_clmulepi64_epi128::<0x01>(a, b),
            _mm512_clmulepi64_epi128::<0x10>(a, b),
        );
        self.middle = _mm512_ternarylogic_epi64::<0x96>(self.middle, middle.0, middle.1);
    }

    /// The sum over the lanes, reduced: (low, high) words.
    #[inline]
    #[target_feature(enable = "avx512f,pclmulqdq")]
    fn reduce(&self) -> [u64; 2] {
        let x = reduce(fold_lanes(self.low), fold_lanes(self.middle), fold_lanes(self.high));
        [_mm_cvtsi128_si64(x) as u64, _mm_extract_epi64::<1>(x) as u64]
    }
}

/// The key times x as (low, high) words: one bit down in reflected order, the polynomial where a bit falls out.
pub(super) fn key_times_x(key: &[u8; 16]) -> [u64; 2] {
    let h = u128::from_be_bytes(*key);
    let out = 0u128.wrapping_sub(h >> 127);
    let h = (h << 1) ^ (out & (0xc2 << 120 | 1));
    [h as u64, (h >> 64) as u64]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn fold_lanes(x: __m512i) -> __m128i {
    let x = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64::<1>(x));
    _mm_xor_si128(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x))
}

/// x^128 + x^127 + x^126 + x^121 + 1 without its ends, reflected: what a word that leaves at the bottom adds.
const POLYNOMIAL: i64 = 0xc2u64.wrapping_shl(56) as i64;

/// low + middle·2^64 + high·2^128, the lower half folded upwards one word at a time.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn reduce(low: __m128i, middle: __m128i, high: __m128i) -> __m128i {
    let polynomial = _mm_set_epi64x(0, POLYNOMIAL);
    let low = _mm_xor_si128(low, _mm_slli_si128::<8>(middle));
    let high = _mm_xor_si128(high, _mm_srli_si128::<8>(middle));
    let low = _mm_xor_si128(
        _mm_shuffle_epi32::<0x4e>(low),
        _mm_clmulepi64_si128::<0x00>(low, polynomial),
    );
    let low = _mm_xor_si128(
        _mm_shuffle_epi32::<0x4e>(low),
        _mm_clmulepi64_si128::<0x00>(low, polynomial),
    );
    _mm_xor_si128(low, high)
}

/// One product; factors times x give a result times x.
#[inline]
#[target_feature(enable = "pclmulqdq,sse2")]
pub(super) fn multiply_one(a: __m128i, b: __m128i) -> __m128i {
    let middle = _mm_xor_si128(_mm_clmulepi64_si128::<0x01>(a, b), _mm_clmulepi64_si128::<0x10>(a, b));
    reduce(
        _mm_clmulepi64_si128::<0x00>(a, b),
        middle,
        _mm_clmulepi64_si128::<0x11>(a, b),
    )
}

/// Four products side by side.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn multiply_four(a: __m512i, b: __m512i) -> __m512i {
    let polynomial = _mm512_set1_epi64(POLYNOMIAL);
    let middle = _mm512_xor_si512(
        _mm512_clmulepi64_epi128::<0x01>(a, b),
        _mm512_clmulepi64_epi128::<0x10>(a, b),
    );
    let mut low = _mm512_xor_si512(_mm512_clmulepi64_epi128::<0x00>(a, b), _mm512_bslli_epi128::<8>(middle));
    let high = _mm512_xor_si512(_mm512_clmulepi64_epi128::<0x11>(a, b), _mm512_bsrli_epi128::<8>(middle));
    for _ in 0..2 {
        let folded = _mm512_clmulepi64_epi128::<0x00>(low, polynomial);
        low = _mm512_xor_si512(_mm512_shuffle_epi32::<0x4e>(low), folded);
    }
    _mm512_xor_si512(low, high)
}

/// Big-endian blocks to integers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_blocks(x: __m512i) -> __m512i {
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(order))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(bytes: &[u8; ROW_BYTES]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_row(row: &[u64; 8]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read; no alignment is asked for.
    unsafe { _mm512_loadu_si512(row.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_row(row: &mut [u64; 8], x: __m512i) {
    // SAFETY: the array has the 64 bytes that are written; no alignment is asked for.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), x) }
}
