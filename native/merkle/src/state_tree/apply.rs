//! Changing the tree: once all pages of the paths are known to be cached, they are edited in place from the root down,
//! then hashed from the deepest up, a level of the tree at a time.

use super::batch::{Batch, Update};
use super::encoding::{PAGE_BYTES_MAX, encode};
use super::page::Head;
use super::page_id::{PAGE_DEPTH_MAX, PageId, step};
use super::pages::{Leaf, Pages, Slot};
use super::refresh::{RUN_PAGES, Run};
use super::walk::Spans;
use super::{Layer, NeedPages, StateTree};
use crate::Hashing;
use hn_primitives::{Hash32, ZERO_HASH};
use std::ops::Range;

/// Keys that are taken all the way together: their pages fit a core's cache.
const PART_KEYS_MAX: usize = 1024;
/// Parts are joined up to this many keys, which fill the lanes.
const PART_KEYS_MIN: u32 = 256;
/// Updates of a call whose buffers are kept for the next one.
const KEPT_UPDATES_MAX: usize = 1 << 17;

/// The result of a batch of updates. Its buffers serve again when it is given to [`StateTree::apply_into`], or become a
/// [`Layer`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Root after the batch.
    pub root: Hash32,
    rows: Vec<(PageId, Range<usize>)>,
    bytes: Vec<u8>,
}

impl Applied {
    /// Nothing yet, with room for some more pages than a layer has: one block changes about as many as another.
    pub fn with_room_of(layer: &Layer) -> Self {
        let (rows, bytes) = layer.room();
        Self {
            root: ZERO_HASH,
            rows: Vec::with_capacity(rows + rows / 8),
            bytes: Vec::with_capacity(bytes + bytes / 8),
        }
    }

    /// Rows, ascending, and the bytes in which their pages lie; no more memory than they fill.
    pub(super) fn into_buffers(mut self) -> (Vec<(PageId, Range<usize>)>, Vec<u8>) {
        self.rows.shrink_to_fit();
        self.bytes.shrink_to_fit();
        (self.rows, self.bytes)
    }

    /// Pages to write (bytes) or to delete (`None`), ascending.
    pub fn pages(&self) -> impl ExactSizeIterator<Item = (&PageId, Option<&[u8]>)> {
        // No page is empty.
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).filter(|page| !page.is_empty());
        self.rows.iter().map(move |(id, range)| (id, bytes(range)))
    }

    /// Bytes of all pages to write.
    pub const fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}

/// What a call needs besides the pages; kept for the next one.
#[derive(Debug, Default)]
pub(super) struct Work {
    batch: Batch,
    spans: Spans,
    top: Levels,
    part: Levels,
    /// Leaves that moved into new pages.
    moved: Vec<Leaf>,
    changes: Vec<(u8, Slot)>,
    dirty: Vec<u32>,
    pub(super) run: Run,
    /// The rows of each depth: the first update below the page, where its bytes are.
    rows: Vec<Vec<(u32, Range<usize>)>>,
}

/// Pages on the paths of updates, depth by depth.
#[derive(Debug, Default)]
struct Levels {
    /// In the order of their page ids.
    visits: Vec<Visit>,
    /// Where the visits of each depth start.
    starts: Vec<usize>,
}

/// A page on the path of updates.
#[derive(Debug, Clone, Copy)]
struct Visit {
    page: u32,
    /// The first update below the page; there is at least one, but for the root.
    first: u32,
    end: u32,
    /// The place in `moved` of the leaf that a new page takes over from the slot above.
    moved: Option<u32>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Same,
    Changed,
    /// Less than two leaves were left; they moved into the slot above.
    Removed,
}

impl StateTree {
    /// Puts and deletes keys in one batch; of several updates of one key the last counts. Deleting an absent key changes
    /// nothing. Cost: each changed leaf and node is hashed once, each changed page is written once; memory is
    /// allocated for new pages alone.
    ///
    /// # Errors
    /// [`NeedPages`]: nothing changed; load the pages and call again.
    pub fn apply(&mut self, updates: &[Update]) -> Result<Applied, NeedPages> {
        let mut applied = Applied::default();
        self.apply_into(updates, &mut applied)?;
        Ok(applied)
    }

