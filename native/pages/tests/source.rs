//! A tree that keeps few pages in memory, over layers and files, beside one that keeps all of them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use hn_merkle::state_tree::{Layer, Layers};
use hn_merkle::{Applied, PageId, StateTree};
use hn_pages::{LoadError, PageFiles, PageSource};
use hn_primitives::{Hash32, ZERO_HASH, codes};
use proptest::prelude::*;

fn key(number: u16) -> Hash32 {
    let [a, b] = number.wrapping_mul(40503).to_be_bytes();
    std::array::from_fn(|at| [a, b, 7][at.min(2)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn prop_a_tree_with_few_pages_in_memory_is_the_whole_tree(
        blocks in proptest::collection::vec(
            (proptest::collection::vec((0u16..3000, proptest::option::weighted(0.8, 1u8..)), 1..200), 0u8..4), 1..20),
    ) {
        let directory = std::env::temp_dir().join(format!("hn-source-{}-{:x}", std::process::id(), rand_name()));
        fs::create_dir_all(&directory).unwrap();
        let mut files = PageFiles::open(&directory, None).unwrap();
        let (mut changing, mut leaving) = (Layers::default(), Layers::default());
        let mut whole = StateTree::with_root(1 << 30, ZERO_HASH);
        let mut small = StateTree::with_root(2048, ZERO_HASH);
        let mut twin = BTreeMap::new();
        let mut applied = Applied::default();
        for (height, (updates, then)) in (0u64..).zip(blocks) {
            let source = PageSource::new(vec![changing.clone(), leaving.clone()], files.clone());
            let keys: Vec<Hash32> = updates.iter().map(|(number, _)| key(*number)).collect();
            let want: Vec<bool> = keys.iter().map(|key| !twin.contains_key(key)).collect();
            prop_assert_eq!(source.absent(&mut small, &keys).unwrap(), want);
            let updates: Vec<_> = updates.iter().map(|(number, value)| (key(*number), value.map(|value| [value; 32]))).collect();
            for (key, value) in &updates {
                match value {
                    Some(value) => twin.insert(*key, *value),
                    None => twin.remove(key),
                };
            }
            while let Err(needed) = small.apply_into(&updates, &mut applied) {
                source.load(&mut small, &needed.0).unwrap();
            }
            prop_assert_eq!(whole.apply(&updates).unwrap().root, applied.root);
            changing = changing.with(Arc::new(Layer::of(applied.clone())));
            match then {
                0 => {
                    files = files.with(&leaving, 2 * height).unwrap();
                    leaving = std::mem::take(&mut changing);
                }
                1 => {
                    files = files.with(&leaving, 2 * height).unwrap().with(&changing, 2 * height + 1).unwrap();
                    (changing, leaving) = (Layers::default(), Layers::default());
                }
                _ => {}
            }
        }
        fs::remove_dir_all(&directory).unwrap();
    }
}

fn rand_name() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos()
}

#[test]
fn test_pages_that_do_not_belong_to_the_tree_are_refused() {
    let mut tree = StateTree::with_root(1 << 20, [9; 32]);
    let source = PageSource::default();
    let error = source.absent(&mut tree, &[key(1)]).unwrap_err();
    assert!(matches!(&error, LoadError::Tree(_)) && error.code() == codes::STORAGE_CORRUPT);
    assert_eq!(source.read(&[PageId::ROOT], |pages| pages.len()).unwrap(), 1);
}
