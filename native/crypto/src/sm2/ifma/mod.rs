//! SM2 verification in eight lanes with AVX-512 IFMA: eight signatures in the lanes of a vector, two vectors at a time.
//!
//! Answers are [`Answer::Ask`] for sums that meet an exceptional addition; such signatures go to the rule.
//!
//! [`Answer::Ask`]: super::verify::Answer::Ask

mod buckets;
pub(super) mod build;
mod field;
mod gather;
pub(super) mod hinted;
mod invert;
mod jacobian;
pub(super) mod known;
mod lists;
mod points;
mod roots;
pub(super) mod secret;
pub(super) mod table;
pub(super) mod unknown;

#[cfg(test)]
mod hinted_tests;
#[cfg(test)]
pub(super) mod tests;

use super::batch::BatchItem;
use super::cache::PreparedKey;
use super::field_adx::Adx;
use super::referee::Referee;
use super::verify::{Answer, Equation, VerifyStatus, answer_unknown};
use crate::kernel::Kernel;
use crate::sm3::{sm3_fixed, sm3_many};
use std::sync::Arc;
use table::LaneTable;

/// Signatures of known keys for which lanes pay.
const KNOWN_COUNT_MIN: usize = 2;
/// Signatures of unknown keys for which sixteen lanes pay: they take as long as four signatures one by one.
const UNKNOWN_COUNT_MIN: usize = 5;

/// Verdicts on items with their tables, on this thread. Only for processors that have the kernel, which is checked.
pub(super) fn verify(items: &[BatchItem<'_>], tables: &[Option<Arc<PreparedKey>>]) -> Vec<VerifyStatus> {
    let (Some(adx), true) = (Adx::new(), Kernel::Ifma.is_available()) else {
        unreachable!("lanes are asked for on a processor that has them")
    };
    let digests = digests(items);
    let equations: Vec<Result<Equation, VerifyStatus>> = items
        .iter()
        .zip(&digests)
        .map(|((_, _, signature), e)| Equation::parse(e, signature))
        .collect();
    let mut verdicts: Vec<VerifyStatus> = equations
        .iter()
        .map(|equation| equation.as_ref().err().copied().unwrap_or(VerifyStatus::BadSignature))
        .collect();
    let mut answers = Vec::with_capacity(items.len());
    let table = |at: usize| tables[at].as_deref().map(|prepared| &prepared.table);
    let mut referee = Referee::new(items, &digests);
    let mut settle = |places: &[usize], answers: &mut Vec<Answer>| {
        for (&at, answer) in places.iter().zip(answers.drain(..)) {
            let second = || match (&equations[at], table(at)) {
                (Ok(equation), Some(table)) => known::answer_single(adx, &known::Job { equation, table }),
                _ => Answer::Ask,
            };
            verdicts[at] = referee.decide(at, answer, second);
        }
    };
    let mut rest: Vec<usize> = (0..items.len()).filter(|at| equations[*at].is_ok()).collect();
    // One class of items after another: those without a table, then those of each width.
    while let Some(&first) = rest.first() {
        let width = table(first).map(LaneTable::width);
        let (places, others): (Vec<usize>, Vec<usize>) = rest
            .into_iter()
            .partition(|at| table(*at).map(LaneTable::width) == width);
        rest = others;
        let sound = places
            .iter()
            .filter_map(|at| Some((*at, equations[*at].as_ref().ok()?)));
        if width.is_none() && places.len() < UNKNOWN_COUNT_MIN {
            answers.extend(sound.map(|(at, equation)| answer_unknown(equation, items[at].0)));
            settle(&places, &mut answers);
            continue;
        }
        // SAFETY: the processor has the features of the kernel, checked above.
        unsafe {
            if width.is_some() {
                let jobs: Vec<_> = sound
                    .filter_map(|(at, equation)| {
                        Some(known::Job {
                            equation,
                            table: table(at)?,
                        })
                    })
                    .collect();
                if jobs.len() < KNOWN_COUNT_MIN {
                    answers.extend(jobs.iter().map(|job| known::answer_single(adx, job)));
                } else {
                    known::answer(&jobs, &mut answers);
                }
            } else {
                let jobs: Vec<_> = sound
                    .map(|(at, equation)| unknown::Job {
                        equation,
                        key: items[at].0,
                    })
                    .collect();
                unknown::answer(&jobs, &mut answers);
            }
        }
        settle(&places, &mut answers);
    }
    verdicts
}

/// e = SM3(ZA ‖ message) of each item.
fn digests(items: &[BatchItem<'_>]) -> Vec<[u8; 32]> {
    let mut out = vec![[0; 32]; items.len()];
    if items.iter().all(|(_, message, _)| message.len() == 32) {
        // Hashes are what a chain signs.
        let mut blocks = vec![[0; 64]; items.len()];
        for (block, (pk, message, _)) in blocks.iter_mut().zip(items) {
            block[..32].copy_from_slice(pk.za());
            block[32..].copy_from_slice(message);
        }
        sm3_fixed(&blocks, &mut out);
        return out;
    }
    let mut bytes = Vec::with_capacity(items.iter().map(|(_, message, _)| 32 + message.len()).sum());
    for (pk, message, _) in items {
        bytes.extend_from_slice(pk.za());
        bytes.extend_from_slice(message);
    }
    let mut rest = &bytes[..];
    let messages: Vec<&[u8]> = items
        .iter()
        .map(|(_, message, _)| {
            let (message, after) = rest.split_at(32 + message.len());
            rest = after;
            message
        })
        .collect();
    sm3_many(&messages, &mut out);
    out
}
