//! Examples printed in the standards, and the vector files.

use crate::bytes::{hex, unhex};
use hn_crypto::sm2::{PublicKey, SecretKey, VerifyStatus, verify_digest_single, verify_single};
use hn_crypto::sm3::{TaggedHasher, hmac_sm3, kdf, pbkdf2_hmac_sm3, sm3};
use hn_crypto::sm4::{cbc_decrypt, cbc_encrypt, ctr, encrypt_block, gcm_open, gcm_seal};
use serde_json::Value;

#[test]
fn sm3_examples_of_gbt_32905() {
    assert_eq!(
        sm3(b"abc"),
        hex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
    );
    assert_eq!(
        sm3(&b"abcd".repeat(16)),
        hex("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732")
    );
}

#[test]
fn sm2_example_of_gbt_32918_5() {
    let secret =
        SecretKey::from_bytes(&hex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")).unwrap();
    let public: [u8; 65] = hex("0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
         ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13");
    assert_eq!(secret.public_key().to_bytes(), public);
    let public = PublicKey::from_bytes(&public).unwrap();
    assert_eq!(
        *public.za(),
        hex("b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3")
    );
    assert_eq!(
        public.digest(b"message digest"),
        hex("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640")
    );
    let signature = hex("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
         b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa");
    assert_eq!(
        verify_single(&public, b"message digest", &signature),
        VerifyStatus::Valid
    );
    assert_eq!(
        verify_single(&public, b"message digesT", &signature),
        VerifyStatus::BadSignature
    );
    let own = secret.sign(b"message digest");
    assert_eq!(verify_single(&public, b"message digest", &own), VerifyStatus::Valid);
}

/// A file of tests/vectors, written by generate_vectors from an independent implementation.
fn file(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/").to_owned() + name;
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The cases under a key; a file without them would test nothing.
fn cases<'a>(file: &'a Value, key: &str, count_min: usize) -> &'a [Value] {
    let cases = file[key].as_array().unwrap();
    assert!(cases.len() >= count_min, "{key}: {} cases", cases.len());
    cases
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}

fn bytes(case: &Value, key: &str) -> Vec<u8> {
    unhex(text(case, key))
}

#[test]
fn sm2_file_is_reproduced() {
    let file = file("sm2.json");
    for case in cases(&file, "sign", 30) {
        let secret = SecretKey::from_bytes(&hex(text(case, "secret"))).unwrap();
        let public = secret.public_key();
        let message = bytes(case, "message");
        assert_eq!(public.to_bytes().to_vec(), bytes(case, "public"));
        assert_eq!(public.za().to_vec(), bytes(case, "za"));
        assert_eq!(public.digest(&message).to_vec(), bytes(case, "e"));
        let signature = hex::<64>(text(case, "signature"));
        assert_eq!(secret.sign(&message), signature);
        assert_eq!(verify_single(public, &message, &signature), VerifyStatus::Valid);
    }
    for case in cases(&file, "verify", 50) {
        let public = PublicKey::from_bytes(&bytes(case, "public")).unwrap();
        let status = verify_digest_single(&public, &hex(text(case, "e")), &hex(text(case, "signature")));
        assert_eq!(format!("{status:?}"), text(case, "status"), "{}", text(case, "name"));
    }
    for case in cases(&file, "keys", 10) {
        let accepted = PublicKey::from_bytes(&bytes(case, "bytes")).is_ok();
        assert_eq!(accepted, case["valid"].as_bool().unwrap(), "{}", text(case, "name"));
    }
}

#[test]
fn sm3_file_is_reproduced() {
    let file = file("sm3.json");
    for case in cases(&file, "hash", 20) {
        assert_eq!(sm3(&bytes(case, "message")).to_vec(), bytes(case, "digest"));
    }
    for case in cases(&file, "tagged", 9) {
        let hasher = TaggedHasher::new(text(case, "tag"));
        assert_eq!(hasher.hash(&[&bytes(case, "message")]).to_vec(), bytes(case, "digest"));
    }
    for case in cases(&file, "hmac", 7) {
        assert_eq!(
            hmac_sm3(&bytes(case, "key"), &bytes(case, "message")).to_vec(),
            bytes(case, "tag")
        );
    }
    for case in cases(&file, "pbkdf2", 3) {
        let want = bytes(case, "key");
        let mut key = vec![0; want.len()];
        let rounds = case["rounds"].as_u64().unwrap() as u32;
        pbkdf2_hmac_sm3(&bytes(case, "pass"), &bytes(case, "salt"), rounds, &mut key).unwrap();
        assert_eq!(key, want);
    }
}

#[test]
fn sm4_file_is_reproduced() {
    let file = file("sm4.json");
    for case in cases(&file, "block", 8) {
        assert_eq!(
            encrypt_block(&hex(text(case, "key")), &hex(text(case, "plain"))).to_vec(),
            bytes(case, "cipher")
        );
    }
    for case in cases(&file, "ctr", 3) {
        let mut data = bytes(case, "plain");
        ctr(&hex(text(case, "key")), &hex(text(case, "counter")), &mut data);
        assert_eq!(data, bytes(case, "cipher"));
    }
    for case in cases(&file, "cbc", 8) {
        let (key, iv) = (hex(text(case, "key")), hex(text(case, "iv")));
        assert_eq!(cbc_encrypt(&key, &iv, &bytes(case, "plain")), bytes(case, "cipher"));
        assert_eq!(
            cbc_decrypt(&key, &iv, &bytes(case, "cipher")).unwrap(),
            bytes(case, "plain")
        );
    }
    for case in cases(&file, "gcm", 10) {
        let (key, nonce, aad) = (hex(text(case, "key")), hex(text(case, "nonce")), bytes(case, "aad"));
        assert_eq!(
            gcm_seal(&key, &nonce, &aad, &bytes(case, "plain")),
            bytes(case, "sealed")
        );
        assert_eq!(
            gcm_open(&key, &nonce, &aad, &bytes(case, "sealed")).unwrap(),
            bytes(case, "plain")
        );
    }
}

#[test]
fn key_derivation_function_counts_from_one() {
    let mut out = [0; 70];
    kdf(b"shared", &mut out).unwrap();
    for (counter, chunk) in (1u32..).zip(out.chunks(32)) {
        let digest = sm3(&[&b"shared"[..], &counter.to_be_bytes()].concat());
        assert_eq!(chunk, &digest[..chunk.len()]);
    }
}
