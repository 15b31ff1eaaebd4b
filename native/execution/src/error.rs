//! Faults of whoever drives the execution; a failing transaction is a receipt, never one of these.

use hn_primitives::codes;
use thiserror::Error;

/// A fault of configuration or of the host. The block's result does not exist then.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ExecutionError {
    /// A step was called before the one it needs, or twice.
    #[error("block execution: {0}")]
    OutOfOrder(&'static str),
    /// A list has not one entry for each item it is about.
    #[error("{what}: got {got}, want {want}")]
    CountMismatch {
        /// The list.
        what: &'static str,
        /// Entries received.
        got: usize,
        /// Entries needed.
        want: usize,
    },
    /// Results came for an application that has none open.
    #[error("application {0} has no open transactions in this block")]
    NoOpenGroup(String),
    /// The results of an application do not follow the order of its transactions.
    #[error("results of application {application}: got transaction {got}, want {want}")]
    ResultsMismatch {
        /// The application.
        application: String,
        /// Index received.
        got: u32,
        /// Index expected at this place.
        want: u32,
    },
    /// Packed results do not have their layout.
    #[error("packed results: malformed at byte {0}")]
    ResultsMalformed(usize),
    /// The block cannot be finished before every application has answered.
    #[error("application {0} has not answered")]
    Incomplete(String),
    /// The end of a block, or a page of a migration, cannot be.
    #[error("{0}")]
    System(String),
    /// The table of applications is contradictory.
    #[error("application table: {0}")]
    ApplicationsInvalid(String),
}

impl ExecutionError {
    /// The permanent code of this error.
    pub fn code(&self) -> u32 {
        match self {
            Self::OutOfOrder(_) | Self::Incomplete(_) | Self::System(_) => codes::INTERNAL_ERROR,
            Self::CountMismatch { .. }
            | Self::NoOpenGroup(_)
            | Self::ResultsMismatch { .. }
            | Self::ResultsMalformed(_) => codes::RESULT_INVALID,
            Self::ApplicationsInvalid(_) => codes::PLUGIN_SET_INVALID,
        }
    }
}
