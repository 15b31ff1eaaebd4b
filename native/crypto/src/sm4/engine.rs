//! Which form of SM4 runs: chosen by kernel and by the instructions that SM4 needs beyond it.

use crate::kernel::Kernel;

/// A form of the block function and of GHASH. All of them are constant time and give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// Bit planes, for any processor.
    Portable,
    /// AVX2 with AES-NI for the inversion in the S-box, and PCLMULQDQ.
    #[cfg(target_arch = "x86_64")]
    Aes,
    /// AVX-512 with GFNI and VPCLMULQDQ.
    #[cfg(target_arch = "x86_64")]
    Gfni,
}

impl Engine {
    /// The widest form that `kernel` allows and this processor has. A wide answer makes calls into its code sound.
    pub(super) fn of(kernel: Kernel) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if kernel == Kernel::Ifma && has_gfni() {
                return Self::Gfni;
            }
            if kernel >= Kernel::Avx2 && has_aes() {
                return Self::Aes;
            }
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

#[cfg(target_arch = "x86_64")]
fn has_aes() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("aes") && is_x86_feature_detected!("pclmulqdq")
}
