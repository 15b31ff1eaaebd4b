//! Writing a file: rows in order, a block after the other, then the index.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::PagesError;
use crate::filter::Filter;
use crate::format::{BLOCK_BYTES, HEAD_BYTES, SUM_BYTES, Span, UNFINISHED_SUFFIX, sum};

const WRITE_BYTES: usize = 1 << 20;
/// Made durable so many bytes at a time, else the sync of a block waits for all of them.
const SYNC_BYTES: usize = 8 << 20;
/// A filter takes at most this share of its blocks; one that was made for far more ids than came is left out.
pub const FILTER_SHARE: u64 = 8;

/// A file on its way, under a name that no set reads. It goes when it is not finished.
pub struct Writer {
    finished: bool,
    path: PathBuf,
    file: File,
    span: Span,
    pending: Vec<u8>,
    /// Where the open block begins in `pending`.
    block: usize,
    index: Vec<u8>,
    filter: Filter,
    written: u64,
    unsynced: usize,
    rows: u64,
}

impl Writer {
    /// rows_max: how many rows come at most.
    pub fn create(directory: &Path, span: Span, rows_max: usize) -> Result<Self, PagesError> {
        let path = span.path(directory).with_extension(UNFINISHED_SUFFIX);
        let file = File::create(&path).map_err(PagesError::io(&path))?;
        Ok(Self {
            finished: false,
            path,
            file,
            span,
            pending: span.head().to_vec(),
            block: HEAD_BYTES,
            index: Vec::new(),
            filter: Filter::with_room(rows_max),
            written: 0,
            unsynced: 0,
            rows: 0,
        })
    }

    /// The next row; ids rise.
    pub fn push(&mut self, id: &[u8], page: &[u8]) -> Result<(), PagesError> {
        let length = u16::try_from(page.len()).map_err(|_| self.damaged("a page to write"))?;
        self.begin_row(id);
        self.pending.extend_from_slice(id);
        self.pending.extend_from_slice(&length.to_le_bytes());
        self.pending.extend_from_slice(page);
        self.end_row()
    }

    /// The next row as it stands in another file.
    pub fn push_row(&mut self, id: &[u8], row: &[u8]) -> Result<(), PagesError> {
        self.begin_row(id);
        self.pending.extend_from_slice(row);
        self.end_row()
    }

    fn begin_row(&mut self, id: &[u8]) {
        if self.block == self.pending.len() {
            self.index.extend_from_slice(id);
        }
        self.filter.add(id);
        self.rows += 1;
    }

    fn end_row(&mut self) -> Result<(), PagesError> {
        if self.pending.len() - self.block >= BLOCK_BYTES {
            self.close_block()?;
        }
        Ok(())
    }

    /// Durable under its name when this returns.
    pub fn finish(mut self, directory: &Path) -> Result<(), PagesError> {
        self.close_block()?;
        let start = self.written + self.pending.len() as u64;
        let mut filter = Vec::new();
        if self.filter.byte_count() as u64 <= start / FILTER_SHARE {
            filter = self.filter.bytes();
        }
        let filter_bytes = filter.len() as u64;
        let mut foot = [start, filter_bytes, self.rows].map(u64::to_le_bytes).concat();
        let sum = sum(&[&self.span.head(), &filter, &self.index, &foot]);
        foot.extend_from_slice(&sum.to_le_bytes());
        self.pending.append(&mut filter);
        self.pending.append(&mut self.index);
        self.pending.append(&mut foot);
        self.write()?;
        let failed = PagesError::io(&self.path);
        self.file.sync_data().map_err(&failed)?;
        std::fs::rename(&self.path, self.span.path(directory)).map_err(&failed)?;
        self.finished = true;
        let parent = File::open(directory).map_err(&failed)?;
        parent.sync_all().map_err(&failed)
    }

    fn close_block(&mut self) -> Result<(), PagesError> {
        let rows = self.pending.get(self.block..).unwrap_or_default();
        if rows.is_empty() {
            return Ok(());
        }
        let sum = sum(&[rows]);
        let length = u32::try_from(rows.len() + SUM_BYTES).map_err(|_| self.damaged("a block to write"))?;
        self.pending.extend_from_slice(&sum.to_le_bytes());
        self.index.extend_from_slice(&length.to_le_bytes());
        self.block = self.pending.len();
        if self.pending.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), PagesError> {
        let failed = PagesError::io(&self.path);
        self.file.write_all(&self.pending).map_err(&failed)?;
        self.written += self.pending.len() as u64;
        self.unsynced += self.pending.len();
        self.pending.clear();
        self.block = 0;
        if self.unsynced >= SYNC_BYTES {
            self.file.sync_data().map_err(&failed)?;
            self.unsynced = 0;
        }
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> PagesError {
        PagesError::Damaged {
            path: self.path.clone(),
            what,
        }
    }
}

impl Drop for Writer {
    /// On a full disk its space is what the node needs most.
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
