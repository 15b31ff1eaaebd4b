//! Behaviour of the trees and bundles, and the golden vectors.

// Helpers of tests may stop at a fault like the tests themselves.
#![allow(clippy::unwrap_used, clippy::panic)]

mod block_tree;
mod bundle;
mod golden;
mod kernels;
mod scenario;
mod state_tree;
mod state_tree_large;
mod twin;
mod vectors_formats;
mod vectors_merkle;
