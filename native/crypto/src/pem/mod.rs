//! Keys as PEM text and signatures as DER: the forms of the OpenSSL 3 command line and of GmSSL. Everything is read
//! strictly; one value has one encoding.

mod armour;
mod base64;
mod der;
mod encrypted;
mod keys;

pub use encrypted::{
    ENCRYPTED_ROUNDS_MAX, ENCRYPTED_ROUNDS_MIN, secret_key_from_encrypted_pem, secret_key_to_encrypted_pem,
};
pub use keys::{public_key_from_pem, public_key_to_pem, secret_key_from_pem, secret_key_to_pem};

use crate::CryptoError;
use der::{Reader, element, integer, tag};

/// r ‖ s as SEQUENCE { INTEGER r, INTEGER s }.
pub fn signature_to_der(signature: &[u8; 64]) -> Vec<u8> {
    let (r, s) = signature.split_at(32);
    element(tag::SEQUENCE, &[&integer(r), &integer(s)])
}

/// r ‖ s from strict DER. The range [1, n−1] is checked by verification.
///
/// # Errors
/// `Der` for anything but the one minimal encoding, a negative integer, or one above 32 bytes.
pub fn signature_from_der(der: &[u8]) -> Result<[u8; 64], CryptoError> {
    let mut outer = Reader::new(der);
    let mut sequence = outer.nested(tag::SEQUENCE)?;
    outer.finish()?;
    let mut out = [0; 64];
    let (r, s) = out.split_at_mut(32);
    for half in [r, s] {
        let bytes = sequence.unsigned()?;
        let Some(start) = half.len().checked_sub(bytes.len()) else {
            return Err(CryptoError::Der("signature integer is above 32 bytes"));
        };
        half[start..].copy_from_slice(bytes);
    }
    sequence.finish()?;
    Ok(out)
}

/// Object identifiers, content bytes.
mod oid {
    /// 1.2.840.10045.2.1 id-ecPublicKey.
    pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    /// 1.2.156.10197.1.301 sm2p256v1.
    pub(crate) const SM2: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d];
    /// 1.2.840.113549.1.5.13 PBES2.
    pub(crate) const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
    /// 1.2.840.113549.1.5.12 PBKDF2.
    pub(crate) const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
    /// 1.2.156.10197.1.401.2 HMAC-SM3, the form that is written.
    pub(crate) const HMAC_SM3: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11, 0x02];
    /// 1.2.156.10197.1.401.3.1 HMAC-SM3, the form of newer tools.
    pub(crate) const HMAC_SM3_NEWER: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11, 0x03, 0x01];
    /// 1.2.156.10197.1.104.2 SM4-CBC.
    pub(crate) const SM4_CBC: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x68, 0x02];
}
