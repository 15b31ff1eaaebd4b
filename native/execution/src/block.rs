//! Execution of one block: from batches to receipts, writes and roots.
//!
//! Flow: [`BlockExecution::begin`] → [`tx_ids`](BlockExecution::tx_ids), which the host looks up →
//! [`set_committed`](BlockExecution::set_committed) → ([`prove_absent`](BlockExecution::prove_absent) →) [`native_keys`](BlockExecution::native_keys), which the host reads →
//! [`supply`](BlockExecution::supply) → [`run_native`](BlockExecution::run_native), and beside it
//! [`foreign_groups`](BlockExecution::foreign_groups) → plugin host → [`complete`](BlockExecution::complete) →
//! [`complete_due`](BlockExecution::complete_due) → [`finish`](BlockExecution::finish).
//!
//! Invariants:
//! 1. The result is a function of the transactions in order, the state before, the header's facts and the applications;
//!    how the transactions are spread over batches, and in which order the applications run, changes nothing.
//! 2. Every transaction has one receipt; one that failed has left nothing else.
//! 3. Signatures are not looked at: the batches passed [`hn_pool::verify_batch`].

use std::sync::Arc;

use hn_merkle::block_tree;
use hn_pool::{AccountState, Accounts};
use hn_primitives::{Batch, Hash32, KeyedSet};

use crate::check::{Outcome, Place, Stage, context, failed, prepare, screen, succeeded, text};
use crate::digests::{OpenDigest, fill_digests, state_updates};
use crate::dispatch::Applications;
use crate::due::{DueReceipt, SYSTEM, append_system};
use crate::error::ExecutionError;
use crate::foreign::{ForeignGroup, ForeignTx, Settlement};
use crate::overlay::Namespace;
use crate::packed::Unpacked;
use crate::receipts::Receipts;
use crate::result::{BlockInfo, BlockResult};
use crate::system::MigrationPage;
use crate::writes::{StateKey, StateWrites};

/// Bytes of an ordinary receipt, and of one without events; only room is made by them.
const RECEIPT_BYTES: usize = 384;
const RECEIPT_HEAD_BYTES: usize = 96;

struct TxState {
    place: Place,
    account: Option<Arc<AccountState>>,
    outcome: Outcome,
}

/// One block on its way; see the module. Not thread-safe by itself: one owner drives it through `&mut self`.
pub struct BlockExecution {
    pub(crate) info: BlockInfo,
    batches: Vec<Arc<Batch>>,
    pub(crate) applications: Arc<Applications>,
    txs: Vec<TxState>,
    pub(crate) namespaces: Vec<Namespace>,
    /// Receipts in the order in which they were made.
    pub(crate) log: Vec<u8>,
    pub(crate) page: Option<MigrationPage>,
    pub(crate) due: Vec<DueReceipt>,
    stage: Stage,
}

impl BlockExecution {
    /// Starts a block. `accounts` must hold the state after the block before: every sender is looked up here, once.
    pub fn begin(
        info: BlockInfo,
        batches: Vec<Arc<Batch>>,
        accounts: &Accounts,
        applications: Arc<Applications>,
    ) -> Self {
        let view = accounts.read();
        let mut txs = Vec::with_capacity(batches.iter().map(|batch| batch.txs.len()).sum());
        for (batch, content) in batches.iter().enumerate() {
            for (index, tx) in content.txs.iter().enumerate() {
                let account = view.get(&tx.sender).cloned();
                txs.push(TxState {
                    place: Place { batch, index },
                    account,
                    outcome: Outcome::Open,
                });
            }
        }
        drop(view);
        let log = Receipts::room(txs.len());
        let names = (0..applications.count()).filter_map(|index| applications.name(index));
        let namespaces = names.map(|name| Namespace::new(*name)).collect();
        Self {
            info,
            batches,
            applications,
            txs,
            namespaces,
            log,
            page: None,
            due: Vec::new(),
            stage: Stage::Begun,
        }
    }

