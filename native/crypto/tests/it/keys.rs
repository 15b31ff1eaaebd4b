//! Keys: what is refused, and their PEM and DER forms.

use crate::bytes::{hex, seed};
use hn_crypto::CryptoError;
use hn_crypto::pem::{
    ENCRYPTED_ROUNDS_MAX, ENCRYPTED_ROUNDS_MIN, public_key_from_pem, public_key_to_pem, secret_key_from_encrypted_pem,
    secret_key_from_pem, secret_key_to_encrypted_pem, secret_key_to_pem, signature_from_der, signature_to_der,
};
use hn_crypto::sm2::{ID_BYTES_MAX, ID_DEFAULT, PublicKey, SecretKey, address, generate};
use hn_crypto::sm3::{sm3, tag_block};

const P: &str = "fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff";
const N: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";
const N_MINUS_1: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54122";
const N_MINUS_2: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54121";
const G_X: &str = "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7";
const G_Y: &str = "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";

fn point(prefix: u8, x: &str, y: &str) -> Vec<u8> {
    [&[prefix][..], &hex::<32>(x), &hex::<32>(y)].concat()
}

#[test]
fn secret_keys_are_in_1_to_n_minus_2() {
    for bad in [&"00".repeat(32), N_MINUS_1, N, P, &"ff".repeat(32)] {
        assert_eq!(
            SecretKey::from_bytes(&hex(bad)).err(),
            Some(CryptoError::SecretKeyRange),
            "{bad}"
        );
    }
    let mut one = [0; 32];
    one[31] = 1;
    let key = SecretKey::from_bytes(&one).unwrap();
    assert_eq!(key.public_key().to_bytes().to_vec(), point(4, G_X, G_Y));
    // (n − 2)·G = −2G.
    let last = SecretKey::from_bytes(&hex(N_MINUS_2)).unwrap();
    one[31] = 2;
    let two = SecretKey::from_bytes(&one).unwrap();
    let (last, two) = (last.public_key().to_bytes(), two.public_key().to_bytes());
    assert_eq!(last[1..33], two[1..33]);
    assert_ne!(last[33..], two[33..]);
}

#[test]
fn generate_is_a_function_of_the_seed() {
    let key = generate(&seed("generate", 0));
    assert_eq!(*key.to_bytes(), *generate(&seed("generate", 0)).to_bytes());
    assert_ne!(*key.to_bytes(), *generate(&seed("generate", 1)).to_bytes());
    assert_eq!(
        SecretKey::from_bytes(&key.to_bytes()).unwrap().public_key(),
        key.public_key()
    );
}

#[test]
fn malformed_public_keys_are_refused() {
    let good = point(4, G_X, G_Y);
    PublicKey::from_bytes(&good).unwrap();
    for prefix in [0u8, 1, 2, 3, 5, 6, 7, 0xff] {
        let mut bytes = good.clone();
        bytes[0] = prefix;
        assert!(
            matches!(PublicKey::from_bytes(&bytes), Err(CryptoError::PublicKey(_))),
            "{prefix}"
        );
    }
    for length in [0, 1, 33, 64, 66] {
        let bytes = vec![4; length];
        assert!(
            matches!(PublicKey::from_bytes(&bytes), Err(CryptoError::Length { .. })),
            "{length}"
        );
    }
    let zero = "00".repeat(32);
    for (x, y) in [
        (G_X, G_X),
        (P, G_Y),
        (G_X, P),
        (&zero[..], &zero[..]),
        (G_X, &zero[..]),
        (&"ff".repeat(32)[..], G_Y),
    ] {
        assert!(matches!(
            PublicKey::from_bytes(&point(4, x, y)),
            Err(CryptoError::PublicKey(_))
        ));
    }
}

#[test]
fn compressed_keys_expand_to_both_points() {
    for index in 0..8 {
        let key = generate(&seed("compressed", index));
        let bytes = key.public_key().to_bytes();
        let mut short = [0; 33];
        short[0] = 2 + (bytes[64] & 1);
        short[1..].copy_from_slice(&bytes[1..33]);
        assert_eq!(PublicKey::from_compressed(&short).unwrap(), *key.public_key());
        short[0] ^= 1;
        let other = PublicKey::from_compressed(&short).unwrap();
        assert_eq!(other.to_bytes()[..33], bytes[..33]);
        assert_ne!(other, *key.public_key());
        short[0] = 4;
        assert!(PublicKey::from_compressed(&short).is_err());
    }
    let without = (0u8..)
        .map(|x| [&[2][..], &[0; 31], &[x]].concat())
        .find(|b| PublicKey::from_compressed(b).is_err());
    assert!(without.is_some(), "about half of all x have no point");
    assert!(PublicKey::from_compressed(&[&[2][..], &hex::<32>(P)].concat()).is_err());
}

