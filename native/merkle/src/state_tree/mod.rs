//! Sparse Merkle tree over the state (formats §5), cut into pages of four levels; the latest version alone.
//!
//! Flow: `missing` / `NeedPages` → the caller reads those pages from its store → [`StateTree::load`] → the same call again
//! → [`Applied`] → the caller writes the pages back.
//!
//! Invariants:
//! 1. A page other than the root's holds at least two leaves; a subtree with one leaf is a slot of the page above.
//! 2. A cached page's hashes are fresh, and its top hash is the one its parent holds: `load` refuses any other.
//! 3. Pages that the unfinished operation touched are not evicted, so retrying always makes progress.
//! 4. `load` must read from a store that already has the pages of every earlier [`Applied`].

mod apply;
mod page;
mod page_id;
mod proof;

pub use apply::Applied;
pub use page_id::PageId;
pub use proof::{DEPTH_MAX, StateProof, Terminal};

use hn_primitives::{CodecError, Hash32, ZERO_HASH, codes, tag};
use page::{Page, Subtree, refresh};
use page_id::step;
use proof::key_bit;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a key of an application stands in the tree. A text that is no name gives a hash that no state holds.
pub fn key_hash(application: &str, key: &[u8]) -> Hash32 {
    let name = application.as_bytes();
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    tag::STATE_KEY.hash(&[&[length], name, key])
}

/// What the tree keeps of a value.
pub fn value_hash(value: &[u8]) -> Hash32 {
    tag::STATE_VALUE.hash(&[value])
}

/// Pages that an operation needs and the cache lacks. The tree is unchanged: load them, then call again. Each round
/// goes at least one page deeper for every key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state tree: {} pages are not loaded", .0.len())]
pub struct NeedPages(pub Vec<PageId>);

/// The store gave pages that do not belong to the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The bytes are no page of that place.
    #[error("{id:?}: {fault}")]
    Malformed {
        /// The page.
        id: PageId,
        /// The broken rule.
        fault: CodecError,
    },
    /// The page is needed by its parent and absent.
    #[error("{0:?}: absent from the store")]
    Absent(PageId),
    /// The page is of another version than its parent (for the root: than the root the tree was opened with).
    #[error("{0:?}: hash differs from the one above")]
    Mismatch(PageId),
}

impl TreeError {
    /// The numeric code.
    pub const fn code(&self) -> u32 {
        codes::STORAGE_CORRUPT
    }
}

/// The tree and its bounded cache of pages.
#[derive(Debug)]
pub struct StateTree {
    pages: HashMap<PageId, Page>,
    /// Sum of `Page::bytes`.
    cache_bytes: usize,
    cache_bytes_max: usize,
    root: Option<Hash32>,
    /// Rises when an operation finishes; pages with the current tick are pinned.
    tick: AtomicU64,
}

impl StateTree {
    /// A tree that learns its root from the root page of the store.
    pub fn new(cache_bytes_max: usize) -> Self {
        Self {
            pages: HashMap::new(),
            cache_bytes: 0,
            cache_bytes_max,
            root: None,
            tick: AtomicU64::new(1),
        }
    }

    /// A tree whose root is known; the pages must fit it. Zeros open an empty tree without any load.
    pub fn with_root(cache_bytes_max: usize, root: Hash32) -> Self {
        let mut tree = Self::new(cache_bytes_max);
        tree.root = Some(root);
        if root == ZERO_HASH {
            tree.insert(PageId::ROOT, Page::empty());
        }
        tree
    }

    /// The root.
    ///
    /// # Errors
    /// [`NeedPages`] when the root page was never loaded.
    pub fn root(&self) -> Result<Hash32, NeedPages> {
        self.root.ok_or_else(|| NeedPages(vec![PageId::ROOT]))
    }

    /// Bytes of cached pages. May pass the limit while one operation needs more.
    pub const fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// The next pages to load for these keys; empty when all paths are cached. Cost: O(keys · depth) lookups.
    pub fn missing(&self, key_hashes: &[Hash32]) -> Vec<PageId> {
        let mut keys = key_hashes.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let mut missing = Vec::new();
        self.walk(PageId::ROOT, &keys, &mut missing);
        missing
    }

    fn walk(&self, id: PageId, keys: &[Hash32], missing: &mut Vec<PageId>) {
        let Some(page) = self.page(&id) else {
            missing.push(id);
            return;
        };
        for group in keys.chunk_by(|a, b| step(a, id.depth()) == step(b, id.depth())) {
            let Some(at) = group.first().map(|key| step(key, id.depth())) else {
                continue;
            };
            if page.slot(at) == Subtree::Branch {
                self.walk(id.child(at), group, missing);
            }
        }
    }

