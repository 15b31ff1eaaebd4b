//! Behaviour of the trees and bundles, and the golden vectors.

mod block_tree;
mod bundle;
mod golden;
mod scenario;
mod state_tree;
mod twin;
mod vectors;
