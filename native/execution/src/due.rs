//! What plugins do at the end of a block without a transaction: items that have become due.
//!
//! Each item leaves a receipt like a transaction's. As it has no transaction it stands under no receipts root, but in the state:
//! `"system" ‖ u64 height ‖ u32 number → name of the application ‖ receipt`, numbers from 0 in the order of the applications.
//! So the state root commits it, and a proof of state proves it.

use std::ops::Range;

use hn_primitives::codec::put_name;
use hn_primitives::{Hash32, Name, tag};

use crate::block::{BlockExecution, count};
use crate::check::{Outcome, Stage};
use crate::digests::fill_digests;
use crate::error::ExecutionError;
use crate::foreign::Settlement;
use crate::limits::DUE_RESULT_COUNT_MAX;
use crate::packed::Unpacked;
use crate::writes::StateWrites;

/// Whose the rows are; no application has this name.
pub const SYSTEM: &str = "system";

/// A receipt in the log, and which application it is of.
pub(crate) struct DueReceipt {
    pub application: usize,
    pub receipt: Range<usize>,
}

impl BlockExecution {
    /// Whether this application of the plugin host takes transactions, and so does its due work.
    pub fn is_open(&self, application: &str) -> bool {
        let index = self.applications.find(application.as_bytes());
        index.is_ok_and(|index| {
            self.applications.native_at(index).is_none() && self.applications.closed(index).is_none()
        })
    }

    /// Takes what the due items of an application came to, see [`crate::ResultPacker`], numbered from 0, after its transactions.
    /// Later writes of a key take the place of earlier ones. A result that breaks a bound of [`crate::limits`] becomes
    /// `RESULT_INVALID` without writes.
    ///
    /// # Errors
    /// An application that is unknown, native, closed, waits for results of transactions or came here before; results that are
    /// not numbered from 0, or more than [`DUE_RESULT_COUNT_MAX`]; nothing is taken then.
    pub fn complete_due(&mut self, application: &str, packed: &[u8]) -> Result<(), ExecutionError> {
        self.expect_from(Stage::Checked, "complete_due comes after set_committed")?;
        let invalid = |what: &str| ExecutionError::System(format!("due work of {application:.32}: {what}"));
        if !self.is_open(application) {
            return Err(invalid("no such application"));
        }
        let height = self.info.height;
        let Self {
            applications,
            namespaces,
            log,
            due,
            ..
        } = self;
        let index = applications.find(application.as_bytes());
        let index = index.map_err(|_| invalid("no such application"))?;
        let (Some(name), Some(namespace)) = (applications.name(index), namespaces.get_mut(index)) else {
            return Err(invalid("no such application"));
        };
        if !namespace.foreign_open.is_empty() || due.iter().any(|one| one.application == index) {
            return Err(invalid("it is not its turn"));
        }
        let unpacked = Unpacked::read(packed)?;
        if unpacked.results.len() > DUE_RESULT_COUNT_MAX {
            return Err(invalid("too many results"));
        }
        for (number, result) in unpacked.results.iter().enumerate() {
            count("number of a due result", result.tx_index as usize, number)?;
        }
        let mut settlement = Settlement::new((index, name), &unpacked, log, namespace.overlay.write_sets_mut());
        for (number, result) in unpacked.results.iter().enumerate() {
            let outcome = settlement.settle(&due_id(height, name, number), result);
            if let Outcome::Done { receipt, .. } = outcome {
                due.push(DueReceipt {
                    application: index,
                    receipt,
                });
            }
        }
        let (digests, writes) = settlement.finish();
        namespace.foreign_writes.overwrite(&writes);
        fill_digests(digests, namespaces, log);
        Ok(())
    }

    /// The rows of the due items of all applications, ascending.
    pub(crate) fn due_rows(&self) -> StateWrites {
        let mut rows = StateWrites::default();
        let Ok(system) = Name::new(SYSTEM) else {
            return rows;
        };
        let mut due: Vec<&DueReceipt> = self.due.iter().collect();
        due.sort_by_key(|one| one.application);
        for (number, one) in due.into_iter().enumerate() {
            let mut value = Vec::new();
            if let Some(name) = self.applications.name(one.application) {
                put_name(&mut value, name);
            }
            value.extend_from_slice(self.log.get(one.receipt.clone()).unwrap_or_default());
            rows.push_key(&system, &due_key(self.info.height, number), Some(&value));
        }
        rows
    }
}

/// Appends the rows of due items, which belong to no application, in their place among those of the applications.
pub(crate) fn append_system(
    due: Option<StateWrites>,
    writes: &mut StateWrites,
    key_hashes: &mut Vec<Option<Hash32>>,
    applications: &mut Vec<(Name, Range<usize>)>,
) {
    let (Some(rows), Ok(system)) = (due, Name::new(SYSTEM)) else {
        return;
    };
    let start = writes.len();
    key_hashes.extend(rows.iter().map(|_| None));
    rows.iter().for_each(|row| writes.push(row));
    applications.push((system, start..writes.len()));
}

/// Key of a row, without the application: `u64 height ‖ u32 number`.
fn due_key(height: u64, number: usize) -> Vec<u8> {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    [&height.to_be_bytes()[..], &number.to_be_bytes()].concat()
}

/// Id of a due item, in the place of a transaction's: `H("hn/due/v1", u64 height ‖ u8 length ‖ application ‖ u32 number)`,
/// numbered within the application.
fn due_id(height: u64, application: &Name, number: usize) -> Hash32 {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let mut message = height.to_be_bytes().to_vec();
    put_name(&mut message, application);
    message.extend_from_slice(&number.to_be_bytes());
    tag::DUE.hash(&[&message])
}
