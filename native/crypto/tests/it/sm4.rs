//! SM4: examples of the standards, round trips, refusals.

use crate::bytes::{hex, seed, unhex};
use hn_crypto::CryptoError;
use hn_crypto::sm4::{cbc_decrypt, cbc_encrypt, ctr, encrypt_block, gcm_open, gcm_seal};

const KEY: &str = "0123456789abcdeffedcba9876543210";

#[test]
fn examples_of_gbt_32907() {
    let key = hex(KEY);
    assert_eq!(encrypt_block(&key, &key), hex("681edf34d206965e86b3e94f536e4246"));
    // The second example encrypts a million times over: CBC of zeros with the block as initial value.
    let chain = cbc_encrypt(&key, &key, &vec![0; 16_000_000]);
    assert_eq!(
        chain[15_999_984..16_000_000],
        hex::<16>("595298c7c6fd271f0402f804c33d3f66")
    );
}

#[test]
fn gcm_example_of_rfc_8998() {
    let (key, nonce) = (hex(KEY), hex("00001234567800000000abcd"));
    let aad = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let plain = unhex(
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd
         eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
    );
    let sealed = unhex(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735
         d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d
         83de3541e4c2b58177e065a9bf7b62ec",
    );
    assert_eq!(gcm_seal(&key, &nonce, &aad, &plain), sealed);
    assert_eq!(gcm_open(&key, &nonce, &aad, &sealed).unwrap(), plain);
}

#[test]
fn gcm_round_trips_at_the_borders_of_passes() {
    let (key, nonce) = (hex(KEY), [9; 12]);
    let data: Vec<u8> = (0..5000u32).map(|i| ((i * 31) >> 3) as u8).collect();
    for length in [0, 1, 15, 16, 17, 991, 992, 993, 1007, 1008, 2015, 2016, 2017, 4999] {
        let sealed = gcm_seal(&key, &nonce, &data[..length % 40], &data[..length]);
        assert_eq!(sealed.len(), length + 16);
        assert_eq!(
            gcm_open(&key, &nonce, &data[..length % 40], &sealed).unwrap(),
            &data[..length]
        );
        // GCM is counter mode from J0 + 1.
        let mut counter = [0; 16];
        counter[..12].copy_from_slice(&nonce);
        counter[15] = 2;
        let mut twin = data[..length].to_vec();
        ctr(&key, &counter, &mut twin);
        assert_eq!(twin, &sealed[..length]);
    }
}

#[test]
fn gcm_refuses_every_altered_bit() {
    let (key, nonce) = (hex(KEY), [1; 12]);
    let sealed = gcm_seal(&key, &nonce, b"aad", b"a plain text");
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(gcm_open(&key, &nonce, b"aad", &altered), Err(CryptoError::Decrypt));
    }
    assert!(gcm_open(&key, &nonce, b"aae", &sealed).is_err());
    assert!(gcm_open(&key, &[2; 12], b"aad", &sealed).is_err());
    for length in 0..sealed.len() {
        assert!(gcm_open(&key, &nonce, b"aad", &sealed[..length]).is_err());
    }
}

#[test]
fn counter_carries_through_all_words() {
    let key = hex(KEY);
    let mut data = [0; 48];
    ctr(&key, &[0xff; 16], &mut data);
    assert_eq!(data[..16], encrypt_block(&key, &[0xff; 16]));
    assert_eq!(data[16..32], encrypt_block(&key, &[0; 16]));
    assert_eq!(
        data[32..],
        encrypt_block(&key, &hex("00000000000000000000000000000001"))
    );
}

#[test]
fn cbc_round_trips_and_checks_padding() {
    let (key, iv) = (hex(KEY), seed("iv", 0)[..16].try_into().unwrap());
    let data: Vec<u8> = (0..3000u32).map(|i| (i * 7) as u8).collect();
    for length in (0..70).chain([1023, 1024, 1025, 3000]) {
        let cipher = cbc_encrypt(&key, &iv, &data[..length]);
        assert_eq!(cipher.len(), length / 16 * 16 + 16);
        assert_eq!(cbc_decrypt(&key, &iv, &cipher).unwrap(), &data[..length]);
    }
    // A last block of 17, 0, or mixed padding bytes.
    for last in [[17u8; 16], [0; 16], hex("00000000000000000000000000000302")] {
        let mut block = last;
        block.iter_mut().zip(iv).for_each(|(b, v)| *b ^= v);
        assert_eq!(
            cbc_decrypt(&key, &iv, &encrypt_block(&key, &block)),
            Err(CryptoError::Decrypt)
        );
    }
    assert!(cbc_decrypt(&key, &iv, &[]).is_err());
    assert!(cbc_decrypt(&key, &iv, &[0; 17]).is_err());
}
