//! Which instruction set the bulk operations use: chosen once a process, from what the processor has or as forced.
//!
//! The choice changes the speed, never a result. Functions that exist in several forms take the [`Kernel`] explicitly;
//! the public operations pass [`selected`]. A subject that has no form of its own for a kernel uses the next one down.

use crate::CryptoError;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// An instruction set, from the one that every processor has to the widest; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kernel {
    /// Plain Rust, for any processor.
    Portable,
    /// x86-64 with BMI2 and ADX: 64-bit multiplications with two carry chains.
    Scalar,
    /// 256-bit vectors.
    Avx2,
    /// 512-bit vectors with 52-bit multiplications (AVX-512 F, BW, DQ, VL, IFMA).
    Ifma,
}

static SELECTED: OnceLock<Kernel> = OnceLock::new();

impl Kernel {
    /// All kernels, narrowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Scalar, Self::Avx2, Self::Ifma];

    /// The name in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Ifma => "ifma",
        }
    }

    /// Whether this processor has the instructions. A true answer is what makes calls into the kernel's code sound.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Scalar => has_scalar(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => has_scalar() && is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => {
                has_scalar()
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512ifma")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_scalar() -> bool {
    is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("adx")
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = CryptoError;

    fn from_str(name: &str) -> Result<Self, CryptoError> {
        Self::ALL
            .into_iter()
            .find(|kernel| kernel.name() == name)
            .ok_or(CryptoError::Kernel(
                "no such kernel, want portable, scalar, avx2 or ifma",
            ))
    }
}

/// The kernels of this processor, narrowest first; [`Kernel::Portable`] is always one of them.
pub fn available() -> Vec<Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()).collect()
}

/// Makes `kernel` the one that this process uses. To be called before the first use of the crate.
///
/// # Errors
/// `Kernel` when the processor does not have it, or when the process already uses another one.
pub fn force(kernel: Kernel) -> Result<(), CryptoError> {
    if !kernel.is_available() {
        return Err(CryptoError::Kernel("this processor does not have it"));
    }
    if *SELECTED.get_or_init(|| kernel) == kernel {
        Ok(())
    } else {
        Err(CryptoError::Kernel("the process already uses another one"))
    }
}

/// The kernel of this process: the forced one, else the widest that the processor has.
pub fn selected() -> Kernel {
    *SELECTED.get_or_init(|| {
        let widest = Kernel::ALL.into_iter().rev().find(|kernel| kernel.is_available());
        widest.unwrap_or(Kernel::Portable)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kernel in Kernel::ALL {
            assert_eq!(kernel.to_string().parse(), Ok(kernel));
        }
        assert!("IFMA".parse::<Kernel>().is_err() && "".parse::<Kernel>().is_err());
    }

    #[test]
    fn the_choice_is_available_and_stays() {
        let have = available();
        assert_eq!(have[0], Kernel::Portable);
        let chosen = selected();
        assert!(have.contains(&chosen));
        assert_eq!(force(chosen), Ok(()));
        for kernel in Kernel::ALL {
            assert_eq!(force(kernel).is_ok(), kernel == chosen);
        }
        assert_eq!(selected(), chosen);
    }
}
