//! Pages from the store.

use super::encoding::decode;
use super::page::NO_PAGE;
use super::pages::Slot;
use super::refresh::RUN_PAGES;
use super::walk::Found;
use super::{PageId, StateTree, TreeError};

impl StateTree {
    /// Takes pages from the store, `None` for one it does not have; pages that are cached or that nothing asks for are
    /// ignored. Then evicts old pages down to the limit. Cost: decodes and hashes each page once, in lanes.
    ///
    /// # Errors
    /// [`TreeError`] when a page is broken, absent or of another version. Pages before it stay loaded.
    pub fn load(&mut self, pages: Vec<(PageId, Option<Vec<u8>>)>) -> Result<(), TreeError> {
        self.load_from(pages.iter().map(|(id, bytes)| (*id, bytes.as_deref())))
    }

    /// [`StateTree::load`] of bytes that stay where they are.
    ///
    /// # Errors
    /// As [`StateTree::load`].
    pub fn load_from<'b>(
        &mut self,
        pages: impl IntoIterator<Item = (PageId, Option<&'b [u8]>)>,
    ) -> Result<(), TreeError> {
        let mut slots = Vec::new();
        let mut decoded: Vec<(PageId, Option<u32>)> = Vec::new();
        let mut outcome = pages.into_iter().try_for_each(|(id, bytes)| {
            decoded.push((id, self.decode(&id, bytes, &mut slots)?));
            Ok(())
        });
        let fresh: Vec<u32> = decoded.iter().filter_map(|(_, page)| *page).collect();
        for run in fresh.chunks(RUN_PAGES) {
            self.work.run.leaves(self.hashing, &mut self.pages, run);
            self.work.run.nodes(self.hashing, &mut self.pages, run);
        }
        // Parents first: a page is checked against the one above.
        decoded.sort_unstable_by_key(|(id, _)| *id);
        for (id, page) in decoded {
            let linked = match outcome {
                Ok(()) => self.link(&id, page),
                Err(_) => Ok(false),
            };
            if let (Ok(false) | Err(_), Some(page)) = (&linked, page) {
                self.pages.remove(page);
            }
            outcome = outcome.and(linked.map(|_| ()));
        }
        self.evict();
        outcome
    }

    /// A page that is not yet part of the tree; `None` when there is none.
    fn decode(
        &mut self,
        id: &PageId,
        bytes: Option<&[u8]>,
        slots: &mut Vec<(u8, Slot)>,
    ) -> Result<Option<u32>, TreeError> {
        slots.clear();
        match bytes {
            Some(bytes) => {
                let malformed = |fault| TreeError::Malformed { id: *id, fault };
                decode(id, bytes, slots).map_err(malformed)?;
                if let Some(branching) = self.branching.get_mut(usize::from(id.depth())) {
                    let pages = slots.iter().filter(|(_, slot)| matches!(slot, Slot::Branch(..)));
                    branching.count(pages.count() as u32);
                }
            }
            None if *id == PageId::ROOT => {}
            None => return Ok(None),
        }
        let page = self.pages.add(NO_PAGE, 0, id.depth(), self.tick());
        self.pages.change(page, slots);
        Ok(Some(page))
    }

    /// Puts a decoded page into its place; whether there is one.
    fn link(&mut self, id: &PageId, page: Option<u32>) -> Result<bool, TreeError> {
        let Found::Wanted(above) = self.find(id) else {
            return Ok(false);
        };
        let page = page.ok_or(TreeError::Absent(*id))?;
        let hash = *self.pages.hash(page, 1);
        let expected = match above {
            None => self.root,
            Some((above, at)) => Some(*self.pages.hash(above, 16 + at)),
        };
        if expected.is_some_and(|expected| expected != hash) {
            return Err(TreeError::Mismatch(*id));
        }
        match above {
            None => {
                self.root = Some(hash);
                self.root_page = Some(page);
            }
            Some((above, at)) => {
                self.pages.link(above, at, page);
                let head = self.pages.head_mut(page);
                (head.parent, head.slot) = (above, at);
            }
        }
        Ok(true)
    }
}
