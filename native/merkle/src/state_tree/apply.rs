//! Changing the tree: edits are staged on copies of the pages, hashed once, and only then put in place.

use super::page::{Page, Subtree, refresh};
use super::page_id::{PageId, step};
use super::{NeedPages, StateTree};
use hn_primitives::{Hash32, ZERO_HASH};

/// The result of a batch of updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Root after the batch.
    pub root: Hash32,
    /// Pages to write (bytes) or to delete (`None`), ascending.
    pub pages: Vec<(PageId, Option<Vec<u8>>)>,
}

/// A key hash and its new value hash; `None` deletes.
type Update = (Hash32, Option<Hash32>);

impl StateTree {
    /// Puts and deletes keys in one batch; of several updates of one key the last counts. Deleting an absent key changes
    /// nothing. Cost: each changed leaf, node and page is hashed once.
    ///
    /// # Errors
    /// [`NeedPages`]: nothing changed; load the pages and call again.
    pub fn apply(&mut self, updates: &[Update]) -> Result<Applied, NeedPages> {
        let mut sorted = updates.to_vec();
        // Stable and reversed: the last update of a key comes first and survives.
        sorted.reverse();
        sorted.sort_by_key(|update| update.0);
        sorted.dedup_by_key(|update| update.0);

        let mut staging = Staging {
            tree: self,
            changed: Vec::new(),
            deleted: Vec::new(),
            needed: Vec::new(),
        };
        match self.page(&PageId::ROOT) {
            Some(root) => {
                if let Some(page) = staging.edit(PageId::ROOT, root, &sorted) {
                    staging.changed.push((PageId::ROOT, page));
                }
            }
            None => staging.needed.push(PageId::ROOT),
        }
        let Staging {
            mut changed,
            deleted,
            needed,
            ..
        } = staging;
        if !needed.is_empty() {
            return Err(NeedPages(needed));
        }
        hash_upwards(&mut changed);
        Ok(self.commit(changed, deleted))
    }

    /// Puts staged pages in place.
    fn commit(&mut self, changed: Vec<(PageId, Page)>, deleted: Vec<PageId>) -> Applied {
        let mut pages: Vec<(PageId, Option<Vec<u8>>)> = deleted.iter().map(|id| (*id, None)).collect();
        for id in &deleted {
            self.remove(id);
        }
        for (id, page) in changed {
            // An empty root page is cached but not stored.
            pages.push((id, (page.subtree(1) != Subtree::Empty).then(|| page.encode())));
            if id == PageId::ROOT {
                self.root = Some(page.hash(1));
            }
            self.insert(id, page);
        }
        pages.sort_unstable_by_key(|(id, _)| *id);
        self.evict();
        self.finish_operation();
        Applied {
            root: self.root.unwrap_or(ZERO_HASH),
            pages,
        }
    }
}

/// Hashes all changed pages from the deepest up, handing each top to the page above. Leaves them sorted, deepest last.
fn hash_upwards(changed: &mut [(PageId, Page)]) {
    changed.sort_unstable_by_key(|(id, _)| *id);
    let mut rest = changed;
    while let Some(depth) = rest.last().map(|(id, _)| id.depth()) {
        let start = rest.partition_point(|(id, _)| id.depth() < depth);
        let (above, level) = rest.split_at_mut(start);
        refresh(level.iter_mut().map(|(_, page)| page));
        for (id, page) in level.iter() {
            let Some((parent, at)) = id.parent() else { continue };
            if let Ok(found) = above.binary_search_by_key(&parent, |(id, _)| *id)
                && let Some((_, page_above)) = above.get_mut(found)
            {
                page_above.set_child_hash(at, page.hash(1));
            }
        }
        rest = above;
    }
}

/// Edits on copies; the tree itself is only read.
struct Staging<'t> {
    tree: &'t StateTree,
    /// New content of pages, in any order, not yet hashed.
    changed: Vec<(PageId, Page)>,
    deleted: Vec<PageId>,
    needed: Vec<PageId>,
}

impl Staging<'_> {
    /// Applies sorted updates below page `id`; `None` when the page stays as it is. Pages below are staged, the page
    /// itself is the caller's.
    fn edit(&mut self, id: PageId, page: &Page, updates: &[Update]) -> Option<Page> {
        let mut edited: Option<Page> = None;
        for group in updates.chunk_by(|a, b| step(&a.0, id.depth()) == step(&b.0, id.depth())) {
            let Some(at) = group.first().map(|(key, _)| step(key, id.depth())) else {
                continue;
            };
            let below = id.child(at);
            let change = match page.slot(at) {
                Subtree::Branch => self.edit_below(below, group),
                Subtree::Leaf(key, value) => self.settle(below, Some((key, value)), group),
                Subtree::Empty => self.settle(below, None, group),
            };
            if let Some(slot) = change {
                edited.get_or_insert_with(|| page.clone()).set(at, slot);
            }
        }
        edited
    }

    /// Applies updates to the page `id`; returns the new slot above it, or `None` when nothing changed.
    fn edit_below(&mut self, id: PageId, group: &[Update]) -> Option<Subtree> {
        let Some(page) = self.tree.page(&id) else {
            self.needed.push(id);
            return None;
        };
        let edited = self.edit(id, page, group)?;
        let top = edited.subtree(1);
        // A subtree of one leaf moves up into the slot.
        if top == Subtree::Branch {
            self.changed.push((id, edited));
        } else {
            self.deleted.push(id);
        }
        Some(top)
    }

    /// Applies updates to a slot that has no page; `id` is the page that more than one leaf would need.
    fn settle(&mut self, id: PageId, old: Option<(Hash32, Hash32)>, group: &[Update]) -> Option<Subtree> {
        let kept = old.filter(|(key, _)| group.binary_search_by_key(key, |update| update.0).is_err());
        let mut leaves: Vec<(Hash32, Hash32)> = group
            .iter()
            .filter_map(|(key, value)| value.map(|value| (*key, value)))
            .collect();
        if let Some(kept) = kept {
            let place = leaves.partition_point(|(key, _)| *key < kept.0);
            leaves.insert(place, kept);
        }
        match leaves.as_slice() {
            [] => old.is_some().then_some(Subtree::Empty),
            [only] => (old != Some(*only)).then_some(Subtree::Leaf(only.0, only.1)),
            _ => {
                self.build(id, &leaves);
                Some(Subtree::Branch)
            }
        }
    }

    /// Stages new pages from `id` down for two or more sorted leaves.
    fn build(&mut self, id: PageId, leaves: &[(Hash32, Hash32)]) {
        let mut page = Page::empty();
        for group in leaves.chunk_by(|a, b| step(&a.0, id.depth()) == step(&b.0, id.depth())) {
            let Some((key, value)) = group.first() else { continue };
            let at = step(key, id.depth());
            if group.len() == 1 {
                page.set(at, Subtree::Leaf(*key, *value));
            } else {
                self.build(id.child(at), group);
                page.set(at, Subtree::Branch);
            }
        }
        self.changed.push((id, page));
    }
}
