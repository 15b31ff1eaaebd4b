//! Signatures and keys in bulk are, byte for byte, those made one by one, on every kernel and for every count.

use crate::bytes::{hex, seed};
use hn_crypto::kernel;
use hn_crypto::sm2::{
    SecretKey, SignItem, VerifyStatus, generate, generate_batch, generate_batch_with, sign_batch, sign_digests,
    sign_digests_with, verify_digest_single,
};
use hn_crypto::sm3::{hmac_sm3, sm3};

const COUNTS: [usize; 22] = [
    0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 255, 257, 513, 1_025,
];

fn keys(count: u64) -> Vec<SecretKey> {
    (0..count).map(|i| generate(&seed("sign key", i))).collect()
}

#[test]
fn batches_are_the_bytes_of_single_signatures() {
    let keys = keys(5);
    let items: Vec<SignItem<'_>> = (0..1_025u64)
        .map(|i| (&keys[i as usize % keys.len()], seed("digest", i)))
        .collect();
    let want: Vec<[u8; 64]> = items.iter().map(|(key, e)| key.sign_digest(e)).collect();
    for kernel in kernel::available() {
        for count in COUNTS {
            assert_eq!(
                sign_digests_with(kernel, &items[..count]),
                want[..count],
                "{kernel} {count}"
            );
        }
    }
    assert_eq!(sign_digests(&items), want);
    for ((key, e), signature) in items.iter().zip(&want).take(100) {
        assert_eq!(
            verify_digest_single(key.public_key(), e, signature),
            VerifyStatus::Valid
        );
    }
}

#[test]
fn extreme_keys_and_digests_in_every_lane() {
    const ORDER: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";
    let mut low = [0; 32];
    low[31] = 1;
    let mut high = hex::<32>(ORDER);
    high[31] -= 2;
    let extremes: Vec<SecretKey> = [low, high].iter().map(|d| SecretKey::from_bytes(d).unwrap()).collect();
    let digests = [[0; 32], [0xff; 32], hex(ORDER), low];
    let plain = generate(&[9; 32]);
    for kernel in kernel::available() {
        for lane in 0..18 {
            for (key, e) in extremes.iter().flat_map(|key| digests.iter().map(move |e| (key, e))) {
                let mut items: Vec<SignItem<'_>> = (0..18u64).map(|i| (&plain, seed("beside", i))).collect();
                items[lane] = (key, *e);
                let signatures = sign_digests_with(kernel, &items);
                assert_eq!(signatures[lane], key.sign_digest(e), "{kernel} {lane}");
                assert_eq!(
                    signatures[(lane + 1) % 18],
                    plain.sign_digest(&items[(lane + 1) % 18].1)
                );
            }
        }
    }
}

/// The rule of RFC 6979 §3.2 written down once more, and the signature checked by its nonce: k = s·(1 + d) + r·d.
#[test]
fn nonces_follow_rfc_6979() {
    let (key, e) = (generate(&[3; 32]), seed("digest", 1));
    let d = key.to_bytes();
    let (mut k, mut v) = ([0; 32], [1; 32]);
    for step in [0u8, 1] {
        // e is below n here, so h1 = e.
        k = hmac_sm3(&k, &[&v[..], &[step], &d[..], &e[..]].concat());
        v = hmac_sm3(&k, &v);
    }
    let nonce = hmac_sm3(&k, &v);
    assert!(e[0] < 0xff && nonce[0] < 0xff, "both below n without reduction");
    // A key with d = nonce has the point nonce·G, whose x is x1 = r − e.
    let point = SecretKey::from_bytes(&nonce).unwrap().public_key().to_bytes();
    let r = sum_mod_n(&point[1..33], &e);
    assert_eq!(key.sign_digest(&e)[..32], r);
}

/// (a + b) mod n, byte by byte.
fn sum_mod_n(a: &[u8], b: &[u8]) -> [u8; 32] {
    let n = hex::<32>("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123");
    let mut carry = 0u16;
    let mut sum = [0u8; 33];
    for i in (0..32).rev() {
        carry += u16::from(a[i]) + u16::from(b[i]);
        sum[i + 1] = carry as u8;
        carry >>= 8;
    }
    sum[0] = carry as u8;
    let wide_n = [&[0], &n[..]].concat();
    while sum[..] >= wide_n[..] {
        let mut borrow = 0i16;
        for i in (0..33).rev() {
            borrow += i16::from(sum[i]) - i16::from(wide_n[i]);
            sum[i] = borrow as u8;
            borrow >>= 8;
        }
    }
    sum[1..].try_into().unwrap()
}

#[test]
fn messages_are_hashed_with_za() {
    let key = generate(&[4; 32]);
    let messages: Vec<Vec<u8>> = (0..300).map(|i| vec![i as u8; i]).collect();
    let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let signatures = sign_batch(&key, &slices);
    for (message, signature) in slices.iter().zip(&signatures) {
        assert_eq!(*signature, key.sign(message));
    }
}

#[test]
fn generated_batches_are_the_keys_of_generate() {
    let seeds: Vec<[u8; 32]> = (0..1_025).map(|i| seed("seed", i)).collect();
    let want: Vec<SecretKey> = seeds.iter().map(generate).collect();
    for kernel in kernel::available() {
        for count in COUNTS {
            let found = generate_batch_with(kernel, &seeds[..count]);
            assert_eq!(found.len(), count);
            for (found, want) in found.iter().zip(&want) {
                assert_eq!(*found.to_bytes(), *want.to_bytes());
                assert_eq!(found.public_key(), want.public_key());
                assert_eq!(found.public_key().za(), want.public_key().za());
                // The factor (1 + d)⁻¹ shows in a signature alone.
                if count < 10 {
                    assert_eq!(found.sign_digest(&sm3(b"e")), want.sign_digest(&sm3(b"e")));
                }
            }
        }
    }
    let keys = generate_batch(&seeds);
    assert!(keys.iter().zip(&want).all(|(a, b)| a.public_key() == b.public_key()));
    for (found, want) in keys.iter().zip(&want).step_by(41) {
        assert_eq!(found.sign_digest(&[5; 32]), want.sign_digest(&[5; 32]));
    }
}
