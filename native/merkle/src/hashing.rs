//! Who hashes: the pool with the kernel of this process, or the calling thread with given lanes.

use hn_crypto::sm3::{Lanes, TaggedHasher};
use hn_primitives::Hash32;

/// How runs of equal messages are hashed. The digests are the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// The kernel of this process; long runs are shared by the rayon pool.
    #[default]
    Shared,
    /// These lanes, on the calling thread alone.
    Here(Lanes),
}

impl Hashing {
    /// Digests of messages of one length under a tag; `out` has one place for each.
    pub(crate) fn fixed<const N: usize>(self, tag: &TaggedHasher, messages: &[[u8; N]], out: &mut [Hash32]) {
        match self {
            Self::Shared => tag.hash_fixed(messages, out),
            Self::Here(lanes) => lanes.hash_fixed(tag.midstate(), messages, out),
        }
    }

    /// Digests of messages of mixed lengths under a tag; `out` has one place for each.
    pub(crate) fn many(self, tag: &TaggedHasher, messages: &[&[u8]], out: &mut [Hash32]) {
        match self {
            Self::Shared => tag.hash_many(messages, out),
            Self::Here(lanes) => lanes.hash_many(tag.midstate(), messages, out),
        }
    }
}
