//! Packed receipts of a block.
//!
//! | row | content |
//! |---|---|
//! | as they are | `u8 0 ‖ plain row` |
//! | packed | `u8 1 ‖ u32 count ‖ u32 groups ‖ groups × u32 end ‖ groups` |
//!
//! A plain row is `u32 count ‖ count × u32 end ‖ receipts`. A group holds the receipts of at most [`GROUP_TXS`] transactions
//! that follow one another in a batch: `u32 plain length ‖ a digest of each ‖ zstd frame`. In the frame stand, for each
//! receipt, the length of what is left of it, and then what is left: everything but its id and its digest of writes. The
//! dictionary of the frame are the transactions of the group.

use hn_primitives::{Batch, Hash32, Receipt, tx_ids};

use crate::error::PackingError;
use crate::frame::{Packer, Unpacker};

/// Transactions of a group. More pack a little better; one receipt costs the unpacking of its group.
pub const GROUP_TXS: usize = 128;
const PLAIN: u8 = 0;
const PACKED: u8 = 1;
const NUMBER: usize = 4;
const ID: std::ops::Range<usize> = 1..33;
/// Plain bytes of a group, more than the limits of a block allow.
const GROUP_BYTES_MAX: usize = 1 << 29;
/// Bytes of a batch before its transactions: header and signature.
const BODY_START: usize = 133 + 64;
const SIGNATURE_BYTES: usize = 64;

/// Packs a plain row of receipts. batches: those of the block, in order. Receipts that do not fit them are kept as they
/// are. Cost: 0.3 µs a receipt.
///
/// # Errors
/// zstd has no memory.
pub fn pack_receipts(plain: &[u8], batches: &[&Batch]) -> Result<Vec<u8>, PackingError> {
    let packed = match Row::read(plain) {
        Some(row) if row.count() == batches.iter().map(|batch| batch.txs.len()).sum::<usize>() => pack(&row, batches)?,
        _ => None,
    };
    Ok(packed.unwrap_or_else(|| [&[PLAIN], plain].concat()))
}

/// The plain row again. batches: the plain bytes of the block's batches. Cost: 0.3 µs a receipt, most of it its id.
///
/// # Errors
/// Bytes that do not come apart, or of other batches.
pub fn unpack_receipts(packed: &[u8], batches: &[&[u8]]) -> Result<Vec<u8>, PackingError> {
    let Some(groups) = Groups::read(packed)? else {
        return Ok(packed.get(1..).unwrap_or_default().to_vec());
    };
    let mut unpacker = Unpacker::new();
    let mut receipts = Vec::new();
    let mut ends = Vec::new();
    let mut group = 0;
    for batch in batches {
        let txs = transactions(batch)?;
        for txs in txs.chunks(GROUP_TXS) {
            let opened = groups.open(group, batch, txs, &mut unpacker)?;
            for (at, id) in ids(batch, txs).iter().enumerate() {
                opened.put(at, id, &mut receipts)?;
                ends.push(receipts.len());
            }
            group += 1;
        }
    }
    if group != groups.ends.len() || ends.len() != groups.count {
        return Err(damaged("are of other batches"));
    }
    let mut row = Vec::with_capacity(NUMBER * (1 + ends.len()) + receipts.len());
    for number in std::iter::once(ends.len()).chain(ends) {
        row.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
    }
    row.extend_from_slice(&receipts);
    Ok(row)
}

/// One receipt; `None` past the end. tx_counts: of the block's batches before the one it stands in, whose plain bytes
/// are `batch`; `index` counts in that batch. Cost: about 50 µs, a group is unpacked.
///
/// # Errors
/// Bytes that do not come apart, or of another batch.
pub fn unpack_receipt(
    packed: &[u8],
    tx_counts: &[usize],
    batch: &[u8],
    index: usize,
) -> Result<Option<Vec<u8>>, PackingError> {
    let Some(groups) = Groups::read(packed)? else {
        let row = Row::read(packed.get(1..).unwrap_or_default()).ok_or(damaged("are no row"))?;
        let index = tx_counts.iter().sum::<usize>() + index;
        return Ok(row.get(index).map(<[u8]>::to_vec));
    };
    let all = transactions(batch)?;
    let Some(txs) = all.chunks(GROUP_TXS).nth(index / GROUP_TXS) else {
        return Ok(None);
    };
    let at = index % GROUP_TXS;
    let Some(tx) = txs.get(at..=at) else {
        return Ok(None);
    };
    let before: usize = tx_counts.iter().map(|count| count.div_ceil(GROUP_TXS)).sum();
    let group = groups.open(before + index / GROUP_TXS, batch, txs, &mut Unpacker::new())?;
    let mut receipt = Vec::new();
    for id in ids(batch, tx) {
        group.put(at, &id, &mut receipt)?;
    }
    Ok(Some(receipt))
}

