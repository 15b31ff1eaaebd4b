//! Which form of SM4 runs: chosen by kernel and by the instructions that SM4 needs beyond it.

use crate::kernel::Kernel;

/// A form of the block function and of GHASH. All of them are constant time and give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// Bit planes, for any processor.
    Portable,
    /// AVX-512 with GFNI and VPCLMULQDQ.
    #[cfg(target_arch = "x86_64")]
    Gfni,
}

impl Engine {
    /// The widest form that `kernel` allows and this processor has. A wide answer makes calls into its code sound.
    pub(super) fn of(kernel: Kernel) -> Self {
        #[cfg(target_arch = "x86_64")]
        if kernel == Kernel::Ifma && has_gfni() {
            return Self::Gfni;
        }
        let _ = kernel;
        Self::Portable
    }
}

#[cfg(target_arch = "x86_64")]
fn has_gfni() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("gfni")
        && is_x86_feature_detected!("vpclmulqdq")
        && is_x86_feature_detected!("pclmulqdq")
}
