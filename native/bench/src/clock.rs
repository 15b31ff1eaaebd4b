//! How long work takes.

use std::time::{Duration, Instant};

/// Runs work again and again for the time given.
pub struct Clock {
    time: Duration,
}

impl Clock {
    pub fn new(time: Duration) -> Self {
        Self { time }
    }

    /// Seconds of the fastest run. The first run warms up and does not count, unless it alone takes longer than the time
    /// given: then it is the only one.
    pub fn best_s(&self, mut work: impl FnMut()) -> f64 {
        let once = Instant::now();
        work();
        let first = once.elapsed();
        if first >= self.time {
            return first.as_secs_f64().max(f64::MIN_POSITIVE);
        }
        let start = Instant::now();
        let mut best = f64::INFINITY;
        loop {
            let once = Instant::now();
            work();
            best = best.min(once.elapsed().as_secs_f64());
            if start.elapsed() >= self.time {
                return best.max(f64::MIN_POSITIVE);
            }
        }
    }

    /// `count` operations a run → operations a second.
    pub fn per_s(&self, count: usize, work: impl FnMut()) -> f64 {
        count as f64 / self.best_s(work)
    }

    /// `bytes` a run → megabytes a second.
    pub fn mb_per_s(&self, bytes: usize, work: impl FnMut()) -> f64 {
        self.per_s(bytes, work) / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_run_counts_and_a_long_first_one_is_the_only_one() {
        let slow = Duration::from_millis(20);
        let mut runs = 0;
        let work = || {
            runs += 1;
            std::thread::sleep(slow);
        };
        assert!(Clock::new(Duration::from_millis(1)).best_s(work) >= slow.as_secs_f64());
        assert_eq!(runs, 1);
        let mut pauses = [0, 90, 1, 90].into_iter().cycle();
        let best = Clock::new(Duration::from_millis(300)).best_s(|| {
            std::thread::sleep(Duration::from_millis(pauses.next().unwrap_or_default()));
        });
        assert!((0.001..0.09).contains(&best), "{best}");
        assert!(Clock::new(Duration::from_millis(2)).per_s(5, || ()) > 1e3);
    }
}