    /// The ids in block order, for the look-up of those already on the chain.
    pub fn tx_ids(&self) -> Vec<Hash32> {
        self.batches
            .iter()
            .flat_map(|batch| &batch.txs)
            .map(|tx| tx.tx_id)
            .collect()
    }

    /// Says for each transaction whether its id was committed by an earlier block; makes every check before the handlers.
    ///
    /// Order of the checks: `WRONG_CHAIN`, `TX_EXPIRED`, `VALIDITY_TOO_FAR`, `ACCOUNT_UNKNOWN`, `ACCOUNT_REVOKED`,
    /// `TX_DUPLICATE` (committed, or a second time in this block), `APPLICATION_UNKNOWN`, `ACTION_UNKNOWN`,
    /// `ROLE_MISSING` (before the action: `APPLICATION_DISABLED`, `APPLICATION_MIGRATING`), then what the native application's decoder says about the payload.
    ///
    /// # Errors
    /// A wrong count; a second call.
    pub fn set_committed(&mut self, committed: &[bool]) -> Result<(), ExecutionError> {
        self.expect(Stage::Begun, "set_committed comes once, after begin")?;
        count("committed flags", committed.len(), self.txs.len())?;
        let Self {
            info,
            batches,
            applications,
            txs,
            namespaces,
            log,
            ..
        } = self;
        let mut seen = KeyedSet::with_capacity_and_hasher(txs.len(), Default::default());
        for (i, (state, committed)) in txs.iter_mut().zip(committed).enumerate() {
            let Some((batch, tx)) = state.place.locate(batches) else {
                continue;
            };
            let duplicate = *committed || !seen.insert(tx.tx_id);
            let checked = screen(info, tx, state.account.as_deref(), duplicate)
                .and_then(|account| prepare(info, (batch, tx), account, applications, namespaces));
            state.outcome = checked.unwrap_or_else(|failure| failed(log, &tx.tx_id, failure));
            if let Outcome::Foreign { application } = state.outcome
                && let Some(namespace) = namespaces.get_mut(application)
            {
                namespace.foreign_open.push(i);
            }
        }
        self.declare_block_keys()?;
        self.stage = Stage::Checked;
        Ok(())
    }

