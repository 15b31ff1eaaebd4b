//! SM2, SM3 and SM4 for a consortium chain: verify signatures in bulk, sign without leaking the key, hash trees.
//!
//! Flow: bytes → [`sm2::PublicKey`] (checked once) → [`sm2::verify_batch`] (comb tables of known keys) → one
//! [`sm2::VerifyStatus`] an item. A kernel only reproduces [`sm2::verify_single`], which is the rule.
//!
//! Invariants:
//! 1. No random source, clock or file: the caller brings seeds, nonces and bytes.
//! 2. Verification is variable-time on purpose (public data); key derivation, signing, HMAC and SM4 neither branch on
//!    nor index memory with a secret.
//! 3. A signature is 64 bytes r ‖ s, big-endian; a public key is 65 bytes 0x04 ‖ x ‖ y. DER lives in [`pem`] alone.
//! 4. The kernel that runs may change the speed, never a verdict.

pub mod error;
pub mod kernel;
pub mod pem;
pub mod sm2;
pub mod sm3;
pub mod sm4;

pub use error::CryptoError;
