//! Many messages at once: one message a lane of a vector register, on one thread.
//!
//! [`Lanes`] holds the kernel and never hands work to the pool; the functions of [`super`] and
//! [`super::TaggedHasher`] split large calls over the pool and run `Lanes` in each part.

use super::compress::{IV, compress};
use super::{BLOCK_BYTES, DIGEST_BYTES, Sm3};
use crate::CryptoError;
use crate::kernel::{self, Kernel};

/// Where a hash starts: a chaining value and the whole blocks behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Midstate {
    words: [u32; 8],
    /// Bytes hashed so far, a multiple of 64.
    bytes: u64,
}

impl Midstate {
    /// Before the first byte.
    pub const START: Self = Self { words: IV, bytes: 0 };

    /// After one more block.
    pub fn after(mut self, block: &[u8; BLOCK_BYTES]) -> Self {
        compress(&mut self.words, block);
        self.bytes = self.bytes.wrapping_add(BLOCK_BYTES as u64);
        self
    }

    /// The chaining value.
    pub(super) const fn words(&self) -> [u32; 8] {
        self.words
    }

    /// A streaming hasher that goes on from here.
    pub const fn stream(&self) -> Sm3 {
        Sm3::from_midstate(self.words, self.bytes)
    }
}

/// The lanes of one kernel. Copying is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Always one that the processor has: what the calls into vector code rest on.
    kernel: Kernel,
}

impl Lanes {
    /// The lanes of the kernel that this process uses.
    pub fn selected() -> Self {
        Self {
            kernel: kernel::selected(),
        }
    }

    /// The lanes of a given kernel, for tests and measurements.
    ///
    /// # Errors
    /// `Kernel` when the processor does not have it.
    pub fn on(kernel: Kernel) -> Result<Self, CryptoError> {
        if kernel.is_available() {
            Ok(Self { kernel })
        } else {
            Err(CryptoError::Kernel("this processor does not have it"))
        }
    }

    /// Digests of messages of one length. Cost: ⌈(N + 9) / 64⌉ compressions each; no padding is built when N is a
    /// multiple of 64.
    ///
    /// # Panics
    /// When `out` has another count than `messages`.
    pub fn hash_fixed<const N: usize>(self, from: &Midstate, messages: &[[u8; N]], out: &mut [[u8; DIGEST_BYTES]]) {
        assert_eq!(messages.len(), out.len(), "one digest a message");
        for (message, digest) in messages.iter().zip(out) {
            *digest = hash_one(from, message);
        }
    }

    /// Digests of messages of mixed lengths. A lane whose message ends takes the next one, so all stay full.
    ///
    /// # Panics
    /// When `out` has another count than `messages`.
    pub fn hash_many(self, from: &Midstate, messages: &[&[u8]], out: &mut [[u8; DIGEST_BYTES]]) {
        assert_eq!(messages.len(), out.len(), "one digest a message");
        for (message, digest) in messages.iter().zip(out) {
            *digest = hash_one(from, message);
        }
    }
}

fn hash_one(from: &Midstate, message: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = from.stream();
    hasher.update(message);
    hasher.finalize()
}
