//! Pages of one height, wherever they are.

use hn_merkle::state_tree::Layers;
use hn_merkle::{PageId, StateTree, TreeError};

use hn_primitives::Hash32;

use crate::error::PagesError;
use crate::set::PageFiles;

/// Layers that wait, newest first, over files.
#[derive(Debug, Clone, Default)]
pub struct PageSource {
    layers: Vec<Layers>,
    files: PageFiles,
}

/// Why pages could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// They could not be read.
    #[error(transparent)]
    Read(#[from] PagesError),
    /// They do not belong to the tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl LoadError {
    /// The numeric code.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Read(error) => error.code(),
            Self::Tree(error) => error.code(),
        }
    }
}

impl PageSource {
    /// layers: newest first.
    pub fn new(layers: Vec<Layers>, files: PageFiles) -> Self {
        Self { layers, files }
    }

    /// The files.
    pub const fn files(&self) -> &PageFiles {
        &self.files
    }

    /// The same with other files.
    #[must_use]
    pub fn over(&self, files: PageFiles) -> Self {
        Self {
            layers: self.layers.clone(),
            files,
        }
    }

    /// Pages of ascending ids, each from the newest layer that changed it, the rest from files, handed to `take`.
    ///
    /// # Errors
    /// The disk refused, or a file is damaged.
    pub fn read<T>(&self, ids: &[PageId], take: impl FnOnce(&[Option<&[u8]>]) -> T) -> Result<T, PagesError> {
        let mut found = vec![None; ids.len()];
        for layers in &self.layers {
            layers.find(ids, &mut found);
        }
        let places = found.iter().enumerate().filter(|(_, page)| page.is_none());
        let places: Vec<usize> = places.map(|(at, _)| at).collect();
        let rest: Vec<PageId> = places.iter().filter_map(|at| ids.get(*at).copied()).collect();
        let (ends, bytes) = self.files.read_joined(&rest)?;
        for (at, (start, end)) in places.into_iter().zip(ends) {
            found[at] = Some(bytes.get(start..end).filter(|page| !page.is_empty()));
        }
        let pages: Vec<Option<&[u8]>> = found.into_iter().map(Option::flatten).collect();
        Ok(take(&pages))
    }

    /// Loads pages into a tree that stands at this height.
    ///
    /// # Errors
    /// They could not be read, or do not belong to the tree.
    pub fn load(&self, tree: &mut StateTree, ids: &[PageId]) -> Result<(), LoadError> {
        let loaded = self.read(ids, |pages| {
            tree.load_from(ids.iter().copied().zip(pages.iter().copied()))
        })?;
        Ok(loaded?)
    }

    /// For each key whether the tree, which stands at this height, lacks it. Loads the pages of those paths that are not cached.
    ///
    /// # Errors
    /// As [`PageSource::load`].
    pub fn absent(&self, tree: &mut StateTree, keys: &[Hash32]) -> Result<Vec<bool>, LoadError> {
        let mut absent = tree.absent(keys);
        let mut open: Vec<(&Hash32, &mut Option<bool>)> = keys.iter().zip(&mut absent).collect();
        open.retain(|(_, absent)| absent.is_none());
        if !open.is_empty() {
            let unknown: Vec<Hash32> = open.iter().map(|(key, _)| **key).collect();
            loop {
                let missing = tree.missing(&unknown);
                if missing.is_empty() {
                    break;
                }
                self.load(tree, &missing)?;
            }
            // What was known stays so: its pages may have made room meanwhile.
            for ((_, absent), found) in open.into_iter().zip(tree.absent(&unknown)) {
                *absent = found;
            }
        }
        Ok(absent.into_iter().map(|absent| absent == Some(true)).collect())
    }
}
