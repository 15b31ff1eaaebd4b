//! Rows of a file in order, for merging.

use std::sync::Arc;

use crate::error::PagesError;
use crate::file::PageFile;
use crate::format::row;

/// Blocks that are read at a time, about a quarter of a mebibyte.
const READ_BLOCKS: usize = 32;

/// A file at a row or at its end.
pub struct Cursor {
    file: Arc<PageFile>,
    next_block: usize,
    rows: Vec<u8>,
    at: usize,
    /// Where id and page of the row end.
    ends: Option<(usize, usize)>,
}

impl Cursor {
    pub fn new(file: Arc<PageFile>) -> Result<Self, PagesError> {
        let mut cursor = Self {
            file,
            next_block: 0,
            rows: Vec::new(),
            at: 0,
            ends: None,
        };
        cursor.look()?;
        Ok(cursor)
    }

    /// Id of the row; empty at the end, which no id is.
    pub fn id(&self) -> &[u8] {
        self.ends.map_or(&[], |(id_end, _)| &self.rows[self.at..id_end])
    }

    /// Page of the row, nothing when it is gone.
    pub fn page(&self) -> &[u8] {
        self.ends.map_or(&[], |(id_end, end)| &self.rows[id_end + 2..end])
    }

    pub fn advance(&mut self) -> Result<(), PagesError> {
        self.at = self.ends.map_or(self.at, |(_, end)| end);
        self.look()
    }

    fn look(&mut self) -> Result<(), PagesError> {
        self.ends = None;
        if self.at == self.rows.len() {
            let end = self.file.block_count().min(self.next_block + READ_BLOCKS);
            if self.next_block == end {
                return Ok(());
            }
            self.file.read_blocks(self.next_block, end, &mut self.rows)?;
            self.next_block = end;
            self.at = 0;
        }
        let (id, _, next) = row(&self.rows[self.at..]).ok_or_else(|| self.file.damaged("row"))?;
        self.ends = Some((self.at + id.len(), self.at + next));
        Ok(())
    }
}
