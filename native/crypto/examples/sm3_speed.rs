//! Prints the speed of SM3 on one thread, for each kernel, with ratios to `openssl speed` of the same run where that
//! program is installed: `cargo run --release -p hn-crypto --example sm3_speed`.

use hn_crypto::kernel::{self, Kernel};
use hn_crypto::sm3::{Lanes, Midstate};
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// Time that each measurement is given.
const TIME: Duration = Duration::from_millis(300);

/// Seconds of the fastest run of `work`.
fn best(mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed() < TIME {
        let once = Instant::now();
        work();
        best = best.min(once.elapsed().as_secs_f64());
    }
    best
}

/// Bytes a second of OpenSSL's SM3 over messages of `length` bytes.
fn openssl(length: usize) -> Option<f64> {
    let args = [
        "speed",
        "-seconds",
        "1",
        "-evp",
        "sm3",
        "-bytes",
        &length.to_string(),
        "-mr",
    ]
    .map(str::to_owned);
    let output = Command::new("openssl").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().find(|line| line.starts_with("+F:"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// A line of the report: `count` operations of `bytes` bytes each in `seconds`, against bytes a second of OpenSSL.
fn report(kernel: Kernel, name: &str, count: usize, bytes: usize, seconds: f64, reference: Option<f64>) {
    let rate = (count * bytes) as f64 / seconds;
    let ratio = reference.map_or_else(|| "-".to_owned(), |reference| format!("{:.2}", rate / reference));
    let hashes = count as f64 / seconds;
    println!(
        "{:<9} {name:<34} {:>9.1} MB/s {hashes:>12.0} hashes/s {ratio:>7} x openssl",
        kernel.name(),
        rate / 1e6
    );
}

fn main() {
    let (short, long) = (openssl(64), openssl(16_384));
    for (length, rate) in [(64, short), (16_384, long)] {
        if let Some(rate) = rate {
            println!("openssl   {length:>5}-byte messages {:>29.1} MB/s", rate / 1e6);
        }
    }
    let data: Vec<u8> = (0..1u32 << 20)
        .map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect();
    for kernel in kernel::available() {
        if let Ok(lanes) = Lanes::on(kernel) {
            measure(kernel, lanes, &data, short, long);
        }
    }
}

fn measure(kernel: Kernel, lanes: Lanes, data: &[u8], short: Option<f64>, long: Option<f64>) {
    let tag = Midstate::START.after(&[1; 64]);
    let mut out = vec![[0; 32]; 4096];

    let seconds = best(|| lanes.hash_many(&Midstate::START, &[black_box(data)], &mut out[..1]));
    report(kernel, "one stream of 1 MiB", 1, data.len(), seconds, long);

    // A power of two between streams puts the blocks of all lanes in one set of the cache: both cases are shown.
    for length in [16_384, 16_320] {
        let streams: Vec<&[u8]> = data.chunks_exact(length).collect();
        let seconds = best(|| lanes.hash_many(&Midstate::START, black_box(&streams), &mut out[..streams.len()]));
        report(
            kernel,
            &format!("64 streams of {length} bytes"),
            streams.len(),
            length,
            seconds,
            long,
        );
    }

    let (nodes, _) = data[..64 * 4096].as_chunks::<64>();
    let seconds = best(|| lanes.hash_fixed(&tag, black_box(nodes), &mut out));
    report(kernel, "4096 nodes, 64 bytes under a tag", 4096, 64, seconds, short);
    for count in [1, 4, 8, 16, 32] {
        let seconds = best(|| lanes.hash_fixed(&tag, black_box(&nodes[..count]), &mut out[..count]));
        report(kernel, &format!("{count} nodes"), count, 64, seconds, short);
    }

    let listed: Vec<&[u8]> = nodes.iter().map(|node| &node[..]).collect();
    let seconds = best(|| lanes.hash_many(&Midstate::START, black_box(&listed), &mut out));
    report(kernel, "4096 listed messages of 64 bytes", 4096, 64, seconds, short);

    let (leaves, _) = data[..32 * 4096].as_chunks::<32>();
    let seconds = best(|| lanes.hash_fixed(&tag, black_box(leaves), &mut out));
    report(kernel, "4096 leaves, 32 bytes under a tag", 4096, 32, seconds, None);

    let mixed: Vec<&[u8]> = (0..1024).map(|i| &data[i * 512..i * 512 + (i * 197) % 480]).collect();
    let bytes: usize = mixed.iter().map(|message| message.len()).sum();
    let seconds = best(|| lanes.hash_many(&tag, black_box(&mixed), &mut out[..1024]));
    report(
        kernel,
        "1024 messages of 0..480 bytes",
        1024,
        bytes / 1024,
        seconds,
        None,
    );

    let mut tags = vec![[0; 32]; 1024];
    let keys = leaves[..1024].to_vec();
    let seconds = best(|| lanes.hmac_fixed(black_box(&keys), &leaves[1024..2048], &mut tags));
    report(kernel, "1024 HMACs of 32 bytes", 1024, 32, seconds, None);
}
