//! The vector kernels of x86-64 as [`Core`]s: a value is the proof that the processor has the instructions.

use super::super::stream::{SIDE, Words};
use super::super::{BLOCK_BYTES, DIGEST_BYTES};
use super::states::{Core, Expanded, States};
use super::{avx2, ymm, zmm, zmm_pair};
use crate::kernel::Kernel;

/// 16 lanes of 512-bit vectors.
#[derive(Clone, Copy)]
pub(super) struct Zmm(());

/// 8 lanes of 256-bit vectors with the instructions of AVX-512.
#[derive(Clone, Copy)]
pub(in crate::sm3) struct Ymm(());

/// 8 lanes of AVX2.
#[derive(Clone, Copy)]
pub(in crate::sm3) struct Avx2(());

/// Both widths of AVX-512, where the processor has them.
pub(super) fn avx512() -> Option<(Zmm, Ymm)> {
    Kernel::Ifma.is_available().then_some((Zmm(()), Ymm(())))
}

/// AVX2, where the processor has it.
pub(super) fn avx2() -> Option<Avx2> {
    Kernel::Avx2.is_available().then_some(Avx2(()))
}

impl Core<16> for Zmm {
    fn compress(self, states: &mut States<16>, runs: &[&[[u8; BLOCK_BYTES]]; 16], count: usize) {
        // SAFETY: a `Zmm` exists only where AVX-512 F, BW and VL are available.
        unsafe { zmm::compress(states, runs, count) }
    }

    fn compress_expanded(self, states: &mut States<16>, second: Option<&mut States<16>>, block: &Expanded) {
        // SAFETY: as in `compress`.
        unsafe {
            match second {
                None => zmm::compress_expanded(states, block),
                Some(second) => zmm_pair::compress_expanded(&mut (states, second), block),
            }
        }
    }

    fn digests(self, states: &States<16>) -> [[u8; DIGEST_BYTES]; 16] {
        // SAFETY: as in `compress`.
        unsafe { zmm::digests(states) }
    }
}

impl Core<8> for Ymm {
    fn compress(self, states: &mut States<8>, runs: &[&[[u8; BLOCK_BYTES]]; 8], count: usize) {
        // SAFETY: a `Ymm` exists only where AVX-512 F, BW and VL are available.
        unsafe { ymm::compress(states, runs, count) }
    }

    fn compress_expanded(self, states: &mut States<8>, second: Option<&mut States<8>>, block: &Expanded) {
        // SAFETY: as in `compress`.
        unsafe {
            ymm::compress_expanded(states, block);
            if let Some(second) = second {
                ymm::compress_expanded(second, block);
            }
        }
    }
}

impl Core<8> for Avx2 {
    fn compress(self, states: &mut States<8>, runs: &[&[[u8; BLOCK_BYTES]]; 8], count: usize) {
        // SAFETY: an `Avx2` exists only where AVX2 is available.
        unsafe { avx2::compress(states, runs, count) }
    }

    fn compress_expanded(self, states: &mut States<8>, second: Option<&mut States<8>>, block: &Expanded) {
        // SAFETY: as in `compress`.
        unsafe {
            avx2::compress_expanded(states, block);
            if let Some(second) = second {
                avx2::compress_expanded(second, block);
            }
        }
    }
}

/// Eight blocks of one stream, expanded side by side.
#[derive(Clone, Copy)]
pub(in crate::sm3) enum Expander {
    /// With the instructions of AVX-512.
    Ymm(Ymm),
    /// With those of AVX2.
    Avx2(Avx2),
}

impl Expander {
    /// The one of a vector kernel, where the processor has it.
    pub fn of(kernel: Kernel) -> Option<Self> {
        match kernel {
            Kernel::Portable | Kernel::Scalar => None,
            Kernel::Avx2 => avx2().map(Self::Avx2),
            Kernel::Ifma => avx512().map(|(_, ymm)| Self::Ymm(ymm)),
        }
    }

    /// Writes all rows for the first eight blocks; columns without a block repeat the last one.
    pub fn expand(self, blocks: &[[u8; BLOCK_BYTES]], words: &mut Words) {
        let last = &blocks[blocks.len().saturating_sub(1)..];
        let mut runs = [last; SIDE];
        for (run, block) in runs.iter_mut().zip(blocks.chunks(1)) {
            *run = block;
        }
        // SAFETY: each value exists only where its instructions are available.
        unsafe {
            match self {
                Self::Ymm(_) => ymm::expand(&runs, words),
                Self::Avx2(_) => avx2::expand(&runs, words),
            }
        }
    }
}
