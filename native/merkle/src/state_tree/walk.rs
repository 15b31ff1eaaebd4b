//! Which pages lie on the paths of keys, and which of them are not cached.

use super::batch::key_of;
use super::page_id::{PAGE_DEPTH_MAX, PageId, step};
use super::proof::key_bit;
use super::{NeedPages, StateProof, StateTree, Terminal};
use hn_primitives::{Hash32, ZERO_HASH};

/// Keys that share a page: the page, the first key and the end.
type Span = (u32, usize, usize);

/// Buffers of a walk.
#[derive(Debug, Default)]
pub struct Spans {
    level: Vec<Span>,
    below: Vec<Span>,
}

/// How often slots of loaded pages of one depth are pages themselves.
#[derive(Debug, Default, Clone, Copy)]
pub struct Branching {
    slots: u32,
    pages: u32,
}

impl Branching {
    /// Counts a page of which `pages` slots are pages. Old counts fade.
    pub fn count(&mut self, pages: u32) {
        if self.slots > 1 << 20 {
            self.slots /= 2;
            self.pages /= 2;
        }
        self.slots += 16;
        self.pages += pages;
    }

    /// Whether it pays to read the page below a slot before one knows that there is one; `above` counts one depth less.
    const fn is_likely(&self, above: &Self) -> bool {
        if self.slots > 0 {
            self.pages * 16 > self.slots
        } else {
            // Where all slots are pages, the next depth has some too.
            above.slots > 0 && above.pages == above.slots
        }
    }
}

impl StateTree {
    /// The pages to load for these keys; empty when all paths are cached. Below the last cached page of a path these
    /// are guesses, down to the depth that pages seen so far suggest: the store may have none there, and the next call
    /// may ask for more. Cost: O(keys · depth).
    pub fn missing(&self, key_hashes: &[Hash32]) -> Vec<PageId> {
        let mut keys: Vec<[u8; 64]> = key_hashes
            .iter()
            .map(|key| {
                let mut pair = [0; 64];
                pair[..32].copy_from_slice(key);
                pair
            })
            .collect();
        keys.sort_unstable();
        self.survey(&keys, &mut Spans::default())
    }

    /// [`StateTree::missing`] for sorted keys, each the first half of a pair. Pins the cached pages of the paths.
    pub(super) fn survey(&self, keys: &[[u8; 64]], spans: &mut Spans) -> Vec<PageId> {
        let mut missing = Vec::new();
        let Some(root) = self.root_page else {
            // Nothing is known yet of the depth.
            return vec![PageId::ROOT];
        };
        let Spans { level, below } = spans;
        level.clear();
        level.push((root, 0, keys.len()));
        let tick = self.tick();
        for depth in 0..=PAGE_DEPTH_MAX {
            self.pages.warm_links(level.iter().map(|(page, ..)| *page));
            below.clear();
            for (page, first, end) in level.iter() {
                self.pages.pin(*page, tick);
                let branches = self.pages.head(*page).branches();
                let mut from = *first;
                while from < *end {
                    let at = step(key_of(&keys[from]), depth);
                    let mut to = from + 1;
                    while to < *end && step(key_of(&keys[to]), depth) == at {
                        to += 1;
                    }
                    if branches >> at & 1 == 1 {
                        match self.pages.child(*page, at) {
                            Some(child) => below.push((child, from, to)),
                            None => {
                                let id = PageId::above(key_of(&keys[from]), depth + 1);
                                missing.push(id);
                                self.guess(id, &keys[from..to], &mut missing);
                            }
                        }
                    }
                    from = to;
                }
            }
            std::mem::swap(level, below);
            if level.is_empty() {
                break;
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Adds the pages of the keys' paths below `id`, which is not the root, that are likely to be there.
    fn guess(&self, id: PageId, keys: &[[u8; 64]], missing: &mut Vec<PageId>) {
        let known = self
            .branching
            .windows(2)
            .skip(usize::from(id.depth()).saturating_sub(1));
        let likely = known.take_while(|pair| pair[1].is_likely(&pair[0]));
        let deepest = id.depth() + likely.count() as u8;
        for depth in id.depth() + 1..=deepest.min(PAGE_DEPTH_MAX) {
            for key in keys {
                let id = PageId::above(key_of(key), depth);
                if missing.last() != Some(&id) {
                    missing.push(id);
                }
            }
        }
    }

    /// The cached page `id`, its path pinned; an error says whether anything asks for it.
    pub(super) fn find(&self, id: &PageId) -> Found {
        let tick = self.tick();
        let Some(mut page) = self.root_page else {
            return if *id == PageId::ROOT {
                Found::Wanted(None)
            } else {
                Found::Unasked
            };
        };
        for depth in 0..id.depth() {
            self.pages.pin(page, tick);
            let at = id.step(depth);
            if self.pages.head(page).branches() >> at & 1 == 0 {
                return Found::Unasked;
            }
            match self.pages.child(page, at) {
                Some(child) => page = child,
                None if depth + 1 == id.depth() => return Found::Wanted(Some((page, at))),
                None => return Found::Unasked,
            }
        }
        Found::Unasked
    }

    /// A proof that the key is present or absent. Cost: one cached page for each four levels, no hashing.
    ///
    /// # Errors
    /// [`NeedPages`] when a page of the path is not loaded.
    pub fn prove(&self, key_hash: &Hash32) -> Result<StateProof, NeedPages> {
        let need = || NeedPages(self.missing(&[*key_hash]));
        let mut siblings = Vec::new();
        let mut page = self.root_page.ok_or_else(need)?;
        loop {
            self.pages.pin(page, self.tick());
            let head = self.pages.head(page);
            let mut number = 1;
            while number < 16 && head.nodes >> number & 1 == 1 {
                number = 2 * number + u8::from(key_bit(key_hash, siblings.len()));
                let sibling = *self.pages.hash(page, number ^ 1);
                siblings.push((sibling != ZERO_HASH).then_some(sibling));
            }
            let terminal = if let Some(at) = head.lone_leaf(number) {
                let (key, value) = self.pages.leaf_data(page, at);
                if key == key_hash {
                    Terminal::Own
                } else {
                    Terminal::Other {
                        key_hash: *key,
                        value_hash: *value,
                    }
                }
            } else if number < 16 || head.occupied >> (number - 16) & 1 == 0 {
                Terminal::Empty
            } else {
                page = self.pages.child(page, number - 16).ok_or_else(need)?;
                continue;
            };
            self.finish_operation();
            return Ok(StateProof { siblings, terminal });
        }
    }
}

/// Where a page from a store belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It is cached, or nothing above it asks for it.
    Unasked,
    /// Below this slot; `None` for the root.
    Wanted(Option<(u32, u8)>),
}
