//! Behaviour of block execution through the public API.

// Fixtures unwrap outside of test functions.
#![allow(clippy::unwrap_used)]

mod bounds;
mod chain;
mod checks;
mod evidence;
mod evidence_cases;
mod evidence_records;
mod evidence_scene;
mod foreign;
mod governance;
mod identity;
mod packed;
mod probe;
mod steps;
mod twin;
