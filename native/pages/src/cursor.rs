//! Rows of a file or of layers in order, for merging.

use std::sync::Arc;

use hn_merkle::state_tree::Layer;

use crate::error::PagesError;
use crate::file::PageFile;
use crate::format::row;

/// Blocks that are read at a time, about a quarter of a mebibyte.
const READ_BLOCKS: usize = 32;

/// One source of a merge, at a row or at its end.
pub enum Cursor<'l> {
    File(FileCursor),
    Layer(LayerCursor<'l>),
}

pub struct FileCursor {
    file: Arc<PageFile>,
    next_block: usize,
    rows: Vec<u8>,
    at: usize,
    /// Where id and page of the row end.
    ends: Option<(usize, usize)>,
}

pub struct LayerCursor<'l> {
    layer: &'l Layer,
    at: usize,
    id: Vec<u8>,
}

impl<'l> Cursor<'l> {
    pub fn of_file(file: Arc<PageFile>) -> Result<Self, PagesError> {
        let mut cursor = FileCursor {
            file,
            next_block: 0,
            rows: Vec::new(),
            at: 0,
            ends: None,
        };
        cursor.look()?;
        Ok(Self::File(cursor))
    }

    pub fn of_layer(layer: &'l Layer) -> Self {
        let mut cursor = LayerCursor {
            layer,
            at: 0,
            id: Vec::new(),
        };
        cursor.look();
        Self::Layer(cursor)
    }

    /// Id of the row; empty at the end, which no id is.
    pub fn id(&self) -> &[u8] {
        match self {
            Self::File(cursor) => cursor.ends.map_or(&[], |(id_end, _)| &cursor.rows[cursor.at..id_end]),
            Self::Layer(cursor) => &cursor.id,
        }
    }

    /// Page of the row, nothing when it is gone.
    pub fn page(&self) -> &[u8] {
        match self {
            Self::File(cursor) => cursor.ends.map_or(&[], |(id_end, end)| &cursor.rows[id_end + 2..end]),
            Self::Layer(cursor) => cursor
                .layer
                .row(cursor.at)
                .and_then(|(_, page)| page)
                .unwrap_or_default(),
        }
    }

    pub fn advance(&mut self) -> Result<(), PagesError> {
        match self {
            Self::File(cursor) => {
                cursor.at = cursor.ends.map_or(cursor.at, |(_, end)| end);
                cursor.look()
            }
            Self::Layer(cursor) => {
                cursor.at += 1;
                cursor.look();
                Ok(())
            }
        }
    }
}

impl FileCursor {
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

impl LayerCursor<'_> {
    fn look(&mut self) {
        self.id.clear();
        if let Some((id, _)) = self.layer.row(self.at) {
            self.id.extend_from_slice(&id.encode());
        }
    }
}
