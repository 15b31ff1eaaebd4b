//! Behaviour of the formats: round trips, strictness, certificates, batches.

mod batch;
mod canonical;
mod certificate;
mod fixture;
mod validators;
