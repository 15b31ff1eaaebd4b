//! Prints SM4 throughput by kernel and length on one thread: `cargo run --release -p hn-crypto --example sm4_speed`.

use hn_crypto::kernel;
use hn_crypto::sm4::{ctr_with, gcm_open_in_place, gcm_seal_in_place};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time that each measurement is given.
const TIME: Duration = Duration::from_millis(300);

/// Best time of one call, in seconds.
fn best(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < TIME {
        let once = Instant::now();
        for _ in 0..4 {
            work();
        }
        best = best.min(once.elapsed().as_secs_f64() / 4.0);
    }
    best
}

fn main() {
    let (key, nonce) = ([7; 16], [8; 12]);
    for kernel in kernel::available() {
        for length in [64usize, 256, 1 << 10, 4 << 10, 16 << 10, 256 << 10] {
            let mut data = vec![0x5a; length];
            let rate = |seconds: f64| length as f64 / seconds / 1e6;
            let ctr = rate(best(|| ctr_with(kernel, &key, &[9; 16], black_box(&mut data))));
            let seal = rate(best(|| {
                black_box(gcm_seal_in_place(kernel, &key, &nonce, b"", black_box(&mut data)));
            }));
            let mut work = data.clone();
            let tag = gcm_seal_in_place(kernel, &key, &nonce, b"", &mut data);
            let open = rate(best(|| {
                work.copy_from_slice(&data);
                let _ = black_box(gcm_open_in_place(kernel, &key, &nonce, b"", &mut work, &tag));
            }));
            println!("sm4/bytes={length},kernel={kernel:<10} ctr {ctr:>7.0}  seal {seal:>7.0}  open {open:>7.0} MB/s");
        }
    }
}
