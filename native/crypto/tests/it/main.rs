//! Tests of the crate's public face.

mod batch;
mod bytes;
mod keys;
mod openssl;
mod sm4;
mod vectors;
