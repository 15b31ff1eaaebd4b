//! SM4 (GB/T 32907-2016): GCM for sealed payloads, CTR, and CBC for key files. Timing and memory access are
//! independent of keys and data in every form: bit planes where nothing else is there, AES instructions with AVX2, and
//! GFNI with AVX-512.

#[cfg(target_arch = "x86_64")]
mod aes;
mod block;
mod engine;
mod gcm;
#[cfg(target_arch = "x86_64")]
mod gfni;
mod ghash;
#[cfg(target_arch = "x86_64")]
mod ghash_clmul;
#[cfg(target_arch = "x86_64")]
mod ghash_wide;
mod modes;
mod sbox;

pub use block::BLOCK_BYTES;
pub use gcm::{
    PLAIN_BYTES_MAX, TAG_BYTES, gcm_open, gcm_open_in_place, gcm_open_with, gcm_seal, gcm_seal_in_place, gcm_seal_with,
};
pub use modes::{cbc_decrypt, cbc_encrypt, ctr, ctr_with, encrypt_block};
