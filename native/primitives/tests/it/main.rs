//! Behaviour of the formats: round trips, strictness, certificates, batches.

// Helpers of tests may stop at a fault like the tests themselves.
#![allow(clippy::unwrap_used, clippy::panic)]

mod batch;
mod canonical;
mod certificate;
mod fixture;
mod validators;