    /// [`StateTree::apply`] into the buffers of an earlier result.
    ///
    /// # Errors
    /// [`NeedPages`]: neither the tree nor `out` changed; load the pages and call again.
    pub fn apply_into(&mut self, updates: &[Update], out: &mut Applied) -> Result<(), NeedPages> {
        let mut work = std::mem::take(&mut self.work);
        work.batch.fill(updates);
        let missing = self.survey(work.batch.pairs(), &mut work.spans);
        let outcome = match self.root_page.filter(|_| missing.is_empty()) {
            Some(root) => {
                let tick = self.tick();
                work.batch.hash(self.hashing);
                out.bytes.clear();
                work.run(&mut self.pages, root, tick, self.hashing, &mut out.bytes);
                work.list(&mut out.rows);
                out.root = *self.pages.hash(root, 1);
                self.root = Some(out.root);
                self.evict();
                self.finish_operation();
                Ok(())
            }
            None => Err(NeedPages(missing)),
        };
        if updates.len() <= KEPT_UPDATES_MAX {
            self.work = work;
        }
        outcome
    }
}

impl Work {
    /// Changes the tree; appends the bytes of the changed pages. The levels near the root are edited first and hashed
    /// last; below them, a part of the keys after the other goes all the way, so that its pages stay in the core's cache.
    fn run(&mut self, pages: &mut Pages, root: u32, tick: u64, hashing: Hashing, bytes: &mut Vec<u8>) {
        let count = self.batch.pairs().len();
        self.moved.clear();
        let mut top = std::mem::take(&mut self.top);
        let mut part = std::mem::take(&mut self.part);
        top.restart();
        top.visits.push(Visit::new(root, 0..count));
        let parts_depth = (0..4u8)
            .find(|depth| count >> (4 * depth) <= PART_KEYS_MAX)
            .unwrap_or(4);
        self.descend(pages, &mut top, 0, parts_depth, tick);
        let parts = top.starts.last().map_or(0, |start| *start);
        let mut rest = &top.visits[parts..];
        while let Some(start) = rest.first() {
            let full = rest.iter().position(|visit| visit.end - start.first >= PART_KEYS_MIN);
            let (now, later) = rest.split_at(full.map_or(rest.len(), |at| at + 1));
            part.restart();
            part.visits.extend_from_slice(now);
            self.descend(pages, &mut part, parts_depth, PAGE_DEPTH_MAX + 1, tick);
            self.ascend(pages, &mut part, parts_depth, hashing, bytes);
            rest = later;
        }
        self.ascend(pages, &mut top, 0, hashing, bytes);
        self.top = top;
        self.part = part;
    }

    /// Changes leaves and slots from the pages at depth `from` down, as far as above depth `to`. New pages join the
    /// visits of their depth.
    fn descend(&mut self, pages: &mut Pages, levels: &mut Levels, from: u8, to: u8, tick: u64) {
        let mut start = 0;
        for depth in from..to {
            let end = levels.visits.len();
            if start == end {
                break;
            }
            levels.starts.push(start);
            pages.warm(levels.visits[start..end].iter().map(|visit| visit.page));
            for at in start..end {
                self.edit_page(pages, levels, levels.visits[at], depth, tick);
            }
            start = end;
        }
        levels.starts.push(start);
    }

    fn edit_page(&mut self, pages: &mut Pages, levels: &mut Levels, visit: Visit, depth: u8, tick: u64) {
        let (page, end) = (visit.page, visit.end as usize);
        let mut moved = visit.moved.map(|moved| self.moved[moved as usize]);
        let moved_at = moved.map(|leaf| step(&leaf.key, depth));
        self.changes.clear();
        let mut first = visit.first as usize;
        while first < end {
            let at = step(self.batch.key(first), depth);
            let mut next = first + 1;
            while next < end && step(self.batch.key(next), depth) == at {
                next += 1;
            }
            let head = pages.head(page);
            if head.branches() >> at & 1 == 1 {
                if let Some(child) = pages.child(page, at) {
                    levels.visits.push(Visit::new(child, first..next));
                }
            } else if head.leaves >> at & 1 == 1 {
                let (key, value) = pages.leaf_data(page, at);
                // The common case: one key gets a new value.
                match self.batch.put(first) {
                    Some((new, hash)) if next == first + 1 && key == self.batch.key(first) => {
                        if new != value {
                            pages.set_value(page, at, new, hash);
                        }
                    }
                    _ => {
                        let old = Some(pages.leaf(page, at));
                        self.settle(pages, levels, (page, at, depth, tick), old, first..next);
                    }
                }
            } else {
                let old = if moved_at == Some(at) { moved.take() } else { None };
                self.settle(pages, levels, (page, at, depth, tick), old, first..next);
            }
            first = next;
        }
        if let (Some(leaf), Some(at)) = (moved, moved_at) {
            self.changes.push((at, Slot::Leaf(leaf)));
        }
        if !self.changes.is_empty() {
            pages.change(page, &self.changes);
        }
    }

