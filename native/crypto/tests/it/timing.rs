//! Timing of secret operations, in the manner of dudect (Reparaz, Balasch and Verbauwhede, 2017): two classes of inputs in
//! random order, Welch's t over the times. A class of one fixed input stands against one of random inputs; a branch or an
//! address that depends on a secret gives the classes different times and t grows with the square root of the runs.
//!
//! `HN_TIMING_RUNS` is the number of runs of each operation; without it only the instrument itself is tested.

use crate::bytes::seed;
use hn_crypto::kernel;
use hn_crypto::sm2::{SecretKey, SignItem, generate_batch_with, sign_digests_with};
use hn_crypto::sm4::gcm_seal_in_place;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// |t| that stands for a leak; chance alone passes 5 once in two million comparisons.
const T_MAX: f64 = 10.0;
/// Share of the shortest times that is compared: the longest ones are interrupts.
const KEPT: [f64; 4] = [0.5, 0.75, 0.9, 0.99];
/// Different inputs of a class; both classes have as many, so that neither stays in a nearer cache.
const PLACES: usize = 64;

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn runs() -> Option<usize> {
    std::env::var("HN_TIMING_RUNS").ok().map(|text| text.parse().unwrap())
}

/// Largest |t| over the crops.
fn t_statistic(times: &[Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = times.concat();
    all.sort_unstable_by(f64::total_cmp);
    let t = KEPT.map(|share| {
        let limit = all[(all.len() as f64 * share) as usize];
        let [a, b] = times.each_ref().map(|times| {
            let kept: Vec<f64> = times.iter().copied().filter(|time| *time <= limit).collect();
            let count = kept.len() as f64;
            let mean = kept.iter().sum::<f64>() / count;
            let variance = kept.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
            (mean, variance / count, kept.len())
        });
        // A class that the crop removes is slower beyond doubt.
        if a.2.min(b.2) < 2 {
            return f64::INFINITY;
        }
        ((a.0 - b.0) / (a.1 + b.1).max(f64::MIN_POSITIVE).sqrt()).abs()
    });
    t.into_iter().fold(0.0, f64::max)
}

/// Times of `operation` on what `prepare(class, place in the pool)` gives, for classes in an order that looks random. The
/// preparation is not timed, and its result stands at one address for both classes.
fn measure<T>(runs: usize, prepare: impl Fn(usize, usize) -> T, mut operation: impl FnMut(&T)) -> f64 {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut times = [Vec::with_capacity(runs), Vec::with_capacity(runs)];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for run in 0..runs + runs / 10 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (class, place) = (state as usize & 1, (state >> 8) as usize % PLACES);
        let input = black_box(prepare(class, place));
        let start = Instant::now();
        operation(&input);
        let time = start.elapsed().as_nanos() as f64;
        // The first tenth warms up.
        if run >= runs / 10 {
            times[class].push(time);
        }
    }
    t_statistic(&times)
}

fn check<T>(name: &str, runs: usize, prepare: impl Fn(usize, usize) -> T, operation: impl FnMut(&T)) {
    let t = measure(runs, prepare, operation);
    println!("{name}: |t| = {t:.2} over {runs} runs");
    assert!(t < T_MAX, "{name}: |t| = {t:.2}");
}

/// Inputs of both classes, side by side in memory: of two neighbours one belongs to each class, in changing order, so
/// that no class has the better addresses.
struct Pool<T>(Vec<T>);

impl<T> Pool<T> {
    fn new(mut make: impl FnMut(usize, usize) -> T) -> Self {
        let at = |i: usize| ((i & 1) ^ ((i / 2) & 1), i / 2);
        Self((0..2 * PLACES).map(|i| make(at(i).0, at(i).1)).collect())
    }

    fn get(&self, class: usize, place: usize) -> &T {
        let place = place % PLACES;
        &self.0[2 * place + (class ^ (place & 1))]
    }
}

