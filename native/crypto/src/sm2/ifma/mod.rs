//! SM2 verification in eight lanes with AVX-512 IFMA: eight signatures in the lanes of a vector, two vectors at a time.
//!
//! Answers are [`Answer::Ask`] for sums that meet an exceptional addition; such signatures go to the rule.
//!
//! [`Answer::Ask`]: super::verify::Answer::Ask

mod field;
mod gather;
mod invert;
pub(super) mod known;
mod points;
pub(super) mod secret;
pub(super) mod table;

#[cfg(test)]
pub(super) mod tests;

use super::batch::BatchItem;
use super::cache::{KeyTable, PreparedKey};
use super::verify::{Answer, Equation, VerifyStatus, verify_digest, verify_digest_single};
use crate::sm3::sm3_many;
use known::Job;
use std::sync::Arc;

/// Verdicts on items with their tables, on this thread. Only for processors that have the kernel, which is checked.
pub(super) fn verify(items: &[BatchItem<'_>], tables: &[Option<Arc<PreparedKey>>]) -> Vec<VerifyStatus> {
    assert!(
        crate::kernel::Kernel::Ifma.is_available(),
        "lanes are asked for on a processor that has them"
    );
    let digests = digests(items);
    let equations: Vec<Result<Equation, VerifyStatus>> = items
        .iter()
        .zip(&digests)
        .map(|((_, _, signature), e)| Equation::parse(e, signature))
        .collect();
    let mut verdicts: Vec<VerifyStatus> = vec![VerifyStatus::BadSignature; items.len()];
    let mut classes: Vec<(usize, Vec<usize>, Vec<Job<'_>>)> = Vec::new();
    for (at, (equation, table)) in equations.iter().zip(tables).enumerate() {
        let equation = match equation {
            Ok(equation) => equation,
            Err(status) => {
                verdicts[at] = *status;
                continue;
            }
        };
        let Some(KeyTable::Lanes(table)) = table.as_deref().map(|prepared| &prepared.table) else {
            verdicts[at] = verify_digest(items[at].0, None, &digests[at], items[at].2);
            continue;
        };
        let width = table.width();
        let class = match classes.iter().position(|class| class.0 == width) {
            Some(class) => &mut classes[class],
            None => {
                classes.push((width, Vec::with_capacity(items.len()), Vec::with_capacity(items.len())));
                let last = classes.len() - 1;
                &mut classes[last]
            }
        };
        class.1.push(at);
        class.2.push(Job { equation, table });
    }
    let mut answers = Vec::with_capacity(items.len());
    for (_, places, jobs) in &classes {
        answers.clear();
        // SAFETY: the processor has the features of the kernel, checked above.
        unsafe { known::answer(jobs, &mut answers) };
        for (&at, answer) in places.iter().zip(&answers) {
            verdicts[at] = match answer {
                Answer::Accept => VerifyStatus::Valid,
                Answer::Reject | Answer::Ask => verify_digest_single(items[at].0, &digests[at], items[at].2),
            };
        }
    }
    verdicts
}

/// e = SM3(ZA ‖ message) of each item.
fn digests(items: &[BatchItem<'_>]) -> Vec<[u8; 32]> {
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
    let mut out = vec![[0; 32]; items.len()];
    sm3_many(&messages, &mut out);
    out
}
