//! Merkle trees of a block and of the state, and proofs that verify without a node (`docs/reference/formats.md` §4, §5, §13).
//!
//! Flow: leaves → [`block_tree::root`] / [`block_tree::prove`]; writes → [`StateTree::apply`] → changed pages;
//! proofs and headers → [`bundle::Bundle`] → [`bundle::Bundle::verify`] → report.
//!
//! Invariants:
//! 1. A root depends on the content alone, never on the order of insertion or on what is cached.
//! 2. A verifier accepts one form of a proof only: missing, extra or empty siblings and unused bits are refused.
//! 3. Nothing here reads a disk: the state tree says which pages it needs and hands back those that changed.

#![forbid(unsafe_code)]

pub mod block_tree;
pub mod bundle;
mod hashing;
pub mod state_tree;

pub use block_tree::InclusionProof;
pub use bundle::{Bundle, BundleError, BundleReport};
pub use hashing::Hashing;
pub use state_tree::{Applied, NeedPages, PageId, StateProof, StateTree, TreeError};
