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
