//! Names of pages: the path from the root in steps of four bits.

use hn_primitives::{CodecError, Fault, Hash32, Object, Reader};
use std::fmt;

/// Steps from the root to a leaf that shares all but its last four bits with another.
pub const PAGE_DEPTH_MAX: u8 = 63;

/// The step of a key below depth `depth` (in steps).
pub fn step(key: &Hash32, depth: u8) -> u8 {
    let byte = key.get(usize::from(depth / 2)).copied().unwrap_or_default();
    if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 }
}

/// Names a page. Ordered by depth first, so that parents come before their children.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId {
    depth: u8,
    /// Zero beyond `depth` steps.
    path: Hash32,
}

impl PageId {
    /// The page at the top of the tree.
    pub const ROOT: Self = Self {
        depth: 0,
        path: [0; 32],
    };

    /// Steps of four bits from the root, at most 63.
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// Key for a store: `u8 depth ‖ path`, the path in `ceil(depth / 2)` bytes. Sorted by depth, then by path.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(33);
        out.push(self.depth);
        out.extend(self.path.iter().take(usize::from(self.depth.div_ceil(2))));
        out
    }

    /// Reads a key of a store.
    ///
    /// # Errors
    /// `STORAGE_CORRUPT` when the depth, the length or the unused half byte is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Page, bytes);
        let depth = reader.u8("depth")?;
        if depth > PAGE_DEPTH_MAX {
            return Err(reader.fail(Fault::Range {
                field: "depth",
                got: depth.into(),
            }));
        }
        let mut path = [0; 32];
        let used = reader.take("path", usize::from(depth.div_ceil(2)))?;
        for (to, from) in path.iter_mut().zip(used) {
            *to = *from;
        }
        if !depth.is_multiple_of(2) && step(&path, depth) != 0 {
            return Err(reader.fail(Fault::NotCanonical("path")));
        }
        reader.finish()?;
        Ok(Self { depth, path })
    }

    /// The page below step `step`. Below the deepest page there is none; the id then names the page itself.
    pub(crate) fn child(&self, step: u8) -> Self {
        let mut child = *self;
        if self.depth < PAGE_DEPTH_MAX {
            let shift = if self.depth.is_multiple_of(2) { 4 } else { 0 };
            if let Some(byte) = child.path.get_mut(usize::from(self.depth / 2)) {
                *byte |= (step & 15) << shift;
            }
            child.depth += 1;
        }
        child
    }

    /// The page above and the step that leads here; `None` for the root.
    pub(crate) fn parent(&self) -> Option<(Self, u8)> {
        let depth = self.depth.checked_sub(1)?;
        let last = step(&self.path, depth);
        let mut path = self.path;
        if let Some(byte) = path.get_mut(usize::from(depth / 2)) {
            *byte &= if depth.is_multiple_of(2) { 0x00 } else { 0xf0 };
        }
        Some((Self { depth, path }, last))
    }

    /// Whether a key lies below the page.
    pub(crate) fn covers(&self, key: &Hash32) -> bool {
        (0..self.depth).all(|depth| step(key, depth) == step(&self.path, depth))
    }
}

impl fmt::Debug for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("page:")?;
        (0..self.depth).try_for_each(|depth| write!(f, "{:x}", step(&self.path, depth)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_walk_down_and_up_and_through_bytes() {
        let key: Hash32 = std::array::from_fn(|i| (i * 37 + 5) as u8);
        let mut id = PageId::ROOT;
        for depth in 0..PAGE_DEPTH_MAX {
            let child = id.child(step(&key, depth));
            assert_eq!(child.parent(), Some((id, step(&key, depth))));
            assert!(child.covers(&key) && child > id);
            assert_eq!(PageId::decode(&child.encode()), Ok(child));
            assert!(PageId::decode(&[child.encode(), vec![0]].concat()).is_err());
            id = child;
        }
        assert_eq!(PageId::ROOT.parent(), None);
        assert!(PageId::decode(&[64; 33]).is_err());
        assert!(PageId::decode(&[1, 0x11]).is_err(), "unused half byte");
    }
}
