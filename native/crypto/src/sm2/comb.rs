//! Comb tables: for signed windows of W bits, entry (i, j) = j·2^(W·i)·P in affine form, so a multiple of P is a sum of
//! ceil(257/W) entries without a doubling.

use super::field::Fe;
use super::jacobian::{Jacobian, to_affine_all};
use super::limbs::{mask_zero, opaque};
use super::point::{Affine, G, Projective};
use super::scalar::Scalar;
use std::sync::OnceLock;

/// Window of the table of G for verification: 33 windows, 264 KiB, which stays in the L2 cache.
const VERIFY_WIDTH: usize = 8;
/// Window of the table of G for signing: 52 windows, 52 KiB, all of it read for each signature.
const SIGN_WIDTH: usize = 5;

/// Most windows a table for verification has.
const WINDOWS_MAX: usize = 64;

/// The sum met a doubling or infinity, for which the kernel's formulas do not hold: ask `verify_single`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exception;

/// Comb table of one point with windows of W bits.
pub(crate) struct Comb<const W: usize> {
    /// Window after window, `HALF` entries each, multiple 1 first.
    entries: Box<[Affine]>,
}

impl<const W: usize> Comb<W> {
    /// Windows that cover 256 bits and the carry of the signed recoding.
    pub(crate) const WINDOWS: usize = {
        assert!(W >= 5 && W <= 16, "at most 64 windows, and digits of 16 bits");
        257usize.div_ceil(W)
    };
    /// Entries of a window: multiples 1..=2^(W−1).
    pub(crate) const HALF: usize = 1 << (W - 1);

    /// Builds the table of a point on the curve. W inversions and about 6 products an entry; variable time.
    pub(crate) fn build(base: &Affine) -> Self {
        let mut bases = Vec::with_capacity(Self::WINDOWS);
        let mut point = Jacobian::from(*base);
        for _ in 0..Self::WINDOWS {
            bases.push(point);
            point = point.double_times(W);
        }
        let mut windows: Vec<Vec<Affine>> = to_affine_all(&bases)
            .into_iter()
            .map(|first| {
                let mut window = Vec::with_capacity(Self::HALF);
                window.push(first);
                window
            })
            .collect();
        let mut scratch = Vec::new();
        for _ in 1..W {
            extend_windows(&mut windows, &mut scratch);
        }
        Self {
            entries: windows.concat().into_boxed_slice(),
        }
    }

    /// sum + scalar·P, `None` standing for infinity. Variable time.
    ///
    /// # Errors
    /// [`Exception`] when an addition met its own point or its negative.
    #[inline]
    pub(crate) fn add_multiple(
        &self,
        mut sum: Option<Jacobian>,
        scalar: &Scalar,
    ) -> Result<Option<Jacobian>, Exception> {
        // All entries are fetched before the first is used, so that their cache misses overlap.
        let mut picked = [Affine {
            x: Fe::ZERO,
            y: Fe::ZERO,
        }; WINDOWS_MAX];
        let mut count = 0;
        for (index, window) in self.entries.chunks_exact(Self::HALF).enumerate() {
            let (magnitude, negative) = scalar.signed_digit(index, W);
            let Some(entry) = (magnitude as usize).checked_sub(1).and_then(|at| window.get(at)) else {
                continue;
            };
            picked[count] = Affine {
                x: entry.x,
                y: Fe::select(negative, &entry.y.neg(), &entry.y),
            };
            count += 1;
        }
        for entry in picked.iter().take(count) {
            sum = Some(match sum {
                None => Jacobian::from(*entry),
                Some(point) => point.add_affine(entry).ok_or(Exception)?,
            });
        }
        Ok(sum)
    }

    /// scalar·P in constant time: every entry is read, every window costs the same complete addition.
    pub(crate) fn multiply_secret(&self, scalar: &Scalar) -> Projective {
        let mut sum = Projective::INFINITY;
        for (index, window) in self.entries.chunks_exact(Self::HALF).enumerate() {
            let (magnitude, negative) = scalar.signed_digit(index, W);
            let (magnitude, negative) = (opaque(magnitude), opaque(negative));
            let mut entry = Affine {
                x: Fe::ZERO,
                y: Fe::ZERO,
            };
            for (multiple, candidate) in (1u64..).zip(window) {
                let mask = opaque(mask_zero(multiple ^ magnitude));
                entry.x = Fe::select(mask, &candidate.x, &entry.x);
                entry.y = Fe::select(mask, &candidate.y, &entry.y);
            }
            entry.y = Fe::select(negative, &entry.y.neg(), &entry.y);
            let next = sum.add_affine(&entry);
            sum = Projective::select(opaque(mask_zero(magnitude)), &sum, &next);
        }
        sum
    }
}

/// Doubles the length m of each window: multiples m+1..=2m from 1..=m, all windows sharing one inversion.
/// No denominator is 0: the points are multiples below the (odd, prime) order, and differ by less than it.
fn extend_windows(windows: &mut [Vec<Affine>], scratch: &mut Vec<Fe>) {
    let mut inverses: Vec<Fe> = Vec::with_capacity(windows.len() * windows.first().map_or(0, Vec::len));
    for window in windows.iter() {
        if let Some((last, lower)) = window.split_last() {
            inverses.extend(lower.iter().map(|point| last.x.sub(&point.x)));
            inverses.push(last.y.double());
        }
    }
    Fe::invert_all(&mut inverses, scratch);
    let mut inverses = inverses.into_iter();
    for window in windows.iter_mut() {
        let Some((&last, _)) = window.split_last() else {
            continue;
        };
        let lower = window.len() - 1;
        for at in 0..=lower {
            let (Some(&point), Some(inverse)) = (window.get(at), inverses.next()) else {
                continue;
            };
            let numerator = if at < lower {
                last.y.sub(&point.y)
            } else {
                point.x.square().sub(&Fe::ONE).triple()
            };
            let slope = numerator.mul(&inverse);
            let x = slope.square().sub(&last.x).sub(&point.x);
            window.push(Affine {
                x,
                y: slope.mul(&last.x.sub(&x)).sub(&last.y),
            });
        }
    }
}

/// Table of G for verification, built at first use (about 3 ms).
pub(crate) fn verify_table() -> &'static Comb<VERIFY_WIDTH> {
    static TABLE: OnceLock<Comb<VERIFY_WIDTH>> = OnceLock::new();
    TABLE.get_or_init(|| Comb::build(&G))
}

/// Table of G for secret scalars, built at first use.
pub(crate) fn sign_table() -> &'static Comb<SIGN_WIDTH> {
    static TABLE: OnceLock<Comb<SIGN_WIDTH>> = OnceLock::new();
    TABLE.get_or_init(|| Comb::build(&G))
}
