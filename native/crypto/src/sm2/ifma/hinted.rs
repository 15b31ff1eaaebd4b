//! Many signatures by one equation, Σ zᵢ(sᵢG + tᵢPᵢ − Rᵢ) = O, with random 128-bit zᵢ. It can only accept: a batch that it
//! does not accept is cut into halves, and what is left of that goes the exact way.

use super::super::batch::BatchItem;
use super::super::coefficients::{Coefficient, coefficients};
use super::super::point::G;
use super::super::scalar::Scalar;
use super::super::verify::{Equation, VerifyStatus};
use super::buckets::{POINTS_MAX, Terms};
use super::digests;
use super::lists::ListSums;
use super::roots::{Compressed, points};
use super::table::{Entry, Form};
use crate::kernel::Kernel;
use crate::sm3::Lanes;
use std::cell::RefCell;
use std::ops::Range;

/// Signatures below which the exact way is as fast.
const SUM_COUNT_MIN: usize = 64;
/// Signatures that may be summed in vain, in batches of the size of this one.
const VAIN_BATCHES: usize = 2;
/// Signatures of a batch: their keys, their R and G are the points of the sum.
pub(in crate::sm2) const COUNT_MAX: usize = (POINTS_MAX - 1) / 2;
/// Signatures that one exact call takes.
const EXACT_COUNT: usize = 512;

/// A signature whose R is known, up to the truth of the hint.
pub(super) struct Member {
    /// Its place in the batch.
    at: usize,
    /// Place of R, as the signature and the hint have it.
    point: usize,
    pub(super) z: Coefficient,
    /// z·s and z·t.
    pub(super) of_base: Scalar,
    pub(super) of_key: Scalar,
}

/// Memory for a batch.
pub(super) struct Work {
    terms: Terms,
    sums: ListSums,
}

impl Work {
    pub(super) const fn new() -> Self {
        Self {
            terms: Terms::new(),
            sums: ListSums::new(),
        }
    }
}

thread_local! {
    /// Some megabytes that every call would have to get from the system otherwise.
    static WORK: RefCell<Work> = const { RefCell::new(Work::new()) };
}

/// Members that are still to be looked at.
struct Open {
    range: Range<usize>,
    /// Whether these are the left half of members whose sum does not vanish; the right half is next.
    left: bool,
    /// Whether the sum is known not to vanish.
    fails: bool,
}

/// What the sums of a batch are made of.
pub(super) struct Batch<'a> {
    items: &'a [BatchItem<'a>],
    pub(super) members: Vec<Member>,
    points: Vec<Entry>,
}

/// Verdicts on the items of one fixed batch, on this thread; each is that of the rule, whatever the hints (whether y of
/// R = sG + tP is odd). At most [`COUNT_MAX`]; only for processors that have the kernel, which is checked.
pub(in crate::sm2) fn verify(items: &[BatchItem<'_>], hints: &[bool]) -> Vec<VerifyStatus> {
    assert!(
        Kernel::Ifma.is_available() && items.len() <= COUNT_MAX,
        "lanes are asked for on a processor that has them"
    );
    if items.len() < SUM_COUNT_MIN {
        return super::verify(items, &vec![None; items.len()]);
    }
    let batch = Batch::new(items, hints);
    // Nothing below waits for other threads' work, so the memory is free.
    let accepted = WORK.with(|work| match work.try_borrow_mut() {
        Ok(mut work) => batch.accept(&mut work),
        Err(_) => Vec::new(),
    });
    let mut exact = vec![true; items.len()];
    for member in accepted.into_iter().flat_map(|range| &batch.members[range]) {
        exact[member.at] = false;
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

impl<'a> Batch<'a> {
    /// Takes the signatures that can be in a sum: r and s in range, t ≠ 0, x of R not ambiguous, and a point with that x.
    pub(super) fn new(items: &'a [BatchItem<'a>], hints: &[bool]) -> Self {
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
        let (points, exist) = unsafe { points(&compressed) };
        let z = Lanes::on(Kernel::Ifma)
            .map(|lanes| coefficients(lanes, items, &digests, hints))
            .unwrap_or_default();
        let members = sound
            .iter()
            .zip(exist)
            .enumerate()
            .filter_map(|(point, ((at, equation), exists))| {
                let z = z.get(*at).filter(|_| exists)?;
                Some(Member {
                    at: *at,
                    point,
                    z: *z,
                    of_base: equation.s.mul_short(z),
                    of_key: equation.t.mul_short(z),
                })
            })
            .collect();
        Self { items, members, points }
    }

    /// Ranges of members for which the equation holds.
    fn accept(&self, work: &mut Work) -> Vec<Range<usize>> {
        let mut accepted = Vec::new();
        let mut vain = 0;
        let mut open = vec![Open {
            range: 0..self.members.len(),
            left: false,
            fails: false,
        }];
        while let Some(Open { range, left, fails }) = open.pop() {
            if range.len() < SUM_COUNT_MIN || vain > VAIN_BATCHES * self.members.len() {
                continue;
            }
            if !fails {
                if self.holds(&self.members[range.clone()], work) {
                    // The right half, which is next, must be the one with the fault.
                    open.last_mut().into_iter().for_each(|next| next.fails |= left);
                    accepted.push(range);
                    continue;
                }
                vain += range.len();
            }
            let middle = range.start + range.len() / 2;
            for (range, left) in [(middle..range.end, false), (range.start..middle, true)] {
                open.push(Open {
                    range,
                    left,
                    fails: false,
                });
            }
        }
        accepted
    }

    /// Whether the equation holds for these members.
    pub(super) fn holds(&self, members: &[Member], work: &mut Work) -> bool {
        let salt = members
            .first()
            .map_or(0, |member| member.z[0] ^ member.z[1].rotate_left(1));
        let terms = &mut work.terms;
        terms.begin(2 * members.len() + 1, salt);
        let of_base = members
            .iter()
            .fold(Scalar([0; 4]), |sum, member| sum.add(&member.of_base));
        terms.add(&Entry::new(&G, Form::Lanes), &of_base);
        for member in members {
            terms.add(
                &Entry::new(self.items[member.at].0.point(), Form::Lanes),
                &member.of_key,
            );
        }
        for member in members {
            terms.subtract(&self.points[member.point], member.z);
        }
        // SAFETY: the processor has the features of the kernel, which `verify` checked.
        unsafe { terms.vanish(&mut work.sums) }
    }
}
