//! Verification in bulk: tables where the key has one, the rayon pool where the batch is large enough.

use super::cache::{KeyCache, KeyTable, PreparedKey};
use super::comb::Comb;
use super::key::PublicKey;
use super::verify::{KEY_WIDTH, VerifyStatus, verify_digest};
use crate::kernel::Kernel;
use rayon::prelude::*;
use std::sync::Arc;

/// Items a rayon task verifies at least on the scalar kernels (about 0.2 ms of work).
const PARALLEL_COUNT_MIN: usize = 16;
/// Items a rayon task verifies in lanes, at least and at most: inversions are shared, caches are finite.
#[cfg(target_arch = "x86_64")]
const LANES_COUNT: (usize, usize) = (256, 512);
/// Items from which a call is cut over the pool at all: below it (about 1 ms of work) waking other threads costs more than
/// it saves, on a machine that has other work for them.
#[cfg(target_arch = "x86_64")]
const PARALLEL_LANES_MIN: usize = 512;

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
        Kernel::Ifma => verify_lanes(items, &tables),
        _ if items.len() <= PARALLEL_COUNT_MIN => items.iter().zip(&tables).map(verify_item).collect(),
        _ => items
            .par_iter()
            .zip(&tables)
            .with_min_len(PARALLEL_COUNT_MIN)
            .map(verify_item)
            .collect(),
    }
}

fn comb(table: &Option<Arc<PreparedKey>>) -> Option<&Comb<KEY_WIDTH>> {
    match &table.as_deref()?.table {
        KeyTable::Comb(table) => Some(table),
        #[cfg(target_arch = "x86_64")]
        KeyTable::Lanes(_) => None,
    }
}

fn verify_item(((pk, message, signature), table): (&BatchItem<'_>, &Option<Arc<PreparedKey>>)) -> VerifyStatus {
    verify_digest(pk, comb(table), &pk.digest(message), signature)
}

/// Cuts the batch over the pool in chunks of equal size.
#[cfg(target_arch = "x86_64")]
fn verify_lanes(items: &[BatchItem<'_>], tables: &[Option<Arc<PreparedKey>>]) -> Vec<VerifyStatus> {
    let (least, most) = LANES_COUNT;
    if items.len() <= PARALLEL_LANES_MIN {
        return super::ifma::verify(items, tables);
    }
    let chunk = items.len().div_ceil(rayon::current_num_threads()).clamp(least, most);
    let chunks: Vec<Vec<VerifyStatus>> = items
        .par_chunks(chunk)
        .zip(tables.par_chunks(chunk))
        .map(|(items, tables)| super::ifma::verify(items, tables))
        .collect();
    chunks.concat()
}
