//! The paged tree against the twin: random batches, a starving cache, reopening, proofs.

use crate::twin;
use hn_merkle::state_tree::{Terminal, key_hash, value_hash};
use hn_merkle::{NeedPages, PageId, StateProof, StateTree, TreeError};
use hn_primitives::{Hash32, ZERO_HASH};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Pages as a database would hold them.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
pub struct Store {
    pub pages: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Pages that were asked for.
    pub loads: usize,
    /// Times that pages were asked for.
    pub rounds: usize,
}

impl Store {
    /// Feeds pages until the operation goes through.
    pub fn run<T>(&mut self, tree: &mut StateTree, mut step: impl FnMut(&mut StateTree) -> Result<T, NeedPages>) -> T {
        for _ in 0..70 {
            match step(tree) {
                Ok(done) => return done,
                Err(NeedPages(ids)) => {
                    assert!(!ids.is_empty());
                    assert!(ids.is_sorted_by(|a, b| a < b), "each page once, parents first");
                    self.loads += ids.len();
                    self.rounds += 1;
                    tree.load(
                        ids.iter()
                            .map(|id| (*id, self.pages.get(&id.encode()).cloned()))
                            .collect(),
                    )
                    .unwrap();
                }
            }
        }
        panic!("no progress");
    }

    pub fn apply(&mut self, tree: &mut StateTree, updates: &[(Hash32, Option<Hash32>)]) -> Hash32 {
        let applied = self.run(tree, |tree| {
            let before = tree.root();
            let result = tree.apply(updates);
            assert!(
                result.is_ok() || tree.root() == before,
                "a refused batch changes nothing"
            );
            result
        });
        for (id, page) in applied.pages() {
            match page {
                Some(bytes) => self.pages.insert(id.encode(), bytes.to_vec()),
                None => self.pages.remove(&id.encode()),
            };
        }
        assert_eq!(tree.root(), Ok(applied.root));
        applied.root
    }

    pub fn prove(&mut self, tree: &mut StateTree, key: &Hash32) -> StateProof {
        self.run(tree, |tree| tree.prove(key))
    }
}

