//! Encrypted key files as other tools write them, encoded here byte by byte.

use crate::bytes::seed;
use hn_crypto::CryptoError;
use hn_crypto::pem::{secret_key_from_encrypted_pem, secret_key_from_pem, secret_key_to_pem};
use hn_crypto::sm2::generate;
use hn_crypto::sm3::pbkdf2_hmac_sm3;
use hn_crypto::sm4::cbc_encrypt;

const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
const SM4_CBC: &[u8] = b"\x2a\x81\x1c\xcf\x55\x01\x68\x02";
/// 1.2.156.10197.1.401.2 and 1.2.156.10197.1.401.3.1.
const HMAC_SM3: [&[u8]; 2] = [
    b"\x2a\x81\x1c\xcf\x55\x01\x83\x11\x02",
    b"\x2a\x81\x1c\xcf\x55\x01\x83\x11\x03\x01",
];
const ROUNDS: u32 = 2_048;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(content.len()).unwrap() {
        length @ 0..0x80 => out.push(length),
        length => out.extend([0x81, length]),
    }
    [out, content].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, parts)
}

fn oid(content: &[u8]) -> Vec<u8> {
    element(6, &[content])
}

fn to_base64(data: &[u8]) -> String {
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

fn from_base64(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|digit| BASE64.iter().position(|known| *known == digit))
        .map(|value| value as u32)
        .collect();
    let bytes = digits.chunks(4).flat_map(|part| {
        let bits = part.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - part.len()));
        bits.to_be_bytes()[1..part.len()].to_vec()
    });
    bytes.collect()
}

/// The DER of a PKCS#8 text.
fn der(pem: &str) -> Vec<u8> {
    from_base64(&pem.lines().filter(|line| !line.starts_with('-')).collect::<String>())
}

/// An EncryptedPrivateKeyInfo whose pseudo-random function has this identifier and these parameters.
fn file(plain: &[u8], pass: &[u8], function: &[u8], parameters: &[u8]) -> String {
    let (salt, iv) = ([7; 8], [9; 16]);
    let mut key = [0; 16];
    pbkdf2_hmac_sm3(pass, &salt, ROUNDS, &mut key).unwrap();
    let prf = sequence(&[&oid(function), parameters]);
    let derivation = sequence(&[&element(4, &[&salt]), &element(2, &[&ROUNDS.to_be_bytes()[2..]]), &prf]);
    let scheme = sequence(&[&oid(SM4_CBC), &element(4, &[&iv])]);
    let both = sequence(&[&sequence(&[&oid(PBKDF2), &derivation]), &scheme]);
    let info = sequence(&[
        &sequence(&[&oid(PBES2), &both]),
        &element(4, &[&cbc_encrypt(&key, &iv, plain)]),
    ]);
    format!(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{}\n-----END ENCRYPTED PRIVATE KEY-----\n",
        to_base64(&info)
    )
}

#[test]
fn hmac_sm3_is_read_under_both_of_its_identifiers() {
    let key = generate(&seed("prf", 0));
    let plain = der(&secret_key_to_pem(&key));
    for function in HMAC_SM3 {
        for parameters in [&[][..], &[5, 0]] {
            let text = file(&plain, b"pass", function, parameters);
            let read = secret_key_from_encrypted_pem(&text, b"pass").unwrap();
            assert_eq!(*read.to_bytes(), *key.to_bytes());
            assert_eq!(
                secret_key_from_encrypted_pem(&text, b"other").err(),
                Some(CryptoError::Decrypt)
            );
        }
    }
    assert!(secret_key_from_pem(&file(&plain, b"pass", HMAC_SM3[1], &[])).is_err());
}

#[test]
fn another_function_is_refused() {
    let plain = der(&secret_key_to_pem(&generate(&seed("prf", 1))));
    // HMAC-SHA-256; SM3 itself; each of the two identifiers with another last number, or cut.
    for function in [
        &b"\x2a\x86\x48\x86\xf7\x0d\x02\x09"[..],
        b"\x2a\x81\x1c\xcf\x55\x01\x83\x11",
        b"\x2a\x81\x1c\xcf\x55\x01\x83\x11\x01",
        b"\x2a\x81\x1c\xcf\x55\x01\x83\x11\x03",
        b"\x2a\x81\x1c\xcf\x55\x01\x83\x11\x03\x02",
    ] {
        let refused = secret_key_from_encrypted_pem(&file(&plain, b"pass", function, &[5, 0]), b"pass");
        assert!(matches!(refused, Err(CryptoError::Unsupported(_))), "{function:x?}");
    }
    let text = file(&plain, b"pass", HMAC_SM3[1], &[5, 1, 0]);
    assert!(matches!(
        secret_key_from_encrypted_pem(&text, b"pass"),
        Err(CryptoError::Der(_))
    ));
}
