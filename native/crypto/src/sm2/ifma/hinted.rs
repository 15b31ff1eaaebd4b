//! Many signatures by one equation, Σ zᵢ(sᵢG + tᵢPᵢ − Rᵢ) = O, with random 128-bit zᵢ. It can only accept: a batch that it
//! does not accept is cut into halves, and what is left of that goes the exact way.

use super::super::batch::BatchItem;
use super::super::coefficients::{Coefficient, coefficients};
use super::super::scalar::Scalar;
use super::super::point::G;
use super::super::verify::{Equation, VerifyStatus};
use super::buckets::Terms;
use super::digests;
use super::lists::ListSums;
use super::roots::{Compressed, points};
use super::table::Entry;
use crate::kernel::Kernel;
use crate::sm3::Lanes;
use std::cell::RefCell;
use std::ops::Range;

/// Signatures below which the exact way is as fast.
const SUM_COUNT_MIN: usize = 64;
/// Signatures that may be summed in vain, in batches of the size of this one.
const VAIN_BATCHES: usize = 2;
/// Signatures that one exact call takes.
const EXACT_COUNT: usize = 512;

/// A signature whose R is known, up to the truth of the hint.
struct Member {
    /// Its place in the batch.
    at: usize,
    /// R as the signature and the hint have it.
    point: Entry,
    z: Coefficient,
    /// z·s and z·t.
    of_base: Scalar,
    of_key: Scalar,
}

thread_local! {
    /// About a megabyte that every call would have to get from the system otherwise.
    static SUMS: RefCell<ListSums> = const { RefCell::new(ListSums::new()) };
}

/// Verdicts on the items of one fixed batch, on this thread; each is that of the rule, whatever the hints (whether y of
/// R = sG + tP is odd). Only for processors that have the kernel, which is checked.
pub(in crate::sm2) fn verify(items: &[BatchItem<'_>], hints: &[bool]) -> Vec<VerifyStatus> {
    assert!(
        Kernel::Ifma.is_available(),
        "lanes are asked for on a processor that has them"
    );
    if items.len() < SUM_COUNT_MIN {
        return super::verify(items, &vec![None; items.len()]);
    }
    let members = members(items, hints);
    let mut exact = vec![true; items.len()];
    // Work below is this thread's own, so the memory is free unless the caller is inside of it.
    let accepted = SUMS.with(|sums| match sums.try_borrow_mut() {
        Ok(mut sums) => accept(items, &members, &mut sums),
        Err(_) => accept(items, &members, &mut ListSums::new()),
    });
    for range in accepted {
        for member in &members[range] {
            exact[member.at] = false;
        }
    }
    let mut verdicts = vec![VerifyStatus::Valid; items.len()];
    let places: Vec<usize> = (0..items.len()).filter(|at| exact[*at]).collect();
    for places in places.chunks(EXACT_COUNT) {
        let items: Vec<BatchItem<'_>> = places.iter().map(|at| items[*at]).collect();
        for (at, verdict) in places.iter().zip(super::verify(&items, &vec![None; items.len()])) {
            verdicts[*at] = verdict;
        }
    }
    verdicts
}

/// The signatures that can be in the sum: r and s in range, t ≠ 0, x of R not ambiguous, and a point with that x.
fn members(items: &[BatchItem<'_>], hints: &[bool]) -> Vec<Member> {
    let digests = digests(items);
    let sound: Vec<(usize, Equation)> = items
        .iter()
        .zip(&digests)
        .map(|((_, _, signature), e)| Equation::parse(e, signature).ok())
        .enumerate()
        .filter_map(|(at, equation)| Some((at, equation.filter(|equation| equation.second_x().is_none())?)))
        .collect();
    let compressed: Vec<Compressed> = sound
        .iter()
        .map(|(at, equation)| Compressed {
            x: equation.x.0,
            odd: hints[*at],
        })
        .collect();
    // SAFETY: the processor has the features of the kernel, which `verify` checked.
    let points = unsafe { points(&compressed) };
    let z = Lanes::on(Kernel::Ifma).map(|lanes| coefficients(lanes, items, &digests)).unwrap_or_default();
    sound
        .iter()
        .zip(points)
        .filter_map(|((at, equation), point)| {
            let z = *z.get(*at)?;
            let wide = Scalar([z[0], z[1], 0, 0]);
            Some(Member {
                at: *at,
                point: point?,
                z,
                of_base: wide.mul(&equation.s),
                of_key: wide.mul(&equation.t),
            })
        })
        .collect()
}

/// Ranges of members for which the equation holds.
fn accept(items: &[BatchItem<'_>], members: &[Member], sums: &mut ListSums) -> Vec<Range<usize>> {
    let mut accepted = Vec::new();
    let mut vain = 0;
    // The flag says that the sum is known not to vanish.
    let mut open = vec![(0..members.len(), false)];
    while let Some((range, fails)) = open.pop() {
        if range.len() < SUM_COUNT_MIN || vain > VAIN_BATCHES * members.len() {
            continue;
        }
        if !fails {
            if holds(items, &members[range.clone()], sums) {
                // The half that was to be looked at next must be the one with the fault.
                if let Some((next, fails)) = open.last_mut()
                    && next.start == range.end
                    && next.len().abs_diff(range.len()) <= 1
                {
                    *fails = true;
                }
                accepted.push(range);
                continue;
            }
            vain += range.len();
        }
        let middle = range.start + range.len() / 2;
        open.push((middle..range.end, false));
        open.push((range.start..middle, false));
    }
    accepted
}

/// Whether the equation holds for these members.
fn holds(items: &[BatchItem<'_>], members: &[Member], sums: &mut ListSums) -> bool {
    let salt = members.first().map_or(0, |member| member.z[0] ^ member.z[1].rotate_left(1));
    let mut terms = Terms::new(2 * members.len() + 1, salt);
    let of_base = members.iter().fold(Scalar([0; 4]), |sum, member| sum.add(&member.of_base));
    terms.add(Entry::new(&G), &of_base);
    for member in members {
        terms.add(Entry::new(items[member.at].0.point()), &member.of_key);
    }
    for member in members {
        terms.subtract(member.point, member.z);
    }
    // SAFETY: the processor has the features of the kernel, which `verify` checked.
    unsafe { terms.vanish(sums) }
}
