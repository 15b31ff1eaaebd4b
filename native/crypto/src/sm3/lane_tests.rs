//! Every kernel against the streaming hash over portable code.

use super::lanes::{Lanes, Midstate};
use super::{Sm3, hmac_sm3_fixed, sm3_many, tag_block};
use crate::kernel::{self, Kernel};
use proptest::prelude::*;

/// The portable twin: the compression function as the standard writes it.
fn twin(from: &Midstate, message: &[u8]) -> [u8; 32] {
    let lanes = Lanes::on(Kernel::Portable).unwrap();
    let mut out = [[0; 32]];
    lanes.hash_many(from, &[message], &mut out);
    let mut plain = from.stream();
    plain.update(message);
    assert_eq!(plain.finalize(), out[0]);
    out[0]
}

fn all_lanes() -> Vec<Lanes> {
    kernel::available().into_iter().map(|k| Lanes::on(k).unwrap()).collect()
}

fn starts() -> [Midstate; 3] {
    let tag = Midstate::START.after(&tag_block("hn/test/v1"));
    [Midstate::START, tag, tag.after(&[0xa5; 64])]
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    let mut x = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let step = |_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..length).map(step).collect()
}

fn check_many(from: &Midstate, messages: &[&[u8]]) {
    let want: Vec<_> = messages.iter().map(|message| twin(from, message)).collect();
    for lanes in all_lanes() {
        let mut out = vec![[0; 32]; messages.len()];
        lanes.hash_many(from, messages, &mut out);
        assert_eq!(out, want, "{lanes:?}, {} messages", messages.len());
    }
}

#[test]
fn every_length_in_every_lane() {
    // 201 lengths rotate through the lanes, since neither 8 nor 16 divides 201.
    let messages: Vec<Vec<u8>> = (0..=200).map(|n| bytes(n, n)).collect();
    let twice: Vec<&[u8]> = messages.iter().chain(&messages).map(Vec::as_slice).collect();
    for from in &starts() {
        check_many(from, &twice);
    }
}

#[test]
fn every_count_of_equal_lengths() {
    for length in [0, 1, 31, 32, 55, 56, 63, 64, 65, 119, 120, 128, 200] {
        let messages: Vec<Vec<u8>> = (0..67).map(|i| bytes(length, i)).collect();
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        for count in (0..=33).chain([47, 48, 49, 63, 64, 65, 67]) {
            check_many(&starts()[1], &messages[..count]);
        }
    }
}

#[test]
fn fixed_lengths_agree_at_every_count() {
    fn check<const N: usize>() {
        let messages: Vec<[u8; N]> = (0..97).map(|i| bytes(N, i).try_into().unwrap()).collect();
        for from in &starts() {
            let want: Vec<_> = messages.iter().map(|message| twin(from, message)).collect();
            for lanes in all_lanes() {
                for count in (0..=33).chain([40, 41, 47, 48, 49, 63, 64, 65, 96, 97]) {
                    let mut out = vec![[7; 32]; count];
                    lanes.hash_fixed(from, &messages[..count], &mut out);
                    assert_eq!(out, want[..count], "{lanes:?}, {count} messages of {N} bytes");
                }
            }
        }
    }
    check::<0>();
    check::<1>();
    check::<32>();
    check::<33>();
    check::<55>();
    check::<56>();
    check::<63>();
    check::<64>();
    check::<65>();
    check::<97>();
    check::<119>();
    check::<120>();
    check::<128>();
    check::<200>();
}

#[test]
fn tags_in_lanes_are_single_tags() {
    fn check<const N: usize>() {
        let keys: Vec<[u8; 32]> = (0..40).map(|i| bytes(32, i + 1000).try_into().unwrap()).collect();
        let messages: Vec<[u8; N]> = (0..40).map(|i| bytes(N, i).try_into().unwrap()).collect();
        let pairs = keys.iter().zip(&messages);
        let want: Vec<_> = pairs.map(|(key, message)| super::hmac_sm3(key, message)).collect();
        for count in (0..=17).chain([31, 32, 33, 40]) {
            for lanes in all_lanes() {
                let mut out = vec![[0; 32]; count];
                lanes.hmac_fixed(&keys[..count], &messages[..count], &mut out);
                assert_eq!(out, want[..count], "{lanes:?}, {count} messages of {N} bytes");
            }
            let mut out = vec![[0; 32]; count];
            hmac_sm3_fixed(&keys[..count], &messages[..count], &mut out);
            assert_eq!(out, want[..count]);
        }
    }
    check::<0>();
    check::<32>();
    check::<55>();
    check::<64>();
    check::<97>();
}

