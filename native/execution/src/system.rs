//! What a block does without a transaction: the end-of-block work of native applications, and a page of a migration.
//! These writes are part of the state root and have no receipt.

use hn_primitives::{Name, codes};

use crate::application::Failure;
use crate::block::BlockExecution;
use crate::check::Stage;
use crate::error::ExecutionError;
use crate::limits::{KEY_BYTES_MAX, MIGRATION_WRITE_COUNT_MAX, VALUE_BYTES_MAX};
use crate::writes::StateWrites;

/// How a page of a migration ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageEnd {
    /// There are more rows behind this key.
    Cursor(Vec<u8>),
    /// The pass is over; `reached` is the state version that the step leads to.
    Passed {
        /// State version.
        reached: u32,
    },
    /// The migration cannot go on; why.
    Failed(String),
}

/// One page of the migration that runs, computed by the plugin's code from the state after the block before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationPage {
    /// The application.
    pub application: String,
    /// Its changed keys, `None` = deleted; no key twice, any order. Empty but in the pass that moves rows.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Rows that the page looked at.
    pub rows: u64,
    /// How it ended.
    pub end: PageEnd,
}

impl BlockExecution {
    /// Takes the page of this block, which has one exactly while a plugin migrates.
    ///
    /// # Errors
    /// Not between [`BlockExecution::supply`] and [`BlockExecution::run_native`]; an application that takes transactions
    /// or is unknown; a bound of [`crate::limits`].
    pub fn migrate(&mut self, page: MigrationPage) -> Result<(), ExecutionError> {
        self.expect(Stage::Supplied, "migrate comes between supply and run_native")?;
        let invalid = |what: &str| ExecutionError::System(format!("migration of {:.32}: {what}", page.application));
        let name = Name::new(&page.application).map_err(|_| invalid("no such name"))?;
        let place = self.applications.find(name.as_bytes());
        let index = place.map_err(|_| invalid("no such application"))?;
        if self.applications.closed(index) != Some(codes::APPLICATION_MIGRATING) {
            return Err(invalid("it takes transactions"));
        }
        let fits = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
            (1..=KEY_BYTES_MAX).contains(&key.len())
                && value.as_ref().is_none_or(|value| value.len() <= VALUE_BYTES_MAX)
        };
        if page.writes.len() > MIGRATION_WRITE_COUNT_MAX || !page.writes.iter().all(fits) {
            return Err(invalid("a write breaks a bound"));
        }
        let mut rows: Vec<_> = page.writes.iter().collect();
        rows.sort_unstable();
        if rows.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(invalid("a key twice"));
        }
        let mut writes = StateWrites::default();
        for (key, value) in rows {
            writes.push_key(&name, key, value.as_deref());
        }
        if let Some(namespace) = self.namespaces.get_mut(index) {
            namespace.foreign_writes = writes;
        }
        self.page = Some(page);
        Ok(())
    }

    /// Declares the keys that native applications want at the end of every block.
    pub(crate) fn declare_block_keys(&mut self) -> Result<(), ExecutionError> {
        for (index, namespace) in self.namespaces.iter_mut().enumerate() {
            let Some(native) = self.applications.native_at(index) else {
                continue;
            };
            let mut sink = namespace.overlay.declare();
            for key in native.block_keys() {
                sink.declare(key).map_err(|failure| broken(native.name(), failure))?;
            }
            namespace.block_keys = sink.finish();
        }
        Ok(())
    }

    /// The end-of-block work, after the last native transaction.
    pub(crate) fn end_block(&mut self) -> Result<(), ExecutionError> {
        let height = self.info.height;
        for (index, namespace) in self.namespaces.iter_mut().enumerate() {
            let Some(native) = self.applications.native_at(index) else {
                continue;
            };
            if native.block_keys().is_empty() {
                continue;
            }
            namespace.overlay.enter(namespace.block_keys.clone());
            native
                .end_block(height, self.page.as_ref(), &mut namespace.overlay)
                .map_err(|failure| broken(native.name(), failure))?;
            namespace.overlay.commit();
        }
        Ok(())
    }
}

fn broken(application: &str, failure: Failure) -> ExecutionError {
    ExecutionError::System(format!(
        "end of block of {application}: code {} {}",
        failure.code, failure.rule
    ))
}
