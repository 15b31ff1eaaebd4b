//! The receipts of a block, encoded once into the row that storage keeps of them.

use std::ops::Range;

/// Bytes of a number of the row's table.
const NUMBER: usize = 4;

/// Receipts behind each other with a table of their ends in front: `u32 count ‖ count × u32 end ‖ receipts`, big-endian,
/// ends counted from the first receipt. Reading one looks at no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipts {
    row: Vec<u8>,
    count: usize,
}

impl Default for Receipts {
    fn default() -> Self {
        Self::pack::<&[u8]>(&[])
    }
}

impl Receipts {
    /// Joins encoded receipts. Cost: one copy.
    ///
    /// A block's receipts stay far below 4 GiB (its transactions, events and writes are bounded); an end beyond it would
    /// be written as the largest number, which no reader accepts.
    pub fn pack<T: AsRef<[u8]>>(receipts: &[T]) -> Self {
        let bytes: usize = receipts.iter().map(|receipt| receipt.as_ref().len()).sum();
        let mut row = Vec::with_capacity(NUMBER * (1 + receipts.len()) + bytes);
        let mut put = |number: usize| {
            row.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
        };
        put(receipts.len());
        let mut end = 0;
        for receipt in receipts {
            end += receipt.as_ref().len();
            put(end);
        }
        for receipt in receipts {
            row.extend_from_slice(receipt.as_ref());
        }
        Self {
            row,
            count: receipts.len(),
        }
    }

    /// Room for the table of `count` receipts, behind which they may be written.
    pub(crate) fn room(count: usize) -> Vec<u8> {
        vec![0; NUMBER * (1 + count)]
    }

    /// The receipts at `places` of a log that began as [`Receipts::room`] for as many. Cost: none of the receipts moves when
    /// they follow one another from there on, as they do when all were written in block order; else one copy.
    pub(crate) fn of_log(mut log: Vec<u8>, places: &[Range<usize>]) -> Self {
        let table_end = NUMBER * (1 + places.len());
        let follow = |end: usize, place: &Range<usize>| (place.start == end).then_some(place.end);
        let end = places.iter().try_fold(table_end, follow);
        let Some((end, table)) = end.zip(log.get_mut(..table_end)) else {
            let receipts: Vec<&[u8]> = places
                .iter()
                .map(|place| log.get(place.clone()).unwrap_or_default())
                .collect();
            return Self::pack(&receipts);
        };
        let ends = places.iter().map(|place| place.end - table_end);
        for (number, place) in std::iter::once(places.len())
            .chain(ends)
            .zip(table.as_chunks_mut::<NUMBER>().0)
        {
            *place = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        }
        log.truncate(end);
        Self {
            row: log,
            count: places.len(),
        }
    }

    /// The row.
    pub fn row(&self) -> &[u8] {
        &self.row
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Encoded receipt `index`; `None` past the end.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        if index >= self.count {
            return None;
        }
        let (table, receipts) = self.row.get(NUMBER..)?.split_at_checked(NUMBER * self.count)?;
        let ends = table.as_chunks::<NUMBER>().0;
        let end = |at: usize| ends.get(at).map(|end| u32::from_be_bytes(*end) as usize);
        let start = match index.checked_sub(1) {
            Some(before) => end(before)?,
            None => 0,
        };
        receipts.get(start..end(index)?)
    }

    /// All of them, in block order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.count).map(|index| self.get(index).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn test_row_layout_is_the_one_that_storage_reads() {
        let receipts = Receipts::pack(&[b"ab".as_slice(), b"", b"c"]);
        assert_eq!(receipts.row(), b"\0\0\0\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03abc");
        assert_eq!(Receipts::default().row(), [0; 4]);
    }

    proptest! {
        #[test]
        fn prop_a_log_in_any_order_gives_the_same_row(
            list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..6),
            swap in any::<Option<(usize, usize)>>(),
            behind in proptest::collection::vec(any::<u8>(), 0..3),
        ) {
            let mut order: Vec<usize> = (0..list.len()).collect();
            if let Some((a, b)) = swap.filter(|_| !list.is_empty()) {
                order.swap(a % list.len(), b % list.len());
            }
            let mut log = Receipts::room(list.len());
            let mut places = vec![0..0; list.len()];
            for at in order {
                let start = log.len();
                log.extend_from_slice(&list[at]);
                places[at] = start..log.len();
            }
            log.extend_from_slice(&behind);
            prop_assert_eq!(Receipts::of_log(log, &places), Receipts::pack(&list));
        }

        #[test]
        fn prop_every_receipt_comes_back_alone(list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let receipts = Receipts::pack(&list);
            prop_assert_eq!(receipts.count(), list.len());
            prop_assert!(receipts.iter().eq(list.iter().map(Vec::as_slice)));
            for (index, receipt) in list.iter().enumerate() {
                prop_assert_eq!(receipts.get(index), Some(receipt.as_slice()));
            }
            prop_assert_eq!(receipts.get(list.len()), None);
        }
    }
}