/// The same 32 bytes everywhere, and different ones.
fn inputs(label: &str) -> Pool<[u8; 32]> {
    Pool::new(|class, place| seed(label, if class == 0 { u64::MAX } else { place as u64 }))
}

/// Zeros or ones alone, and bytes that look random.
fn extremes(label: &str) -> Pool<[u8; 32]> {
    Pool::new(|class, place| match (class, place % 2) {
        (0, 0) => [0; 32],
        (0, _) => [0xff; 32],
        _ => seed(label, place as u64),
    })
}

#[test]
fn a_planted_leak_is_found_and_equal_work_is_not() {
    let inputs = inputs("leak");
    let leaky = |bytes: &[u8; 32]| {
        // Work that grows with the number of equal leading bytes, as a careless comparison does.
        let equal = bytes.iter().zip(inputs.get(0, 0)).take_while(|(a, b)| a == b).count();
        for i in 0..400 + 20 * equal {
            black_box(i);
        }
    };
    let t = measure(20_000, |class, place| *inputs.get(class, place), leaky);
    assert!(t > T_MAX, "|t| = {t:.2}");
    let steady = |bytes: &[u8; 32]| {
        for i in 0..400 {
            black_box(usize::from(bytes[i % 32]));
        }
    };
    let t = measure(20_000, |class, place| *inputs.get(class, place), steady);
    assert!(t < T_MAX, "|t| = {t:.2}");
}

#[test]
fn signing_takes_the_same_time_for_every_key() {
    let Some(runs) = runs() else { return };
    let (secrets, digests) = (inputs("timing key"), inputs("timing digest"));
    // Keys are made anew each time, so that those of both classes stand at the same addresses.
    let key = |class: usize, place: usize| SecretKey::from_bytes(secrets.get(class, place)).unwrap();
    let one = |class: usize, place: usize| (key(class, place), *digests.get(class, place));
    check("sign, one", runs, one, |(key, e)| {
        black_box(key.sign_digest(e));
    });
    let batch =
        |class: usize, place: usize| -> [(SecretKey, [u8; 32]); 16] { std::array::from_fn(|i| one(class, place + i)) };
    for kernel in kernel::available() {
        check(&format!("sign, 16, {kernel}"), runs / 16, batch, |items| {
            let items = items.each_ref().map(|(key, e)| -> SignItem<'_> { (key, *e) });
            black_box(sign_digests_with(kernel, &items));
        });
    }
}

#[test]
fn key_generation_takes_the_same_time_for_every_seed() {
    let Some(runs) = runs() else { return };
    let seeds = inputs("timing seed");
    for kernel in kernel::available() {
        let one = |class: usize, place: usize| [*seeds.get(class, place)];
        check(&format!("generate, 1, {kernel}"), runs / 2, one, |seeds| {
            black_box(generate_batch_with(kernel, seeds));
        });
    }
    // d = 1 has the least bits that a key can have.
    let mut low = [0; 32];
    low[31] = 1;
    let secrets = Pool::new(|class, place| {
        if class == 0 {
            low
        } else {
            seed("timing secret", place as u64)
        }
    });
    let one = |class: usize, place: usize| *secrets.get(class, place);
    check("multiple of G, small and random", runs / 2, one, |secret| {
        black_box(SecretKey::from_bytes(secret).is_ok());
    });
}

#[test]
fn sm4_takes_the_same_time_for_every_key_and_text() {
    let Some(runs) = runs() else { return };
    for kernel in kernel::available() {
        for (name, pool) in [("fixed", inputs("timing sm4")), ("extremes", extremes("timing sm4"))] {
            let text = |class: usize, place: usize| [*pool.get(class, place); 64];
            let mut data = [[0; 32]; 64];
            check(&format!("sm4-gcm seal, {name}, {kernel}"), runs, text, |text| {
                let (key, _) = text[0].split_first_chunk().unwrap();
                data.copy_from_slice(text);
                black_box(gcm_seal_in_place(kernel, key, &[1; 12], b"", data.as_flattened_mut()));
            });
        }
    }
}