    /// Applies updates to a slot without a page; `old` is the leaf that stands there, or that a new page puts there.
    fn settle(
        &mut self,
        pages: &mut Pages,
        levels: &mut Levels,
        (page, at, depth, tick): (u32, u8, u8, u64),
        old: Option<Leaf>,
        updates: Range<usize>,
    ) {
        let kept = old.filter(|leaf| !updates.clone().any(|i| *self.batch.key(i) == leaf.key));
        let mut puts = updates.clone().filter(|i| self.batch.put(*i).is_some());
        let slot = match (kept, puts.next(), puts.next()) {
            (None, None, _) => Slot::Empty,
            (Some(leaf), None, _) => Slot::Leaf(leaf),
            (None, Some(only), None) => {
                let (value, hash) = self.batch.put(only).unwrap_or((&ZERO_HASH, &ZERO_HASH));
                Slot::Leaf(Leaf {
                    key: *self.batch.key(only),
                    value: *value,
                    hash: *hash,
                })
            }
            _ => {
                let child = pages.add(page, at, depth + 1, tick);
                let mut visit = Visit::new(child, updates);
                if let Some(leaf) = kept {
                    visit.moved = Some(self.moved.len() as u32);
                    self.moved.push(leaf);
                }
                levels.visits.push(visit);
                Slot::Branch(child, ZERO_HASH)
            }
        };
        let head = pages.head(page);
        let same = match &slot {
            Slot::Empty => head.occupied >> at & 1 == 0,
            Slot::Leaf(new) => head.leaves >> at & 1 == 1 && pages.leaf_data(page, at) == (&new.key, &new.value),
            Slot::Branch(..) => false,
        };
        if !same {
            self.changes.push((at, slot));
        }
    }

    /// Hashes what changed from the deepest pages up to depth `from`, and writes it down; a page with less than two
    /// leaves moves into the slot above.
    fn ascend(&mut self, pages: &mut Pages, levels: &mut Levels, from: u8, hashing: Hashing, bytes: &mut Vec<u8>) {
        for (depth, bounds) in levels
            .starts
            .windows(2)
            .enumerate()
            .map(|(i, bounds)| (i + usize::from(from), bounds))
            .rev()
        {
            for visits in levels.visits[bounds[0]..bounds[1]].chunks_mut(RUN_PAGES) {
                self.dirty.clear();
                for visit in visits.iter_mut() {
                    let head = pages.head(visit.page);
                    if head.stale == 0 {
                        continue;
                    }
                    if depth > 0 && head.is_sparse() {
                        let (above, at) = (head.parent, head.slot);
                        let last = head.lone_leaf(1).map(|at| pages.leaf(visit.page, at));
                        pages.change(above, &[(at, last.map_or(Slot::Empty, Slot::Leaf))]);
                        pages.remove(visit.page);
                        visit.state = State::Removed;
                    } else {
                        self.dirty.push(visit.page);
                        visit.state = State::Changed;
                    }
                }
                self.run.nodes(hashing, pages, &self.dirty);
                if self.rows.len() <= depth {
                    self.rows.resize_with(depth + 1, Vec::new);
                }
                for visit in visits.iter().filter(|visit| visit.state != State::Same) {
                    let start = bytes.len();
                    if visit.state == State::Changed {
                        if depth > 0 {
                            let Head { parent, slot, .. } = *pages.head(visit.page);
                            let top = *pages.hash(visit.page, 1);
                            pages.set_hash(parent, slot, &top);
                        }
                        // An empty root page is cached but not stored.
                        if pages.head(visit.page).occupied != 0 {
                            bytes.reserve(PAGE_BYTES_MAX);
                            encode(pages, visit.page, bytes);
                        }
                    }
                    self.rows[depth].push((visit.first, start..bytes.len()));
                }
            }
        }
    }

    /// Lists the changed pages with the places of their bytes.
    fn list(&mut self, out: &mut Vec<(PageId, Range<usize>)>) {
        out.clear();
        for (depth, rows) in (0..).zip(&mut self.rows) {
            let batch = &self.batch;
            let row = |(first, range): (u32, Range<usize>)| (PageId::above(batch.key(first as usize), depth), range);
            out.extend(rows.drain(..).map(row));
        }
    }
}

impl Levels {
    fn restart(&mut self) {
        self.visits.clear();
        self.starts.clear();
    }
}

impl Visit {
    fn new(page: u32, updates: Range<usize>) -> Self {
        Self {
            page,
            first: updates.start as u32,
            end: updates.end as u32,
            moved: None,
            state: State::Same,
        }
    }
}
