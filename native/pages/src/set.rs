//! The files that hold the tree of a height together.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hn_merkle::PageId;
use hn_merkle::state_tree::{Layers, Union};

use crate::cursor::Rows;
use crate::error::PagesError;
use crate::file::{LastBlock, PageFile};
use crate::format::{Span, is_name};
use crate::merge::{Merge, MergedFile};
use crate::writer::Writer;

/// A new base is written at once when the old one is at most so many times longer than what is new; a longer one is merged aside.
const BASE_SHARE: u64 = 4;

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
        sweep(directory, &files)?;
        Ok(Self {
            directory: directory.to_path_buf(),
            files,
        })
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

    /// Bytes of the files that no other set holds open.
    pub fn byte_count_of_last_holder(&self) -> u64 {
        let alone = self.files.iter().filter(|file| Arc::strong_count(file) == 1);
        alone.map(|file| file.size).sum()
    }

    /// A set that holds the tree of height `to`: these files, and one with the pages that changed since. Or a new base alone, when
    /// what changed since the last one is more than half of it, and the base is not more than some times longer than what is to be
    /// written now, which bounds the cost: a file that nearly repeats the base need not be written to be merged into it later. The
    /// files that it replaces stay until [`PageFiles::discard`]. Durable when this returns.
    ///
    /// # Errors
    /// The disk refused, or a file is damaged. This set is good as before.
    pub fn with(&self, changed: &Layers, to: u64) -> Result<Self, PagesError> {
        let union = changed.union();
        let (replaced, kept) = self
            .files
            .split_at(if self.is_outgrown_by(&union) { self.len() } else { 0 });
        let span = Span {
            after: kept.last().map(|file| file.span.to),
            to,
        };
        let rows_max = replaced.iter().map(|file| file.rows).sum::<usize>() + union.len();
        let mut writer = Writer::create(&self.directory, span, rows_max)?;
        let mut older = Rows::of(replaced)?;
        let gone_too = span.after.is_some();
        let mut key = Vec::new();
        for (id, page) in union.pages() {
            key.clear();
            id.encode_to(&mut key);
            copy(&mut older, &mut writer, |id| *id < *key)?;
            if older.id() == key {
                older.advance()?;
            }
            let page = page.unwrap_or_default();
            if gone_too || !page.is_empty() {
                writer.push(&key, page)?;
            }
        }
        copy(&mut older, &mut writer, |_| true)?;
        writer.finish(&self.directory)?;
        let mut files = kept.to_vec();
        files.push(Arc::new(PageFile::open(&self.directory, span)?));
        Ok(Self {
            directory: self.directory.clone(),
            files,
        })
    }

    /// Whether a new base is to be written instead of a further file.
    fn is_outgrown_by(&self, changed: &Union) -> bool {
        let Some((base, changes)) = self.files.split_first() else {
            return false;
        };
        let new = changed.bytes_len() as u64;
        let older: u64 = changes.iter().map(|file| file.size).sum();
        older + new > base.size / 2 && base.size <= new.saturating_mul(BASE_SHARE)
    }

    /// Begins to make one file of some neighbours, none above height `through`: of all of them when what changed is more than
    /// half of the base, else of those from which on the later ones together are no shorter. `None` when nothing is due. The
    /// files stay until [`PageFiles::discard`].
    ///
    /// # Errors
    /// The disk refused, or a file is damaged.
    pub fn merge(&self, through: u64) -> Result<Option<Merge>, PagesError> {
        let count = self.files.partition_point(|file| file.span.to <= through);
        match first_of_due(&self.files[..count]) {
            Some(first) => Merge::begin(&self.directory, &self.files[first..count]).map(Some),
            None => Ok(None),
        }
    }

    /// Whether a merged file is one of these.
    pub fn has(&self, merged: &MergedFile) -> bool {
        self.files.iter().any(|file| Arc::ptr_eq(file, &merged.0))
    }

    /// This set with a merged file in the place of those that it was made of; unchanged when it does not have them all.
    #[must_use]
    pub fn taking(&self, merged: &MergedFile) -> Self {
        let span = merged.0.span;
        let first = self.files.iter().position(|file| file.span.after == span.after);
        let last = self.files.iter().position(|file| file.span.to == span.to);
        let mut files = self.files.clone();
        if let (Some(first), Some(last)) = (first, last)
            && first <= last
        {
            files.splice(first..=last, [Arc::clone(&merged.0)]);
        }
        Self {
            directory: self.directory.clone(),
            files,
        }
    }

    /// Deletes the files of this set that a later one does not have. Sets that are still read keep their files open.
    ///
    /// # Errors
    /// The disk refused.
    pub fn discard(&self, later: &Self) -> Result<(), PagesError> {
        let gone = |file: &&Arc<PageFile>| later.files.iter().all(|kept| kept.path != file.path);
        self.files.iter().filter(gone).try_for_each(|file| remove(&file.path))
    }

    /// Each page, `None` for one that the tree does not have.
    ///
    /// # Errors
    /// The disk refused, or a file is damaged.
    pub fn read(&self, ids: &[PageId]) -> Result<Vec<Option<Vec<u8>>>, PagesError> {
        let (places, bytes) = self.read_joined(ids)?;
        let page = |(start, end): (usize, usize)| bytes.get(start..end).filter(|page| !page.is_empty());
        Ok(places
            .into_iter()
            .map(|place| page(place).map(<[u8]>::to_vec))
            .collect())
    }

    /// The pages one behind the other, and where each begins and ends; nothing for one that the tree does not have.
    pub(crate) fn read_joined(&self, ids: &[PageId]) -> Result<Joined, PagesError> {
        let mut places = vec![(0, 0); ids.len()];
        let mut bytes = Vec::new();
        let mut open: Vec<(usize, Vec<u8>)> = ids.iter().map(PageId::encode).enumerate().collect();
        for file in self.files.iter().rev() {
            let mut last = LastBlock::default();
            let mut still = Vec::new();
            for (at, id) in open {
                match file
                    .may_hold(&id)
                    .then(|| file.get(&id, &mut last))
                    .transpose()?
                    .flatten()
                {
                    Some(page) => {
                        places[at] = (bytes.len(), bytes.len() + page.len());
                        bytes.extend_from_slice(page);
                    }
                    None => still.push((at, id)),
                }
            }
            open = still;
        }
        Ok((places, bytes))
    }
}

