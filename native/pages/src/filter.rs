//! Which ids a file surely lacks.

use crate::format::sum;

const IDS_BITS: usize = 10;
const PROBES: u32 = 6;
/// Bits of an id lie in one block, which is a line of the processor's cache.
const BLOCK_WORDS: usize = 8;
pub const BLOCK_BYTES: usize = 8 * BLOCK_WORDS;

/// A Bloom filter of ten bits an id; one of a hundred absent ids passes. Without blocks every id passes.
#[derive(Debug, Default)]
pub struct Filter(Vec<[u64; BLOCK_WORDS]>);

impl Filter {
    /// Empty, with room for so many ids.
    pub fn with_room(ids: usize) -> Self {
        let blocks = ids.saturating_mul(IDS_BITS).div_ceil(8 * BLOCK_BYTES);
        Self(vec![[0; BLOCK_WORDS]; blocks])
    }

    /// What [`Filter::bytes`] gave; `None` for another length.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        let block = |block: &[u8; BLOCK_BYTES]| {
            let words = block.as_chunks::<8>().0;
            std::array::from_fn(|at| u64::from_le_bytes(words[at]))
        };
        rest.is_empty().then(|| Self(blocks.iter().map(block).collect()))
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0
            .as_flattened()
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    pub fn byte_count(&self) -> usize {
        self.0.len() * BLOCK_BYTES
    }

    pub fn add(&mut self, id: &[u8]) {
        let (place, bits) = self.place(id);
        if let Some(block) = self.0.get_mut(place) {
            for bit in probes(bits) {
                block[bit / 64] |= 1 << (bit % 64);
            }
        }
    }

    pub fn may_hold(&self, id: &[u8]) -> bool {
        let (place, bits) = self.place(id);
        self.0
            .get(place)
            .is_none_or(|block| probes(bits).all(|bit| block[bit / 64] >> (bit % 64) & 1 == 1))
    }

    /// The block of an id, and where its bits come from.
    fn place(&self, id: &[u8]) -> (usize, u64) {
        let hash = sum(&[id]);
        let bits = (hash ^ (hash >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let place = ((hash >> 32) * self.0.len() as u64) >> 32;
        (place as usize, bits ^ (bits >> 29))
    }
}

/// Places in a block, nine bits each.
fn probes(bits: u64) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |probe| ((bits >> (9 * probe)) & 511) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> Vec<u8> {
        [&[8u8][..], &number.to_be_bytes()].concat()
    }

    #[test]
    fn test_what_was_added_passes_and_little_else() {
        for count in [1u32, 50, 20_000] {
            let mut filter = Filter::with_room(count as usize);
            (0..count).for_each(|number| filter.add(&id(number)));
            let again = Filter::of_bytes(&filter.bytes()).unwrap();
            assert_eq!(again.byte_count(), filter.byte_count());
            assert!((0..count).all(|number| again.may_hold(&id(number))));
            let wrong = (count..count + 20_000).filter(|number| again.may_hold(&id(*number)));
            assert!(wrong.count() < 500, "{count} ids");
        }
    }

    #[test]
    fn test_without_room_every_id_passes() {
        let mut filter = Filter::with_room(0);
        filter.add(&id(1));
        assert!(filter.may_hold(&id(2)) && filter.byte_count() == 0);
        assert!(Filter::of_bytes(&[0; BLOCK_BYTES + 1]).is_none());
    }
}
