//! The edge cases of the vector file and of the ranges through whole batches: every kernel, every lane, with tables and without,
//! beside sound signatures and alone. Batches hash a message, so only what does not depend on the digest can be built
//! to be exceptional here; the unit tests of the kernels take the digests themselves.

use crate::bytes::{hex, seed};
use hn_crypto::kernel::{self, Kernel};
use hn_crypto::sm2::{
    BatchItem, CACHE_BYTES_DEFAULT, KeyCache, PublicKey, SecretKey, VerifyStatus, generate, verify_batch, verify_single,
};
use serde_json::Value;

const MESSAGE: &[u8] = b"any message";
/// Signatures of the widest group of lanes.
const LANES: usize = 16;
const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const N_MINUS_1: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54122";
const N: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";
const N_PLUS_1: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54124";
const P: &str = "fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff";
const ONES: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// A key and a signature that somebody could send.
struct Edge {
    name: String,
    key: PublicKey,
    signature: [u8; 64],
}

/// Sound signatures of a few keys.
struct Sound {
    keys: Vec<SecretKey>,
    signatures: Vec<[u8; 64]>,
}

impl Sound {
    fn new() -> Self {
        let keys: Vec<SecretKey> = (0..3).map(|i| generate(&seed("beside an edge", i))).collect();
        let signatures = keys.iter().map(|key| key.sign(MESSAGE)).collect();
        Self { keys, signatures }
    }

    fn item(&self, at: usize) -> BatchItem<'_> {
        let which = at % self.keys.len();
        (self.keys[which].public_key(), MESSAGE, &self.signatures[which])
    }
}

/// The signatures of the vector file under another message: t = 0, sums of infinity, forced doublings, digits of zero and of
/// the largest magnitude, keys that are small multiples of G, out of range.
fn of_the_vectors() -> Vec<Edge> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/sm2.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let edges: Vec<Edge> = file["verify"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| Edge {
            name: case["name"].as_str().unwrap().to_owned(),
            key: PublicKey::from_bytes(&hex::<65>(case["public"].as_str().unwrap())).unwrap(),
            signature: hex(case["signature"].as_str().unwrap()),
        })
        .collect();
    assert!(edges.len() > 50);
    edges
}

/// Each of r and s, and both, at the borders of their range.
fn of_the_ranges() -> Vec<Edge> {
    let key = generate(&seed("edge", 0));
    let sound = key.sign(MESSAGE);
    let mut edges = Vec::new();
    for value in [ZERO, N_MINUS_1, N, N_PLUS_1, P, ONES] {
        for (which, places) in [("r", &[0][..]), ("s", &[32]), ("r and s", &[0, 32])] {
            let mut signature = sound;
            for place in places {
                signature[*place..place + 32].copy_from_slice(&hex::<32>(value));
            }
            edges.push(Edge {
                name: format!("{which} = {value}"),
                key: key.public_key().clone(),
                signature,
            });
        }
    }
    edges
}

fn check(cache: &KeyCache, edge: &Edge, sound: &Sound, places: &[usize]) {
    let own: BatchItem<'_> = (&edge.key, MESSAGE, &edge.signature);
    let want = verify_single(&edge.key, MESSAGE, &edge.signature);
    let say = |place: &str| format!("{}, {place}, {}, {} tables", edge.name, cache.kernel(), cache.len());
    for place in places {
        let items: Vec<BatchItem<'_>> = (0..LANES)
            .map(|at| if at == *place { own } else { sound.item(at) })
            .collect();
        let mut expected = [VerifyStatus::Valid; LANES];
        expected[*place] = want;
        assert_eq!(
            verify_batch(cache, &items),
            expected,
            "{}",
            say(&format!("lane {place}"))
        );
    }
    assert_eq!(
        verify_batch(cache, &[own; LANES]),
        [want; LANES],
        "{}",
        say("all lanes")
    );
    assert_eq!(verify_batch(cache, &[own]), [want], "{}", say("alone"));
}

#[test]
fn edge_cases_keep_their_verdicts_in_every_lane_of_every_kernel() {
    let sound = Sound::new();
    let edges: Vec<Edge> = of_the_ranges().into_iter().chain(of_the_vectors()).collect();
    assert!(
        edges
            .iter()
            .all(|edge| verify_single(&edge.key, MESSAGE, &edge.signature) != VerifyStatus::Valid)
    );
    let mut keys: Vec<PublicKey> = edges.iter().map(|edge| edge.key.clone()).collect();
    keys.extend(sound.keys.iter().map(|key| key.public_key().clone()));
    keys.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    keys.dedup();
    assert!(keys.len() > 12);
    for kernel in kernel::available() {
        // The kernels below have no lanes: their places differ in the neighbours alone.
        let places: Vec<usize> = if kernel == Kernel::Ifma {
            (0..LANES).collect()
        } else {
            vec![0, 7, LANES - 1]
        };
        let (without, with) = (
            KeyCache::for_kernel(kernel, 0),
            KeyCache::for_kernel(kernel, CACHE_BYTES_DEFAULT),
        );
        with.prepare(&keys);
        assert_eq!((with.len(), without.len()), (keys.len(), 0));
        for edge in &edges {
            check(&without, edge, &sound, &places);
            check(&with, edge, &sound, &places);
        }
    }
}

#[test]
fn repeated_signatures_and_keys_get_equal_verdicts_on_every_kernel() {
    let sound = Sound::new();
    let mut other = sound.signatures[0];
    other[5] ^= 1;
    for kernel in kernel::available() {
        for bytes in [0, CACHE_BYTES_DEFAULT] {
            let cache = KeyCache::for_kernel(kernel, bytes);
            // The same pair everywhere, then every third one broken.
            assert!(
                verify_batch(&cache, &[sound.item(0); 200])
                    .iter()
                    .all(|status| *status == VerifyStatus::Valid)
            );
            let mixed: Vec<BatchItem<'_>> = (0..200)
                .map(|at| {
                    let (key, message, signature) = sound.item(0);
                    (key, message, if at % 3 == 1 { &other } else { signature })
                })
                .collect();
            for (at, status) in verify_batch(&cache, &mixed).into_iter().enumerate() {
                let want = if at % 3 == 1 {
                    VerifyStatus::BadSignature
                } else {
                    VerifyStatus::Valid
                };
                assert_eq!(status, want, "{kernel}, {bytes} bytes, {at}");
            }
        }
    }
}