/// Keys that part at chosen places: all zero but for one or two half bytes, or spread by hashing.
fn key_pool() -> Vec<Hash32> {
    let mut keys = vec![ZERO_HASH];
    for half_byte in [0usize, 1, 2, 7, 31, 32, 62, 63] {
        for value in [1u8, 2, 8, 15] {
            let mut key = ZERO_HASH;
            key[half_byte / 2] |= if half_byte % 2 == 0 { value << 4 } else { value };
            keys.push(key);
            key[31] |= 0x01;
            keys.push(key);
        }
    }
    keys.extend((0..40u8).map(|i| value_hash(&[i])));
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn sorted(model: &BTreeMap<Hash32, Hash32>) -> Vec<(Hash32, Hash32)> {
    model.iter().map(|(key, value)| (*key, *value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn batches_equal_the_twin(
        batches in vec(vec((any::<prop::sample::Index>(), proptest::option::weighted(0.6, 0u8..4)), 0..30), 1..12),
        cache_bytes_max in prop_oneof![Just(0usize), Just(8_000), Just(1 << 20)],
        reopen_every in 2usize..5,
        flip in (any::<prop::sample::Index>(), 0u8..8),
    ) {
        let pool = key_pool();
        let mut model = BTreeMap::new();
        let mut store = Store::default();
        let mut tree = StateTree::new(cache_bytes_max);
        for (number, batch) in batches.into_iter().enumerate() {
            let updates: Vec<_> = batch.iter().map(|(at, value)| (pool[at.index(pool.len())], value.map(|v| [v; 32]))).collect();
            for (key, value) in &updates {
                match value {
                    Some(value) => model.insert(*key, *value),
                    None => model.remove(key),
                };
            }
            let leaves = sorted(&model);
            let root = store.apply(&mut tree, &updates);
            prop_assert_eq!(root, twin::state_root(&leaves, 0));

            // The pages depend on the content alone: a tree filled at once has the same ones.
            let mut fresh = Store::default();
            let all: Vec<_> = leaves.iter().rev().map(|(key, value)| (*key, Some(*value))).collect();
            fresh.apply(&mut StateTree::with_root(0, ZERO_HASH), &all);
            prop_assert_eq!(&fresh.pages, &store.pages);

            if number % reopen_every == 0 {
                tree = if number % 2 == 0 { StateTree::new(cache_bytes_max) } else { StateTree::with_root(cache_bytes_max, root) };
                let mut reloaded = tree;
                prop_assert_eq!(store.run(&mut reloaded, |tree| tree.root()), root);
                tree = reloaded;
            }
        }

        let leaves = sorted(&model);
        let root = twin::state_root(&leaves, 0);
        for key in &pool {
            let proof = store.prove(&mut tree, key);
            prop_assert_eq!(&proof, &twin::state_proof(&leaves, key));
            let value = model.get(key);
            prop_assert!(proof.verify(&root, key, value));
            prop_assert!(!proof.verify(&root, key, Some(&[0xee; 32])));
            prop_assert!(value.is_none() || !proof.verify(&root, key, None));
            let bytes = proof.encode();
            prop_assert_eq!(StateProof::decode(&bytes), Ok(proof.clone()));
            let mut flipped = bytes.clone();
            flipped[flip.0.index(bytes.len())] ^= 1 << flip.1;
            if let Ok(changed) = StateProof::decode(&flipped) {
                prop_assert_eq!(changed.encode(), flipped);
                prop_assert!(!changed.verify(&root, key, value));
            }
            prop_assert!(StateProof::decode(&bytes[..bytes.len() - 1]).is_err());
            prop_assert!(StateProof::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }
}

#[test]
fn the_last_update_of_a_key_counts_and_no_change_writes_no_page() {
    let mut tree = StateTree::with_root(1 << 20, ZERO_HASH);
    let key = key_hash("evidence", b"a");
    let root = tree
        .apply(&[(key, Some([1; 32])), (key, None), (key, Some([2; 32]))])
        .unwrap()
        .root;
    assert_eq!(root, twin::state_root(&[(key, [2; 32])], 0));
    let same = tree.apply(&[(key, Some([2; 32])), ([9; 32], None)]).unwrap();
    assert_eq!((same.root, same.pages().len()), (root, 0));
    let gone = tree.apply(&[(key, None)]).unwrap();
    assert_eq!(gone.root, ZERO_HASH);
    assert!(gone.pages().eq([(&PageId::ROOT, None)]));
    assert_eq!(tree.prove(&key).unwrap().terminal, Terminal::Empty);
    assert_eq!(tree.apply(&[]).unwrap().root, ZERO_HASH);
}

#[test]
fn an_unopened_tree_asks_for_its_root_page() {
    let mut tree = StateTree::new(0);
    let need = NeedPages(vec![PageId::ROOT]);
    assert_eq!(tree.root(), Err(need.clone()));
    assert_eq!(tree.apply(&[]), Err(need.clone()));
    assert_eq!(tree.prove(&[1; 32]), Err(need.clone()));
    assert_eq!(tree.missing(&[[1; 32]]), need.0);
    tree.load(vec![(PageId::ROOT, None)]).unwrap();
    assert_eq!(tree.root(), Ok(ZERO_HASH));
    assert_eq!(tree.missing(&[[1; 32]]), vec![]);
}

#[test]
fn pages_of_another_version_are_refused() {
    let mut store = Store::default();
    let mut tree = StateTree::with_root(0, ZERO_HASH);
    let keys: Vec<Hash32> = (0..200u8).map(|i| value_hash(&[i])).collect();
    let fill: Vec<_> = keys.iter().map(|key| (*key, Some([1; 32]))).collect();
    let old_root = store.apply(&mut tree, &fill);
    let old = store.clone();
    let root = store.apply(&mut tree, &[(keys[0], Some([2; 32]))]);
    let root_page = |store: &Store| vec![(PageId::ROOT, store.pages.get(&PageId::ROOT.encode()).cloned())];

    let mut stale = StateTree::with_root(0, root);
    assert_eq!(stale.load(root_page(&old)), Err(TreeError::Mismatch(PageId::ROOT)));
    assert_eq!(
        stale.load(vec![(PageId::ROOT, None)]),
        Err(TreeError::Mismatch(PageId::ROOT))
    );
    stale.load(root_page(&store)).unwrap();
    let need = stale.missing(&keys[..1]);
    let pages_of = |store: &Store| {
        need.iter()
            .map(|id| (*id, store.pages.get(&id.encode()).cloned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(stale.load(pages_of(&old)), Err(TreeError::Mismatch(need[0])));
    assert_eq!(stale.load(vec![(need[0], None)]), Err(TreeError::Absent(need[0])));
    stale.load(pages_of(&store)).unwrap();

    let mut behind = StateTree::with_root(0, old_root);
    behind.load(root_page(&old)).unwrap();
    let mut broken = old.pages[&PageId::ROOT.encode()].clone();
    broken.push(0);
    let result = StateTree::new(0).load(vec![(PageId::ROOT, Some(broken))]);
    assert!(matches!(result, Err(TreeError::Malformed { .. })));
    // Pages that nothing asks for are ignored.
    behind
        .load(vec![(PageId::decode(&[63; 33]).unwrap_or(PageId::ROOT), None)])
        .unwrap();
}

#[test]
fn the_cache_stays_near_its_limit_and_keeps_answering() {
    let limit = 64 << 10;
    let mut store = Store::default();
    let mut tree = StateTree::with_root(limit, ZERO_HASH);
    let keys: Vec<Hash32> = (0..3000u32).map(|i| value_hash(&i.to_be_bytes())).collect();
    for chunk in keys.chunks(50) {
        let updates: Vec<_> = chunk.iter().map(|key| (*key, Some(value_hash(key)))).collect();
        store.apply(&mut tree, &updates);
        // One batch touches at most 50 paths of a few pages.
        assert!(tree.cache_bytes() < limit + (256 << 10), "{}", tree.cache_bytes());
    }
    let mut leaves: Vec<_> = keys.iter().map(|key| (*key, value_hash(key))).collect();
    leaves.sort_unstable();
    let root = twin::state_root(&leaves, 0);
    assert_eq!(tree.root(), Ok(root));
    for key in &keys {
        assert!(store.prove(&mut tree, key).verify(&root, key, Some(&value_hash(key))));
    }
    assert!(store.loads > 1000 && tree.cache_bytes() <= limit + (64 << 10));
    let gone: Vec<_> = keys.iter().map(|key| (*key, None)).collect();
    assert_eq!(store.apply(&mut tree, &gone), ZERO_HASH);
    assert!(store.pages.is_empty());
}

#[test]
fn proofs_that_are_not_canonical_fail() {
    let mut leaves: Vec<_> = (0..9u8).map(|i| (value_hash(&[i]), [i; 32])).collect();
    leaves.sort_unstable();
    let root = twin::state_root(&leaves, 0);
    let (key, value) = leaves[4];
    let proof = twin::state_proof(&leaves, &key);
    assert!(proof.verify(&root, &key, Some(&value)));

    // The same leaf one level deeper, beside nothing.
    let deeper = StateProof {
        siblings: [proof.siblings.clone(), vec![None]].concat(),
        terminal: Terminal::Own,
    };
    assert!(!deeper.verify(&root, &key, Some(&value)));
    // A sibling of zeros instead of an empty one, and an empty end below an empty sibling.
    let zeros = StateProof {
        siblings: vec![Some(ZERO_HASH)],
        terminal: Terminal::Empty,
    };
    assert!(StateProof::decode(&zeros.encode()).is_err());
    let padded = StateProof {
        siblings: vec![None; 3],
        terminal: Terminal::Empty,
    };
    assert!(!padded.verify(&ZERO_HASH, &key, None) && !zeros.verify(&ZERO_HASH, &key, None));
    // The key's own leaf must not serve as "another" one, nor a leaf off the path.
    let own_as_other = StateProof {
        terminal: Terminal::Other {
            key_hash: key,
            value_hash: value,
        },
        ..proof.clone()
    };
    assert!(!own_as_other.verify(&root, &key, None));
    let mut stranger = key;
    stranger[0] ^= 0x80;
    assert!(!own_as_other.verify(&root, &stranger, None));
    assert!(
        !StateProof {
            terminal: Terminal::Empty,
            ..proof.clone()
        }
        .verify(&root, &key, None)
    );
    // Too deep, and unused bits.
    let deep = StateProof {
        siblings: vec![Some([1; 32]); 257],
        terminal: Terminal::Empty,
    };
    assert!(!deep.verify(&root, &key, None) && StateProof::decode(&deep.encode()).is_err());
    let mut bits = StateProof {
        siblings: vec![Some([1; 32])],
        terminal: Terminal::Empty,
    }
    .encode();
    bits[2] |= 2;
    assert!(StateProof::decode(&bits).is_err());
}
