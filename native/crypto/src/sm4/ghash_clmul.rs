//! GHASH with PCLMULQDQ: eight blocks between two reductions, each times its own power of the key, in the form of
//! [`super::ghash_wide`].

use super::ghash_wide::{key_times_x, multiply_one, reduce};
use std::arch::x86_64::*;
use zeroize::Zeroize;

/// Powers of the key, and blocks that meet them.
const POWERS: usize = 8;
const BLOCK_BYTES: usize = 16;

/// Key powers and running hash as (low, high) words. Zeroised on drop.
pub(super) struct GhashClmul {
    /// H^8, H^7, …, H, each times x.
    powers: [[u64; 2]; POWERS],
    state: [u64; 2],
}

impl GhashClmul {
    #[target_feature(enable = "sse4.1,ssse3,pclmulqdq")]
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let first = words(&key_times_x(key));
        let mut power = first;
        let mut powers = [[0; 2]; POWERS];
        for out in powers.iter_mut().rev() {
            *out = to_words(power);
            power = multiply_one(power, first);
        }
        Self { powers, state: [0; 2] }
    }

    /// Takes data, filled up with zeros to whole blocks.
    #[target_feature(enable = "sse4.1,ssse3,pclmulqdq")]
    pub(super) fn update(&mut self, data: &[u8]) {
        for chunk in data.chunks(POWERS * BLOCK_BYTES) {
            let count = chunk.len().div_ceil(BLOCK_BYTES);
            let mut state = words(&self.state);
            let (mut low, mut middle, mut high) = (_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128());
            let powers = self.powers.iter().skip(POWERS - count);
            for (bytes, power) in chunk.chunks(BLOCK_BYTES).zip(powers) {
                let (a, b) = (_mm_xor_si128(block(bytes), state), words(power));
                state = _mm_setzero_si128();
                low = _mm_xor_si128(low, _mm_clmulepi64_si128::<0x00>(a, b));
                middle = _mm_xor_si128(middle, _mm_clmulepi64_si128::<0x01>(a, b));
                middle = _mm_xor_si128(middle, _mm_clmulepi64_si128::<0x10>(a, b));
                high = _mm_xor_si128(high, _mm_clmulepi64_si128::<0x11>(a, b));
            }
            self.state = to_words(reduce(low, middle, high));
        }
    }

    pub(super) fn finish(&self) -> [u8; 16] {
        (u128::from(self.state[1]) << 64 | u128::from(self.state[0])).to_be_bytes()
    }
}

impl Drop for GhashClmul {
    fn drop(&mut self) {
        self.powers.zeroize();
        self.state.zeroize();
    }
}

/// A big-endian block as an integer; missing bytes are zeros behind the others.
#[inline]
#[target_feature(enable = "ssse3")]
fn block(bytes: &[u8]) -> __m128i {
    let mut whole = [0; BLOCK_BYTES];
    whole[..bytes.len()].copy_from_slice(bytes);
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    // SAFETY: the array has the 16 bytes that are read; no alignment is asked for.
    _mm_shuffle_epi8(unsafe { _mm_loadu_si128(whole.as_ptr().cast()) }, order)
}

#[inline]
#[target_feature(enable = "sse2")]
fn words(x: &[u64; 2]) -> __m128i {
    _mm_set_epi64x(x[1] as i64, x[0] as i64)
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn to_words(x: __m128i) -> [u64; 2] {
    [_mm_cvtsi128_si64(x) as u64, _mm_extract_epi64::<1>(x) as u64]
}
