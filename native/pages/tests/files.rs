//! Sets of page files beside a plain map, through merges, restarts and heights that the database did not come to.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hn_merkle::PageId;
use hn_merkle::state_tree::{Layer, Layers};
use hn_pages::{Merge, PageFiles};
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

/// A block: pages, whether the database holds its height at once, what merging does, whether the process ends.
type Block = (Vec<(u16, Option<usize>)>, bool, u8, bool);

fn block() -> impl Strategy<Value = Block> {
    let page = (0u16..2000, proptest::option::of(1usize..1000));
    (
        proptest::collection::vec(page, 0..60),
        any::<bool>(),
        0u8..4,
        any::<bool>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn prop_files_are_what_a_plain_map_is_and_stay_so(blocks in proptest::collection::vec(block(), 1..30)) {
        let directory = Directory::new();
        let mut files = PageFiles::open(&directory.0, None).unwrap();
        let mut twins: Vec<Twin> = Vec::new();
        let mut kept = Vec::new();
        let mut held = None;
        let mut merge: Option<Merge> = None;
        // Files that a new base took the place of, with its height.
        let mut replaced: Vec<(u64, PageFiles)> = Vec::new();
        for (pages, holds, steps, ends) in blocks {
            let height = twins.len() as u64;
            let pages: Vec<_> = pages.iter().map(|(number, size)| (id(*number), size.map(|size| vec![height as u8; size]))).collect();
            let mut twin = twins.last().cloned().unwrap_or_default();
            twin.extend(pages.iter().cloned());
            let before = files.clone();
            files = files.with(&layers(&pages), height).unwrap();
            if files.len() <= before.len() {
                prop_assert_eq!(files.len(), 1);
                replaced.push((height, before));
            }
            prop_assert_eq!(files.height(), Some(height));
            check(&files, &twin);
            kept.push((files.clone(), twin.clone()));
            twins.push(twin);
            if holds {
                held = Some(height);
                replaced.drain(..).try_for_each(|(_, before)| before.discard(&files)).unwrap();
            }
            if merge.is_none() && let Some(height) = held {
                merge = files.merge(height).unwrap();
            }
            for _ in 0..steps {
                // A merge goes on over several heights, while new files come.
                if let Some(mut now) = merge.take() {
                    if now.step(3000).unwrap() {
                        let merged = now.finish().unwrap();
                        let later = files.taking(&merged);
                        prop_assert!(later.len() <= files.len());
                        if later.has(&merged) {
                            files.discard(&later).unwrap();
                        } else {
                            merged.discard().unwrap();
                        }
                        let waiting: usize = replaced.iter().map(|(_, before)| before.len()).sum();
                        prop_assert_eq!(directory.file_count(), later.len() + waiting);
                        for (older, _) in &mut kept {
                            *older = older.taking(&merged);
                        }
                        files = later;
                        check(&files, &twins[height as usize]);
                    } else {
                        merge = Some(now);
                    }
                }
            }
            if ends {
                drop(merge.take());
                replaced.clear();
                for (files, twin) in kept.drain(..) {
                    check(&files, &twin);
                }
                files = PageFiles::open(&directory.0, held).unwrap();
                twins.truncate(held.map_or(0, |height| height as usize + 1));
                check(&files, &twins.last().cloned().unwrap_or_default());
                prop_assert_eq!(directory.file_count(), files.len());
            }
        }
        // Whoever holds an older set still reads it.
        for (files, twin) in &kept {
            check(files, twin);
        }
    }
}

/// All that is due, in one go.
fn merged(mut files: PageFiles, through: u64) -> PageFiles {
    while let Some(mut merge) = files.merge(through).unwrap() {
        while !merge.step(1 << 12).unwrap() {}
        let later = files.taking(&merge.finish().unwrap());
        files.discard(&later).unwrap();
        files = later;
    }
    files
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
        let later = files.with(&layers(&changed), height).unwrap();
        files.discard(&later).unwrap();
        files = merged(later, height);
        assert!(files.len() <= 9, "{} files", files.len());
        assert_eq!(directory.file_count(), files.len());
    }
    let ids: std::collections::BTreeSet<_> = (0..2000).map(id).collect();
    let live = ids.len() as u64 * 500;
    assert!(
        files.byte_count() < live * 17 / 10,
        "{} bytes for {live}",
        files.byte_count()
    );
}

#[test]
fn test_a_merge_that_is_cut_off_at_any_moment_loses_nothing() {
    let directory = Directory::new();
    let mut files = PageFiles::open(&directory.0, None).unwrap();
    let mut twin = Twin::new();
    for height in 0..8 {
        // A base that is too long to be written again with so little.
        let pages: Vec<_> = (0..if height == 0 { 400 } else { 50 })
            .map(|n| (id(n * 3 + height as u16), Some(vec![height as u8; 200])))
            .collect();
        twin.extend(pages.iter().cloned());
        files = files.with(&layers(&pages), height).unwrap();
    }
    // What the merge takes up ends with the height that the database holds; the files above it are none of its business.
    let mut merge = files.merge(6).unwrap().unwrap();
    while !merge.step(1000).unwrap() {
        assert_eq!(directory.file_count(), 9);
        check(&PageFiles::open(&copy(&directory).0, Some(7)).unwrap(), &twin);
    }
    let merged = merge.finish().unwrap();
    // Before the old files go, and when some of them are gone.
    let later = files.taking(&merged);
    assert_eq!(later.len(), 2);
    for gone in 0..=7 {
        let copy = copy(&directory);
        let mut names: Vec<_> = fs::read_dir(&copy.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        names.retain(|path| {
            !path
                .to_string_lossy()
                .ends_with("0000000000000000-0000000000000006.pages")
        });
        names.iter().take(gone).for_each(|path| fs::remove_file(path).unwrap());
        check(&PageFiles::open(&copy.0, Some(7)).unwrap(), &twin);
        assert_eq!(copy.file_count(), 2);
    }
    files.discard(&later).unwrap();
    check(&later, &twin);
    check(&files, &twin);
}

fn copy(directory: &Directory) -> Directory {
    let copy = Directory::new();
    for entry in fs::read_dir(&directory.0).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.0.join(entry.file_name())).unwrap();
    }
    copy
}

#[test]
fn test_names_of_others_are_left_alone() {
    let directory = Directory::new();
    fs::create_dir(directory.0.join("lost+found")).unwrap();
    fs::write(directory.0.join("notes.txt"), "kept").unwrap();
    fs::write(directory.0.join("0000000000000000-0000000000000009.new"), "unfinished").unwrap();
    fs::write(
        directory.0.join("0000000000000000-0000000000000009.pages"),
        "of no height",
    )
    .unwrap();
    let files = PageFiles::open(&directory.0, None).unwrap();
    assert_eq!(directory.file_count(), 2);
    let files = files.with(&layers(&[(id(1), Some(vec![1]))]), 0).unwrap();
    drop(files);
    assert_eq!(PageFiles::open(&directory.0, Some(0)).unwrap().len(), 1);
    assert_eq!(directory.file_count(), 3);
}
