//! The hashes that a block leaves behind beside its trees: computed for all transactions together, in lanes.

use std::ops::Range;

use hn_primitives::{Hash32, Receipt, tag};

use crate::overlay::Namespace;
use crate::writes::StateWrites;

/// A receipt that waits for the digest of its transaction's writes.
pub(crate) struct OpenDigest {
    /// In the log of receipts.
    pub receipt: Range<usize>,
    /// Which namespace holds the write set.
    pub application: usize,
    /// See [`crate::overlay::Committed::write_set`].
    pub write_set: Range<usize>,
}

/// Writes the digests of all write sets into their receipts.
pub(crate) fn fill_digests(open: Vec<OpenDigest>, namespaces: &[Namespace], log: &mut [u8]) {
    let write_set = |one: &OpenDigest| {
        let namespace = namespaces.get(one.application);
        namespace.map_or(&[][..], |namespace| namespace.overlay.write_set(one.write_set.clone()))
    };
    let sets: Vec<&[u8]> = open.iter().map(write_set).collect();
    let digests = tag::hash_many(&tag::WRITE_SET, &sets);
    for (one, digest) in open.into_iter().zip(digests) {
        if let Some(place) = log.get_mut(one.receipt).and_then(Receipt::write_set_digest_mut) {
            *place = digest;
        }
    }
}

/// (key hash, value hash or deleted) of each write; keys, then values, hashed together. `key_hashes`: one a write, `None`
/// where nobody needed it yet.
pub(crate) fn state_updates(writes: &StateWrites, key_hashes: Vec<Option<Hash32>>) -> Vec<(Hash32, Option<Hash32>)> {
    let open = writes.iter().zip(&key_hashes).filter(|(_, known)| known.is_none());
    let rows: Vec<&[u8]> = open.map(|(write, _)| write.key.row()).collect();
    let values: Vec<&[u8]> = writes.iter().filter_map(|write| write.value).collect();
    let mut value_hashes = tag::hash_many(&tag::STATE_VALUE, &values).into_iter();
    let mut open = tag::hash_many(&tag::STATE_KEY, &rows).into_iter();
    let keys = key_hashes.into_iter().filter_map(|known| known.or_else(|| open.next()));
    keys.zip(writes.iter())
        .map(|(key, write)| (key, write.value.and_then(|_| value_hashes.next())))
        .collect()
}
