//! The receipts of a block, encoded once into the row that storage keeps of them.

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
