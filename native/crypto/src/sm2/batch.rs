//! Verification in bulk: tables where the key has one, the rayon pool where the batch is large enough.

use super::cache::{Found, KeyCache};
use super::key::PublicKey;
use super::verify::VerifyStatus;
use super::words;
use crate::kernel::Kernel;
use rayon::prelude::*;

/// Items a rayon task verifies at least and at most: inversions are shared, caches are finite.
const ITEMS_COUNT: (usize, usize) = (32, 512);
/// The same in lanes, which are faster.
#[cfg(target_arch = "x86_64")]
const LANES_COUNT: (usize, usize) = (128, 512);

/// Key, message and signature r ‖ s of one item.
pub type BatchItem<'a> = (&'a PublicKey, &'a [u8], &'a [u8; 64]);

/// Verdicts on all items, in their order; each is that of [`super::verify_single`]. A bad signature never fails the call.
///
/// Cost on one core, for an item with a table: about 1.5 µs in lanes, 15 µs on a scalar kernel; 150 µs more for an item
/// that is refused.
pub fn verify_batch(cache: &KeyCache, items: &[BatchItem<'_>]) -> Vec<VerifyStatus> {
    let keys: Vec<&PublicKey> = items.iter().map(|(pk, _, _)| *pk).collect();
    let tables = cache.tables(&keys);
    match cache.kernel() {
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma => in_chunks(items, &tables, LANES_COUNT, super::ifma::verify),
        kernel => in_chunks(items, &tables, ITEMS_COUNT, |items, tables| {
            words::verify(kernel, items, tables)
        }),
    }
}

/// Cuts the batch over the pool in chunks of equal size.
fn in_chunks(
    items: &[BatchItem<'_>],
    tables: &[Found],
    (least, most): (usize, usize),
    verify: impl Fn(&[BatchItem<'_>], &[Found]) -> Vec<VerifyStatus> + Sync,
) -> Vec<VerifyStatus> {
    if items.len() <= least {
        return verify(items, tables);
    }
    let chunk = items.len().div_ceil(rayon::current_num_threads()).clamp(least, most);
    let chunks: Vec<Vec<VerifyStatus>> = items
        .par_chunks(chunk)
        .zip(tables.par_chunks(chunk))
        .map(|(items, tables)| verify(items, tables))
        .collect();
    chunks.concat()
}
