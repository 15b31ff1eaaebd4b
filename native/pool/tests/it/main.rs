//! Behaviour of the pool, of batch verification and of value checks, through the public API.

// Fixtures unwrap outside of test functions.
#![allow(clippy::unwrap_used)]

mod account;
mod admission;
mod fixture;
mod personal;
mod pool_twin;
mod sealing;
mod threads;
mod value;
mod verify;
