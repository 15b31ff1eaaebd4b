//! The changed keys of a block with their values, behind each other in one buffer.

use std::ops::Range;

use hn_primitives::Name;
use hn_primitives::codec::put_name;

/// A key in the namespace of an application, as the row key `u8 length ‖ application ‖ key` under which the database holds
/// it and whose hash is its place in the state tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateKey<'a>(&'a [u8]);

impl<'a> StateKey<'a> {
    /// The row key `key` of `application`.
    pub fn encode(application: &Name, key: &[u8]) -> Vec<u8> {
        let mut row = Vec::with_capacity(1 + application.as_bytes().len() + key.len());
        put_name(&mut row, application);
        row.extend_from_slice(key);
        row
    }

    /// A key by its row key, which begins with the name of an application.
    pub(crate) const fn from_row(row: &'a [u8]) -> Self {
        Self(row)
    }

    /// The row key.
    pub const fn row(self) -> &'a [u8] {
        self.0
    }

    fn parts(self) -> (&'a [u8], &'a [u8]) {
        let (length, rest) = self.0.split_first().unwrap_or((&0, &[]));
        rest.split_at_checked(usize::from(*length)).unwrap_or_default()
    }

    /// The application.
    pub fn application(self) -> &'a str {
        std::str::from_utf8(self.parts().0).unwrap_or_default()
    }

    /// The key inside its namespace.
    pub fn key(self) -> &'a [u8] {
        self.parts().1
    }
}

/// A changed key with its value after the block, `None` = deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateWrite<'a> {
    /// The key.
    pub key: StateKey<'a>,
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// Where a write stands in the buffer: its row key, then its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    row: usize,
    value: usize,
    end: usize,
    deleted: bool,
}

/// Writes in one buffer: no memory is asked for one of them alone, and all go at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateWrites {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl StateWrites {
    /// Makes room for so many more writes, of about so many bytes together.
    pub(crate) fn reserve(&mut self, count: usize, bytes: usize) {
        self.spans.reserve(count);
        self.bytes.reserve(bytes);
    }

    /// Appends a write.
    pub(crate) fn push(&mut self, write: StateWrite<'_>) {
        let row = self.bytes.len();
        self.bytes.extend_from_slice(write.key.row());
        self.push_value(row, write.value);
    }

    /// Appends a write of `key` of `application`.
    pub(crate) fn push_key(&mut self, application: &Name, key: &[u8], value: Option<&[u8]>) {
        let row = self.bytes.len();
        put_name(&mut self.bytes, application);
        self.bytes.extend_from_slice(key);
        self.push_value(row, value);
    }

    fn push_value(&mut self, row: usize, written: Option<&[u8]>) {
        let value = self.bytes.len();
        self.bytes.extend_from_slice(written.unwrap_or_default());
        self.spans.push(Span {
            row,
            value,
            end: self.bytes.len(),
            deleted: written.is_none(),
        });
    }

    /// Adds writes; both ascend by key, and of two writes of a key the one of `later` stays.
    pub(crate) fn overwrite(&mut self, later: &Self) {
        let mut merged = Self::default();
        let mut before = self.iter().peekable();
        for write in later.iter() {
            while let Some(own) = before.next_if(|own| own.key < write.key) {
                merged.push(own);
            }
            before.next_if(|own| own.key == write.key);
            merged.push(write);
        }
        before.for_each(|own| merged.push(own));
        *self = merged;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Write `index`; `None` past the end.
    pub fn get(&self, index: usize) -> Option<StateWrite<'_>> {
        self.spans.get(index).map(|span| self.write(span))
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = StateWrite<'_>> {
        self.spans.iter().map(|span| self.write(span))
    }

    /// Those of a range; none when it is beyond the end.
    pub fn range(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = StateWrite<'_>> {
        let spans = self.spans.get(range).unwrap_or_default();
        spans.iter().map(|span| self.write(span))
    }

    /// The write of `key` among those of a range, which ascend and are of one application.
    pub fn find(&self, range: Range<usize>, key: &[u8]) -> Option<StateWrite<'_>> {
        let spans = self.spans.get(range)?;
        let place = spans
            .binary_search_by(|span| self.write(span).key.key().cmp(key))
            .ok()?;
        spans.get(place).map(|span| self.write(span))
    }

    fn write(&self, span: &Span) -> StateWrite<'_> {
        let value = self.bytes.get(span.value..span.end).unwrap_or_default();
        StateWrite {
            key: StateKey(self.bytes.get(span.row..span.value).unwrap_or_default()),
            value: (!span.deleted).then_some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    fn rows() -> impl Strategy<Value = Rows> {
        let key = proptest::collection::vec(0u8..4, 0..4);
        let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..4));
        proptest::collection::btree_map(key, value, 0..12)
    }

    fn of(rows: &Rows) -> StateWrites {
        let name = Name::new("demo").unwrap();
        let mut writes = StateWrites::default();
        for (key, value) in rows {
            writes.push_key(&name, key, value.as_deref());
        }
        writes
    }

    proptest! {
        #[test]
        fn prop_writes_come_back_and_are_found(rows in rows(), asked in proptest::collection::vec(0u8..4, 0..4)) {
            let writes = of(&rows);
            prop_assert_eq!((writes.len(), writes.is_empty()), (rows.len(), rows.is_empty()));
            let got = writes.iter().map(|write| (write.key.key().to_vec(), write.value.map(<[u8]>::to_vec)));
            prop_assert!(got.eq(rows.clone()));
            prop_assert!(writes.iter().all(|write| write.key.application() == "demo"));
            prop_assert!(writes.range(0..rows.len()).eq(writes.iter()) && writes.get(rows.len()).is_none());
            let found = writes.find(0..rows.len(), &asked).map(|write| write.value);
            prop_assert_eq!(found, rows.get(&asked).map(Option::as_deref));
        }

        #[test]
        fn prop_later_writes_take_the_place_of_earlier_ones(before in rows(), later in rows()) {
            let mut writes = of(&before);
            writes.overwrite(&of(&later));
            let both = before.into_iter().chain(later).collect();
            prop_assert_eq!(writes, of(&both));
        }
    }
}
