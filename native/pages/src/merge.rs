//! Making one file of some, a little at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cursor::Rows;
use crate::error::PagesError;
use crate::file::PageFile;
use crate::format::Span;
use crate::writer::Writer;

/// A merge on its way; what it wrote goes when it is dropped before its end.
pub struct Merge {
    directory: PathBuf,
    span: Span,
    writer: Writer,
    rows: Rows,
}

/// What a merge made: a file that takes the place of others, see [`crate::PageFiles::taking`].
#[derive(Debug)]
pub struct MergedFile(pub(crate) Arc<PageFile>);

impl MergedFile {
    /// Deletes a file that came too late: a new base has taken the place of those that it was made of.
    ///
    /// # Errors
    /// The disk refused.
    pub fn discard(&self) -> Result<(), PagesError> {
        std::fs::remove_file(&self.0.path).map_err(PagesError::io(&self.0.path))
    }
}

impl Merge {
    /// files: neighbours, oldest first, at least one.
    pub(crate) fn begin(directory: &Path, files: &[Arc<PageFile>]) -> Result<Self, PagesError> {
        let span = Span {
            after: files.first().and_then(|file| file.span.after),
            to: files.last().map_or(0, |file| file.span.to),
        };
        let rows_max = files.iter().map(|file| file.rows).sum();
        Ok(Self {
            directory: directory.to_path_buf(),
            span,
            writer: Writer::create(directory, span, rows_max)?,
            rows: Rows::of(files)?,
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
            if self.rows.id().is_empty() {
                return Ok(true);
            }
            // Nothing lies below a base that a page which is gone could hide.
            if !is_base || !self.rows.is_gone() {
                self.writer.push_row(self.rows.id(), self.rows.row())?;
            }
            done += self.rows.advance()?;
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
