//! What can go wrong with page files.

use std::io;
use std::path::{Path, PathBuf};

use hn_primitives::codes;
use thiserror::Error;

/// A fault of the disk, or files that are not what was written.
#[derive(Debug, Error)]
pub enum PagesError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// File or directory.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// The bytes of a file are damaged.
    #[error("{path}: damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        what: &'static str,
    },
    /// The files do not lead to a height.
    #[error("{path}: no pages of the state tree of height {height}")]
    Height {
        /// The directory.
        path: PathBuf,
        /// The height that the database holds.
        height: u64,
    },
}

impl PagesError {
    /// The numeric code.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Io { .. } => codes::STORAGE_FAILED,
            Self::Damaged { .. } | Self::Height { .. } => codes::STORAGE_CORRUPT,
        }
    }

    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io {
            path: path.clone(),
            source,
        }
    }
}
