//! Pages as bytes of a store.
//!
//! `u8 1 ‖ u16 occupied ‖ u16 leaves`, then a slot after the other, a leaf as `key_hash ‖ value_hash`, a page as its
//! hash. What the bytes hold follows from the leaves below the page alone.

use super::page::{NO_PAGE, bits};
use super::page_id::{PAGE_DEPTH_MAX, PageId, step};
use super::pages::{Leaf, Pages, Slot};
use hn_primitives::{CodecError, Fault, Object, Reader, ZERO_HASH};

/// Bytes of the largest page.
pub const PAGE_BYTES_MAX: usize = 5 + 16 * 64;

/// Appends the bytes of a fresh page.
pub fn encode(pages: &Pages, page: u32, out: &mut Vec<u8>) {
    let head = pages.head(page);
    let [occupied, leaves] = [head.occupied, head.leaves].map(u16::to_be_bytes);
    out.extend_from_slice(&[1, occupied[0], occupied[1], leaves[0], leaves[1]]);
    let block = pages.block(page);
    let hashes = &block[head.slots_start()..];
    let mut leaves = block[head.leaves_start()..].as_chunks::<2>().0.iter();
    for (at, hash) in bits(head.occupied).zip(hashes) {
        if head.leaves >> at & 1 == 0 {
            out.extend_from_slice(&hash.0);
        } else if let Some([key, value]) = leaves.next() {
            out.extend_from_slice(&key.0);
            out.extend_from_slice(&value.0);
        }
    }
}

/// Reads the page `id`, appending to `slots`; the hashes of its leaves are left zero.
///
/// # Errors
/// `STORAGE_CORRUPT`: the page could not have been written by this tree at this place.
pub fn decode(id: &PageId, bytes: &[u8], slots: &mut Vec<(u8, Slot)>) -> Result<(), CodecError> {
    let mut reader = Reader::new(Object::Page, bytes);
    reader.version()?;
    let occupied = reader.u16("occupied")?;
    let leaves = reader.u16("leaves")?;
    let pages = occupied & !leaves;
    let lone = *id != PageId::ROOT && pages == 0 && leaves.count_ones() < 2;
    if occupied == 0 || leaves & !occupied != 0 || lone || (id.depth() == PAGE_DEPTH_MAX && pages != 0) {
        return Err(reader.fail(Fault::NotCanonical("slots")));
    }
    for at in bits(occupied) {
        let slot = if leaves >> at & 1 == 1 {
            let (key, value) = (reader.array("key_hash")?, reader.array("value_hash")?);
            if !id.covers(&key) || step(&key, id.depth()) != at {
                return Err(reader.fail(Fault::Mismatch("key_hash")));
            }
            let hash = ZERO_HASH;
            Slot::Leaf(Leaf { key, value, hash })
        } else {
            Slot::Branch(NO_PAGE, reader.array("page_hash")?)
        };
        slots.push((at, slot));
    }
    reader.finish()
}