#[test]
fn identifiers_have_at_most_8191_bytes() {
    let key = generate(&seed("id", 0));
    let key = key.public_key();
    assert_eq!(key.za_for_id(ID_DEFAULT).unwrap(), *key.za());
    assert_ne!(key.za_for_id(b"").unwrap(), *key.za());
    key.za_for_id(&[7; ID_BYTES_MAX]).unwrap();
    assert!(matches!(
        key.za_for_id(&[7; ID_BYTES_MAX + 1]),
        Err(CryptoError::Bounds { got: 8192, .. })
    ));
}

#[test]
fn address_is_the_head_of_the_tagged_hash() {
    let key = generate(&seed("address", 0));
    let input = [&tag_block("hn/account/v1")[..], key.public_key().as_bytes()].concat();
    assert_eq!(address(key.public_key()), sm3(&input)[..20]);
}

#[test]
fn pem_forms_round_trip_and_have_one_label() {
    let key = generate(&seed("pem", 0));
    let secret = secret_key_to_pem(&key);
    let public = public_key_to_pem(key.public_key());
    assert_eq!(*secret_key_from_pem(&secret).unwrap().to_bytes(), *key.to_bytes());
    assert_eq!(public_key_from_pem(&public).unwrap(), *key.public_key());
    assert_eq!(
        public_key_from_pem(&public.replace('\n', "\r\n")).unwrap(),
        *key.public_key()
    );
    assert!(matches!(secret_key_from_pem(&public), Err(CryptoError::Pem(_))));
    assert!(matches!(public_key_from_pem(&secret), Err(CryptoError::Pem(_))));
    for bad in [
        "",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    ] {
        assert!(public_key_from_pem(bad).is_err(), "{bad}");
    }
    assert!(public_key_from_pem(&(public.clone() + "x")).is_err());
    assert!(public_key_from_pem(&(public.clone() + &public)).is_err());
    assert!(public_key_from_pem(&" ".repeat(20_000)).is_err());
}

#[test]
fn no_altered_character_yields_another_key_silently() {
    let key = generate(&seed("pem", 1));
    let public = public_key_to_pem(key.public_key());
    for at in 0..public.len() {
        let mut altered = public.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert!(public_key_from_pem(&altered).is_err(), "character {at}");
    }
}

#[test]
fn encrypted_pem_opens_with_its_pass_phrase_only() {
    let key = generate(&seed("encrypted", 0));
    let text =
        secret_key_to_encrypted_pem(&key, "口令 pass".as_bytes(), &[5; 16], &[6; 16], ENCRYPTED_ROUNDS_MIN).unwrap();
    assert_eq!(
        *secret_key_from_encrypted_pem(&text, "口令 pass".as_bytes())
            .unwrap()
            .to_bytes(),
        *key.to_bytes()
    );
    assert_eq!(
        secret_key_from_encrypted_pem(&text, b"pass").err(),
        Some(CryptoError::Decrypt)
    );
    for rounds in [0, 1, ENCRYPTED_ROUNDS_MIN - 1, ENCRYPTED_ROUNDS_MAX + 1] {
        let refused = secret_key_to_encrypted_pem(&key, b"x", &[5; 16], &[6; 16], rounds);
        assert!(matches!(refused, Err(CryptoError::Bounds { .. })));
    }
}

#[test]
fn signatures_have_one_der_form() {
    let mut low = [0; 64];
    low[31] = 1;
    low[63] = 0x80;
    assert_eq!(signature_to_der(&low), [0x30, 7, 2, 1, 1, 2, 2, 0, 0x80]);
    for signature in [
        low,
        [0xff; 64],
        [0; 64],
        [0x7f; 64],
        generate(&seed("der", 0)).sign(b"m"),
    ] {
        let der = signature_to_der(&signature);
        assert_eq!(signature_from_der(&der).unwrap(), signature);
        let mut longer = der.clone();
        longer.push(0);
        assert!(signature_from_der(&longer).is_err(), "trailing byte");
        for length in 0..der.len() {
            assert!(signature_from_der(&der[..length]).is_err(), "cut at {length}");
        }
    }
    for bad in [
        &[0x30, 8, 2, 2, 0, 1, 2, 2, 0, 0x80][..],
        &[0x30, 0x81, 7, 2, 1, 1, 2, 2, 0, 0x80],
        &[0x30, 6, 2, 1, 1, 2, 1, 0x80],
        &[0x30, 9, 2, 1, 1, 2, 2, 0, 0x80, 5, 0],
        &[0x31, 7, 2, 1, 1, 2, 2, 0, 0x80],
        &[0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0],
    ] {
        assert!(
            matches!(signature_from_der(bad), Err(CryptoError::Der(_))),
            "{bad:02x?}"
        );
    }
    let wide = [&[0x30, 38, 2, 33, 1][..], &[0; 32], &[2, 1, 1]].concat();
    assert!(signature_from_der(&wide).is_err());
}
