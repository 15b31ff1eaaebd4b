//! Pages of the state tree in files of their own.
//!
//! A page changes with nearly every leaf below it, so a database that sorts pages row by row writes and merges several
//! versions of each. Here the pages that changed over many blocks are written in one go, in order: a *set* is a base with every page of a height, and a few files with what changed since, each
//! over the next heights. Where that is most of the base, a new one is written instead ([`PageFiles::with`]); else some of them become one
//! aside ([`PageFiles::merge`]), a little at a time. Files never change; a set that replaces another shares the files they have in common, so a
//! reader keeps its height as long as it keeps its set.
//!
//! | part of a file | bytes |
//! |---|---|
//! | head | "HNPAGES2" ‖ u64 height after that of the file before, 0 for a base ‖ u64 height |
//! | block, about 8 KiB | rows, then u64 sum; a row is page id ‖ u16 length ‖ page, length 0 for one that is gone |
//! | filter | of the page ids, ten bits each, or nothing |
//! | index | first page id ‖ u32 length of each block |
//! | foot | u64 start of the filter ‖ u64 its bytes ‖ u64 rows ‖ u64 sum of head, filter, index and these three |
//!
//! Numbers are little-endian; a page id tells its own length. Order of use: [`PageFiles::open`] → [`PageFiles::with`] with
//! rising heights; [`PageFiles::merge`] of heights that nobody comes back behind → [`PageFiles::taking`] → [`PageFiles::discard`].
#![forbid(unsafe_code)]

mod cursor;
mod error;
mod file;
mod filter;
mod format;
mod merge;
mod set;
mod source;
mod writer;

pub use error::PagesError;
pub use merge::{Merge, MergedFile};
pub use set::PageFiles;
pub use source::{LoadError, PageSource};
