//! Bytes of a page file.

use std::path::{Path, PathBuf};

pub const MAGIC: [u8; 8] = *b"HNPAGES2";
pub const HEAD_BYTES: usize = 24;
pub const FOOT_BYTES: usize = 32;
pub const SUM_BYTES: usize = 8;
/// A block is closed when it has so many bytes.
pub const BLOCK_BYTES: usize = 8 * 1024;
pub const SUFFIX: &str = "pages";
/// Of a file that is being written.
pub const UNFINISHED_SUFFIX: &str = "new";

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

/// Whether a name is that of a page file, finished or not.
pub fn is_name(name: &str) -> bool {
    let finished = name
        .strip_suffix(UNFINISHED_SUFFIX)
        .map(|stem| format!("{stem}{SUFFIX}"));
    Span::of_name(finished.as_deref().unwrap_or(name)).is_some()
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
/// the tree are. Four lanes, because one would wait for its own products.
pub fn sum(parts: &[&[u8]]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |lane: u64, word: u64| (lane ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let mut lanes = [1, 2, 3, 4];
    let mut add = |words: &[u8; 32]| {
        for (lane, word) in lanes.iter_mut().zip(words.as_chunks::<8>().0) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    };
    for part in parts {
        let (groups, rest) = part.as_chunks::<32>();
        groups.iter().for_each(&mut add);
        let mut last = [0; 32];
        last[..rest.len()].copy_from_slice(rest);
        add(&last);
        last = [0; 32];
        last[..8].copy_from_slice(&(part.len() as u64).to_le_bytes());
        add(&last);
    }
    lanes.into_iter().fold(0, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_sum_depends_on_every_bit_and_on_where_parts_end() {
        let bytes: Vec<u8> = (0..100).collect();
        let plain = sum(&[&bytes]);
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(sum(&[&changed]), plain, "bit {bit}");
        }
        for at in 0..=bytes.len() {
            assert_ne!(sum(&[&bytes[..at], &bytes[at..]]), plain, "parts of {at}");
        }
    }

    #[test]
    fn test_names_tell_spans() {
        for (after, to) in [(None, 0), (Some(0), 1), (Some(7), u64::MAX)] {
            let span = Span { after, to };
            let path = span.path(Path::new("somewhere"));
            let name = path.file_name().and_then(|name| name.to_str());
            assert_eq!(name.and_then(Span::of_name), Some(span));
        }
        for name in ["", "1-2.pages", "0000000000000000-0000000000000001.new", "x-y.pages"] {
            assert_eq!(Span::of_name(name), None, "{name}");
        }
        for name in [
            "0000000000000000-0000000000000001.new",
            "0000000000000002-0000000000000007.pages",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            ".new",
            "new",
            "notes.txt",
            "1-2.new",
            "0000000000000000-0000000000000001.newpages",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
