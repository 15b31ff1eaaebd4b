//! Verification with comb tables of the key and of G: 32 + 20 points for each signature (key windows of 8 bits), added
//! up as a tree.

use super::super::point::G;
use super::super::products::Products;
use super::super::scalar::Scalar;
use super::super::verify::{Answer, Equation};
use super::field::{Lanes, from_array};
use super::gather::{Digits, gather_all};
use super::points::{Sums, sum_has_x};
use super::table::{Entry, Form, LaneTable, base_table, windows};
use super::unknown::load;
use std::arch::x86_64::*;
use std::cell::RefCell;

/// Signatures whose points are in memory at once: their inversions are shared, and all of it stays in the L2 cache.
pub(super) const CHUNK: usize = 128;
/// Signatures of a group.
const LANES: usize = 8;
/// Signatures of a pair of groups.
pub(super) const PAIR: usize = 16;

/// A signature in range, with the table of its key.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) equation: &'a Equation,
    pub(crate) table: &'a LaneTable,
}

thread_local! {
    /// Half a megabyte that every call would have to get from the system otherwise.
    static SUMS: RefCell<Sums> = const { RefCell::new(Sums::new()) };
}

/// Calls `work` with this thread's memory for sums. Nothing in `work` may wait for other threads' work.
pub(super) fn with_sums<T>(work: impl FnOnce(&mut Sums) -> T) -> T {
    SUMS.with(|sums| match sums.try_borrow_mut() {
        Ok(mut sums) => work(&mut sums),
        Err(_) => work(&mut Sums::new()),
    })
}

/// Eight items from `start`; the last one fills the lanes that are left.
pub(super) fn group<T>(items: &[T], start: usize) -> [&T; 8] {
    std::array::from_fn(|lane| &items[(start + lane).min(items.len() - 1)])
}

/// The answer for one job, without lanes: 51 mixed additions, about 10 µs.
pub(crate) fn answer_single(by: impl Products, job: &Job<'_>) -> Answer {
    let sum = job.table.add_multiple(by, None, &job.equation.t);
    job.equation
        .holds_jacobian(sum.and_then(|sum| base_table().add_multiple(by, sum, &job.equation.s)))
}

/// Answers for all jobs, in their order. The tables must have equal widths.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn answer(jobs: &[Job<'_>], answers: &mut Vec<Answer>) {
    with_sums(|sums| {
        for chunk in jobs.chunks(CHUNK) {
            if chunk.len() <= LANES {
                answer_group(chunk, sums, answers);
            } else {
                answer_chunk(chunk, sums, answers);
            }
        }
    });
}

/// Answers for at most eight jobs: the two groups of a pair take half of the points each, so the pair is full and the tree
/// one round lower.
#[target_feature(enable = "avx512f,avx512ifma")]
fn answer_group(jobs: &[Job<'_>], sums: &mut Sums, answers: &mut Vec<Answer>) {
    if jobs.is_empty() {
        return;
    }
    let base = base_table();
    let group = group(jobs, 0);
    let count = windows(group[0].table.width()) + windows(base.width());
    // An odd number of points is made even: s·G = (s − 1)·G + G.
    let odd = count % 2 == 1;
    let s = group.map(|job| {
        if odd {
            job.equation.s.sub(&Scalar::ONE)
        } else {
            job.equation.s
        }
    });
    let of_key = Digits::comb(&group.map(|job| &job.equation.t), &group.map(|job| job.table));
    let of_base = Digits::comb(&s.each_ref(), &[base; LANES]);
    let mut picked = Vec::with_capacity(count);
    for digits in [&of_key, &of_base] {
        picked.extend((0..digits.windows()).map(|window| {
            let picked = digits.pick(window);
            digits.prefetch(&picked);
            (digits, picked)
        }));
    }
    let half = count.div_ceil(2);
    sums.begin(1, half);
    for (at, (digits, picked)) in picked.iter().enumerate() {
        digits.gather(picked, &mut sums.points[at % half][at / half]);
    }
    if odd {
        sums.points[half - 1][1] = load(&[Entry::new(&G, Form::Lanes); LANES]);
    }
    sums.add_up(1);
    let [first, second] = &sums.points[0];
    let (equal, exceptional) = sum_has_x(first, second, &candidates(&group.map(|job| job.equation)));
    let [of_first, of_second] = sums.flags[0];
    let verdicts = verdicts(equal, exceptional | of_first | of_second);
    answers.extend(verdicts.into_iter().take(jobs.len()));
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn answer_chunk(jobs: &[Job<'_>], sums: &mut Sums, answers: &mut Vec<Answer>) {
    let base = base_table();
    let key_windows = windows(jobs[0].table.width());
    sums.begin(jobs.len().div_ceil(PAIR), key_windows + windows(base.width()));
    for (pair, terms) in sums.points.chunks_exact_mut(sums.stride).enumerate() {
        let (of_key, of_base) = terms.split_at_mut(key_windows);
        let groups = [group(jobs, pair * PAIR), group(jobs, pair * PAIR + 8)];
        let digits = groups
            .each_ref()
            .map(|jobs| Digits::comb(&jobs.map(|job| &job.equation.t), &jobs.map(|job| job.table)));
        gather_all(&digits, of_key);
        let digits = groups
            .each_ref()
            .map(|jobs| Digits::comb(&jobs.map(|job| &job.equation.s), &[base; 8]));
        gather_all(&digits, of_base);
    }
    let second = sums.add_up(2);
    for (pair, terms) in sums.points.chunks_exact(sums.stride).enumerate() {
        for (half, (first_term, second_term)) in terms[0].iter().zip(&terms[second]).enumerate() {
            let start = pair * PAIR + half * 8;
            let candidates = candidates(&group(jobs, start).map(|job| job.equation));
            let (equal, exceptional) = sum_has_x(first_term, second_term, &candidates);
            let verdicts = verdicts(equal, exceptional | sums.flags[pair][half]);
            answers.extend(verdicts.into_iter().take(jobs.len().saturating_sub(start)));
        }
    }
}

/// The values of x1 to look for: x, and x + n where some lane may have it. Plain integers.
#[target_feature(enable = "avx512f")]
pub(super) fn candidates(equations: &[&Equation; 8]) -> Vec<Lanes> {
    let lanes = |values: &[[u64; 4]; 8]| {
        let word = |at: usize| from_array(&values.map(|value| value[at]));
        Lanes::unpack([word(0), word(1), word(2), word(3)])
    };
    let mut out = vec![lanes(&equations.map(|equation| equation.x.0))];
    if equations.iter().any(|equation| equation.second_x().is_some()) {
        // Lanes that have only one candidate look for it twice.
        out.push(lanes(
            &equations.map(|equation| equation.second_x().unwrap_or(equation.x.0)),
        ));
    }
    out
}

/// An answer for each lane.
pub(super) fn verdicts(equal: __mmask8, exceptional: __mmask8) -> [Answer; 8] {
    std::array::from_fn(|lane| match (exceptional >> lane & 1, equal >> lane & 1) {
        (0, 0) => Answer::Reject,
        (0, _) => Answer::Accept,
        _ => Answer::Ask,
    })
}
