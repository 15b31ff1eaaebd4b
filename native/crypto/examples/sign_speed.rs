//! Prints signatures and keys a second by kernel and batch on one thread: `cargo run --release -p hn-crypto --example sign_speed`.

use hn_crypto::kernel;
use hn_crypto::sm2::{SignItem, generate, generate_batch_with, sign_digests_with};
use hn_crypto::sm3::sm3;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time that each measurement is given.
const TIME: Duration = Duration::from_millis(400);

/// Best time of one call, in seconds.
fn best(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < TIME {
        let once = Instant::now();
        work();
        best = best.min(once.elapsed().as_secs_f64());
    }
    best
}

fn run() {
    let key = generate(&[7; 32]);
    let digests: Vec<[u8; 32]> = (0..1024u64).map(|i| sm3(&i.to_be_bytes())).collect();
    let items: Vec<SignItem<'_>> = digests.iter().map(|e| (&key, *e)).collect();
    for kernel in kernel::available() {
        for count in [1, 2, 4, 8, 16, 64, 256, 512, 1024] {
            let sign = count as f64 / best(|| drop(black_box(sign_digests_with(kernel, &items[..count]))));
            let keys = count as f64 / best(|| drop(black_box(generate_batch_with(kernel, &digests[..count]))));
            println!("sm2/n={count},kernel={kernel:<10} sign {sign:>9.0} /s  keygen {keys:>9.0} /s");
        }
    }
}

fn main() {
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else {
        eprintln!("sign_speed: no thread pool");
        std::process::exit(1);
    };
    pool.install(run);
}
