//! A file that is complete.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::PagesError;
use crate::filter::Filter;
use crate::format::{FOOT_BYTES, HEAD_BYTES, SUM_BYTES, Span, id, row, sum};
use crate::writer::FILTER_SHARE;

/// An index takes at most this share of its blocks: an id of 129 bytes at most and a length for each 8 KiB. Held before room is
/// made for it, since its sum can be checked only then.
const INDEX_SHARE: u64 = 32;
const INDEX_LEAST_BYTES: u64 = 256;
/// Of id and length.
const ROW_LEAST_BYTES: u64 = 3;

/// An open file, where its blocks are (40 bytes a block of 8 KiB) and what it surely lacks (ten bits a page).
#[derive(Debug)]
pub struct PageFile {
    pub path: PathBuf,
    pub span: Span,
    pub size: u64,
    pub rows: usize,
    file: File,
    filter: Filter,
    /// Where the first id of each block ends in `ids`, and where the block ends in the file.
    blocks: Vec<(usize, u64)>,
    ids: Vec<u8>,
}

/// The block that was read last: ids that follow one another often share one.
#[derive(Debug, Default)]
pub struct LastBlock {
    number: Option<usize>,
    bytes: Vec<u8>,
}

impl LastBlock {
    fn rows(&self) -> &[u8] {
        self.bytes.split_last_chunk::<SUM_BYTES>().map_or(&[], |(rows, _)| rows)
    }
}

impl PageFile {
    pub fn open(directory: &Path, span: Span) -> Result<Self, PagesError> {
        let path = span.path(directory);
        let failed = PagesError::io(&path);
        let file = File::open(&path).map_err(&failed)?;
        let size = file.metadata().map_err(&failed)?.len();
        let damaged = |what| PagesError::Damaged {
            path: path.clone(),
            what,
        };
        let foot_start = size
            .checked_sub(FOOT_BYTES as u64)
            .filter(|start| *start >= HEAD_BYTES as u64)
            .ok_or_else(|| damaged("length"))?;
        let mut head = [0; HEAD_BYTES];
        let mut foot = [0; FOOT_BYTES];
        file.read_exact_at(&mut head, 0).map_err(&failed)?;
        file.read_exact_at(&mut foot, foot_start).map_err(&failed)?;
        let numbers = foot.as_chunks::<8>().0;
        let [start, filter_bytes, rows, told] = std::array::from_fn(|at| u64::from_le_bytes(numbers[at]));
        let index_bytes = foot_start
            .checked_sub(start)
            .and_then(|bytes| bytes.checked_sub(filter_bytes))
            .filter(|bytes| *bytes <= start / INDEX_SHARE + INDEX_LEAST_BYTES)
            .filter(|_| filter_bytes <= start / FILTER_SHARE && rows <= start / ROW_LEAST_BYTES)
            .ok_or_else(|| damaged("foot"))?;
        let mut filter = vec![0; filter_bytes as usize];
        let mut index = vec![0; index_bytes as usize];
        file.read_exact_at(&mut filter, start).map_err(&failed)?;
        file.read_exact_at(&mut index, start + filter_bytes).map_err(&failed)?;
        if head != span.head() || told != sum(&[&head, &filter, &index, &foot[..FOOT_BYTES - SUM_BYTES]]) {
            return Err(damaged("head, filter, index or foot"));
        }
        let filter = Filter::of_bytes(&filter).ok_or_else(|| damaged("filter"))?;
        let (blocks, ids) = blocks(&index, start).ok_or_else(|| damaged("index"))?;
        Ok(Self {
            path,
            span,
            size,
            rows: rows as usize,
            file,
            filter,
            blocks,
            ids,
        })
    }

    /// False when no row is of this id.
    pub fn may_hold(&self, id: &[u8]) -> bool {
        self.filter.may_hold(id)
    }

    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// The page of an id: `Some` of nothing when it is gone, `None` when the file does not tell.
    pub fn get<'b>(&self, wanted: &[u8], last: &'b mut LastBlock) -> Result<Option<&'b [u8]>, PagesError> {
        let after = self.after(wanted);
        let Some(number) = after.checked_sub(1) else {
            return Ok(None);
        };
        if last.number != Some(number) {
            last.number = None;
            self.read_blocks(number, number + 1, &mut last.bytes)?;
            last.number = Some(number);
        }
        let mut rest = last.rows();
        while !rest.is_empty() {
            let (id, page, next) = row(rest).ok_or_else(|| self.damaged("row"))?;
            if id >= wanted {
                return Ok((id == wanted).then_some(page));
            }
            rest = &rest[next..];
        }
        Ok(None)
    }

    /// Blocks, each with its sum, which is right.
    pub fn read_blocks(&self, first: usize, end: usize, bytes: &mut Vec<u8>) -> Result<(), PagesError> {
        let start = self.start_of(first);
        bytes.resize((self.start_of(end) - start) as usize, 0);
        self.file
            .read_exact_at(bytes, start)
            .map_err(PagesError::io(&self.path))?;
        let mut rest = bytes.as_slice();
        for number in first..end {
            let (block, later) = rest.split_at(self.block_bytes(number));
            let told = block.split_last_chunk::<SUM_BYTES>();
            if told.is_none_or(|(rows, told)| *told != sum(&[rows]).to_le_bytes()) {
                return Err(self.damaged("block"));
            }
            rest = later;
        }
        Ok(())
    }

    /// Bytes of a block, its sum among them.
    pub fn block_bytes(&self, number: usize) -> usize {
        (self.start_of(number + 1) - self.start_of(number)) as usize
    }

    fn start_of(&self, number: usize) -> u64 {
        let before = number.checked_sub(1);
        before.map_or(HEAD_BYTES as u64, |before| self.blocks[before].1)
    }

    pub fn damaged(&self, what: &'static str) -> PagesError {
        PagesError::Damaged {
            path: self.path.clone(),
            what,
        }
    }

    /// The first block that begins behind an id.
    fn after(&self, wanted: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let middle = low.midpoint(high);
            let start = middle.checked_sub(1).map_or(0, |before| self.blocks[before].0);
            if self.ids[start..self.blocks[middle].0] <= *wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

type Blocks = (Vec<(usize, u64)>, Vec<u8>);

fn blocks(index: &[u8], end: u64) -> Option<Blocks> {
    let (mut blocks, mut ids) = (Vec::new(), Vec::new());
    let mut at = HEAD_BYTES as u64;
    let mut rest = index;
    while !rest.is_empty() {
        let first = id(rest)?;
        let (length, later) = rest[first.len()..].split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        ids.extend_from_slice(first);
        at += u64::from(length);
        blocks.push((ids.len(), at));
        rest = later;
        if (length as usize) < SUM_BYTES {
            return None;
        }
    }
    (at == end).then_some((blocks, ids))
}