    /// Every key the native applications may reach and nobody knows to be absent, each once; the answer goes to [`BlockExecution::supply`].
    ///
    /// # Errors
    /// Before [`BlockExecution::set_committed`].
    pub fn native_keys(&self) -> Result<Vec<StateKey<'_>>, ExecutionError> {
        self.expect_from(Stage::Checked, "native_keys comes after set_committed")?;
        Ok(self
            .namespaces
            .iter()
            .flat_map(|namespace| namespace.overlay.keys())
            .collect())
    }

    /// Gives the values before this block, one for each of [`BlockExecution::native_keys`], `None` = absent.
    ///
    /// # Errors
    /// A wrong count; before [`BlockExecution::set_committed`], or a second call.
    pub fn supply(&mut self, values: Vec<Option<Vec<u8>>>) -> Result<(), ExecutionError> {
        self.expect(Stage::Checked, "supply comes once, after set_committed")?;
        let want = self
            .namespaces
            .iter()
            .map(|namespace| namespace.overlay.key_count())
            .sum();
        count("values", values.len(), want)?;
        let mut values = values.into_iter();
        for namespace in &mut self.namespaces {
            namespace.overlay.supply(&mut values);
        }
        self.stage = Stage::Supplied;
        Ok(())
    }

    /// Runs the native handlers in block order, then what native applications do at the end of a block.
    ///
    /// # Errors
    /// Before [`BlockExecution::supply`], or a second call.
    pub fn run_native(&mut self) -> Result<(), ExecutionError> {
        self.expect(Stage::Supplied, "run_native comes once, after supply")?;
        let Self {
            info,
            batches,
            txs,
            namespaces,
            log,
            ..
        } = self;
        let mut open = Vec::with_capacity(txs.len());
        log.reserve(RECEIPT_BYTES * txs.len());
        for state in txs.iter_mut() {
            let Outcome::Native {
                application,
                action,
                operation,
                declared,
            } = &mut state.outcome
            else {
                continue;
            };
            let application = *application;
            let Some(namespace) = namespaces.get_mut(application) else {
                continue;
            };
            let Some((batch, tx)) = state.place.locate(batches) else {
                continue;
            };
            let Some(account) = &state.account else { continue };
            let overlay = &mut namespace.overlay;
            overlay.enter(std::mem::take(declared));
            state.outcome = match operation.execute(&context(info, (batch, tx), account, action), overlay) {
                Ok(()) => {
                    let committed = overlay.commit();
                    let outcome = succeeded(log, &tx.tx_id, &committed);
                    if let (Outcome::Done { receipt, .. }, false) = (&outcome, committed.write_set.is_empty()) {
                        open.push(OpenDigest {
                            receipt: receipt.clone(),
                            application,
                            write_set: committed.write_set,
                        });
                    }
                    outcome
                }
                Err(failure) => {
                    overlay.rollback();
                    failed(log, &tx.tx_id, failure)
                }
            };
        }
        fill_digests(open, namespaces, log);
        self.end_block()?;
        self.stage = Stage::Ran;
        Ok(())
    }

    /// The transactions of each application that the plugin host has not answered yet, ascending by application.
    ///
    /// # Errors
    /// Before [`BlockExecution::set_committed`].
    pub fn foreign_groups(&self) -> Result<Vec<ForeignGroup<'_>>, ExecutionError> {
        self.expect_from(Stage::Checked, "foreign_groups comes after set_committed")?;
        let mut groups = Vec::new();
        for (index, namespace) in self.namespaces.iter().enumerate() {
            let Some(application) = self
                .applications
                .name(index)
                .filter(|_| !namespace.foreign_open.is_empty())
            else {
                continue;
            };
            let txs = namespace
                .foreign_open
                .iter()
                .filter_map(|i| self.foreign_tx(*i))
                .collect();
            groups.push(ForeignGroup {
                application: application.as_str(),
                txs,
            });
        }
        Ok(groups)
    }

    fn foreign_tx(&self, i: usize) -> Option<ForeignTx<'_>> {
        let state = self.txs.get(i)?;
        let (batch, tx) = state.place.locate(&self.batches)?;
        Some(ForeignTx {
            tx_index: i as u32,
            tx_id: &tx.tx_id,
            sender: &tx.sender,
            account: state.account.as_deref()?,
            action: text(batch, tx.action),
            payload: tx.payload.of(&batch.bytes),
        })
    }

    /// Takes the plugin host's results, see [`crate::ResultPacker`], for all open transactions of `application`, in the
    /// order of its group. A result that breaks a bound of [`crate::limits`] becomes a receipt `RESULT_INVALID` without
    /// writes. Cost: one copy of the writes and events; digests of the write sets in lanes.
    ///
    /// # Errors
    /// No open group of this name, or results that do not match it one to one; nothing is taken then.
    pub fn complete(&mut self, application: &str, packed: &[u8]) -> Result<(), ExecutionError> {
        self.expect_from(Stage::Checked, "complete comes after set_committed")?;
        let no_group = || ExecutionError::NoOpenGroup(application.chars().take(64).collect());
        let Self {
            applications,
            batches,
            namespaces,
            txs,
            log,
            ..
        } = self;
        let index = applications.find(application.as_bytes()).map_err(|_| no_group())?;
        let (Some(name), Some(namespace)) = (applications.name(index), namespaces.get_mut(index)) else {
            return Err(no_group());
        };
        if namespace.foreign_open.is_empty() {
            return Err(no_group());
        }
        let unpacked = Unpacked::read(packed)?;
        count("results", unpacked.results.len(), namespace.foreign_open.len())?;
        for (result, open) in unpacked.results.iter().zip(&namespace.foreign_open) {
            if result.tx_index as usize != *open {
                let (application, got, want) = (name.to_string(), result.tx_index, *open as u32);
                return Err(ExecutionError::ResultsMismatch { application, got, want });
            }
        }
        let open = std::mem::take(&mut namespace.foreign_open);
        log.reserve(packed.len() + RECEIPT_HEAD_BYTES * open.len());
        let mut settlement = Settlement::new((index, name), &unpacked, log, namespace.overlay.write_sets_mut());
        for (result, open) in unpacked.results.iter().zip(open) {
            let Some(state) = txs.get_mut(open) else { continue };
            let Some((_, tx)) = state.place.locate(batches) else {
                continue;
            };
            state.outcome = settlement.settle(&tx.tx_id, result);
        }
        let (digests, writes) = settlement.finish();
        namespace.foreign_writes = writes;
        fill_digests(digests, namespaces, log);
        Ok(())
    }

    /// Ends the block.
    /// Cost: one key hash and one value hash a write, one Merkle root over the receipts.
    ///
    /// # Errors
    /// When the native handlers have not run, or a transaction waits for the plugin host.
    pub fn finish(self) -> Result<BlockResult, ExecutionError> {
        self.expect(Stage::Ran, "finish comes after run_native")?;
        let open = self
            .namespaces
            .iter()
            .position(|namespace| !namespace.foreign_open.is_empty());
        if let Some(name) = open.and_then(|index| self.applications.name(index)) {
            return Err(ExecutionError::Incomplete(name.to_string()));
        }
        let tx_ids = self.tx_ids();
        let (mut codes, mut places) = (Vec::with_capacity(self.txs.len()), Vec::with_capacity(self.txs.len()));
        for state in &self.txs {
            let Outcome::Done { code, receipt } = &state.outcome else {
                return Err(ExecutionError::OutOfOrder("a transaction has no receipt"));
            };
            codes.push(*code);
            places.push(receipt.clone());
        }
        let (due_count, mut due) = (self.due.len(), Some(self.due_rows()).filter(|rows| !rows.is_empty()));
        let receipts = Receipts::of_log(self.log, &places);
        let receipts_root = block_tree::root(&receipts.iter().collect::<Vec<_>>());
        let (mut writes, mut key_hashes) = (StateWrites::default(), Vec::new());
        let mut applications = Vec::with_capacity(self.namespaces.len());
        for (index, namespace) in self.namespaces.into_iter().enumerate() {
            let name = self.applications.name(index);
            if name.is_some_and(|name| name.as_str() > SYSTEM) {
                append_system(due.take(), &mut writes, &mut key_hashes, &mut applications);
            }
            let start = writes.len();
            namespace.append_writes(&mut writes, &mut key_hashes);
            applications.extend(name.map(|name| (*name, start..writes.len())));
        }
        append_system(due.take(), &mut writes, &mut key_hashes, &mut applications);
        Ok(BlockResult {
            due_count,
            height: self.info.height,
            receipts_root,
            outbox_root: block_tree::root::<&[u8]>(&[]),
            tx_ids,
            codes,
            receipts,
            state_updates: state_updates(&writes, key_hashes),
            writes,
            applications,
        })
    }

    pub(crate) fn expect(&self, stage: Stage, message: &'static str) -> Result<(), ExecutionError> {
        let in_order = (self.stage == stage).then_some(());
        in_order.ok_or(ExecutionError::OutOfOrder(message))
    }

    pub(crate) fn expect_from(&self, stage: Stage, message: &'static str) -> Result<(), ExecutionError> {
        let in_order = (self.stage >= stage).then_some(());
        in_order.ok_or(ExecutionError::OutOfOrder(message))
    }
}

pub(crate) fn count(what: &'static str, got: usize, want: usize) -> Result<(), ExecutionError> {
    if got == want {
        Ok(())
    } else {
        Err(ExecutionError::CountMismatch { what, got, want })
    }
}
