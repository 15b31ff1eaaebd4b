//! Messages of mixed lengths: a lane whose message ends takes the next one, longest first, so that lanes stay full and
//! end together.

use super::super::{BLOCK_BYTES, DIGEST_BYTES, digest_of};
use super::Midstate;
use super::fixed::padding;
use super::states::{Core, States};

/// The messages of one call and the order in which lanes take them.
pub(super) struct Queue<'a> {
    messages: &'a [&'a [u8]],
    /// Longest first; empty when all have one count of blocks and their own order serves.
    order: Vec<u32>,
    next: usize,
    from: Midstate,
}

impl<'a> Queue<'a> {
    /// Cost: one pass, and a sort when the counts of blocks differ. Holds at most 2^32 messages.
    pub fn new(from: &Midstate, messages: &'a [&'a [u8]]) -> Self {
        let blocks = |message: &&[u8]| super::super::batch::blocks_of(message.len());
        let first = messages.first().map(blocks);
        let mut order = Vec::new();
        if messages.iter().any(|message| Some(blocks(message)) != first) {
            order.extend(0..messages.len() as u32);
            order.sort_unstable_by_key(|i| std::cmp::Reverse(messages.get(*i as usize).map(blocks)));
        }
        Self {
            messages,
            order,
            next: 0,
            from: *from,
        }
    }

    fn pop(&mut self) -> Option<Job<'a>> {
        let index = self.order.get(self.next).map_or(self.next, |i| *i as usize);
        let message: &'a [u8] = self.messages.get(index)?;
        self.next += 1;
        let (body, rest) = message.as_chunks();
        let mut tail = padding(rest.len(), self.from.bytes.wrapping_add(message.len() as u64));
        tail[0][..rest.len()].copy_from_slice(rest);
        Some(Job {
            index,
            body,
            tail,
            tail_at: 0,
            tail_end: 1 + usize::from(rest.len() >= BLOCK_BYTES - 8),
        })
    }

    /// The messages that no lane has taken, each at the start.
    pub fn started(self) -> impl Iterator<Item = (Job<'a>, [u32; 8])> {
        let mut queue = self;
        std::iter::from_fn(move || Some((queue.pop()?, queue.from.words)))
    }

    fn is_empty(&self) -> bool {
        self.next == self.messages.len()
    }
}

/// A message on its way: whole blocks where they lie, then its last ones with the padding.
pub(super) struct Job<'a> {
    index: usize,
    body: &'a [[u8; BLOCK_BYTES]],
    tail: [[u8; BLOCK_BYTES]; 2],
    tail_at: usize,
    tail_end: usize,
}

impl Job<'_> {
    /// The blocks that lie together and come next; empty at the end.
    fn run(&self) -> &[[u8; BLOCK_BYTES]] {
        if self.body.is_empty() {
            &self.tail[self.tail_at..self.tail_end]
        } else {
            self.body
        }
    }

    /// Steps over blocks of the current run; true at the end of the message.
    fn advance(&mut self, count: usize) -> bool {
        if self.body.is_empty() {
            self.tail_at += count;
        } else {
            self.body = &self.body[count..];
        }
        self.body.is_empty() && self.tail_at == self.tail_end
    }

    /// Finishes the message alone.
    pub fn finish(&self, state: &mut [u32; 8], compress: impl Fn(&mut [u32; 8], &[[u8; BLOCK_BYTES]])) {
        compress(state, self.body);
        compress(state, &self.tail[self.tail_at..self.tail_end]);
    }

    /// Writes the message's digest.
    pub fn write(&self, state: &[u32; 8], out: &mut [[u8; DIGEST_BYTES]]) {
        if let Some(digest) = out.get_mut(self.index) {
            *digest = digest_of(state);
        }
    }
}

/// Blocks that are worth the move to a narrower kernel.
const MOVE_BLOCKS_MIN: usize = 4;

/// Works on `started` messages and then the queue. Once the queue is empty and no more than `narrow` messages are left
/// with some way to go, gives those back for a kernel with fewer lanes.
///
/// Panics when `started` holds more messages than lanes.
pub(super) fn run<'a, const L: usize>(
    core: impl Core<L>,
    queue: &mut Queue<'a>,
    started: Vec<(Job<'a>, [u32; 8])>,
    narrow: usize,
    out: &mut [[u8; DIGEST_BYTES]],
) -> Vec<(Job<'a>, [u32; 8])> {
    let mut states = States::all(&queue.from.words);
    let mut jobs: [Option<Job<'a>>; L] = [const { None }; L];
    for (lane, (job, state)) in started.into_iter().enumerate() {
        states.set(lane, &state);
        jobs[lane] = Some(job);
    }
    loop {
        if jobs.iter().all(Option::is_none) {
            states = States::all(&queue.from.words);
            jobs.iter_mut().for_each(|job| *job = queue.pop());
        } else if !queue.is_empty() {
            for (lane, job) in jobs.iter_mut().enumerate().filter(|(_, job)| job.is_none()) {
                *job = queue.pop();
                states.set(lane, &queue.from.words);
            }
        }
        let Some(filler) = jobs.iter().flatten().next() else {
            return Vec::new();
        };
        // Lanes without a message repeat the blocks of another one; their chaining values are never read.
        let mut runs = [filler.run(); L];
        let (mut busy, mut count, mut longest) = (0, usize::MAX, 0);
        for (run, job) in runs.iter_mut().zip(&jobs) {
            if let Some(job) = job {
                *run = job.run();
                busy += 1;
                count = count.min(run.len());
                longest = longest.max(run.len());
            }
        }
        if busy <= narrow && longest >= MOVE_BLOCKS_MIN && queue.is_empty() {
            let left = jobs.into_iter().enumerate();
            return left.filter_map(|(lane, job)| Some((job?, states.get(lane)))).collect();
        }
        core.compress(&mut states, &runs, count);
        let mut ended = [false; L];
        for (ended, job) in ended.iter_mut().zip(&mut jobs) {
            *ended = job.as_mut().is_some_and(|job| job.advance(count));
        }
        if ended == [true; L] {
            for (job, digest) in jobs.iter_mut().zip(core.digests(&states)) {
                if let Some(out) = job.take().and_then(|job| out.get_mut(job.index)) {
                    *out = digest;
                }
            }
            continue;
        }
        for (lane, _) in ended.iter().enumerate().filter(|(_, ended)| **ended) {
            if let Some(job) = jobs[lane].take() {
                job.write(&states.get(lane), out);
            }
        }
    }
}
