//! PKCS#8 PrivateKeyInfo (RFC 5208) around ECPrivateKey (RFC 5915), and SubjectPublicKeyInfo (RFC 5480).

use super::armour::{unwrap, wrap};
use super::der::{Reader, element, integer, tag};
use super::oid;
use crate::CryptoError;
use crate::sm2::{PublicKey, SecretKey};
use zeroize::Zeroizing;

const SECRET_LABEL: &str = "PRIVATE KEY";
const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// `PRIVATE KEY` text, byte for byte the form of `openssl genpkey -algorithm SM2`.
pub fn secret_key_to_pem(key: &SecretKey) -> Zeroizing<String> {
    wrap(SECRET_LABEL, &secret_key_to_der(key))
}

/// Reads `PRIVATE KEY` text. A public key inside must belong to the secret one.
///
/// # Errors
/// `Pem`, `Der`, `Unsupported` for another algorithm or curve, `SecretKeyRange`, `PublicKey`.
pub fn secret_key_from_pem(text: &str) -> Result<SecretKey, CryptoError> {
    secret_key_from_der(&unwrap(SECRET_LABEL, text)?)
}

/// `PUBLIC KEY` text (SubjectPublicKeyInfo).
pub fn public_key_to_pem(key: &PublicKey) -> String {
    let point = bit_string(key.as_bytes());
    wrap(PUBLIC_LABEL, &element(tag::SEQUENCE, &[&algorithm(), &point])).to_string()
}

/// Reads `PUBLIC KEY` text; the point may be compressed, as at every import.
///
/// # Errors
/// `Pem`, `Der`, `Unsupported` for another algorithm or curve, `PublicKey`.
pub fn public_key_from_pem(text: &str) -> Result<PublicKey, CryptoError> {
    let der = unwrap(PUBLIC_LABEL, text)?;
    let mut outer = Reader::new(&der);
    let mut info = outer.nested(tag::SEQUENCE)?;
    outer.finish()?;
    read_algorithm(&mut info)?;
    let point = read_bit_string(&mut info)?;
    info.finish()?;
    public_key_from_point(point)
}

/// PrivateKeyInfo.
pub(super) fn secret_key_to_der(key: &SecretKey) -> Zeroizing<Vec<u8>> {
    let secret = Zeroizing::new(element(tag::OCTET_STRING, &[&*key.to_bytes()]));
    let public = element(tag::CONTEXT_1, &[&bit_string(key.public_key().as_bytes())]);
    let ec_key = Zeroizing::new(element(tag::SEQUENCE, &[&integer(&[1]), &secret, &public]));
    let wrapped = Zeroizing::new(element(tag::OCTET_STRING, &[&ec_key]));
    Zeroizing::new(element(tag::SEQUENCE, &[&integer(&[0]), &algorithm(), &wrapped]))
}

/// Reads PrivateKeyInfo; attributes are refused.
pub(super) fn secret_key_from_der(der: &[u8]) -> Result<SecretKey, CryptoError> {
    let mut outer = Reader::new(der);
    let mut info = outer.nested(tag::SEQUENCE)?;
    outer.finish()?;
    if info.small()? != 0 {
        return Err(CryptoError::Unsupported("PrivateKeyInfo version"));
    }
    read_algorithm(&mut info)?;
    let mut wrapped = info.nested(tag::OCTET_STRING)?;
    info.finish()?;
    let mut ec_key = wrapped.nested(tag::SEQUENCE)?;
    wrapped.finish()?;
    if ec_key.small()? != 1 {
        return Err(CryptoError::Unsupported("ECPrivateKey version"));
    }
    let secret = ec_key.read(tag::OCTET_STRING)?;
    let secret: &[u8; 32] = secret.try_into().map_err(|_| CryptoError::Length {
        what: "secret key",
        got: secret.len(),
        want: 32,
    })?;
    if ec_key.next_is(tag::CONTEXT_0) {
        let mut parameters = ec_key.nested(tag::CONTEXT_0)?;
        if parameters.read(tag::OID)? != oid::SM2 {
            return Err(CryptoError::Unsupported("curve"));
        }
        parameters.finish()?;
    }
    let key = SecretKey::from_bytes(secret)?;
    if ec_key.next_is(tag::CONTEXT_1) {
        let mut public = ec_key.nested(tag::CONTEXT_1)?;
        let point = read_bit_string(&mut public)?;
        public.finish()?;
        if public_key_from_point(point)? != *key.public_key() {
            return Err(CryptoError::PublicKey("does not belong to the secret key beside it"));
        }
    }
    ec_key.finish()?;
    Ok(key)
}

/// AlgorithmIdentifier of an SM2 key.
fn algorithm() -> Vec<u8> {
    element(
        tag::SEQUENCE,
        &[
            &element(tag::OID, &[oid::EC_PUBLIC_KEY]),
            &element(tag::OID, &[oid::SM2]),
        ],
    )
}

fn read_algorithm(reader: &mut Reader<'_>) -> Result<(), CryptoError> {
    let mut algorithm = reader.nested(tag::SEQUENCE)?;
    if algorithm.read(tag::OID)? != oid::EC_PUBLIC_KEY {
        return Err(CryptoError::Unsupported("key algorithm"));
    }
    if algorithm.read(tag::OID)? != oid::SM2 {
        return Err(CryptoError::Unsupported("curve"));
    }
    algorithm.finish()
}

/// BIT STRING of whole bytes.
fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(tag::BIT_STRING, &[&[0], bytes])
}

fn read_bit_string<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], CryptoError> {
    match reader.read(tag::BIT_STRING)? {
        [0, bytes @ ..] => Ok(bytes),
        _ => Err(CryptoError::Der("bit string is not whole bytes")),
    }
}

fn public_key_from_point(point: &[u8]) -> Result<PublicKey, CryptoError> {
    match point.first() {
        Some(0x02 | 0x03) => PublicKey::from_compressed(point),
        _ => PublicKey::from_bytes(point),
    }
}
