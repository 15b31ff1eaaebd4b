//! Verification in bulk: tables where the key has one, the rayon pool where the batch is large enough.

use super::cache::{Found, KeyCache};
use super::key::PublicKey;
use super::verify::VerifyStatus;
use super::words;
use crate::kernel::Kernel;
use rayon::prelude::*;

/// How a call is cut over the pool. Inversions are shared and caches are finite; waking other threads, which then look for
/// more work, costs more than it saves for less than some milliseconds, on a machine that has other work for them.
struct Cut {
    /// Items up to which a call stays on its own thread.
    alone: usize,
    /// Items a task verifies at least and at most.
    task: (usize, usize),
}

const WORDS: Cut = Cut {
    alone: 32,
    task: (32, 512),
};
#[cfg(target_arch = "x86_64")]
const LANES: Cut = Cut {
    alone: 4096,
    task: (256, 512),
};

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
        Kernel::Ifma => in_chunks(items, &tables, &LANES, super::ifma::verify),
        kernel => in_chunks(items, &tables, &WORDS, |items, tables| {
            words::verify(kernel, items, tables)
        }),
    }
}

/// Cuts the batch over the pool in chunks of equal size.
fn in_chunks(
    items: &[BatchItem<'_>],
    tables: &[Found],
    cut: &Cut,
    verify: impl Fn(&[BatchItem<'_>], &[Found]) -> Vec<VerifyStatus> + Sync,
) -> Vec<VerifyStatus> {
    let (least, most) = cut.task;
    if items.len() <= cut.alone || rayon::current_num_threads() == 1 {
        let chunks = items.chunks(most).zip(tables.chunks(most));
        return chunks.flat_map(|(items, tables)| verify(items, tables)).collect();
    }
    let chunk = items.len().div_ceil(rayon::current_num_threads()).clamp(least, most);
    let chunks: Vec<Vec<VerifyStatus>> = items
        .par_chunks(chunk)
        .zip(tables.par_chunks(chunk))
        .map(|(items, tables)| verify(items, tables))
        .collect();
    chunks.concat()
}
