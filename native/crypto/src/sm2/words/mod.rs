//! SM2 verification of many signatures with 64-bit words, for processors without wide vectors: points of comb tables,
//! added in affine form with shared inversions.

mod sums;

#[cfg(test)]
pub(super) mod tests;

use super::batch::BatchItem;
use super::cache::Found;
#[cfg(target_arch = "x86_64")]
use super::field_adx::Adx;
use super::odd_table::{Form, OddTable, base_table, windows};
use super::products::{Baseline, Products};
use super::referee::Referee;
use super::verify::{Answer, Equation, VerifyStatus, answer_unknown};
use crate::kernel::Kernel;
use std::cell::RefCell;
use sums::{Sums, sum_has_x};

/// Signatures whose points are in memory at once: their inversions are shared, and the points stay in the L2 cache.
const CHUNK: usize = 128;
/// Signatures for which shared inversions pay.
const SHARED_COUNT_MIN: usize = 4;

/// Signatures between the request for entries and their use.
const AHEAD: usize = 2;

/// A signature in range, with the table of its key.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) equation: &'a Equation,
    pub(crate) table: &'a OddTable,
}

thread_local! {
    /// Half a megabyte that every call would have to get from the system otherwise.
    static SUMS: RefCell<Sums> = const { RefCell::new(Sums::new()) };
}

/// Verdicts on items with their tables, on this thread.
pub(super) fn verify(kernel: Kernel, items: &[BatchItem<'_>], tables: &[Found]) -> Vec<VerifyStatus> {
    let mut digests = Vec::with_capacity(items.len());
    let mut equations = Vec::with_capacity(items.len());
    for (pk, message, signature) in items {
        let e = pk.digest(message);
        equations.push(Equation::parse(&e, signature));
        digests.push(e);
    }
    let mut verdicts: Vec<VerifyStatus> = equations
        .iter()
        .map(|equation| equation.as_ref().err().copied().unwrap_or(VerifyStatus::BadSignature))
        .collect();
    let mut referee = Referee::new(items, &digests);
    let mut known = Vec::with_capacity(items.len());
    for (at, equation) in equations.iter().enumerate() {
        let Ok(equation) = equation else { continue };
        match tables[at].as_deref() {
            Some(prepared) => known.push((
                at,
                Job {
                    equation,
                    table: &prepared.table,
                },
            )),
            // No other kernel to ask: a rejection goes to the rule, which takes twice as long as this answer.
            None => verdicts[at] = referee.decide(at, answer_unknown(equation, items[at].0), || Answer::Ask),
        }
    }
    // Sums of one call have equal numbers of terms.
    known.sort_by_key(|(_, job)| job.table.width());
    for class in known.chunk_by(|(_, first), (_, second)| first.table.width() == second.table.width()) {
        let jobs: Vec<Job<'_>> = class.iter().map(|(_, job)| *job).collect();
        for ((at, job), answer) in class.iter().zip(answer(kernel, &jobs)) {
            verdicts[*at] = referee.decide(*at, answer, || answer_single(Baseline, job));
        }
    }
    verdicts
}

/// Answers for all jobs, in their order. The tables must have equal widths.
pub(crate) fn answer(kernel: Kernel, jobs: &[Job<'_>]) -> Vec<Answer> {
    #[cfg(target_arch = "x86_64")]
    if let (true, Some(adx)) = (kernel >= Kernel::Scalar, Adx::new()) {
        return answer_by(adx, jobs);
    }
    let _ = kernel;
    answer_by(Baseline, jobs)
}

fn answer_by(by: impl Products, jobs: &[Job<'_>]) -> Vec<Answer> {
    if jobs.len() < SHARED_COUNT_MIN {
        return jobs.iter().map(|job| answer_single(by, job)).collect();
    }
    let mut answers = Vec::with_capacity(jobs.len());
    let mut work = |sums: &mut Sums| {
        for chunk in jobs.chunks(CHUNK) {
            answer_chunk(by, chunk, sums, &mut answers);
        }
    };
    SUMS.with(|sums| match sums.try_borrow_mut() {
        Ok(mut sums) => work(&mut sums),
        Err(_) => work(&mut Sums::new()),
    });
    answers
}

/// The answer for one job: mixed additions, no inversion.
pub(crate) fn answer_single(by: impl Products, job: &Job<'_>) -> Answer {
    let sum = job.table.add_multiple(by, None, &job.equation.t);
    let base = base_table(Form::Words);
    job.equation
        .holds_jacobian(sum.and_then(|sum| base.add_multiple(by, sum, &job.equation.s)))
}

fn answer_chunk(by: impl Products, jobs: &[Job<'_>], sums: &mut Sums, answers: &mut Vec<Answer>) {
    let Some(first) = jobs.first() else { return };
    let base = base_table(Form::Words);
    let key_windows = windows(first.table.width());
    sums.begin(jobs.len().div_ceil(2), key_windows + windows(base.width()));
    let ask_for = |at: usize| {
        if let Some(Job { equation, table }) = jobs.get(at) {
            table.prefetch(&equation.t);
            base.prefetch(&equation.s);
        }
    };
    (0..AHEAD).for_each(ask_for);
    // The last job fills the place that is left.
    for (pair, terms) in sums.points.chunks_exact_mut(sums.stride).enumerate() {
        for k in 0..2 {
            ask_for(2 * pair + k + AHEAD);
            let Job { equation, table } = jobs[(2 * pair + k).min(jobs.len() - 1)];
            let (of_key, of_base) = terms.split_at_mut(key_windows);
            of_key
                .iter_mut()
                .zip(table.terms(&equation.t))
                .for_each(|(term, point)| term[k] = point);
            of_base
                .iter_mut()
                .zip(base.terms(&equation.s))
                .for_each(|(term, point)| term[k] = point);
        }
    }
    let second = sums.add_up(by);
    for (at, job) in jobs.iter().enumerate() {
        let (pair, k) = (at / 2, at % 2);
        let terms = &sums.points[pair * sums.stride..];
        let x = job.equation.candidates();
        let answer = match sum_has_x(by, &terms[0][k], &terms[second][k], &x) {
            _ if sums.exceptional[pair][k] => Answer::Ask,
            None => Answer::Ask,
            Some(true) => Answer::Accept,
            Some(false) => Answer::Reject,
        };
        answers.push(answer);
    }
}
