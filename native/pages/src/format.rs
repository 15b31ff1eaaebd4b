//! Bytes of a page file.

use std::path::{Path, PathBuf};

pub const MAGIC: [u8; 8] = *b"HNPAGES1";
pub const HEAD_BYTES: usize = 24;
pub const FOOT_BYTES: usize = 24;
pub const SUM_BYTES: usize = 8;
/// A block is closed when it has so many bytes.
pub const BLOCK_BYTES: usize = 8 * 1024;
pub const SUFFIX: &str = "pages";

/// Heights that a file covers: those after `after` (`None`: all, the file is a base) up to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub after: Option<u64>,
    pub to: u64,
}

impl Span {
    pub fn head(self) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[..8].copy_from_slice(&MAGIC);
        head[8..16].copy_from_slice(&self.start().to_le_bytes());
        head[16..].copy_from_slice(&self.to.to_le_bytes());
        head
    }

    pub fn path(self, directory: &Path) -> PathBuf {
        directory.join(format!("{:016x}-{:016x}.{SUFFIX}", self.start(), self.to))
    }

    /// The span that a file name tells.
    pub fn of_name(name: &str) -> Option<Self> {
        let (start, to) = name.strip_suffix(SUFFIX)?.strip_suffix('.')?.split_once('-')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        let (start, to) = (number(start)?, number(to)?);
        Some(Self {
            after: start.checked_sub(1),
            to,
        })
    }

    fn start(self) -> u64 {
        self.after.map_or(0, |after| after + 1)
    }
}

/// A row at the front of `bytes`: its id, its page, and where the next row starts.
pub fn row(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let id = id(bytes)?;
    let length = bytes.get(id.len()..)?.first_chunk::<2>()?;
    let start = id.len() + 2;
    let end = start + usize::from(u16::from_le_bytes(*length));
    Some((id, bytes.get(start..end)?, end))
}

/// A page id at the front of `bytes`, see `PageId::encode`.
pub fn id(bytes: &[u8]) -> Option<&[u8]> {
    let depth = usize::from(*bytes.first()?);
    bytes.get(..1 + depth.div_ceil(2))
}

/// Tells changed bytes from written ones; no protection against somebody who changes them on purpose, which the hashes of
/// the tree are.
pub fn sum(parts: &[&[u8]]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sum = FACTOR;
    let mut add = |word: u64| sum = (sum ^ word).wrapping_mul(FACTOR).rotate_left(29);
    for part in parts {
        let (words, rest) = part.as_chunks::<8>();
        words.iter().for_each(|word| add(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        add(u64::from_le_bytes(last));
        add(part.len() as u64);
    }
    sum
}