/// `None` when the receipts are not those of the batches.
fn pack(row: &Row<'_>, batches: &[&Batch]) -> Result<Option<Vec<u8>>, PackingError> {
    let mut packer = Packer::new()?;
    let mut ends = Vec::new();
    let mut groups = Vec::with_capacity(row.count() * 48);
    let mut plain = Vec::new();
    let mut receipts = (0..row.count()).map_while(|index| row.get(index));
    for batch in batches {
        for txs in batch.txs.chunks(GROUP_TXS) {
            plain.clear();
            plain.resize(NUMBER * txs.len(), 0);
            let length_at = groups.len();
            groups.resize(length_at + NUMBER, 0);
            for (at, tx) in txs.iter().enumerate() {
                let Some((digest, rest)) = receipts.next().and_then(|receipt| apart(receipt, &tx.tx_id)) else {
                    return Ok(None);
                };
                groups.extend_from_slice(digest);
                let length: usize = rest.iter().map(|part| part.len()).sum();
                if let Some(place) = plain.as_chunks_mut::<NUMBER>().0.get_mut(at) {
                    *place = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
                }
                rest.iter().for_each(|part| plain.extend_from_slice(part));
            }
            let Ok(length) = u32::try_from(plain.len()) else {
                return Ok(None);
            };
            if let Some(place) = groups.get_mut(length_at..length_at + NUMBER) {
                place.copy_from_slice(&length.to_be_bytes());
            }
            let spans = txs.first().zip(txs.last());
            let range = spans.map(|(first, last)| first.start as usize..(last.start + last.len) as usize);
            let dictionary = range.and_then(|range| batch.bytes.get(range)).unwrap_or_default();
            packer.put(&plain, dictionary, &mut groups)?;
            ends.push(groups.len());
        }
    }
    let mut out = Vec::with_capacity(1 + NUMBER * (2 + ends.len()) + groups.len());
    out.push(PACKED);
    for number in [row.count(), ends.len()].into_iter().chain(ends) {
        let Ok(number) = u32::try_from(number) else {
            return Ok(None);
        };
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&groups);
    Ok(Some(out))
}

/// The digest of a receipt's writes, and what is left beside it and the id; `None` when it is not a receipt of this id.
fn apart<'a>(receipt: &'a [u8], id: &Hash32) -> Option<(&'a Hash32, [&'a [u8]; 3])> {
    let place = Receipt::write_set_digest_place(|offset| receipt.get(offset).copied())?;
    let digest = place..place + 32;
    if receipt.get(ID)? != id {
        return None;
    }
    let rest = [
        receipt.get(..ID.start)?,
        receipt.get(ID.end..digest.start)?,
        receipt.get(digest.end..)?,
    ];
    Some((receipt.get(digest)?.try_into().ok()?, rest))
}

/// A packed row, its groups still closed.
struct Groups<'a> {
    count: usize,
    ends: &'a [[u8; NUMBER]],
    bytes: &'a [u8],
}

impl<'a> Groups<'a> {
    /// `None` for receipts that are kept as they are.
    fn read(packed: &'a [u8]) -> Result<Option<Self>, PackingError> {
        match packed.split_first() {
            Some((&PLAIN, _)) => Ok(None),
            Some((&PACKED, rest)) => Self::read_table(rest).map(Some).ok_or(damaged("end in their table")),
            _ => Err(damaged("have an unknown version")),
        }
    }

    fn read_table(bytes: &'a [u8]) -> Option<Self> {
        let (count, bytes) = bytes.split_first_chunk::<NUMBER>()?;
        let (group_count, bytes) = bytes.split_first_chunk::<NUMBER>()?;
        let table = (u32::from_be_bytes(*group_count) as usize).checked_mul(NUMBER)?;
        let (table, bytes) = bytes.split_at_checked(table)?;
        Some(Self {
            count: u32::from_be_bytes(*count) as usize,
            ends: table.as_chunks().0,
            bytes,
        })
    }

    fn open<'b>(
        &self,
        group: usize,
        batch: &'b [u8],
        txs: &[Tx],
        unpacker: &mut Unpacker<'b>,
    ) -> Result<Group<'a>, PackingError> {
        let bytes = self.group(group).ok_or(damaged("have no such group"))?;
        let dictionary = txs.first().zip(txs.last()).map(|(first, last)| first.start..last.end);
        let dictionary = dictionary.and_then(|range| batch.get(range)).unwrap_or_default();
        Group::open(bytes, txs.len(), dictionary, unpacker).ok_or(damaged("have a group that does not come apart"))
    }

    fn group(&self, group: usize) -> Option<&'a [u8]> {
        let end = |at: usize| self.ends.get(at).map(|end| u32::from_be_bytes(*end) as usize);
        let start = match group.checked_sub(1) {
            Some(before) => end(before)?,
            None => 0,
        };
        self.bytes.get(start..end(group)?)
    }
}

