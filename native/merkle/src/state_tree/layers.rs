//! Changed pages that wait to be written.
//!
//! Pages at the bottom of the tree change at random places, those above them with every block. Written once for many
//! blocks instead of once a block, most versions are written never. Until then readers of recent heights want them.

use std::ops::Range;
use std::sync::Arc;

use super::page_id::FRONT_DEPTH;
use super::{Applied, PageId};

/// Layers before they are merged: a page is looked for in each, and merging copies every page.
pub const LAYERS_MAX: usize = 64;
/// Pages that are read from memory side by side when layers are merged; they fit the nearest caches of a core.
const WARM_PAGES: usize = 64;

/// Pages that changed, each once, ascending; some are gone.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Id, and where its page lies in `bytes`; a page without bytes is gone.
    rows: Vec<(PageId, Range<usize>)>,
    bytes: Vec<u8>,
}

impl Layer {
    /// The pages of one batch of updates, in the buffers in which they were made.
    pub fn of(applied: Applied) -> Self {
        let (rows, bytes) = applied.into_buffers();
        Self { rows, bytes }
    }

    /// Any pages; of several with one id the last counts.
    pub fn new(mut pages: Vec<(PageId, Option<&[u8]>)>) -> Self {
        pages.sort_by_key(|(id, _)| *id);
        let mut layer = Self::default();
        let last_of = pages.chunk_by(|(a, _), (b, _)| a == b).filter_map(<[_]>::last);
        last_of.for_each(|(id, page)| layer.push(*id, page.unwrap_or_default()));
        layer
    }

    fn push(&mut self, id: PageId, page: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(page);
        self.rows.push((id, start..self.bytes.len()));
    }

    /// How many pages and bytes of pages.
    pub(super) const fn room(&self) -> (usize, usize) {
        (self.rows.len(), self.bytes.len())
    }

    /// How many pages.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no pages.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of ids and pages.
    pub fn byte_count(&self) -> usize {
        self.bytes.len() + size_of::<(PageId, Range<usize>)>() * self.len()
    }

    /// Pages (`None`: gone), ascending.
    pub fn pages(&self) -> impl ExactSizeIterator<Item = (&PageId, Option<&[u8]>)> {
        self.rows.iter().map(|(id, place)| (id, self.page(place)))
    }

    /// The page, `Some(None)` when it is gone, `None` when it did not change.
    pub fn get(&self, id: &PageId) -> Option<Option<&[u8]>> {
        let at = self.rows.binary_search_by_key(&id, |(row, _)| row).ok()?;
        Some(self.page(&self.rows[at].1))
    }

    /// The first row from `from` on that is not below an id. Cost: by the logarithm of how far it is.
    fn seek(&self, from: usize, id: &PageId) -> usize {
        let rest = self.rows.get(from..).unwrap_or_default();
        let mut reach = 1;
        while rest.get(reach).is_some_and(|(row, _)| row < id) {
            reach *= 2;
        }
        let near = rest.get(reach / 2..rest.len().min(reach + 1)).unwrap_or_default();
        from + reach / 2 + near.partition_point(|(row, _)| row < id)
    }

    fn page(&self, place: &Range<usize>) -> Option<&[u8]> {
        Some(&self.bytes[place.clone()]).filter(|page| !page.is_empty())
    }
}

/// The newest page of each id in some layers, ascending.
#[derive(Debug)]
pub struct Union<'l> {
    layers: &'l [Arc<Layer>],
    /// Front of the id, layer, row.
    order: Vec<(u64, u32, u32)>,
}

impl<'l> Union<'l> {
    /// Cost: sorts 16 bytes a row; no page is read.
    fn of(layers: &'l [Arc<Layer>]) -> Self {
        let mut order: Vec<(u64, u32, u32)> = Vec::with_capacity(layers.iter().map(|layer| layer.len()).sum());
        for (number, layer) in (0..).zip(layers) {
            order.extend((0..).zip(&layer.rows).map(|(row, (id, _))| (id.front(), number, row)));
        }
        // A stable sort merges the layers, which are sorted: of several pages with one id the newest comes last.
        order.sort_by_key(|(front, ..)| *front);
        let id = |&(_, layer, row): &(u64, u32, u32)| layers[layer as usize].rows[row as usize].0;
        let is_deep = |front: u64| front.to_be_bytes()[0] > FRONT_DEPTH;
        for same in order.chunk_by_mut(|(a, ..), (b, ..)| a == b && is_deep(*a)) {
            if same.len() > 1 {
                same.sort_by_key(id);
            }
        }
        order.dedup_by(|next, kept| {
            let same = next.0 == kept.0 && (!is_deep(next.0) || id(next) == id(kept));
            if same {
                *kept = *next;
            }
            same
        });
        Self { layers, order }
    }

    /// How many pages.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no pages.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Bytes of the pages.
    pub fn bytes_len(&self) -> usize {
        self.order.iter().map(|place| self.row(place).1.len()).sum()
    }

    /// Pages (`None`: gone), ascending. They lie at random places in memory and are fetched side by side.
    pub fn pages(&self) -> impl Iterator<Item = (&'l PageId, Option<&'l [u8]>)> {
        self.order.chunks(WARM_PAGES).flat_map(|some| {
            let places = some
                .iter()
                .map(|place| (&self.layers[place.1 as usize].bytes, &self.row(place).1));
            let lines = places.flat_map(|(bytes, place)| bytes[place.clone()].iter().step_by(64));
            std::hint::black_box(lines.fold(0, |sum, byte| sum ^ byte));
            some.iter().map(|place| {
                let (id, range) = self.row(place);
                (id, self.layers[place.1 as usize].page(range))
            })
        })
    }

