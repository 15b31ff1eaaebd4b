//! Making one file of some, a little at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cursor::Cursor;
use crate::error::PagesError;
use crate::file::PageFile;
use crate::format::Span;
use crate::writer::Writer;

/// A merge on its way; what it wrote goes when it is dropped before its end.
pub struct Merge {
    directory: PathBuf,
    span: Span,
    writer: Writer,
    /// Newest first.
    cursors: Vec<Cursor>,
}

/// What a merge made: a file that takes the place of others, see [`crate::PageFiles::taking`].
#[derive(Debug)]
pub struct MergedFile(pub(crate) Arc<PageFile>);

impl Merge {
    /// files: neighbours, oldest first, at least one.
    pub(crate) fn begin(directory: &Path, files: &[Arc<PageFile>]) -> Result<Self, PagesError> {
        let span = Span {
            after: files.first().and_then(|file| file.span.after),
            to: files.last().map_or(0, |file| file.span.to),
        };
        let rows = files.iter().map(|file| file.rows).sum();
        let cursors = files.iter().rev().map(|file| Cursor::new(Arc::clone(file)));
        Ok(Self {
            directory: directory.to_path_buf(),
            span,
            writer: Writer::create(directory, span, rows)?,
            cursors: cursors.collect::<Result<_, _>>()?,
        })
    }

    /// Writes about so many bytes more; whether there is nothing left to write.
    ///
    /// # Errors
    /// The disk refused, or a file is damaged; the merge has failed then.
    pub fn step(&mut self, bytes: usize) -> Result<bool, PagesError> {
        let is_base = self.span.after.is_none();
        let mut done = 0;
        while done < bytes {
            // The first of equal ids is the newest.
            let rest = self
                .cursors
                .iter()
                .enumerate()
                .filter(|(_, cursor)| !cursor.id().is_empty());
            let Some((newest, _)) = rest.min_by_key(|(_, cursor)| cursor.id()) else {
                return Ok(true);
            };
            let (_, rest) = self.cursors.split_at_mut(newest);
            let Some((first, older)) = rest.split_first_mut() else {
                return Ok(true);
            };
            // Nothing lies below a base that a page which is gone could hide.
            if !is_base || !first.page().is_empty() {
                self.writer.push(first.id(), first.page())?;
            }
            done += first.id().len() + first.page().len();
            for cursor in older.iter_mut().filter(|cursor| cursor.id() == first.id()) {
                done += cursor.page().len();
                cursor.advance()?;
            }
            first.advance()?;
        }
        Ok(false)
    }

    /// The file, durable under its name; after a `step` that left nothing.
    ///
    /// # Errors
    /// The disk refused.
    pub fn finish(self) -> Result<MergedFile, PagesError> {
        self.writer.finish(&self.directory)?;
        Ok(MergedFile(Arc::new(PageFile::open(&self.directory, self.span)?)))
    }
}