/// A group, opened.
struct Group<'a> {
    digests: &'a [Hash32],
    plain: Vec<u8>,
    /// Where what is left of each receipt ends in `plain`, with the end of the table in front.
    ends: Vec<usize>,
}

impl<'a> Group<'a> {
    fn open<'b>(bytes: &'a [u8], count: usize, dictionary: &'b [u8], unpacker: &mut Unpacker<'b>) -> Option<Self> {
        let (length, bytes) = bytes.split_first_chunk::<NUMBER>()?;
        let (digests, frame) = bytes.split_at_checked(count.checked_mul(32)?)?;
        let length = u32::from_be_bytes(*length) as usize;
        if length > GROUP_BYTES_MAX {
            return None;
        }
        let mut plain = vec![0; length];
        unpacker.fill(frame, dictionary, &mut plain)?;
        let mut end = NUMBER.checked_mul(count)?;
        let mut ends = vec![end];
        for length in plain.get(..end)?.as_chunks::<NUMBER>().0 {
            end = end.checked_add(u32::from_be_bytes(*length) as usize)?;
            ends.push(end);
        }
        (end == plain.len()).then_some(Self {
            digests: digests.as_chunks().0,
            plain,
            ends,
        })
    }

    /// Appends receipt `at` of the group.
    fn put(&self, at: usize, id: &Hash32, out: &mut Vec<u8>) -> Result<(), PackingError> {
        let bounds = self.ends.get(at).zip(self.ends.get(at + 1));
        let rest = bounds.and_then(|(start, end)| self.plain.get(*start..*end));
        let (Some(rest), Some(digest)) = (rest, self.digests.get(at)) else {
            return Err(damaged("have too few in a group"));
        };
        // The rule and its length, which say where the digest stands, are before it: it is put in when they are there.
        let start = out.len();
        let (version, after) = rest.split_at_checked(ID.start).ok_or(damaged("have an empty one"))?;
        out.extend_from_slice(version);
        out.extend_from_slice(id);
        let place = Receipt::write_set_digest_place(|offset| after.get(offset - ID.end).copied());
        let head = place.and_then(|place| after.split_at_checked(place - ID.end));
        let (head, tail) = head.ok_or_else(|| {
            out.truncate(start);
            damaged("have one without digest")
        })?;
        out.extend_from_slice(head);
        out.extend_from_slice(digest);
        out.extend_from_slice(tail);
        Ok(())
    }
}

/// A plain row of receipts.
struct Row<'a> {
    ends: &'a [[u8; NUMBER]],
    receipts: &'a [u8],
}

impl<'a> Row<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (count, bytes) = bytes.split_first_chunk::<NUMBER>()?;
        let table = (u32::from_be_bytes(*count) as usize).checked_mul(NUMBER)?;
        let (table, receipts) = bytes.split_at_checked(table)?;
        let ends = table.as_chunks().0;
        let last = ends.last().map_or(0, |end| u32::from_be_bytes(*end) as usize);
        (last == receipts.len()).then_some(Self { ends, receipts })
    }

    fn count(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, index: usize) -> Option<&'a [u8]> {
        let end = |at: usize| self.ends.get(at).map(|end| u32::from_be_bytes(*end) as usize);
        let start = match index.checked_sub(1) {
            Some(before) => end(before)?,
            None => 0,
        };
        self.receipts.get(start..end(index)?)
    }
}

/// Where a signed transaction stands in the plain bytes of a batch.
struct Tx {
    start: usize,
    end: usize,
}

/// The transactions of a batch, by their length fields alone.
fn transactions(batch: &[u8]) -> Result<Vec<Tx>, PackingError> {
    let mut found = Vec::new();
    let mut at = BODY_START;
    while at < batch.len() {
        let length = batch.get(at..).and_then(|rest| rest.first_chunk::<NUMBER>());
        let start = at + NUMBER;
        let end = length.map(|length| start + u32::from_be_bytes(*length) as usize);
        at = end
            .filter(|end| *end <= batch.len())
            .ok_or(damaged("have a batch that is cut"))?;
        found.push(Tx { start, end: at });
    }
    Ok(found)
}

/// The ids of transactions: hashes of their bodies, which end before the signature.
fn ids(batch: &[u8], txs: &[Tx]) -> Vec<Hash32> {
    let body = |tx: &Tx| {
        batch
            .get(tx.start..tx.end.saturating_sub(SIGNATURE_BYTES))
            .unwrap_or_default()
    };
    tx_ids(&txs.iter().map(body).collect::<Vec<_>>())
}

const fn damaged(what: &'static str) -> PackingError {
    PackingError::Receipts(what)
}
