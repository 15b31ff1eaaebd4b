//! SM2 digital signatures (GB/T 32918.2-2016) on the recommended curve (GB/T 32918.5-2017).

mod batch;
mod cache;
#[cfg(target_arch = "x86_64")]
mod coefficients;
mod comb;
mod field;
#[cfg(target_arch = "x86_64")]
mod field_adx;
#[cfg(target_arch = "x86_64")]
mod field_x86;
mod hinted;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod inverse;
mod jacobian;
mod key;
mod limbs;
mod odd_table;
mod point;
mod products;
mod referee;
mod scalar;
mod sign;
mod sign_keygen;
mod sign_nonce;
#[cfg(target_arch = "x86_64")]
mod sign_rows;
mod verify;
mod words;

#[cfg(test)]
mod edge_tests;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod twin_tests;

pub use batch::{BatchItem, verify_batch};
pub use cache::{CACHE_BYTES_DEFAULT, KeyCache, PreparedKey};
pub use hinted::{verify_batch_hinted, verify_batch_hinted_with, verify_with_hint};
pub use key::{ID_BYTES_MAX, ID_DEFAULT, PUBLIC_KEY_BYTES, PublicKey, SecretKey, generate, message_digest};
pub use odd_table::{build_base_table, prepare_base_table};
pub use sign::{SignItem, sign_batch, sign_digests, sign_digests_with};
pub use sign_keygen::{generate_batch, generate_batch_with};
pub use verify::{VerifyStatus, verify_digest_single, verify_single};

use crate::sm3::{Sm3, tag_block};

/// Account address: the first 20 bytes of SM3(tag_block("hn/account/v1") ‖ 65-byte key).
pub fn address(pk: &PublicKey) -> [u8; 20] {
    const TAG: [u8; 64] = tag_block("hn/account/v1");
    let mut hasher = Sm3::new();
    hasher.update(&TAG);
    hasher.update(pk.as_bytes());
    let digest = hasher.finalize();
    let mut out = [0; 20];
    out.copy_from_slice(&digest[..20]);
    out
}
