//! What can be wrong with rows that come back from the database.

use thiserror::Error;

/// Rows that are missing, damaged or of another chain; the index must not answer from them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IndexError {
    /// A row has the wrong form.
    #[error("transaction index: {what} has {got} bytes, want {want}")]
    Length {
        /// Which row.
        what: &'static str,
        /// Its bytes.
        got: usize,
        /// What it should have.
        want: usize,
    },
    /// A row that a segment must have is not there.
    #[error("transaction index: segment {segment} has no {what} {number}")]
    Missing {
        /// The segment.
        segment: u64,
        /// `part` or `filter`.
        what: &'static str,
        /// Its number.
        number: u32,
    },
    /// The segments do not follow one another.
    #[error("transaction index: segment {segment} begins at height {got}, want {want}")]
    Gap {
        /// The segment.
        segment: u64,
        /// Its first height.
        got: u64,
        /// The height after the segment before.
        want: u64,
    },
    /// A field of a segment's row is out of range.
    #[error("transaction index: segment {segment} has {what} {got}")]
    Field {
        /// The segment.
        segment: u64,
        /// Which field.
        what: &'static str,
        /// Its value.
        got: u64,
    },
    /// Receipts of another height than the next.
    #[error("transaction index: receipts of height {got}, want {want}")]
    Height {
        /// Given.
        got: u64,
        /// The next height.
        want: u64,
    },
    /// Receipts that are not a row of storage.
    #[error("transaction index: receipts of height {height} are damaged at receipt {receipt}")]
    Receipts {
        /// Their height.
        height: u64,
        /// Position.
        receipt: usize,
    },
}
