//! Prints the time of the randomised batch on one thread, by number of signatures, all of different keys:
//! `cargo run --release -p hn-crypto --example hinted_speed [count…]`.

use hn_crypto::sm2::{
    BatchItem, SecretKey, SignItem, VerifyStatus, generate_batch, sign_digests, verify_batch_hinted, verify_with_hint,
};
use hn_crypto::sm3::sm3;
use std::time::{Duration, Instant};

/// Time that each measurement is given.
const TIME: Duration = Duration::from_millis(1000);

fn main() {
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else {
        eprintln!("hinted_speed: no thread pool");
        std::process::exit(1);
    };
    let mut counts: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    if counts.is_empty() {
        counts = vec![64, 128, 256, 512, 1024, 2048, 4096, 8192];
    }
    pool.install(|| measure(&counts));
}

fn measure(counts: &[usize]) {
    let count = counts.iter().copied().max().unwrap_or(0);
    let seeds: Vec<[u8; 32]> = (0..count as u64).map(|i| sm3(&i.to_be_bytes())).collect();
    let secrets: Vec<SecretKey> = generate_batch(&seeds);
    let signed: Vec<SignItem<'_>> = secrets
        .iter()
        .zip(&seeds)
        .map(|(key, message)| (key, key.public_key().digest(message)))
        .collect();
    let signatures = sign_digests(&signed);
    let items: Vec<BatchItem<'_>> = secrets
        .iter()
        .zip(&seeds)
        .zip(&signatures)
        .map(|((key, message), signature)| (key.public_key(), &message[..], signature))
        .collect();
    let hints: Vec<bool> = items
        .iter()
        .map(|(pk, message, signature)| verify_with_hint(pk, message, signature).1)
        .collect();
    for &count in counts {
        let start = Instant::now();
        let mut best = f64::INFINITY;
        while start.elapsed() < TIME {
            let once = Instant::now();
            let verdicts = verify_batch_hinted(&items[..count], &hints[..count]);
            best = best.min(once.elapsed().as_secs_f64());
            let valid = verdicts.map(|all| all.iter().filter(|status| **status == VerifyStatus::Valid).count());
            if valid != Ok(count) {
                eprintln!("hinted_speed: got {valid:?} valid, want {count}");
            }
        }
        let micros = best * 1e6 / count as f64;
        println!("n={count:<6} {micros:>8.3} us {:>10.0} /s", 1e6 / micros);
    }
}
