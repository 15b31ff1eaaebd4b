//! The coefficients of the randomised batch: 128 bits a signature, from SM3 over everything that the batch states.
//!
//! parts = SM3(tag ‖ 32 statements) …; seed = SM3(tag ‖ count ‖ parts); coefficients 2i, 2i + 1 = SM3(tag ‖ seed ‖ i).
//! Whoever chooses a signature so that errors cancel has to know the coefficients, which change with the signature.

use super::batch::BatchItem;
use crate::sm3::{Lanes, TaggedHasher};

/// Key without its prefix, e, r and s.
const STATEMENT_BYTES: usize = 64 + 32 + 64;
/// Statements of a part: one message in a lane.
const PART: usize = 32;

/// A 128-bit number, the least significant word first.
pub(super) type Coefficient = [u64; 2];

/// Number `i` belongs to item `i`. Cost: 2.5 + 0.5 compressions in lanes for an item, half of one for 32 items.
pub(super) fn coefficients(lanes: Lanes, items: &[BatchItem<'_>], digests: &[[u8; 32]]) -> Vec<Coefficient> {
    let mut statements = vec![0; items.len() * STATEMENT_BYTES];
    let rows = statements.as_chunks_mut::<STATEMENT_BYTES>().0;
    for ((row, (pk, _, signature)), e) in rows.iter_mut().zip(items).zip(digests) {
        row[..64].copy_from_slice(&pk.as_bytes()[1..]);
        row[64..96].copy_from_slice(e);
        row[96..].copy_from_slice(&signature[..]);
    }
    let messages: Vec<&[u8]> = statements.chunks(PART * STATEMENT_BYTES).collect();
    let mut parts = vec![[0; 32]; messages.len()];
    lanes.hash_many(
        TaggedHasher::new("hn/sm2-batch-part/v1").midstate(),
        &messages,
        &mut parts,
    );
    let count = (items.len() as u64).to_be_bytes();
    let seed = TaggedHasher::new("hn/sm2-batch-seed/v1").hash(&[&count, parts.as_flattened()]);
    let counters: Vec<[u8; 40]> = (0..items.len().div_ceil(2) as u64)
        .map(|counter| {
            let mut message = [0; 40];
            message[..32].copy_from_slice(&seed);
            message[32..].copy_from_slice(&counter.to_be_bytes());
            message
        })
        .collect();
    let mut pairs = vec![[0; 32]; counters.len()];
    lanes.hash_fixed(TaggedHasher::new("hn/sm2-batch/v1").midstate(), &counters, &mut pairs);
    let words = pairs.as_flattened().as_chunks::<8>().0.as_chunks::<2>().0;
    words
        .iter()
        .take(items.len())
        .map(|pair| pair.map(u64::from_be_bytes))
        .collect()
}
