//! The files that hold the tree of a height together.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hn_merkle::PageId;
use hn_merkle::state_tree::{Layer, Layers};

use crate::cursor::Cursor;
use crate::error::PagesError;
use crate::file::{LastBlock, PageFile};
use crate::format::Span;
use crate::writer::Writer;

/// The pages of one height in files: a base and what changed since, oldest first. Never changes.
#[derive(Debug, Clone, Default)]
pub struct PageFiles {
    directory: PathBuf,
    files: Vec<Arc<PageFile>>,
}

impl PageFiles {
    /// The files that hold the tree of `height`, or none for `None`. Others are deleted: they are of a height that the
    /// database did not come to, or were merged.
    ///
    /// # Errors
    /// The directory cannot be read, a file is damaged, or files are missing.
    pub fn open(directory: &Path, height: Option<u64>) -> Result<Self, PagesError> {
        let spans = spans(directory)?;
        let mut files = Vec::new();
        let mut wanted = height;
        while let Some(to) = wanted {
            // Of several that end here the one that begins first was merged from the others.
            let span = spans.iter().filter(|span| span.to == to).min_by_key(|span| span.after);
            let span = span.ok_or_else(|| PagesError::Height {
                path: directory.to_path_buf(),
                height: to,
            })?;
            if span.after.is_some_and(|after| after >= to) {
                return Err(PagesError::Damaged {
                    path: span.path(directory),
                    what: "heights of its name",
                });
            }
            files.insert(0, Arc::new(PageFile::open(directory, *span)?));
            wanted = span.after;
        }
        let set = Self {
            directory: directory.to_path_buf(),
            files,
        };
        set.sweep()?;
        Ok(set)
    }

    /// Height of the newest file; `None` when there is none.
    pub fn height(&self) -> Option<u64> {
        self.files.last().map(|file| file.span.to)
    }

    /// How many files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Bytes of the files.
    pub fn byte_count(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// A set that holds the tree of height `to`: these files, and one with the pages that changed since. With `merge` that
    /// file takes up those before it which are no longer than it is, or all of them when they would be more than one and a
    /// half times the base; the files taken up stay until [`PageFiles::sweep`]. Durable when this returns.
    ///
    /// # Errors
    /// The disk refused, or a file taken up is damaged. This set is good as before.
    pub fn with(&self, changed: &Layers, to: u64, merge: bool) -> Result<Self, PagesError> {
        let layer = changed.merged();
        let kept = if merge {
            self.kept(layer.byte_count() as u64)
        } else {
            self.files.len()
        };
        let (kept, taken) = self.files.split_at(kept);
        let span = Span {
            after: kept.last().map(|file| file.span.to),
            to,
        };
        let mut writer = Writer::create(&self.directory, span)?;
        merge_into(&mut writer, &layer, taken, span.after.is_none())?;
        writer.finish(&self.directory)?;
        let mut files = kept.to_vec();
        files.push(Arc::new(PageFile::open(&self.directory, span)?));
        Ok(Self {
            directory: self.directory.clone(),
            files,
        })
    }

    /// Deletes what is not in this set. Sets that are still read keep their files open.
    ///
    /// # Errors
    /// The disk refused.
    pub fn sweep(&self) -> Result<(), PagesError> {
        let entries = fs::read_dir(&self.directory).map_err(PagesError::io(&self.directory))?;
        for entry in entries {
            let path = entry.map_err(PagesError::io(&self.directory))?.path();
            if self.files.iter().all(|file| file.path != path) {
                fs::remove_file(&path).map_err(PagesError::io(&path))?;
            }
        }
        Ok(())
    }

    /// Each page, `None` for one that the tree does not have.
    ///
    /// # Errors
    /// The disk refused, or a file is damaged.
    pub fn read(&self, ids: &[PageId]) -> Result<Vec<Option<Vec<u8>>>, PagesError> {
        let mut found = vec![None; ids.len()];
        let mut open: Vec<(usize, Vec<u8>)> = ids.iter().map(PageId::encode).enumerate().collect();
        for file in self.files.iter().rev() {
            let mut last = LastBlock::default();
            let mut still = Vec::new();
            for (at, id) in open {
                match file.get(&id, &mut last)? {
                    Some(page) => found[at] = Some(page.to_vec()).filter(|page| !page.is_empty()),
                    None => still.push((at, id)),
                }
            }
            open = still;
        }
        Ok(found)
    }

    /// How many files stay as they are beside a new one of `size` bytes.
    fn kept(&self, size: u64) -> usize {
        let Some((base, changes)) = self.files.split_first() else {
            return 0;
        };
        let changed: u64 = changes.iter().map(|file| file.size).sum();
        if changed + size > base.size / 2 {
            return 0;
        }
        let mut size = size;
        let mut kept = self.files.len();
        while kept > 1 && self.files[kept - 1].size <= size {
            kept -= 1;
            size += self.files[kept].size;
        }
        kept
    }
}

fn spans(directory: &Path) -> Result<Vec<Span>, PagesError> {
    let failed = PagesError::io(directory);
    let mut spans = Vec::new();
    for entry in fs::read_dir(directory).map_err(&failed)? {
        let name = entry.map_err(&failed)?.file_name();
        spans.extend(name.to_str().and_then(Span::of_name));
    }
    Ok(spans)
}

/// Every page once, of its newest source; without those that are gone when `base`.
fn merge_into(writer: &mut Writer, layer: &Layer, files: &[Arc<PageFile>], base: bool) -> Result<(), PagesError> {
    let mut cursors = vec![Cursor::of_layer(layer)];
    for file in files.iter().rev() {
        cursors.push(Cursor::of_file(Arc::clone(file))?);
    }
    loop {
        // The first of equal ids is the newest.
        let least = cursors.iter().enumerate().filter(|(_, cursor)| !cursor.id().is_empty());
        let Some((newest, _)) = least.min_by_key(|(_, cursor)| cursor.id()) else {
            return Ok(());
        };
        let (before, rest) = cursors.split_at_mut(newest);
        debug_assert!(
            before
                .iter()
                .all(|cursor| cursor.id().is_empty() || cursor.id() > rest[0].id())
        );
        let Some((first, later)) = rest.split_first_mut() else {
            return Ok(());
        };
        if !base || !first.page().is_empty() {
            writer.push(first.id(), first.page())?;
        }
        for cursor in later.iter_mut().filter(|cursor| cursor.id() == first.id()) {
            cursor.advance()?;
        }
        first.advance()?;
    }
}
