//! Batches over the rayon pool: large calls are cut into parts, each hashed by [`Lanes`] on one thread.

use super::lanes::{Lanes, Midstate};
use super::{BLOCK_BYTES, DIGEST_BYTES};
use rayon::prelude::*;

/// Compressions below which the calling thread does the work: a hand-over costs about as much as 200 in lanes.
const PARALLEL_BLOCKS_MIN: usize = 2048;

/// Parts are a multiple of this many messages, so that every vector of every part but the last is full.
const PART_MULTIPLE: usize = 64;

/// Digests of messages of one length, in their order: e.g. ZA ‖ id for SM2, hashes of hashes.
///
/// # Panics
/// When `out` has another count than `messages`.
pub fn sm3_fixed<const N: usize>(messages: &[[u8; N]], out: &mut [[u8; DIGEST_BYTES]]) {
    fixed_from(&Midstate::START, messages, out);
}

/// Digests of messages of mixed lengths, in their order.
///
/// # Panics
/// When `out` has another count than `messages`.
pub fn sm3_many(messages: &[&[u8]], out: &mut [[u8; DIGEST_BYTES]]) {
    many_from(&Midstate::START, messages, out);
}

/// [`sm3_many`] into a new vector.
pub fn sm3_batch(messages: &[&[u8]]) -> Vec<[u8; DIGEST_BYTES]> {
    let mut out = vec![[0; DIGEST_BYTES]; messages.len()];
    sm3_many(messages, &mut out);
    out
}

pub(super) fn fixed_from<const N: usize>(from: &Midstate, messages: &[[u8; N]], out: &mut [[u8; DIGEST_BYTES]]) {
    assert_eq!(messages.len(), out.len(), "one digest a message");
    let lanes = Lanes::selected();
    let each = blocks_of(N);
    match part_len(messages.len(), messages.len() * each) {
        None => lanes.hash_fixed(from, messages, out),
        Some(part) => messages
            .par_chunks(part)
            .zip(out.par_chunks_mut(part))
            .for_each(|(messages, out)| lanes.hash_fixed(from, messages, out)),
    }
}

pub(super) fn many_from(from: &Midstate, messages: &[&[u8]], out: &mut [[u8; DIGEST_BYTES]]) {
    assert_eq!(messages.len(), out.len(), "one digest a message");
    let lanes = Lanes::selected();
    let blocks = messages.iter().map(|message| blocks_of(message.len())).sum();
    match part_len(messages.len(), blocks) {
        None => lanes.hash_many(from, messages, out),
        Some(part) => messages
            .par_chunks(part)
            .zip(out.par_chunks_mut(part))
            .for_each(|(messages, out)| lanes.hash_many(from, messages, out)),
    }
}

/// Compressions that a message of `bytes` bytes takes, its padding included.
pub(super) const fn blocks_of(bytes: usize) -> usize {
    bytes / BLOCK_BYTES + 1 + (bytes % BLOCK_BYTES >= BLOCK_BYTES - 8) as usize
}

/// Messages a part, or `None` when the work stays on the calling thread.
fn part_len(count: usize, blocks: usize) -> Option<usize> {
    let threads = rayon::current_num_threads();
    if threads == 1 || blocks < PARALLEL_BLOCKS_MIN || count <= 1 {
        return None;
    }
    // Three parts a thread let a slow core hand over; each still holds a quarter of the smallest parallel call.
    let parts = (3 * threads).min(4 * blocks / PARALLEL_BLOCKS_MIN);
    let part = count.div_ceil(parts);
    // Few long streams are shared evenly; rounding up would leave them all to one thread.
    Some(if part >= PART_MULTIPLE {
        part.next_multiple_of(PART_MULTIPLE)
    } else {
        part
    })
}
