//! Verification with hints: signatures that this node has verified before are accepted many at a time, without tables.
//!
//! A hint is one bit: whether y of R = sG + tP is odd. It belongs to the node that computed it ([`verify_with_hint`]),
//! never to a signature on its way. A wrong one costs time and changes no verdict.

use super::batch::{BatchItem, verify_batch};
use super::cache::KeyCache;
use super::key::PublicKey;
use super::verify::{Equation, VerifyStatus, rule, sum_unknown};
use crate::CryptoError;
use crate::kernel::{self, Kernel};
#[cfg(target_arch = "x86_64")]
use rayon::prelude::*;

/// Signatures that share one equation, at least and at most, when there are enough: the more, the cheaper each is, but
/// the points are to stay in the cache and all threads to have work.
#[cfg(target_arch = "x86_64")]
const SHARED_COUNT: (usize, usize) = (2048, 8192);

/// The verdict of [`super::verify_single`], and the hint for [`verify_batch_hinted`]; the hint of a signature that is not
/// valid means nothing. About 70 µs, and 150 µs more for one that is not valid.
pub fn verify_with_hint(pk: &PublicKey, message: &[u8], signature: &[u8; 64]) -> (VerifyStatus, bool) {
    let equation = match Equation::parse(&pk.digest(message), signature) {
        Ok(equation) => equation,
        Err(status) => return (status, false),
    };
    let quick = sum_unknown(&equation, pk);
    if let Ok(Some(sum)) = &quick
        && equation.holds_jacobian(quick) == super::verify::Answer::Accept
    {
        let inverse = sum.z.invert();
        let y = sum.y.mul(&inverse.square().mul(&inverse));
        return (VerifyStatus::Valid, y.to_words()[0] & 1 == 1);
    }
    let (status, sum) = rule(pk, &equation);
    (status, sum.to_affine().y.to_words()[0] & 1 == 1)
}

/// Verdicts on all items, in their order; each is that of [`super::verify_single`], whatever the hints. For bulk checks of
/// signatures by many keys (replay of a stored chain), where all or nearly all are valid; no table is built or used.
///
/// Cost on one core in lanes, from some thousands of valid signatures: about 2 µs each, of which the square root is a
/// third. What cannot be accepted together goes the exact way (about 9 µs, and 150 µs more when it is refused).
///
/// # Errors
/// `Length` when there is not one hint an item.
pub fn verify_batch_hinted(items: &[BatchItem<'_>], hints: &[bool]) -> Result<Vec<VerifyStatus>, CryptoError> {
    verify_batch_hinted_with(kernel::selected(), items, hints)
}

/// [`verify_batch_hinted`] on a given kernel. Kernels other than [`Kernel::Ifma`] verify one by one.
///
/// # Errors
/// As [`verify_batch_hinted`]; `Kernel` when the processor does not have it.
pub fn verify_batch_hinted_with(
    kernel: Kernel,
    items: &[BatchItem<'_>],
    hints: &[bool],
) -> Result<Vec<VerifyStatus>, CryptoError> {
    if hints.len() != items.len() {
        return Err(CryptoError::Length {
            what: "hints",
            got: hints.len(),
            want: items.len(),
        });
    }
    if !kernel.is_available() {
        return Err(CryptoError::Kernel("this processor does not have it"));
    }
    #[cfg(target_arch = "x86_64")]
    if kernel == Kernel::Ifma {
        let (least, most) = SHARED_COUNT;
        let chunk = items.len().div_ceil(rayon::current_num_threads()).clamp(least, most);
        if items.len() <= chunk {
            return Ok(super::ifma::hinted::verify(items, hints));
        }
        // Parts of equal size: a small last one would cost more.
        let chunk = items.len().div_ceil(items.len().div_ceil(chunk));
        let parts: Vec<Vec<VerifyStatus>> = items
            .par_chunks(chunk)
            .zip(hints.par_chunks(chunk))
            .map(|(items, hints)| super::ifma::hinted::verify(items, hints))
            .collect();
        return Ok(parts.concat());
    }
    Ok(verify_batch(&KeyCache::for_kernel(kernel, 0), items))
}