/// Copies pages of a base while their ids are such.
fn copy(rows: &mut Rows, writer: &mut Writer, wanted: impl Fn(&[u8]) -> bool) -> Result<(), PagesError> {
    while !rows.id().is_empty() && wanted(rows.id()) {
        if !rows.is_gone() {
            writer.push_row(rows.id(), rows.row())?;
        }
        rows.advance()?;
    }
    Ok(())
}

/// Where pages begin and end in bytes.
type Joined = (Vec<(usize, usize)>, Vec<u8>);

/// Where the files begin that are to become one.
fn first_of_due(files: &[Arc<PageFile>]) -> Option<usize> {
    let (base, changes) = files.split_first()?;
    let mut later: u64 = changes.iter().map(|file| file.size).sum();
    if later > base.size / 2 {
        return Some(0);
    }
    (1..files.len()).find(|at| {
        later -= files[*at].size;
        files[*at].size <= later
    })
}

fn remove(path: &Path) -> Result<(), PagesError> {
    fs::remove_file(path).map_err(PagesError::io(path))
}

/// Deletes page files that are not of a set, and what was not finished. Other names are somebody else's.
fn sweep(directory: &Path, files: &[Arc<PageFile>]) -> Result<(), PagesError> {
    let failed = PagesError::io(directory);
    for entry in fs::read_dir(directory).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let is_ours = entry.file_name().to_str().is_some_and(is_name);
        let path = entry.path();
        if is_ours && files.iter().all(|file| file.path != path) {
            remove(&path)?;
        }
    }
    Ok(())
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
