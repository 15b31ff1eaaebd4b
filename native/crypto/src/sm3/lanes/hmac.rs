//! HMAC-SM3 in lanes: every lane has its own 32-byte key.

use super::super::compress::IV;
use super::super::{BLOCK_BYTES, DIGEST_BYTES};
use super::fixed::{absorb_last, absorb_whole, padding, write};
use super::states::{Core, States};
use zeroize::{Zeroize, optimization_barrier};

/// Bytes in lanes, of which a slice can be had.
trait Bytes {
    fn bytes(&mut self) -> &mut [u8];
}

impl<const N: usize, const L: usize> Bytes for [[u8; N]; L] {
    fn bytes(&mut self) -> &mut [u8] {
        self.as_flattened_mut()
    }
}

impl<const N: usize, const L: usize> Bytes for [[[u8; N]; 2]; L] {
    fn bytes(&mut self) -> &mut [u8] {
        self.as_flattened_mut().as_flattened_mut()
    }
}

/// Bytes that are overwritten when dropped, by wide stores and not byte by byte.
struct Wiped<T: Bytes>(T);

impl<T: Bytes> Drop for Wiped<T> {
    fn drop(&mut self) {
        let bytes = self.0.bytes();
        bytes.fill(0);
        // Keeps the compiler from dropping the write to memory that is about to go out of scope.
        optimization_barrier(bytes);
    }
}

/// Tags of messages of one length. Everything that depends on a key or a message is wiped.
pub(super) fn tags<const N: usize, const L: usize>(
    core: impl Core<L>,
    keys: &[[u8; DIGEST_BYTES]],
    messages: &[[u8; N]],
    out: &mut [[u8; DIGEST_BYTES]],
) {
    for ((keys, messages), out) in keys.chunks(L).zip(messages.chunks(L)).zip(out.chunks_mut(L)) {
        let mut states = keyed(core, keys, 0x36);
        digest(core, &mut states, messages);
        let mut inner = Wiped([[0; DIGEST_BYTES]; L]);
        if let Some(inner) = inner.0.get_mut(..out.len()) {
            write(core, &states, inner);
            states.zeroize();
            states = keyed(core, keys, 0x5c);
            digest(core, &mut states, inner);
        }
        write(core, &states, out);
        states.zeroize();
    }
}

/// Chaining values behind the block of each key with `pad`.
fn keyed<const L: usize>(core: impl Core<L>, keys: &[[u8; DIGEST_BYTES]], pad: u8) -> States<L> {
    let mut blocks = Wiped([[pad; BLOCK_BYTES]; L]);
    for (block, key) in blocks.0.iter_mut().zip(keys) {
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    }
    let mut states = States::all(&IV);
    absorb_whole(core, &mut states, &blocks.0);
    states
}

/// Takes whole messages that follow one block.
fn digest<const N: usize, const L: usize>(core: impl Core<L>, states: &mut States<L>, messages: &[[u8; N]]) {
    let mut tails = Wiped([padding(N % BLOCK_BYTES, (BLOCK_BYTES + N) as u64); L]);
    absorb_whole(core, states, messages);
    absorb_last(core, states, messages, &mut tails.0);
}
