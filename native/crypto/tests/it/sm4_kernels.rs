//! Every kernel of this processor gives the bytes of the portable one, and opens only what is whole.

use crate::bytes::{hex, seed, unhex};
use hn_crypto::CryptoError;
use hn_crypto::kernel::{self, Kernel};
use hn_crypto::sm4::{ctr_with, gcm_open_in_place, gcm_open_with, gcm_seal_in_place, gcm_seal_with};

/// Bytes that look random, the same for the same name.
fn bytes(name: &str, length: usize) -> Vec<u8> {
    (0..length.div_ceil(32) as u64)
        .flat_map(|i| seed(name, i))
        .take(length)
        .collect()
}

fn key(i: u64) -> [u8; 16] {
    seed("sm4 key", i)[..16].try_into().unwrap()
}

fn nonce(i: u64) -> [u8; 12] {
    seed("sm4 nonce", i)[..12].try_into().unwrap()
}

#[test]
fn every_kernel_gives_the_example_of_rfc_8998() {
    let (key, nonce) = (hex("0123456789abcdeffedcba9876543210"), hex("00001234567800000000abcd"));
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
    for kernel in kernel::available() {
        assert_eq!(gcm_seal_with(kernel, &key, &nonce, &aad, &plain), sealed, "{kernel}");
        assert_eq!(gcm_open_with(kernel, &key, &nonce, &aad, &sealed).unwrap(), plain);
        // The block example of GB/T 32907: the stream of a counter is the image of the counter.
        let mut block = [0; 16];
        ctr_with(kernel, &key, &key, &mut block);
        assert_eq!(block, hex("681edf34d206965e86b3e94f536e4246"), "{kernel}");
    }
}

#[test]
fn every_length_and_every_kernel_agree() {
    let data = bytes("data", 1024);
    for length in 0..=1024 {
        let (key, nonce) = (key(length as u64), nonce(length as u64));
        let (plain, aad) = (&data[..length], &data[..length * 7 % 150]);
        let want = gcm_seal_with(Kernel::Portable, &key, &nonce, aad, plain);
        for kernel in kernel::available() {
            assert_eq!(
                gcm_seal_with(kernel, &key, &nonce, aad, plain),
                want,
                "{kernel} {length}"
            );
            assert_eq!(
                gcm_open_with(kernel, &key, &nonce, aad, &want).unwrap(),
                plain,
                "{kernel} {length}"
            );
        }
    }
}

#[test]
fn long_messages_agree() {
    // Around the steps of the wide forms (1 KiB a pass, 8 KiB a step) and anywhere.
    let borders = [
        1_247, 1_248, 1_249, 8_191, 8_192, 8_193, 8_415, 8_416, 8_417, 16_608, 65_536, 200_003,
    ];
    let random = (0..40u64).map(|i| {
        let s = seed("length", i);
        usize::from(s[0]) << 8 | usize::from(s[1])
    });
    let data = bytes("long", 200_003);
    for (i, length) in (0u64..).zip(borders.into_iter().chain(random)) {
        let (key, nonce, aad) = (key(i), nonce(i), &data[..length / 3]);
        let want = gcm_seal_with(Kernel::Portable, &key, &nonce, aad, &data[..length]);
        for kernel in kernel::available() {
            assert_eq!(
                gcm_seal_with(kernel, &key, &nonce, aad, &data[..length]),
                want,
                "{kernel} {length}"
            );
        }
    }
}

#[test]
fn counters_carry_alike() {
    // The lowest word, and all words, come round at every place of a pass.
    for before in (0u128..70).chain([255, 256, 257, 1_023]) {
        for top in [0u128, 7, u128::from(u64::MAX), u128::MAX >> 32] {
            let counter = (top << 32 | 0xffff_ffff).wrapping_sub(before).to_be_bytes();
            let mut want = bytes("ctr", 1_700);
            ctr_with(Kernel::Portable, &key(1), &counter, &mut want);
            for kernel in kernel::available() {
                let mut data = bytes("ctr", 1_700);
                ctr_with(kernel, &key(1), &counter, &mut data);
                assert_eq!(data, want, "{kernel} {before} {top:x}");
            }
        }
    }
}

#[test]
fn a_wrong_tag_releases_nothing() {
    for kernel in kernel::available() {
        for length in [0, 1, 16, 223, 224, 225, 1_024, 1_500, 9_000] {
            let plain = bytes("plain", length);
            let mut sealed = plain.clone();
            let tag = gcm_seal_in_place(kernel, &key(2), &nonce(2), b"aad", &mut sealed);
            for bit in 0..128 {
                let (mut altered, mut data) = (tag, sealed.clone());
                altered[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    gcm_open_in_place(kernel, &key(2), &nonce(2), b"aad", &mut data, &altered),
                    Err(CryptoError::Decrypt)
                );
                assert_eq!(data, sealed, "{kernel}: the cipher text stays");
            }
            for at in (0..length).step_by(37) {
                let mut data = sealed.clone();
                data[at] ^= 0x10;
                let altered = data.clone();
                let outcome = gcm_open_in_place(kernel, &key(2), &nonce(2), b"aad", &mut data, &tag);
                assert_eq!(outcome, Err(CryptoError::Decrypt), "{kernel} {length} {at}");
                assert_eq!(data, altered);
            }
            assert!(gcm_open_in_place(kernel, &key(2), &nonce(2), b"aae", &mut sealed.clone(), &tag).is_err());
            gcm_open_in_place(kernel, &key(2), &nonce(2), b"aad", &mut sealed, &tag).unwrap();
            assert_eq!(sealed, plain);
        }
    }
}
