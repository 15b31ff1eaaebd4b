//! The index beside a plain map, over random chains, restarts and interrupted writes.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use hn_index::{Changes, IndexError, Limits, Place, SALT_BYTES, TxIndex};
use hn_primitives::{Hash32, codes};
use proptest::prelude::*;

const SALT: [u8; SALT_BYTES] = [0xa7; SALT_BYTES];

fn salt() -> [u8; SALT_BYTES] {
    std::array::from_fn(|i| SALT[i].wrapping_mul(i as u8 + 3) ^ 0x5c)
}

fn id(number: u64) -> Hash32 {
    let mut id = [0; 32];
    for (at, word) in id.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ (at as u64) << 7);
        *word = (mixed ^ mixed >> 29).to_be_bytes();
    }
    id
}

fn packed(receipts: &[(Hash32, u32)]) -> Vec<u8> {
    let rows: Vec<Vec<u8>> = receipts
        .iter()
        .map(|(id, code)| [&[1][..], id, &code.to_be_bytes(), &[0; 5]].concat())
        .collect();
    let mut out = (rows.len() as u32).to_be_bytes().to_vec();
    let mut end = 0u32;
    for row in &rows {
        end += row.len() as u32;
        out.extend_from_slice(&end.to_be_bytes());
    }
    rows.iter().for_each(|row| out.extend_from_slice(row));
    out
}

/// The database, the receipts that a start reads, and the plain map.
#[derive(Default, Clone)]
struct Store {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    receipts: BTreeMap<u64, Vec<u8>>,
    places: HashMap<Hash32, (u64, u32)>,
}

impl Store {
    fn open(&self, limits: Limits) -> TxIndex {
        let rows = self.rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let index = TxIndex::new(&salt(), limits, rows).unwrap();
        for (height, packed) in self.receipts.range(index.next_height()..) {
            index.add(*height, packed).unwrap();
        }
        index
    }

    fn get(&self, keys: &[Vec<u8>]) -> Vec<Option<&[u8]>> {
        keys.iter().map(|key| self.rows.get(key).map(Vec::as_slice)).collect()
    }

    fn apply(&mut self, changes: Changes) {
        for (from, to) in changes.ranges {
            self.rows.retain(|key, _| *key < from || *key >= to);
        }
        self.rows.extend(changes.rows);
    }

    /// A block as the database writes it. cut: the process dies before the write.
    fn write(&mut self, index: &TxIndex, height: u64, receipts: &[(Hash32, u32)], cut: bool) {
        let mut changes = vec![index.seal()];
        loop {
            let wanted = index.wanted();
            if wanted.is_empty() {
                break;
            }
            changes.push(index.merge(&self.get(&wanted)).unwrap());
        }
        if cut {
            return;
        }
        // All ranges before all rows, as in one batch.
        let mut all = Changes::default();
        for part in changes {
            all.ranges.extend(part.ranges);
            all.rows.extend(part.rows);
        }
        self.apply(all);
        // Other threads search between the write and the word of it.
        self.check_known(index);
        index.written();
        self.check_known(index);
        let row = packed(receipts);
        index.add(height, &row).unwrap();
        self.receipts.insert(height, row);
        for (at, (id, code)) in receipts.iter().enumerate() {
            if !matches!(*code, codes::TX_DUPLICATE | codes::ACCOUNT_UNKNOWN) {
                self.places.entry(*id).or_insert((height, at as u32));
            }
        }
    }

    fn find(&self, index: &TxIndex, ids: &[Hash32]) -> Vec<Option<(u64, u32)>> {
        let mut search = index.search(ids.to_vec());
        loop {
            let wanted = search.step(index).unwrap();
            if wanted.is_empty() {
                break;
            }
            search.supply(index, &self.get(&wanted)).unwrap();
        }
        let places = search.places().iter();
        places
            .map(|place| place.map(|place: Place| (place.height(), place.index())))
            .collect()
    }

