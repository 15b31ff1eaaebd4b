//! GHASH (NIST SP 800-38D §6.4) in constant time. The portable form makes carry-less products from integer products of
//! numbers with three empty bits between their bits, so that no carry reaches a bit in use.

use super::engine::Engine;
#[cfg(target_arch = "x86_64")]
use super::{ghash_clmul::GhashClmul, ghash_wide::GhashWide};
use zeroize::Zeroize;

/// Lower 64 bits of the carry-less product.
#[inline(always)]
fn multiply_low(x: u64, y: u64) -> u64 {
    const M: u64 = 0x1111_1111_1111_1111;
    let xs = [x & M, x & (M << 1), x & (M << 2), x & (M << 3)];
    let ys = [y & M, y & (M << 1), y & (M << 2), y & (M << 3)];
    let mut out = 0;
    for (sum, mask) in [(0, M), (1, M << 1), (2, M << 2), (3, M << 3)] {
        let mut part = 0;
        for (i, x) in xs.iter().enumerate() {
            part ^= x.wrapping_mul(ys[(sum + 4 - i) % 4]);
        }
        out |= part & mask;
    }
    out
}

/// Full carry-less product as (low, high); the high half is the low half of the reversed factors.
#[inline(always)]
fn multiply(x: u64, y: u64) -> (u64, u64) {
    (
        multiply_low(x, y),
        multiply_low(x.reverse_bits(), y.reverse_bits()).reverse_bits() >> 1,
    )
}

/// The running hash, in the form that belongs to an engine.
#[expect(clippy::large_enum_variant, reason = "lives on the stack of one call")]
pub(super) enum Ghash {
    Portable(GhashWords),
    #[cfg(target_arch = "x86_64")]
    Clmul(GhashClmul),
    #[cfg(target_arch = "x86_64")]
    Wide(GhashWide),
}

impl Ghash {
    /// For data whose longest part has `bytes` bytes: more is right too, but slower.
    pub(super) fn new(engine: Engine, key: &[u8; 16], bytes: usize) -> Self {
        match engine {
            Engine::Portable => Self::Portable(GhashWords::new(key)),
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Aes => Self::Clmul(unsafe { GhashClmul::new(key) }),
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni => Self::Wide(unsafe { GhashWide::new(key, bytes) }),
        }
    }

    /// Takes data, filled up with zeros to whole blocks.
    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Portable(hash) => hash.update(data),
            // SAFETY: this variant is made by `new` alone, for an engine whose instructions exist.
            #[cfg(target_arch = "x86_64")]
            Self::Clmul(hash) => unsafe { hash.update(data) },
            // SAFETY: this variant is made by `new` alone, for an engine whose instructions exist.
            #[cfg(target_arch = "x86_64")]
            Self::Wide(hash) => unsafe { hash.update(data) },
        }
    }

    pub(super) fn finish(&self) -> [u8; 16] {
        match self {
            Self::Portable(hash) => hash.finish(),
            #[cfg(target_arch = "x86_64")]
            Self::Clmul(hash) => hash.finish(),
            #[cfg(target_arch = "x86_64")]
            Self::Wide(hash) => hash.finish(),
        }
    }
}

/// The portable form. Zeroised on drop.
pub(super) struct GhashWords {
    /// Key and state as (high, low) words of the big-endian block.
    key: [u64; 2],
    state: [u64; 2],
}

fn words(block: &[u8; 16]) -> [u64; 2] {
    let value = u128::from_be_bytes(*block);
    [(value >> 64) as u64, value as u64]
}

impl GhashWords {
    fn new(key: &[u8; 16]) -> Self {
        Self {
            key: words(key),
            state: [0; 2],
        }
    }

    fn update(&mut self, data: &[u8]) {
        let (blocks, rest) = data.as_chunks::<16>();
        for block in blocks {
            self.block(block);
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            last[..rest.len()].copy_from_slice(rest);
            self.block(&last);
        }
    }

    /// state = (state ^ block) · key.
    fn block(&mut self, block: &[u8; 16]) {
        let block = words(block);
        let (y1, y0) = (self.state[0] ^ block[0], self.state[1] ^ block[1]);
        let [h1, h0] = self.key;
        // Karatsuba; bits of a block are in reflected order, hence the shift by one afterwards.
        let (low0, low1) = multiply(y0, h0);
        let (high0, high1) = multiply(y1, h1);
        let (mid0, mid1) = multiply(y0 ^ y1, h0 ^ h1);
        let v1 = low1 ^ mid0 ^ low0 ^ high0;
        let v2 = high0 ^ mid1 ^ low1 ^ high1;
        let (v0, v1, v2, v3) = (
            low0 << 1,
            v1 << 1 | low0 >> 63,
            v2 << 1 | v1 >> 63,
            high1 << 1 | v2 >> 63,
        );
        // Reduction by x^128 + x^7 + x^2 + x + 1, two words at a time.
        let v2 = v2 ^ v0 ^ v0 >> 1 ^ v0 >> 2 ^ v0 >> 7;
        let v1 = v1 ^ v0 << 63 ^ v0 << 62 ^ v0 << 57;
        let v3 = v3 ^ v1 ^ v1 >> 1 ^ v1 >> 2 ^ v1 >> 7;
        let v2 = v2 ^ v1 << 63 ^ v1 << 62 ^ v1 << 57;
        self.state = [v3, v2];
    }

    fn finish(&self) -> [u8; 16] {
        (u128::from(self.state[0]) << 64 | u128::from(self.state[1])).to_be_bytes()
    }
}

impl Drop for GhashWords {
    fn drop(&mut self) {
        self.key.zeroize();
        self.state.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::multiply;

    #[test]
    fn products_match_the_definition() {
        let mut x = 0x0123_4567_89ab_cdefu64;
        for y in [0, 1, u64::MAX, 1 << 63, 0x8000_0000_0000_0001, 0xdead_beef_cafe_f00d] {
            x = x.rotate_left(7) ^ y;
            for (x, y) in [(x, y), (u64::MAX, y)] {
                let want = (0..64)
                    .filter(|i| y >> i & 1 == 1)
                    .fold(0u128, |sum, i| sum ^ u128::from(x) << i);
                let (low, high) = multiply(x, y);
                assert_eq!(u128::from(high) << 64 | u128::from(low), want);
            }
        }
    }
}
