//! Sets of page files beside a plain map, through merges, restarts and heights that the database did not come to.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hn_merkle::PageId;
use hn_merkle::state_tree::{Layer, Layers};
use hn_pages::PageFiles;
use proptest::prelude::*;

type Twin = BTreeMap<PageId, Option<Vec<u8>>>;

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hn-pages-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file_count(&self) -> usize {
        fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Ids of several depths; neighbours share paths.
fn id(number: u16) -> PageId {
    let depth = (number % 5) as u8;
    let [a, b] = number.to_be_bytes();
    let mut bytes = vec![depth, a, b];
    bytes.truncate(1 + usize::from(depth.div_ceil(2)));
    if depth % 2 == 1 {
        *bytes.last_mut().unwrap() &= 0xf0;
    }
    PageId::decode(&bytes).unwrap()
}

fn layers(pages: &[(PageId, Option<Vec<u8>>)]) -> Layers {
    let pages = pages.iter().map(|(id, page)| (*id, page.as_deref()));
    Layers::default().with(Arc::new(Layer::new(pages.collect())))
}

fn check(files: &PageFiles, twin: &Twin) {
    let ids: Vec<PageId> = (0..300).map(id).chain(twin.keys().copied()).collect();
    let found = files.read(&ids).unwrap();
    for (id, page) in ids.iter().zip(found) {
        assert_eq!(page, twin.get(id).cloned().flatten(), "{id:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn prop_files_are_what_a_plain_map_is_and_stay_so(
        blocks in proptest::collection::vec(
            (proptest::collection::vec((0u16..2000, proptest::option::of(1usize..1000)), 0..60), any::<bool>(), any::<bool>(), any::<bool>()),
            1..25),
    ) {
        let directory = Directory::new();
        let mut files = PageFiles::open(&directory.0, None).unwrap();
        let mut twin = Twin::new();
        let mut kept = Vec::new();
        // Swept last: what the database is known to hold.
        let mut sure = (files.clone(), twin.clone());
        for (height, (pages, merge, sweep, crash)) in (0..).zip(blocks) {
            let pages: Vec<_> = pages.iter().map(|(number, size)| (id(*number), size.map(|size| vec![height as u8; size]))).collect();
            twin.extend(pages.iter().cloned());
            files = files.with(&layers(&pages), height, merge).unwrap();
            prop_assert_eq!(files.height(), Some(height));
            check(&files, &twin);
            kept.push((files.clone(), twin.clone()));
            if sweep {
                files.sweep().unwrap();
                prop_assert_eq!(directory.file_count(), files.len());
                sure = (files.clone(), twin.clone());
            } else if crash {
                files = PageFiles::open(&directory.0, sure.0.height()).unwrap();
                twin = sure.1.clone();
                check(&files, &twin);
                prop_assert_eq!(directory.file_count(), files.len());
            }
        }
        // Whoever holds an older set still reads it.
        for (files, twin) in &kept {
            check(files, twin);
        }
    }
}

#[test]
fn test_files_stay_near_the_size_of_what_they_hold() {
    let directory = Directory::new();
    let mut files = PageFiles::open(&directory.0, None).unwrap();
    let page = |height: u64| Some(vec![height as u8; 500]);
    for height in 0..200 {
        let changed: Vec<_> = (0..40)
            .map(|n| (id((height * 7 + n * 13) as u16 % 2000), page(height)))
            .collect();
        files = files.with(&layers(&changed), height, true).unwrap();
        files.sweep().unwrap();
        assert!(files.len() <= 8, "{} files", files.len());
    }
    let ids: std::collections::BTreeSet<_> = (0..2000).map(id).collect();
    let live = ids.len() as u64 * 500;
    assert!(
        files.byte_count() < live * 17 / 10,
        "{} bytes for {live}",
        files.byte_count()
    );
}
