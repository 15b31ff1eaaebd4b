//! How long work takes.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Runs work again and again for the time given.
pub struct Clock {
    time: Duration,
    reading: Reading,
}

/// What a run costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Processor time of this process, as `openssl speed` takes it: what other processes do on the core does not count.
    /// Only for work on one thread.
    Processor,
    /// The time on the wall.
    Wall,
}

impl Reading {
    /// Time that has passed or was used since some moment.
    fn now(self) -> Duration {
        match self {
            #[cfg(unix)]
            Self::Processor => processor_time().unwrap_or_else(wall_time),
            #[cfg(not(unix))]
            Self::Processor => wall_time(),
            Self::Wall => wall_time(),
        }
    }
}

fn wall_time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// User and system time of all threads of the process.
#[cfg(unix)]
#[allow(unsafe_code, reason = "the standard library has no clock of processor time")]
fn processor_time() -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live value of the type that the call fills in.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanoseconds = u32::try_from(time.tv_nsec).ok()?;
    (done == 0).then(|| Duration::new(seconds, nanoseconds))
}

impl Clock {
    pub fn new(time: Duration, reading: Reading) -> Self {
        Self { time, reading }
    }

    /// Seconds of the fastest run. The first run warms up and does not count, unless it alone takes longer than the time
    /// given: then it is the only one.
    pub fn best_s(&self, mut work: impl FnMut()) -> f64 {
        let start = Instant::now();
        let mut best = self.once(&mut work);
        if start.elapsed() < self.time || self.time.is_zero() {
            let start = Instant::now();
            best = self.once(&mut work);
            while start.elapsed() < self.time {
                best = best.min(self.once(&mut work));
            }
        }
        best.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn once(&self, work: &mut impl FnMut()) -> Duration {
        let start = self.reading.now();
        work();
        self.reading.now().saturating_sub(start)
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
        assert!(Clock::new(Duration::from_millis(1), Reading::Wall).best_s(work) >= slow.as_secs_f64());
        assert_eq!(runs, 1);
        let mut pauses = std::iter::once(0).chain([90, 1, 90].into_iter().cycle());
        let best = Clock::new(Duration::from_millis(300), Reading::Wall).best_s(|| {
            std::thread::sleep(Duration::from_millis(pauses.next().unwrap_or_default()));
        });
        assert!((0.001..0.09).contains(&best), "{best}");
        assert!(Clock::new(Duration::from_millis(2), Reading::Wall).per_s(5, || ()) > 1e3);
    }

    #[test]
    fn processor_time_leaves_out_what_others_take() {
        let clock = Clock::new(Duration::from_millis(1), Reading::Processor);
        // Nothing else runs in this thread; other tests of this process may, so the least of some runs counts.
        let slept = (0..20).map(|_| clock.best_s(|| std::thread::sleep(Duration::from_millis(20))));
        let slept = slept.fold(f64::INFINITY, f64::min);
        assert!(!cfg!(unix) || slept < 0.02, "{slept}");
        let before = Reading::Processor.now();
        let mut sum = 0u64;
        while Reading::Processor.now().saturating_sub(before) < Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0);
    }
}
