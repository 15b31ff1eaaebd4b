//! Tests of the crate's public face.

mod bytes;
mod keys;
mod sm4;
mod vectors;
