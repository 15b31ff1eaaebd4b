//! What a native application is: a name, its actions, and two steps a transaction, *prepare* and *execute*.
//!
//! `prepare` sees the payload alone. It decodes it once, declares every key that the transaction may read or write, and
//! returns the decoded operation; `execute` then runs it on the prefetched state. Neither may look at a clock, a random
//! source, a file or an address in memory: equal blocks on equal states give equal bytes on every node.

use hn_pool::AccountState;
use hn_primitives::{Account, Hash32, codes};

use crate::overlay::{KeySink, Overlay};
use crate::system::MigrationPage;

/// Why a transaction failed. It leaves no writes and no events, only a receipt with this code and rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// One of [`hn_primitives::codes`], never 0.
    pub code: u32,
    /// Rule id such as `evidence.own_record`; empty unless the code is `RULE_VIOLATION`.
    pub rule: &'static str,
}

impl Failure {
    /// A failure without a rule.
    pub const fn new(code: u32) -> Self {
        Self { code, rule: "" }
    }

    /// A breach of `rule`.
    pub const fn rule(rule: &'static str) -> Self {
        Self {
            code: codes::RULE_VIOLATION,
            rule,
        }
    }
}

/// One action of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionSpec {
    /// Its name.
    pub name: &'static str,
    /// JSON Schema of its payload, part of the plugins hash.
    pub schema_json: &'static str,
    /// Roles of which the sender needs one; empty: every registered account.
    pub roles: &'static [&'static str],
}

/// What a handler may know about its transaction and block.
#[derive(Clone, Copy)]
pub struct TxContext<'a> {
    /// The chain.
    pub chain_id: &'a Hash32,
    /// Height of the block.
    pub height: u64,
    /// Time of the block, Unix milliseconds.
    pub time_ms: u64,
    /// Proposer of the block.
    pub proposer: &'a Account,
    /// The transaction's id.
    pub tx_id: &'a Hash32,
    /// Its sender.
    pub sender: &'a Account,
    /// The sender's record after the block before.
    pub account: &'a AccountState,
    /// The action, one of [`NativeApplication::actions`].
    pub action: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

/// An application compiled into the node.
pub trait NativeApplication: Send + Sync {
    /// Its name, also its namespace in the state.
    fn name(&self) -> &'static str;

    /// Its actions, ascending by name.
    fn actions(&self) -> &'static [ActionSpec];

    /// Decodes the payload and declares every key the transaction may reach; state must not decide which.
    ///
    /// # Errors
    /// The failure that becomes the receipt.
    fn prepare(&self, tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure>;

    /// Keys that [`NativeApplication::end_block`] reads, the same in every block; none: it is not called.
    fn block_keys(&self) -> &'static [&'static [u8]] {
        &[]
    }

    /// What happens at the end of a block of this height, after its transactions, without a receipt. `page` is that of the
    /// migration that runs.
    ///
    /// # Errors
    /// What cannot be: the block then has no result and the node stops.
    fn end_block(&self, height: u64, page: Option<&MigrationPage>, state: &mut Overlay) -> Result<(), Failure> {
        let _ = (height, page, state);
        Ok(())
    }
}

/// A decoded payload, ready to run.
pub trait Operation: Send + Sync {
    /// Runs the operation.
    ///
    /// # Errors
    /// The failure that becomes the receipt; whatever was written until then is dropped.
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure>;
}
