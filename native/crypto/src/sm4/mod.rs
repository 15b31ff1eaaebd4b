//! SM4 (GB/T 32907-2016): GCM for sealed payloads, CTR, and CBC for key files. Bit-sliced, so timing and memory access
//! are independent of keys and data.

mod block;
mod gcm;
mod ghash;
mod modes;
mod sbox;

pub use block::BLOCK_BYTES;
pub use gcm::{PLAIN_BYTES_MAX, TAG_BYTES, gcm_open, gcm_seal};
pub use modes::{cbc_decrypt, cbc_encrypt, ctr, encrypt_block};