    fn row(&self, &(_, layer, row): &(u64, u32, u32)) -> &'l (PageId, Range<usize>) {
        &self.layers[layer as usize].rows[row as usize]
    }
}

/// Layers of changed pages, oldest first. They never change, so a copy stays what it was: as of its height.
#[derive(Debug, Clone, Default)]
pub struct Layers(Vec<Arc<Layer>>);

impl Layers {
    /// With the pages of one more block. More than [`LAYERS_MAX`] layers become one.
    #[must_use]
    pub fn with(&self, layer: Arc<Layer>) -> Self {
        let mut layers = self.0.clone();
        if !layer.is_empty() {
            layers.push(layer);
        }
        if layers.len() > LAYERS_MAX {
            layers = vec![Arc::new(Self(layers).merged())];
        }
        Self(layers)
    }

    /// How many layers, at most [`LAYERS_MAX`].
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of ids and pages.
    pub fn byte_count(&self) -> usize {
        self.0.iter().map(|layer| layer.byte_count()).sum()
    }

    /// As [`Layer::get`], of the newest layer that has the page.
    pub fn get(&self, id: &PageId) -> Option<Option<&[u8]>> {
        self.0.iter().rev().find_map(|layer| layer.get(id))
    }

    /// [`Layers::get`] of ascending ids, those whose page is not found yet. Cost: layers and ids are walked side by side.
    pub fn find<'l>(&'l self, ids: &[PageId], found: &mut [Option<Option<&'l [u8]>>]) {
        let places = ids.iter().zip(found.iter_mut());
        let mut open: Vec<_> = places.filter(|(_, found)| found.is_none()).collect();
        for layer in self.0.iter().rev() {
            let mut at = 0;
            open.retain_mut(|(id, found)| {
                at = layer.seek(at, id);
                let here = layer.rows.get(at).filter(|(row, _)| row == *id);
                if let Some((_, place)) = here {
                    **found = Some(layer.page(place));
                }
                here.is_none()
            });
        }
    }

    /// The newest page of each id.
    pub fn union(&self) -> Union<'_> {
        Union::of(&self.0)
    }

    /// All in one. Each page is copied once.
    pub fn merged(&self) -> Layer {
        let union = self.union();
        let mut layer = Layer {
            rows: Vec::with_capacity(union.len()),
            bytes: Vec::with_capacity(union.bytes_len()),
        };
        union
            .pages()
            .for_each(|(id, page)| layer.push(*id, page.unwrap_or_default()));
        layer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Shallow pages, and deep ones whose paths begin alike.
    fn id(number: u8) -> PageId {
        let depth = if number % 8 < 4 {
            number % 4
        } else {
            16 + 2 * (number % 3)
        };
        let path = if depth < 4 {
            vec![number & 0xf0, number, number]
        } else {
            [vec![7; 7], vec![number; 3]].concat()
        };
        let used = usize::from(depth.div_ceil(2));
        let mut bytes = vec![depth];
        bytes.extend(path.iter().take(used));
        if depth % 2 == 1
            && let Some(last) = bytes.last_mut()
        {
            *last &= 0xf0;
        }
        PageId::decode(&bytes).unwrap()
    }

    proptest! {
        #[test]
        fn test_layers_are_what_a_plain_map_is_and_stay_so(
            blocks in proptest::collection::vec(
                proptest::collection::vec((any::<u8>(), proptest::option::of(1usize..40)), 0..30), 0..60),
        ) {
            let mut layers = Layers::default();
            let mut twin: BTreeMap<PageId, Option<Vec<u8>>> = BTreeMap::new();
            let mut kept = Vec::new();
            for (height, block) in blocks.iter().enumerate() {
                let pages: Vec<_> = block.iter().map(|(number, size)| (id(*number), size.map(|size| vec![height as u8; size]))).collect();
                twin.extend(pages.iter().cloned());
                let pages = pages.iter().map(|(id, page)| (*id, page.as_deref()));
                layers = layers.with(Arc::new(Layer::new(pages.collect())));
                prop_assert!(layers.len() <= LAYERS_MAX);
                kept.push((layers.clone(), twin.clone()));
            }
            for (layers, twin) in kept {
                prop_assert_eq!(layers.is_empty(), twin.is_empty());
                for number in 0..=255 {
                    let want = twin.get(&id(number)).map(Option::as_deref);
                    prop_assert_eq!(layers.get(&id(number)), want);
                }
                for step in 1..5 {
                    let mut ids: Vec<PageId> = (0..=255).step_by(step).map(id).collect();
                    ids.sort_unstable();
                    ids.dedup();
                    let mut found = vec![None; ids.len()];
                    layers.find(&ids, &mut found);
                    let want: Vec<_> = ids.iter().map(|id| twin.get(id).map(Option::as_deref)).collect();
                    prop_assert_eq!(found, want);
                }
                let merged = layers.merged();
                let rows: Vec<_> = merged.pages().map(|(id, page)| (*id, page.map(<[u8]>::to_vec))).collect();
                prop_assert_eq!(rows, twin.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
