//! Sparse Merkle tree over the state (formats §5), cut into pages of four levels; the latest version alone.
//!
//! Flow: `missing` / `NeedPages` → the caller reads those pages from its store → [`StateTree::load`] → the same call again
//! → [`Applied`] → the caller writes the pages back.
//!
//! Why four levels a page: what one of 10,000 updated keys writes into the store, by the levels of a page. Calculated for
//! evenly spread keys; the `speed` example measures the same for four levels with 1 M and 10 M keys.
//!
//! | levels | 1 M keys | 10 M keys | 100 M keys |
//! |---|---|---|---|
//! | 3 | 605 bytes in 2.7 rows | 892 in 3.8 | 1,181 in 4.9 |
//! | **4** | **792 in 2.0** | **1,182 in 2.8** | **1,585 in 3.7** |
//! | 5 | 1,098 in 1.6 | 1,576 in 2.2 | 2,380 in 3.0 |
//!
//! Three levels write a quarter less bytes but a third more rows, and a cold path takes a third more reads; five write a
//! third more bytes. Four stand between.
//!
//! Invariants:
//! 1. A page other than the root's holds at least two leaves; a subtree with one leaf is a slot of the page above.
//! 2. A cached page's hashes are fresh, and its top hash is the one its parent holds: `load` refuses any other.
//! 3. Pages that the unfinished operation touched are not evicted, so retrying always makes progress.
//! 4. `load` must read from a store that already has the pages of every earlier [`Applied`].
//! 5. A cached page's parent is cached and was used no longer ago.

mod absent;
mod apply;
mod arena;
mod batch;
mod encoding;
mod layers;
mod load;
mod page;
mod page_id;
mod pages;
mod proof;
mod refresh;
mod walk;

pub use apply::Applied;
pub use batch::Update;
pub use layers::{LAYERS_MAX, Layer, Layers, Union};
pub use page_id::PageId;
pub use proof::{DEPTH_MAX, StateProof, Terminal};

use crate::Hashing;
use apply::Work;
use hn_primitives::{CodecError, Hash32, ZERO_HASH, codes, tag};
use page::NO_PAGE;
use page_id::PAGE_DEPTH_MAX;
use pages::Pages;
use std::sync::atomic::{AtomicU64, Ordering};
use walk::Branching;

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

/// Pages that an operation needs and the cache lacks, and those it will need below them as far as can be told
/// ([`StateTree::missing`]). The tree is unchanged: load them, then call again. Each round goes at least one page deeper
/// for every key.
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
    pages: Pages,
    root_page: Option<u32>,
    cache_bytes_max: usize,
    root: Option<Hash32>,
    /// Rises when an operation finishes; pages with the current tick are pinned.
    tick: AtomicU64,
    hashing: Hashing,
    /// By depth.
    branching: [Branching; PAGE_DEPTH_MAX as usize + 1],
    work: Work,
}

impl StateTree {
    /// A tree that learns its root from the root page of the store.
    pub fn new(cache_bytes_max: usize) -> Self {
        Self {
            pages: Pages::new(),
            root_page: None,
            cache_bytes_max,
            root: None,
            tick: AtomicU64::new(1),
            hashing: Hashing::Shared,
            branching: [Branching::default(); PAGE_DEPTH_MAX as usize + 1],
            work: Work::default(),
        }
    }

    /// A tree whose root is known; the pages must fit it. Zeros open an empty tree without any load.
    pub fn with_root(cache_bytes_max: usize, root: Hash32) -> Self {
        let mut tree = Self::new(cache_bytes_max);
        tree.root = Some(root);
        if root == ZERO_HASH {
            tree.root_page = Some(tree.pages.add(NO_PAGE, 0, 0, 0));
        }
        tree
    }

    /// The same tree, hashed as the caller says: for tests and measurements.
    #[must_use]
    pub fn hashed_by(mut self, hashing: Hashing) -> Self {
        self.hashing = hashing;
        self
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
        self.pages.bytes()
    }

    fn tick(&self) -> u64 {
        self.tick.load(Ordering::Relaxed)
    }

    /// Unpins what the operation touched.
    fn finish_operation(&self) {
        self.tick.fetch_add(1, Ordering::Relaxed);
    }

    /// Drops the pages that were not used for longest, the root and pinned ones excepted. An eighth of the cache at a
    /// time, so that the search is paid once for many pages.
    fn evict(&mut self) {
        if self.cache_bytes() > self.cache_bytes_max {
            let target = self.cache_bytes_max - self.cache_bytes_max / 8;
            let now = self.tick();
            let ages = self.pages.numbers().filter_map(|page| {
                let head = self.pages.head(page);
                let used = head.used.load(Ordering::Relaxed);
                // Oldest first, among equals the deepest: no page goes before those below it.
                (used < now && head.depth > 0).then_some((used, u8::MAX - head.depth, page))
            });
            let mut old: Vec<(u64, u8, u32)> = ages.collect();
            let mut rest = old.as_mut_slice();
            while self.cache_bytes() > target && !rest.is_empty() {
                // As many as should do; more when they were small.
                let share = 1 + rest.len().saturating_mul(self.cache_bytes() - target) / self.cache_bytes();
                let count = rest.len().min(share);
                rest.select_nth_unstable(count - 1);
                let (oldest, younger) = rest.split_at_mut(count);
                oldest.sort_unstable();
                for (_, _, page) in oldest {
                    if self.cache_bytes() > target && !self.pages.has_children(*page) {
                        let (above, at) = (self.pages.head(*page).parent, self.pages.head(*page).slot);
                        self.pages.link(above, at, NO_PAGE);
                        self.pages.remove(*page);
                    }
                }
                rest = younger;
            }
        }
        self.pages.compact();
    }
}
