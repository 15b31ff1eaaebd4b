//! Rows of files in order, for merging.

use std::sync::Arc;

use crate::error::PagesError;
use crate::file::PageFile;
use crate::format::{SUM_BYTES, row};

/// Blocks that are read at a time, about a quarter of a mebibyte.
const READ_BLOCKS: usize = 32;

/// Rows of some files together, ascending; of several with one id the newest.
pub struct Rows {
    /// Newest first, none at its end.
    cursors: Vec<Cursor>,
    /// The cursor whose row is next.
    next: usize,
}

impl Rows {
    /// files: oldest first.
    pub fn of(files: &[Arc<PageFile>]) -> Result<Self, PagesError> {
        let cursors = files.iter().rev().map(|file| Cursor::new(Arc::clone(file)));
        let mut rows = Self {
            cursors: cursors.collect::<Result<_, _>>()?,
            next: 0,
        };
        rows.look();
        Ok(rows)
    }

    /// Id of the row; empty at the end, which no id is.
    pub fn id(&self) -> &[u8] {
        self.cursors.get(self.next).map_or(&[], Cursor::id)
    }

    /// The row as it stands in its file.
    pub fn row(&self) -> &[u8] {
        self.cursors.get(self.next).map_or(&[], Cursor::row)
    }

    /// Whether the page is gone.
    pub fn is_gone(&self) -> bool {
        self.cursors.get(self.next).is_some_and(Cursor::is_gone)
    }

    /// Goes to the next id; returns the bytes of all rows that are passed.
    pub fn advance(&mut self) -> Result<usize, PagesError> {
        let (_, rest) = self.cursors.split_at_mut(self.next);
        let Some((newest, older)) = rest.split_first_mut() else {
            return Ok(0);
        };
        let mut passed = newest.row().len();
        for cursor in older.iter_mut().filter(|cursor| cursor.id() == newest.id()) {
            passed += cursor.row().len();
            cursor.advance()?;
        }
        newest.advance()?;
        self.look();
        Ok(passed)
    }

    fn look(&mut self) {
        self.cursors.retain(|cursor| !cursor.id().is_empty());
        // The first of equal ids is the newest.
        let least = self.cursors.iter().enumerate().min_by_key(|(_, cursor)| cursor.id());
        self.next = least.map_or(0, |(at, _)| at);
    }
}

/// A file at a row or at its end.
struct Cursor {
    file: Arc<PageFile>,
    next_block: usize,
    /// The blocks that were read, and which of them is the last.
    bytes: Vec<u8>,
    last_block: usize,
    at: usize,
    /// Where the rows of this block end.
    block_end: usize,
    /// Where id and page of the row end.
    ends: Option<(usize, usize)>,
}

impl Cursor {
    fn new(file: Arc<PageFile>) -> Result<Self, PagesError> {
        let mut cursor = Self {
            file,
            next_block: 0,
            bytes: Vec::new(),
            last_block: 0,
            at: 0,
            block_end: 0,
            ends: None,
        };
        cursor.look()?;
        Ok(cursor)
    }

    fn id(&self) -> &[u8] {
        self.ends.map_or(&[], |(id_end, _)| &self.bytes[self.at..id_end])
    }

    fn row(&self) -> &[u8] {
        self.ends.map_or(&[], |(_, end)| &self.bytes[self.at..end])
    }

    fn is_gone(&self) -> bool {
        self.ends.is_some_and(|(id_end, end)| id_end + 2 == end)
    }

    fn advance(&mut self) -> Result<(), PagesError> {
        self.at = self.ends.map_or(self.at, |(_, end)| end);
        self.look()
    }

    fn look(&mut self) -> Result<(), PagesError> {
        self.ends = None;
        if self.at == self.block_end && !self.open_block()? {
            return Ok(());
        }
        let rows = &self.bytes[self.at..self.block_end];
        let (id, _, next) = row(rows).ok_or_else(|| self.file.damaged("row"))?;
        self.ends = Some((self.at + id.len(), self.at + next));
        Ok(())
    }

    /// Goes to the start of the next block; false at the end of the file.
    fn open_block(&mut self) -> Result<bool, PagesError> {
        let count = self.file.block_count();
        if self.next_block == count {
            return Ok(false);
        }
        if self.next_block == self.last_block {
            self.last_block = count.min(self.next_block + READ_BLOCKS);
            self.file
                .read_blocks(self.next_block, self.last_block, &mut self.bytes)?;
            self.at = 0;
        } else {
            self.at = self.block_end + SUM_BYTES;
        }
        self.block_end = self.at + self.file.block_bytes(self.next_block) - SUM_BYTES;
        self.next_block += 1;
        Ok(true)
    }
}