    fn check_known(&self, index: &TxIndex) {
        let some = self.places.iter().take(40);
        let (ids, places): (Vec<_>, Vec<_>) = some.map(|(id, place)| (*id, Some(*place))).unzip();
        assert_eq!(self.find(index, &ids), places);
    }

    fn check(&self, index: &TxIndex, next: u64) {
        let ids: Vec<Hash32> = (0..next + 200).map(id).collect();
        let found = self.find(index, &ids);
        for (id, found) in ids.iter().zip(found) {
            assert_eq!(found, self.places.get(id).copied());
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Block { txs: usize, odd: bool },
    Restart,
    Cut { txs: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0usize..900, any::<bool>()).prop_map(|(txs, odd)| Step::Block { txs, odd }),
        1 => Just(Step::Restart),
        1 => (0usize..400).prop_map(|txs| Step::Cut { txs }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn test_index_finds_what_a_plain_map_finds(
        steps in proptest::collection::vec(step(), 1..120),
        segment_ids in prop_oneof![Just(64usize), Just(700), Just(3000)],
        segment_blocks in prop_oneof![Just(3u64), Just(1000)],
        filter_bytes_max in prop_oneof![Just(0usize), Just(4096), Just(1 << 20)],
    ) {
        let limits = Limits { segment_ids, segment_blocks, filter_bytes_max };
        let mut store = Store::default();
        let mut index = store.open(limits);
        let (mut next, mut height) = (0u64, 1u64);
        for step in steps {
            match step {
                Step::Block { txs, odd } => {
                    let mut receipts: Vec<_> = (next..next + txs as u64).map(|number| (id(number), codes::OK)).collect();
                    next += txs as u64;
                    if odd {
                        receipts.push((id(next / 2), codes::TX_DUPLICATE));
                        receipts.push((id(next + 150), codes::ACCOUNT_UNKNOWN));
                    }
                    store.write(&index, height, &receipts, false);
                    height += 1;
                }
                Step::Restart => index = store.open(limits),
                Step::Cut { txs } => {
                    let receipts: Vec<_> = (next..next + txs as u64).map(|number| (id(number), codes::OK)).collect();
                    store.write(&index, height, &receipts, true);
                    index = store.open(limits);
                }
            }
            prop_assert!(index.filter_bytes() <= filter_bytes_max);
        }
        store.check(&index, next);
        store.check(&store.open(limits), next);
    }
}

#[test]
fn test_segments_stay_few_and_their_rows_are_all_the_rows() {
    let limits = Limits {
        segment_ids: 2_048,
        ..Limits::default()
    };
    let mut store = Store::default();
    let index = store.open(limits);
    let mut next = 0;
    for height in 1..=600 {
        let receipts: Vec<_> = (next..next + 700).map(|number| (id(number), codes::OK)).collect();
        next += 700;
        store.write(&index, height, &receipts, false);
        let (segments, recent) = index.counts();
        assert!(
            segments <= 3 * (hn_index::FAN_IN + 1),
            "{segments} segments at height {height}"
        );
        assert!(recent < 2_048 + 700);
    }
    // 600 blocks are one segment of level 2 and a few below; an entry stands in one segment, or in two during a merge.
    let entries: usize = store
        .rows
        .iter()
        .filter(|(key, _)| key[8] == 1)
        .map(|(_, value)| value.len() / hn_index::ENTRY_BYTES)
        .sum();
    let (_, recent) = index.counts();
    assert!(
        entries + recent >= next as usize && entries < 2 * next as usize,
        "{entries} entries of {next} ids"
    );
    store.check(&index, next);
}

#[test]
fn test_a_search_survives_a_merge_between_its_steps() {
    let limits = Limits {
        segment_ids: 300,
        filter_bytes_max: 0,
        ..Limits::default()
    };
    let mut store = Store::default();
    let index = store.open(limits);
    let (mut next, mut height) = (0, 1);
    let mut block = |store: &mut Store, index: &TxIndex| {
        let receipts: Vec<_> = (next..next + 300).map(|number| (id(number), codes::OK)).collect();
        next += 300;
        store.write(index, height, &receipts, false);
        height += 1;
    };
    (0..8).for_each(|_| block(&mut store, &index));
    let ids: Vec<_> = (0..2_400).map(id).collect();
    let mut search = index.search(ids.clone());
    let wanted = search.step(&index).unwrap();
    assert!(!wanted.is_empty());
    (0..12).for_each(|_| block(&mut store, &index));
    assert!(
        store.get(&wanted).iter().all(Option::is_none),
        "the segments were merged away"
    );
    search.supply(&index, &store.get(&wanted)).unwrap();
    loop {
        let wanted = search.step(&index).unwrap();
        if wanted.is_empty() {
            break;
        }
        search.supply(&index, &store.get(&wanted)).unwrap();
    }
    for (id, place) in ids.iter().zip(search.places()) {
        assert_eq!(
            place.map(|place| (place.height(), place.index())),
            store.places.get(id).copied()
        );
    }
}

#[test]
fn test_damage_is_told_and_never_an_answer() {
    let limits = Limits {
        segment_ids: 100,
        filter_bytes_max: 0,
        ..Limits::default()
    };
    let mut store = Store::default();
    let index = store.open(limits);
    for height in 1..=4 {
        let receipts: Vec<_> = (height * 100..height * 100 + 100)
            .map(|number| (id(number), codes::OK))
            .collect();
        store.write(&index, height, &receipts, false);
    }
    let look = |store: &Store| -> Result<(), IndexError> {
        let index = store.open(limits);
        let mut search = index.search(vec![id(150)]);
        loop {
            let wanted = search.step(&index)?;
            if wanted.is_empty() {
                return Ok(());
            }
            search.supply(&index, &store.get(&wanted))?;
        }
    };
    look(&store).unwrap();
    for kind in [1, 2] {
        let mut lost = store.clone();
        lost.rows.retain(|key, _| key[8] != kind);
        assert!(matches!(look(&lost), Err(IndexError::Missing { .. })));
        let mut cut = store.clone();
        for (_, value) in cut
            .rows
            .iter_mut()
            .filter(|(key, value)| key[8] == kind && !value.is_empty())
        {
            value.pop();
        }
        assert!(matches!(look(&cut), Err(IndexError::Length { .. })));
    }
    let rows = |store: &Store| -> Result<(), IndexError> {
        let rows = store.rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        TxIndex::new(&salt(), limits, rows).map(|_| ())
    };
    let mut gap = store.clone();
    gap.rows.retain(|key, _| key[..9] != [0, 0, 0, 0, 0, 0, 0, 1, 3]);
    assert!(matches!(rows(&gap), Err(IndexError::Gap { want: 2, got: 3, .. })));
    for (at, what) in [(0, "version"), (2, "bits")] {
        let mut odd = store.clone();
        odd.rows
            .iter_mut()
            .filter(|(key, _)| key[8] == 3)
            .for_each(|(_, value)| value[at] = 9);
        assert!(matches!(rows(&odd), Err(IndexError::Field { what: got, .. }) if got == what));
    }
    let next = index.next_height();
    assert_eq!(
        index.add(next + 1, &packed(&[])),
        Err(IndexError::Height {
            got: next + 1,
            want: next
        })
    );
    let good = packed(&[(id(1), codes::OK), (id(2), codes::OK)]);
    for cut in 0..good.len() {
        assert!(
            matches!(index.add(next, &good[..cut]), Err(IndexError::Receipts { .. })),
            "cut at {cut}"
        );
    }
    assert!(matches!(
        index.add(next, &[good.as_slice(), &[0]].concat()),
        Err(IndexError::Receipts { receipt: 2, .. })
    ));
}
