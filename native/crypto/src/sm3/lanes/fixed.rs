//! Messages of one length: all lanes take the same steps, and the padding is laid out once a call.

use super::super::{BLOCK_BYTES, DIGEST_BYTES};
use super::Midstate;
use super::states::{Core, Expanded, States};

/// The one or two last blocks of a message of `length` bytes, without the message's own last `left` bytes, which belong
/// in front (GB/T 32905 §5.2).
pub(super) const fn padding(left: usize, length: u64) -> [[u8; BLOCK_BYTES]; 2] {
    let mut blocks = [[0; BLOCK_BYTES]; 2];
    blocks[0][left] = 0x80;
    let bits = length.wrapping_mul(8).to_be_bytes();
    let last = (left >= BLOCK_BYTES - 8) as usize;
    let mut i = 0;
    while i < 8 {
        blocks[last][BLOCK_BYTES - 8 + i] = bits[i];
        i += 1;
    }
    blocks
}

/// What follows the whole blocks of a message of `N` bytes.
pub(super) enum Ending {
    /// One block, equal for all: `N` is a multiple of 64 and the start a usual one.
    Equal(&'static Expanded),
    /// The last bytes of each message go in front of these.
    Own([[u8; BLOCK_BYTES]; 2]),
}

/// The constant blocks behind `N` bytes, made at build time for the two usual starts.
struct Behind<const N: usize>;

impl<const N: usize> Behind<N> {
    const START: Expanded = Expanded::new(&padding(0, N as u64)[0]);
    const ONE_BLOCK: Expanded = Expanded::new(&padding(0, (N + BLOCK_BYTES) as u64)[0]);
}

impl Ending {
    /// For messages of `N` bytes behind `before` bytes.
    pub fn of<const N: usize>(before: u64) -> Self {
        let left = N % BLOCK_BYTES;
        let length = before.wrapping_add(N as u64);
        match (left, before) {
            (0, 0) => Self::Equal(&Behind::<N>::START),
            (0, 64) => Self::Equal(&Behind::<N>::ONE_BLOCK),
            _ => Self::Own(padding(left, length)),
        }
    }
}

/// Digests of at least one message on full groups of `L`; lanes without a message repeat the last one.
pub(super) fn hash<const N: usize, const L: usize>(
    core: impl Core<L>,
    from: &Midstate,
    messages: &[[u8; N]],
    out: &mut [[u8; DIGEST_BYTES]],
) {
    let ending = Ending::of::<N>(from.bytes);
    for (messages, out) in messages.chunks(2 * L).zip(out.chunks_mut(2 * L)) {
        let (first, second) = messages.split_at(L.min(messages.len()));
        let (first_out, second_out) = out.split_at_mut(first.len());
        let (mut x, mut y) = (States::all(&from.words), States::all(&from.words));
        absorb_whole(core, &mut x, first);
        absorb_whole(core, &mut y, second);
        match &ending {
            Ending::Own(padding) => {
                absorb_last(core, &mut x, first, &mut [*padding; L]);
                absorb_last(core, &mut y, second, &mut [*padding; L]);
            }
            Ending::Equal(block) => core.compress_expanded(&mut x, (!second.is_empty()).then_some(&mut y), block),
        }
        write(core, &x, first_out);
        write(core, &y, second_out);
    }
}

/// Takes the whole blocks of each message; nothing for no message.
pub(super) fn absorb_whole<const N: usize, const L: usize>(
    core: impl Core<L>,
    states: &mut States<L>,
    messages: &[[u8; N]],
) {
    let Some(last) = messages.last() else { return };
    let mut runs = [last.as_chunks().0; L];
    for (run, message) in runs.iter_mut().zip(messages) {
        *run = message.as_chunks().0;
    }
    if N >= BLOCK_BYTES {
        core.compress(states, &runs, N / BLOCK_BYTES);
    }
}

/// Takes the bytes behind the whole blocks with the padding that `tails` holds; nothing for no message.
pub(super) fn absorb_last<const N: usize, const L: usize>(
    core: impl Core<L>,
    states: &mut States<L>,
    messages: &[[u8; N]],
    tails: &mut [[[u8; BLOCK_BYTES]; 2]; L],
) {
    if messages.is_empty() {
        return;
    }
    for (tail, message) in tails.iter_mut().zip(messages) {
        let rest = message.as_chunks::<BLOCK_BYTES>().1;
        tail[0][..N % BLOCK_BYTES].copy_from_slice(rest);
    }
    let mut runs = [&[][..]; L];
    for (run, tail) in runs.iter_mut().zip(tails) {
        *run = &tail[..];
    }
    core.compress(states, &runs, 1 + usize::from(N % BLOCK_BYTES >= BLOCK_BYTES - 8));
}

/// Writes the digests of the lanes that have a message.
pub(super) fn write<const L: usize>(core: impl Core<L>, states: &States<L>, out: &mut [[u8; DIGEST_BYTES]]) {
    if !out.is_empty() {
        let digests = core.digests(states);
        out.copy_from_slice(&digests[..out.len()]);
    }
}
