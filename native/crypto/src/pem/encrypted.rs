//! PKCS#8 EncryptedPrivateKeyInfo (RFC 5958) with PBES2 (RFC 8018): PBKDF2-HMAC-SM3 and SM4-CBC, the form of GmSSL.

use super::armour::{unwrap, wrap};
use super::der::{Reader, element, integer, tag};
use super::keys::{secret_key_from_der, secret_key_to_der};
use super::oid;
use crate::CryptoError;
use crate::sm2::SecretKey;
use crate::sm3::pbkdf2_hmac_sm3;
use crate::sm4;
use zeroize::Zeroizing;

/// Fewest rounds that are written.
pub const ENCRYPTED_ROUNDS_MIN: u32 = 600_000;
/// Most rounds that are written or read: about 4 s of work, so that a hostile file cannot stall a start.
pub const ENCRYPTED_ROUNDS_MAX: u32 = 10_000_000;
/// Fewest rounds that are read; other tools write 2,048 or 65,536.
const READ_ROUNDS_MIN: u32 = 1_000;
const SALT_BYTES_MAX: usize = 64;
const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// `ENCRYPTED PRIVATE KEY` text. `salt` and `iv` are fresh random bytes of the caller.
///
/// # Errors
/// `Bounds` when `rounds` is outside [`ENCRYPTED_ROUNDS_MIN`]..=[`ENCRYPTED_ROUNDS_MAX`].
pub fn secret_key_to_encrypted_pem(
    key: &SecretKey,
    pass: &[u8],
    salt: &[u8; 16],
    iv: &[u8; 16],
    rounds: u32,
) -> Result<String, CryptoError> {
    bounded(rounds, ENCRYPTED_ROUNDS_MIN)?;
    let cipher_key = derive(pass, salt, rounds)?;
    let cipher = sm4::cbc_encrypt(&cipher_key, iv, &secret_key_to_der(key));
    let oid = |content| element(tag::OID, &[content]);
    let prf = element(tag::SEQUENCE, &[&oid(oid::HMAC_SM3), &element(tag::NULL, &[])]);
    let kdf_parameters = element(
        tag::SEQUENCE,
        &[
            &element(tag::OCTET_STRING, &[salt]),
            &integer(&rounds.to_be_bytes()),
            &prf,
        ],
    );
    let kdf = element(tag::SEQUENCE, &[&oid(oid::PBKDF2), &kdf_parameters]);
    let scheme = element(tag::SEQUENCE, &[&oid(oid::SM4_CBC), &element(tag::OCTET_STRING, &[iv])]);
    let algorithm = element(
        tag::SEQUENCE,
        &[&oid(oid::PBES2), &element(tag::SEQUENCE, &[&kdf, &scheme])],
    );
    let info = element(tag::SEQUENCE, &[&algorithm, &element(tag::OCTET_STRING, &[&cipher])]);
    Ok(wrap(LABEL, &info).to_string())
}

/// Reads `ENCRYPTED PRIVATE KEY` text.
///
/// # Errors
/// `Pem`, `Der`; `Unsupported` for another scheme; `Bounds` for fewer than 1,000 or more than
/// [`ENCRYPTED_ROUNDS_MAX`] rounds; `Decrypt` for a wrong pass phrase or altered text.
pub fn secret_key_from_encrypted_pem(text: &str, pass: &[u8]) -> Result<SecretKey, CryptoError> {
    let der = unwrap(LABEL, text)?;
    let mut outer = Reader::new(&der);
    let mut info = outer.nested(tag::SEQUENCE)?;
    outer.finish()?;
    let mut algorithm = info.nested(tag::SEQUENCE)?;
    let cipher = info.read(tag::OCTET_STRING)?;
    info.finish()?;

    expect_oid(&mut algorithm, oid::PBES2, "encryption (want PBES2)")?;
    let mut parameters = algorithm.nested(tag::SEQUENCE)?;
    algorithm.finish()?;
    let mut kdf = parameters.nested(tag::SEQUENCE)?;
    let mut scheme = parameters.nested(tag::SEQUENCE)?;
    parameters.finish()?;

    expect_oid(&mut kdf, oid::PBKDF2, "key derivation (want PBKDF2)")?;
    let (salt, rounds) = read_kdf_parameters(&mut kdf)?;
    kdf.finish()?;

    expect_oid(&mut scheme, oid::SM4_CBC, "cipher (want SM4-CBC)")?;
    let iv = scheme.read(tag::OCTET_STRING)?;
    scheme.finish()?;
    let iv: &[u8; 16] = iv.try_into().map_err(|_| CryptoError::Length {
        what: "sm4 iv",
        got: iv.len(),
        want: 16,
    })?;

    let cipher_key = derive(pass, salt, rounds)?;
    let plain = Zeroizing::new(sm4::cbc_decrypt(&cipher_key, iv, cipher)?);
    // A wrong pass phrase passes the padding check once in 256 times and then yields noise: same answer.
    secret_key_from_der(&plain).map_err(|_| CryptoError::Decrypt)
}

/// PBKDF2-params: salt, rounds, optional length 16, HMAC-SM3 under either of its identifiers, with or without NULL.
fn read_kdf_parameters<'a>(kdf: &mut Reader<'a>) -> Result<(&'a [u8], u32), CryptoError> {
    let mut parameters = kdf.nested(tag::SEQUENCE)?;
    let salt = parameters.read(tag::OCTET_STRING)?;
    if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
        return Err(CryptoError::Unsupported("salt length (want 1..=64 bytes)"));
    }
    let rounds = parameters.small()?;
    bounded(rounds, READ_ROUNDS_MIN)?;
    if parameters.next_is(tag::INTEGER) && parameters.small()? != 16 {
        return Err(CryptoError::Unsupported("derived key length (want 16)"));
    }
    let mut prf = parameters.nested(tag::SEQUENCE)?;
    parameters.finish()?;
    if ![oid::HMAC_SM3, oid::HMAC_SM3_NEWER].contains(&prf.read(tag::OID)?) {
        return Err(CryptoError::Unsupported("PBKDF2 function (want HMAC-SM3)"));
    }
    if prf.next_is(tag::NULL) && !prf.read(tag::NULL)?.is_empty() {
        return Err(CryptoError::Der("NULL is not empty"));
    }
    prf.finish()?;
    Ok((salt, rounds))
}

fn expect_oid(reader: &mut Reader<'_>, want: &[u8], what: &'static str) -> Result<(), CryptoError> {
    if reader.read(tag::OID)? == want {
        Ok(())
    } else {
        Err(CryptoError::Unsupported(what))
    }
}

fn derive(pass: &[u8], salt: &[u8], rounds: u32) -> Result<Zeroizing<[u8; 16]>, CryptoError> {
    let mut key = Zeroizing::new([0; 16]);
    pbkdf2_hmac_sm3(pass, salt, rounds, &mut *key)?;
    Ok(key)
}

fn bounded(rounds: u32, min: u32) -> Result<(), CryptoError> {
    if (min..=ENCRYPTED_ROUNDS_MAX).contains(&rounds) {
        return Ok(());
    }
    Err(CryptoError::Bounds {
        what: "pbkdf2 rounds",
        got: u64::from(rounds),
        min: u64::from(min),
        max: u64::from(ENCRYPTED_ROUNDS_MAX),
    })
}