    /// Takes pages from the store, `None` for one it does not have; pages that are cached or that nothing asks for are
    /// ignored. Then evicts old pages down to the limit. Cost: decodes and hashes each page once.
    ///
    /// # Errors
    /// [`TreeError`] when a page is broken, absent or of another version. Pages before it stay loaded.
    pub fn load(&mut self, pages: Vec<(PageId, Option<Vec<u8>>)>) -> Result<(), TreeError> {
        let mut decoded = Vec::with_capacity(pages.len());
        for (id, bytes) in pages {
            let page = match bytes {
                Some(bytes) => Some(Page::decode(&id, &bytes).map_err(|fault| TreeError::Malformed { id, fault })?),
                None if id == PageId::ROOT => Some(Page::empty()),
                None => None,
            };
            decoded.push((id, page));
        }
        refresh(decoded.iter_mut().filter_map(|(_, page)| page.as_mut()));
        // Parents first: a page is checked against the one above.
        decoded.sort_by_key(|(id, _)| *id);
        for (id, page) in decoded {
            if self.pages.contains_key(&id) {
                continue;
            }
            let expected = match id.parent() {
                None => self.root,
                Some((parent, at)) => match self.pages.get(&parent).map(|page| (page.slot(at), page.hash(16 + at))) {
                    Some((Subtree::Branch, hash)) => Some(hash),
                    _ => continue,
                },
            };
            let page = page.ok_or(TreeError::Absent(id))?;
            let hash = page.hash(1);
            if expected.is_some_and(|expected| expected != hash) {
                return Err(TreeError::Mismatch(id));
            }
            if id == PageId::ROOT {
                self.root = Some(hash);
            }
            self.insert(id, page);
        }
        self.evict();
        Ok(())
    }

    /// A proof that the key is present or absent. Cost: one cached page for each four levels, no hashing.
    ///
    /// # Errors
    /// [`NeedPages`] when a page of the path is not loaded.
    pub fn prove(&self, key_hash: &Hash32) -> Result<StateProof, NeedPages> {
        let mut siblings = Vec::new();
        let mut id = PageId::ROOT;
        loop {
            let page = self.page(&id).ok_or_else(|| NeedPages(vec![id]))?;
            let mut number = 1;
            loop {
                let terminal = match page.subtree(number) {
                    Subtree::Branch if number < 16 => {
                        number = 2 * number + u8::from(key_bit(key_hash, siblings.len()));
                        let sibling = page.hash(number ^ 1);
                        siblings.push((sibling != ZERO_HASH).then_some(sibling));
                        continue;
                    }
                    Subtree::Branch => break,
                    Subtree::Empty => Terminal::Empty,
                    Subtree::Leaf(key, _) if key == *key_hash => Terminal::Own,
                    Subtree::Leaf(key_hash, value_hash) => Terminal::Other { key_hash, value_hash },
                };
                self.finish_operation();
                return Ok(StateProof { siblings, terminal });
            }
            id = id.child(number - 16);
        }
    }

    /// A cached page, pinned for the current operation.
    fn page(&self, id: &PageId) -> Option<&Page> {
        let page = self.pages.get(id)?;
        page.used.store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
        Some(page)
    }

    /// Unpins what the operation touched.
    fn finish_operation(&self) {
        self.tick.fetch_add(1, Ordering::Relaxed);
    }

    fn insert(&mut self, id: PageId, page: Page) {
        page.used.store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
        self.cache_bytes += page.bytes();
        if let Some(old) = self.pages.insert(id, page) {
            self.cache_bytes -= old.bytes();
        }
    }

    fn remove(&mut self, id: &PageId) {
        if let Some(old) = self.pages.remove(id) {
            self.cache_bytes -= old.bytes();
        }
    }

    /// Drops the pages that were not used for longest, the root and pinned ones excepted. An eighth of the cache at a
    /// time, so that the sort is paid once for many pages.
    fn evict(&mut self) {
        if self.cache_bytes <= self.cache_bytes_max {
            return;
        }
        let target = self.cache_bytes_max - self.cache_bytes_max / 8;
        let now = self.tick.load(Ordering::Relaxed);
        let ages = self
            .pages
            .iter()
            .map(|(id, page)| (page.used.load(Ordering::Relaxed), *id));
        let mut old: Vec<(u64, PageId)> = ages.filter(|(used, id)| *used < now && *id != PageId::ROOT).collect();
        // Oldest first, among equals the deepest: the pages near the root serve all keys.
        old.sort_unstable_by(|(used_a, a), (used_b, b)| used_a.cmp(used_b).then(b.cmp(a)));
        for (_, id) in old {
            if self.cache_bytes <= target {
                break;
            }
            self.remove(&id);
        }
    }
}
