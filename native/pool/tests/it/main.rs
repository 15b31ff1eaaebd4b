//! Behaviour of the pool, of batch verification and of value checks, through the public API.

mod account;
mod admission;
mod fixture;
mod pool_twin;
mod sealing;
mod threads;
mod value;
mod verify;
