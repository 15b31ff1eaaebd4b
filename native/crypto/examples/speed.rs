//! Prints the time of each operation on one thread, and its ratio to OpenSSL where that has it:
//! `cargo run --release -p hn-crypto --example speed [part of the names]`.

use hn_crypto::kernel;
use hn_crypto::sm2::{
    BatchItem, CACHE_BYTES_DEFAULT, KeyCache, PreparedKey, PublicKey, SecretKey, build_base_table, generate,
    verify_batch, verify_single,
};
use hn_crypto::sm3::{TaggedHasher, sm3};
use hn_crypto::sm4::{gcm_open, gcm_seal};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time that each measurement is given.
const TIME: Duration = Duration::from_millis(400);

/// Verifications a second by `openssl speed` on this processor, taken now; `None` without the command.
fn openssl_verifications() -> Option<f64> {
    let run = std::process::Command::new("openssl")
        .args(["speed", "-seconds", "1", "sm2"])
        .output()
        .ok()?;
    let text = String::from_utf8(run.stdout).ok()?;
    text.lines()
        .rfind(|line| line.contains("SM2"))?
        .split_whitespace()
        .last()?
        .parse()
        .ok()
}

/// Measures verification and prints the ratio to OpenSSL.
fn measure_verify(openssl: Option<f64>, name: &str, count: usize, work: impl FnMut()) {
    let micros = measure(name, count, work);
    if let Some(openssl) = openssl.filter(|_| micros > 0.0) {
        println!(
            "{:<44} {:>10.1} x openssl ({openssl:.0} /s)",
            "",
            1e6 / micros / openssl
        );
    }
}

/// Runs `work`, which does `count` operations, for a while; prints the best time of one operation.
fn measure(name: &str, count: usize, mut work: impl FnMut()) -> f64 {
    if !std::env::args().skip(1).all(|part| name.contains(&part)) {
        return 0.0;
    }
    work();
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < TIME {
        let once = Instant::now();
        work();
        best = best.min(once.elapsed().as_secs_f64());
    }
    let micros = best * 1e6 / count as f64;
    println!("{name:<44} {micros:>10.3} us {:>12.0} /s", 1e6 / micros);
    micros
}

fn main() {
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else {
        eprintln!("speed: no thread pool");
        std::process::exit(1);
    };
    pool.install(run);
}

fn run() {
    let secrets: Vec<SecretKey> = (0..64u64).map(|i| generate(&sm3(&i.to_be_bytes()))).collect();
    let messages: Vec<[u8; 32]> = (0..1024u64).map(|i| sm3(&(i + 64).to_be_bytes())).collect();
    let signatures: Vec<[u8; 64]> = messages
        .iter()
        .zip(secrets.iter().cycle())
        .map(|(m, key)| key.sign(m))
        .collect();
    let items: Vec<BatchItem<'_>> = messages
        .iter()
        .zip(&signatures)
        .zip(secrets.iter().cycle())
        .map(|((message, signature), key)| (key.public_key(), &message[..], signature))
        .collect();

    let keys: Vec<PublicKey> = secrets.iter().map(|key| key.public_key().clone()).collect();
    let openssl = openssl_verifications();
    for kernel in kernel::available() {
        let known = KeyCache::for_kernel(kernel, CACHE_BYTES_DEFAULT);
        known.prepare(&keys);
        let unknown = KeyCache::for_kernel(kernel, 0);
        for (keys, cache) in [("known", &known), ("unknown", &unknown)] {
            for count in [1, 2, 3, 4, 7, 8, 9, 15, 16, 64, 256, 1024] {
                let name = format!("sm2.verify_batch/n={count},keys={keys},kernel={kernel}");
                measure_verify(openssl, &name, count, || {
                    drop(black_box(verify_batch(cache, &items[..count])))
                });
            }
        }
    }
    // What a sender of invalid signatures costs.
    let refused: Vec<BatchItem<'_>> = items
        .iter()
        .map(|(key, message, _)| (*key, *message, &signatures[0]))
        .collect();
    for kernel in kernel::available() {
        let known = KeyCache::for_kernel(kernel, CACHE_BYTES_DEFAULT);
        known.prepare(&keys);
        for count in [1, 8, 1023] {
            measure(
                &format!("sm2.verify_batch/refused,n={count},kernel={kernel}"),
                count,
                || {
                    drop(black_box(verify_batch(&known, &refused[1..=count])));
                },
            );
        }
    }
    measure("sm2.verify_single", 64, || {
        for (pk, message, signature) in &items[..64] {
            black_box(verify_single(pk, message, signature));
        }
    });
    for kernel in kernel::available() {
        // Wide tables as there is room; and narrow ones.
        for (name, bytes) in [("wide", CACHE_BYTES_DEFAULT), ("narrow", 64 * PreparedKey::BYTES)] {
            measure(&format!("sm2.prepare/keys=64,{name},kernel={kernel}"), 64, || {
                KeyCache::for_kernel(kernel, bytes).prepare(&keys)
            });
        }
        measure(&format!("sm2.g_table/kernel={kernel}"), 1, || {
            black_box(build_base_table(kernel));
        });
    }
    measure("sm2.sign", 64, || {
        for message in &messages[..64] {
            black_box(secrets[0].sign(message));
        }
    });
    measure("sm2.generate", 16, || {
        for message in &messages[..16] {
            black_box(generate(message));
        }
    });
    measure("sm2.public_key_from_bytes", 64, || {
        for key in &keys {
            drop(black_box(PublicKey::from_bytes(key.as_bytes())));
        }
    });

    let data = vec![0x5a; 1 << 20];
    let micros = measure("sm3/bytes=1048576", 1, || {
        black_box(sm3(&data));
    });
    println!("{:<44} {:>10.0} MB/s", "", f64::from(1 << 20) / micros);
    measure("sm3/bytes=64", 1024, || {
        for pair in messages.as_chunks::<2>().0.iter().cycle().take(1024) {
            black_box(sm3(pair.as_flattened()));
        }
    });
    let hasher = TaggedHasher::new("hn/node/v1");
    let mut nodes = Vec::with_capacity(512);
    measure("sm3.hash_pairs/nodes=1024", 512, || {
        nodes.clear();
        hasher.hash_pairs(&messages, &mut nodes);
        black_box(&nodes);
    });

    let sealed = gcm_seal(&[7; 16], &[8; 12], b"", &data);
    let micros = measure("sm4.gcm_seal/bytes=1048576", 1, || {
        drop(black_box(gcm_seal(&[7; 16], &[8; 12], b"", &data)))
    });
    println!("{:<44} {:>10.0} MB/s", "", f64::from(1 << 20) / micros);
    measure("sm4.gcm_open/bytes=1048576", 1, || {
        drop(black_box(gcm_open(&[7; 16], &[8; 12], b"", &sealed)))
    });
    measure("sm4.gcm_seal/bytes=256", 1, || {
        drop(black_box(gcm_seal(&[7; 16], &[8; 12], b"", &data[..256])))
    });
}
