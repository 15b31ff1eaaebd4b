//! The coefficients of the randomised batch: 128 bits a signature, from SM3 over everything that the batch states.
//!
//! parts = SM3(tag ‖ 32 statements) …; seed = SM3(tag ‖ count ‖ parts); coefficients 2i, 2i + 1 = SM3(tag ‖ seed ‖ i).
//! Whoever chooses a signature so that errors cancel has to know the coefficients, which change with the signature. The
//! hints are stated too: they choose the signs of R, and signs that are chosen after the coefficients could make errors cancel.

use super::batch::BatchItem;
use crate::sm3::{Lanes, TaggedHasher};

/// Hint, key without its prefix, e, r and s.
const STATEMENT_BYTES: usize = 1 + 64 + 32 + 64;
/// Statements of a part: one message in a lane.
const PART: usize = 32;

/// A 128-bit number, the least significant word first.
pub(super) type Coefficient = [u64; 2];

/// Number `i` belongs to item `i`. Cost: 2.5 + 0.5 compressions in lanes for an item, half of one for 32 items.
pub(super) fn coefficients(
    lanes: Lanes,
    items: &[BatchItem<'_>],
    digests: &[[u8; 32]],
    hints: &[bool],
) -> Vec<Coefficient> {
    let mut statements = vec![0; items.len() * STATEMENT_BYTES];
    let rows = statements.as_chunks_mut::<STATEMENT_BYTES>().0;
    for (((row, (pk, _, signature)), e), hint) in rows.iter_mut().zip(items).zip(digests).zip(hints) {
        row[..65].copy_from_slice(pk.as_bytes());
        row[0] = u8::from(*hint);
        row[65..97].copy_from_slice(e);
        row[97..].copy_from_slice(&signature[..]);
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

#[cfg(test)]
mod tests {
    use super::super::key::generate;
    use super::*;
    use crate::kernel::{self, Kernel};
    use crate::sm3::sm3;

    #[test]
    fn everything_that_is_stated_changes_all_coefficients() {
        let keys = [generate(&sm3(b"a")), generate(&sm3(b"b"))];
        for count in [1, 3, 31, 32, 33, 70] {
            let signatures: Vec<[u8; 64]> = (0..count).map(|i| [i as u8 + 1; 64]).collect();
            let digests: Vec<[u8; 32]> = (0..count).map(|i| sm3(&[i as u8])).collect();
            let items: Vec<BatchItem<'_>> = signatures.iter().map(|s| (keys[0].public_key(), &b""[..], s)).collect();
            let hints = vec![false; count];
            let lanes = Lanes::on(Kernel::Portable).unwrap();
            let mut seen = coefficients(lanes, &items, &digests, &hints);
            assert_eq!(seen.len(), count);
            for kernel in kernel::available() {
                assert_eq!(coefficients(Lanes::on(kernel).unwrap(), &items, &digests, &hints), seen);
            }
            let less = count - 1;
            seen.extend(coefficients(lanes, &items[..less], &digests[..less], &hints[..less]));
            for at in [0, count - 1].into_iter().take(count.min(2)) {
                let mut other = items.clone();
                other[at].0 = keys[1].public_key();
                seen.extend(coefficients(lanes, &other, &digests, &hints));
                let mut signature = signatures[at];
                signature[63] ^= 0x80;
                let mut other = items.clone();
                other[at].2 = &signature;
                seen.extend(coefficients(lanes, &other, &digests, &hints));
                let mut other = digests.clone();
                other[at][0] ^= 1;
                seen.extend(coefficients(lanes, &items, &other, &hints));
                let mut other = hints.clone();
                other[at] = true;
                seen.extend(coefficients(lanes, &items, &digests, &other));
            }
            let total = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), total, "{count}");
        }
    }
}
