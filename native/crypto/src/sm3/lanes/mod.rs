//! Many messages at once: one message a lane of a vector register, on one thread.
//!
//! [`Lanes`] holds the kernel and never hands work to the pool; the functions of [`super`] and
//! [`super::TaggedHasher`] split large calls over the pool and run `Lanes` in each part.

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "lanes are of x86-64"))]
mod fixed;
#[cfg(target_arch = "x86_64")]
mod hmac;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "lanes are of x86-64"))]
mod schedule;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "lanes are of x86-64"))]
mod states;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod rounds;
#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
mod ymm;
#[cfg(target_arch = "x86_64")]
mod zmm;
#[cfg(target_arch = "x86_64")]
mod zmm_pair;

use super::compress::{IV, compress, compress_blocks, compress_expanded};
use super::{BLOCK_BYTES, DIGEST_BYTES, Sm3, digest_of, hmac_sm3};
use crate::CryptoError;
use crate::kernel::{self, Kernel};
use schedule::Queue;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::Expander;

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
        #[cfg(target_arch = "x86_64")]
        if let (Kernel::Ifma, Some((zmm, ymm))) = (self.kernel, x86::avx512()) {
            // What is left of 16 goes through 8 lanes, which take half the time, when it fits.
            let wide = messages.len()
                - if (1..=8).contains(&(messages.len() % 16)) {
                    messages.len() % 16
                } else {
                    0
                };
            let (messages, rest) = messages.split_at(wide);
            let (out, rest_out) = out.split_at_mut(wide);
            fixed::hash(zmm, from, messages, out);
            match rest.len() {
                1 => self.hash_fixed_alone(from, rest, rest_out),
                _ => fixed::hash(ymm, from, rest, rest_out),
            }
            return;
        } else if let (Kernel::Avx2, Some(avx2), true) = (self.kernel, x86::avx2(), messages.len() > 1) {
            fixed::hash(avx2, from, messages, out);
            return;
        }
        self.hash_fixed_alone(from, messages, out);
    }

    /// One after the other.
    fn hash_fixed_alone<const N: usize>(self, from: &Midstate, messages: &[[u8; N]], out: &mut [[u8; DIGEST_BYTES]]) {
        let ending = fixed::Ending::of::<N>(from.bytes);
        for (message, digest) in messages.iter().zip(out) {
            let mut state = from.words;
            let (blocks, rest) = message.as_chunks();
            compress_blocks(self.kernel, &mut state, blocks);
            match &ending {
                fixed::Ending::Equal(block) => compress_expanded(&mut state, &block.w),
                fixed::Ending::Own(padding) => {
                    let mut tail = *padding;
                    tail[0][..rest.len()].copy_from_slice(rest);
                    let end = 1 + usize::from(rest.len() >= BLOCK_BYTES - 8);
                    compress_blocks(self.kernel, &mut state, &tail[..end]);
                }
            }
            *digest = digest_of(&state);
        }
    }

    /// Digests of messages of mixed lengths. A lane whose message ends takes the next one, so all stay full.
    ///
    /// # Panics
    /// When `out` has another count than `messages`, or there are 2^32 messages or more.
    pub fn hash_many(self, from: &Midstate, messages: &[&[u8]], out: &mut [[u8; DIGEST_BYTES]]) {
        assert_eq!(messages.len(), out.len(), "one digest a message");
        assert!(u32::try_from(messages.len()).is_ok(), "fewer than 2^32 messages");
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "lanes are of x86-64"))]
        let mut queue = Queue::new(from, messages);
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "lanes are of x86-64"))]
        let mut left = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if messages.len() > 1 {
            if let (Kernel::Ifma, Some((zmm, ymm))) = (self.kernel, x86::avx512()) {
                if messages.len() > 8 {
                    left = schedule::run(zmm, &mut queue, left, 8, out);
                }
                left = schedule::run(ymm, &mut queue, left, 1, out);
            } else if let (Kernel::Avx2, Some(avx2)) = (self.kernel, x86::avx2()) {
                left = schedule::run(avx2, &mut queue, left, 1, out);
            }
        }
        let alone = |state: &mut [u32; 8], blocks: &[_]| compress_blocks(self.kernel, state, blocks);
        for (job, mut state) in left.into_iter().chain(queue.started()) {
            job.finish(&mut state, alone);
            job.write(&state, out);
        }
    }

    /// HMAC-SM3 of messages of one length, each under its own 32-byte key. Constant time; nothing secret stays behind.
    ///
    /// # Panics
    /// When `keys`, `messages` and `out` differ in count.
    pub fn hmac_fixed<const N: usize>(
        self,
        keys: &[[u8; DIGEST_BYTES]],
        messages: &[[u8; N]],
        out: &mut [[u8; DIGEST_BYTES]],
    ) {
        assert!(
            keys.len() == messages.len() && keys.len() == out.len(),
            "one key and one tag a message"
        );
        #[cfg(target_arch = "x86_64")]
        if let (Kernel::Ifma, Some((zmm, ymm))) = (self.kernel, x86::avx512()) {
            return match messages.len() {
                0..=8 => hmac::tags(ymm, keys, messages, out),
                _ => hmac::tags(zmm, keys, messages, out),
            };
        } else if let (Kernel::Avx2, Some(avx2)) = (self.kernel, x86::avx2()) {
            return hmac::tags(avx2, keys, messages, out);
        }
        for ((key, message), tag) in keys.iter().zip(messages).zip(out) {
            *tag = hmac_sm3(key, message);
        }
    }
}
