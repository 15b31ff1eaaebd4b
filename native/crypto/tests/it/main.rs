//! Tests of the crate's public face.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test panics")]

mod batch;
mod bytes;
mod edges;
mod encrypted;
mod hinted;
mod keys;
mod openssl;
mod sign_kernels;
mod sm4;
mod sm4_kernels;
mod timing;
mod vectors;