#[test]
fn a_long_stream_beside_short_ones() {
    let long = bytes(1 << 20, 5);
    let short: Vec<Vec<u8>> = (0..40).map(|i| bytes(i * 37, i)).collect();
    let mut messages: Vec<&[u8]> = short.iter().map(Vec::as_slice).collect();
    messages.insert(11, &long);
    messages.insert(23, &long[..1 << 19]);
    check_many(&Midstate::START, &messages);
    check_many(&Midstate::START, &[&long]);
    check_many(&Midstate::START, &[&long, &long[1..], b""]);
}

#[test]
fn streams_agree_on_every_kernel_in_any_pieces() {
    let data = bytes(1 << 20, 9);
    let want = twin(&Midstate::START, &data);
    for kernel in kernel::available() {
        for piece in [1 << 20, 65_536, 4097, 64] {
            let mut hasher = Sm3::new();
            data.chunks(piece).for_each(|chunk| hasher.update_on(kernel, chunk));
            assert_eq!(hasher.finalize(), want, "{kernel}, pieces of {piece}");
        }
    }
}

#[test]
fn the_pool_changes_nothing() {
    let messages: Vec<Vec<u8>> = (0..3000).map(|i| bytes(i % 257, i)).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let want: Vec<_> = messages.iter().map(|message| super::sm3(message)).collect();
    let mut out = vec![[0; 32]; messages.len()];
    sm3_many(&messages, &mut out);
    assert_eq!(out, want);
    assert_eq!(super::sm3_batch(&messages), want);
    let longs: Vec<Vec<u8>> = (0..3).map(|i| bytes(200_000 + i, i)).collect();
    let longs: Vec<&[u8]> = longs.iter().map(Vec::as_slice).collect();
    assert_eq!(
        super::sm3_batch(&longs),
        longs.iter().map(|m| super::sm3(m)).collect::<Vec<_>>()
    );
}

#[test]
fn standard_examples_on_every_kernel() {
    let want = [
        (
            &b"abc"[..],
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
        ),
        (
            &b"abcd".repeat(16),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732",
        ),
    ];
    for (message, digest) in want {
        for lanes in all_lanes() {
            for count in [1, 2, 9, 17] {
                let mut out = vec![[0; 32]; count];
                lanes.hash_many(&Midstate::START, &vec![message; count], &mut out);
                for got in out {
                    let hex: String = got.iter().map(|byte| format!("{byte:02x}")).collect();
                    assert_eq!(hex, digest, "{lanes:?}");
                }
            }
        }
    }
}

/// Long runs are asked for: `HN_SM3_STREAM_MIB=500`.
#[test]
fn a_stream_of_the_asked_size() {
    let mib = std::env::var("HN_SM3_STREAM_MIB")
        .map_or(Ok(2), |text| text.parse())
        .unwrap();
    let piece = bytes(1 << 20, 77);
    let kernels = kernel::available();
    let mut hashers = vec![Sm3::new(); kernels.len()];
    for _ in 0..mib {
        for (hasher, kernel) in hashers.iter_mut().zip(&kernels) {
            hasher.update_on(*kernel, &piece);
        }
    }
    let digests: Vec<_> = hashers.into_iter().map(Sm3::finalize).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    // The same bytes as one message in lanes, two of them so that a vector kernel takes them.
    let whole = piece.repeat(mib);
    for lanes in all_lanes() {
        let mut out = [[0; 32]; 2];
        lanes.hash_many(&Midstate::START, &[&whole, &whole], &mut out);
        assert_eq!(out, [digests[0]; 2]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn random_mixes(lengths in prop::collection::vec(prop_oneof![0usize..300, 0usize..5000], 0..100), seed: u16) {
        let messages: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(i, n)| bytes(*n, i + usize::from(seed))).collect();
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        check_many(&starts()[usize::from(seed) % 3], &messages);
    }
}
