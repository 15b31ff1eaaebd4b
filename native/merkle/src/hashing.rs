//! Who hashes: the pool with the kernel of this process, or the calling thread with given lanes.

use hn_crypto::sm3::{Lanes, TaggedHasher};
use hn_primitives::Hash32;
use hn_primitives::tag::SHARED_BYTES_MIN;

/// How runs of equal messages are hashed. The digests are the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// The kernel of this process; runs of [`SHARED_BYTES_MIN`] and more are shared by the rayon pool.
    #[default]
    Shared,
    /// These lanes, on the calling thread alone.
    Here(Lanes),
}

impl Hashing {
    /// Who hashes a run of so many bytes.
    fn of(self, bytes: usize) -> Self {
        match self {
            Self::Shared if bytes < SHARED_BYTES_MIN => Self::Here(Lanes::selected()),
            other => other,
        }
    }

    /// Digests of messages of one length under a tag; `out` has one place for each.
    pub(crate) fn fixed<const N: usize>(self, tag: &TaggedHasher, messages: &[[u8; N]], out: &mut [Hash32]) {
        match self.of(N * messages.len()) {
            Self::Shared => tag.hash_fixed(messages, out),
            Self::Here(lanes) => lanes.hash_fixed(tag.midstate(), messages, out),
        }
    }

    /// Digests of messages of mixed lengths under a tag; `out` has one place for each.
    pub(crate) fn many(self, tag: &TaggedHasher, messages: &[&[u8]], out: &mut [Hash32]) {
        match self.of(messages.iter().map(|message| message.len()).sum()) {
            Self::Shared => tag.hash_many(messages, out),
            Self::Here(lanes) => lanes.hash_many(tag.midstate(), messages, out),
        }
    }
}
