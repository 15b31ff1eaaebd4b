//! Which keys the tree does not hold, as far as its cached pages tell: a caller that knows need not ask its store.

use super::StateTree;
use super::batch::prefix;
use super::page_id::{PAGE_DEPTH_MAX, step};
use hn_primitives::Hash32;

/// Keys that share a page: the page, the first key and the end.
type Span = (u32, usize, usize);

impl StateTree {
    /// For each key whether the cached pages show that it is absent; `false` says nothing: the key is present, or a page of
    /// its path is not cached.
    pub fn surely_absent(&self, keys: &[Hash32]) -> Vec<bool> {
        self.absent(keys)
            .into_iter()
            .map(|absent| absent == Some(true))
            .collect()
    }

    /// For each key whether it is absent; `None` where a page of its path is not cached. Cost: O(keys · depth), no hash; keys
    /// are followed together, a level at a time, so that pages come from memory side by side.
    pub fn absent(&self, keys: &[Hash32]) -> Vec<Option<bool>> {
        let mut absent = vec![None; keys.len()];
        let Some(root) = self.root_page else {
            return absent;
        };
        let mut order: Vec<(u64, usize)> = keys.iter().map(prefix).zip(0..).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| keys.get(a.1).cmp(&keys.get(b.1))));
        let sorted: Vec<(&Hash32, usize)> = order
            .into_iter()
            .filter_map(|(_, at)| Some((keys.get(at)?, at)))
            .collect();
        let mut level: Vec<Span> = vec![(root, 0, sorted.len())];
        let mut below: Vec<Span> = Vec::new();
        for depth in 0..=PAGE_DEPTH_MAX {
            self.pages.warm_links(level.iter().map(|(page, ..)| *page));
            below.clear();
            for (page, first, end) in level.drain(..) {
                let head = self.pages.head(page);
                let mut rest = sorted.get(first..end).unwrap_or_default();
                let mut from = first;
                while let Some((key, _)) = rest.first() {
                    let at = step(key, depth);
                    let count = rest.iter().take_while(|(key, _)| step(key, depth) == at).count();
                    let (here, later) = rest.split_at(count);
                    if head.leaves >> at & 1 == 1 {
                        let (held, _) = self.pages.leaf_data(page, at);
                        here.iter().for_each(|(key, i)| set(&mut absent, *i, *key != held));
                    } else if head.branches() >> at & 1 == 0 {
                        here.iter().for_each(|(_, i)| set(&mut absent, *i, true));
                    } else if let Some(child) = self.pages.child(page, at) {
                        below.push((child, from, from + count));
                    }
                    rest = later;
                    from += count;
                }
            }
            std::mem::swap(&mut level, &mut below);
            if level.is_empty() {
                break;
            }
        }
        absent
    }
}

fn set(absent: &mut [Option<bool>], at: usize, value: bool) {
    if let Some(place) = absent.get_mut(at) {
        *place = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hn_primitives::ZERO_HASH;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Few different bytes, so that keys share long paths.
    fn key() -> impl Strategy<Value = Hash32> {
        proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0x10), any::<u8>()], 3).prop_map(|front| {
            let mut key = [0; 32];
            key[..3].copy_from_slice(&front);
            key
        })
    }

    proptest! {
        #[test]
        fn prop_a_whole_tree_knows_every_key(
            held in proptest::collection::vec(key(), 0..60),
            gone in proptest::collection::vec(key(), 0..20),
            asked in proptest::collection::vec(key(), 0..60),
        ) {
            let mut tree = StateTree::with_root(1 << 20, ZERO_HASH);
            let mut twin = BTreeMap::new();
            let puts: Vec<_> = held.iter().map(|key| (*key, Some([1; 32]))).collect();
            tree.apply(&puts).unwrap();
            twin.extend(held.iter().map(|key| (*key, ())));
            tree.apply(&gone.iter().map(|key| (*key, None)).collect::<Vec<_>>()).unwrap();
            gone.iter().for_each(|key| { twin.remove(key); });
            let asked: Vec<Hash32> = asked.into_iter().chain(held).collect();
            let want: Vec<bool> = asked.iter().map(|key| !twin.contains_key(key)).collect();
            prop_assert_eq!(tree.absent(&asked), want.iter().map(|absent| Some(*absent)).collect::<Vec<_>>());
            prop_assert_eq!(tree.surely_absent(&asked), want);
        }

        #[test]
        fn prop_a_tree_with_pages_missing_never_denies_a_key(held in proptest::collection::vec(key(), 1..200), cache in 0usize..4096) {
            let mut tree = StateTree::with_root(cache, ZERO_HASH);
            let puts: Vec<_> = held.iter().map(|key| (*key, Some([1; 32]))).collect();
            tree.apply(&puts).unwrap();
            prop_assert!(tree.surely_absent(&held).iter().all(|absent| !absent));
        }
    }

    #[test]
    fn test_a_tree_that_was_not_loaded_knows_nothing() {
        assert_eq!(StateTree::new(1 << 20).surely_absent(&[[1; 32], [2; 32]]), [false; 2]);
    }
}
