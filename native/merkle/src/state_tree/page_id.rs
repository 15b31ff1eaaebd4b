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

/// Pages to this depth differ in their [`PageId::front`].
pub(super) const FRONT_DEPTH: u8 = 14;

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

    /// Depth and the first seven bytes of the path: sorts as the id does, equal for deep pages with like paths.
    pub(super) fn front(&self) -> u64 {
        let [a, b, c, d, e, f, g, ..] = self.path;
        u64::from_be_bytes([self.depth, a, b, c, d, e, f, g])
    }

    /// Key for a store: `u8 depth ‖ path`, the path in `ceil(depth / 2)` bytes. Sorted by depth, then by path.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(33);
        self.encode_to(&mut out);
        out
    }

    /// Appends [`PageId::encode`].
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        let used = usize::from(self.depth.div_ceil(2));
        out.push(self.depth);
        out.extend_from_slice(self.path.get(..used).unwrap_or_default());
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

    /// The page at `depth` on the path of a key.
    pub(crate) fn above(key: &Hash32, depth: u8) -> Self {
        let mut path = *key;
        let whole = usize::from(depth / 2);
        let mut rest = path.iter_mut().skip(whole);
        if !depth.is_multiple_of(2)
            && let Some(half) = rest.next()
        {
            *half &= 0xf0;
        }
        rest.for_each(|byte| *byte = 0);
        Self { depth, path }
    }

    /// The step of the path below depth `depth`.
    pub(crate) fn step(&self, depth: u8) -> u8 {
        step(&self.path, depth)
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
    fn ids_cut_the_path_of_a_key_and_walk_through_bytes() {
        let key: Hash32 = std::array::from_fn(|i| (i * 37 + 5) as u8);
        assert_eq!(PageId::above(&key, 0), PageId::ROOT);
        for depth in 1..=PAGE_DEPTH_MAX {
            let id = PageId::above(&key, depth);
            assert!((0..depth).all(|above| id.step(above) == step(&key, above)));
            assert!((depth..=PAGE_DEPTH_MAX).all(|below| id.step(below) == 0));
            assert!(id.covers(&key) && id > PageId::above(&key, depth - 1));
            let mut stranger = key;
            stranger[usize::from((depth - 1) / 2)] ^= 0x11;
            assert!(!id.covers(&stranger));
            assert_eq!(PageId::decode(&id.encode()), Ok(id));
            assert!(PageId::decode(&[id.encode(), vec![0]].concat()).is_err());
        }
        assert!(PageId::decode(&[64; 33]).is_err());
        assert!(PageId::decode(&[1, 0x11]).is_err(), "unused half byte");
    }
}
