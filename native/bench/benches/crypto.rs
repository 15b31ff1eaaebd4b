//! `cargo bench -p hn-bench --bench crypto [-- FIELD…]`: all fields on one thread; `HN_CRYPTO_KERNEL` chooses the kernel,
//! `HN_BENCH_SECONDS` the time of a field, `HN_BENCH_THREADS` the threads, `HN_BENCH_STATE_KEYS` the keys of the big tree.

use hn_bench::{Plan, fields, run};
use hn_crypto::kernel;
use std::str::FromStr;

fn variable<T: FromStr>(name: &str, default: T) -> Result<T, String> {
    match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name}: got {text}")),
        Err(_) => Ok(default),
    }
}

fn measure() -> Result<(), String> {
    if let Ok(name) = std::env::var("HN_CRYPTO_KERNEL") {
        let kernel = name.parse().map_err(|error| format!("{error}"))?;
        kernel::force(kernel).map_err(|error| error.to_string())?;
    }
    // Cargo passes options of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|text| !text.starts_with('-')).collect();
    let mut plan = Plan {
        seconds: variable("HN_BENCH_SECONDS", 1.0)?,
        threads: variable("HN_BENCH_THREADS", 1)?,
        fields: Vec::new(),
        state_keys: variable("HN_BENCH_STATE_KEYS", 10_000_000)?,
    };
    println!("kernel {}", kernel::selected());
    for field in if asked.is_empty() {
        fields().map(str::to_owned).collect()
    } else {
        asked
    } {
        plan.fields = vec![field];
        for reading in run(&plan).map_err(|error| error.to_string())? {
            println!("{:<32} {:>14.1}", reading.field, reading.value);
        }
    }
    Ok(())
}

fn main() {
    if let Err(error) = measure() {
        eprintln!("{error}");
        std::process::exit(2);
    }
}
