//! Comb tables for lanes: windows of w bits with odd signed digits, so that no digit is 0 and no entry is missing.
//! Entry (i, j) = (2j + 1)·2^(w·i)·P, affine, 64 bytes on a cache line, Montgomery form with R = 2^260.

use super::super::comb::Exception;
use super::super::field::Fe;
use super::super::jacobian::{Jacobian, to_affine_all};
use super::super::point::{Affine, G};
use super::super::scalar::{N, Scalar};
use std::sync::OnceLock;

/// Window of the table of G: 20 windows, 5 MiB.
const BASE_WIDTH: usize = 13;

/// x and y, four words each, below p.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Entry(pub(super) [u64; 8]);

/// The comb table of one point.
pub(crate) struct LaneTable {
    width: usize,
    /// Window after window, 2^(width−1) entries each.
    entries: Box<[Entry]>,
}

/// A scalar as odd digits: ±Σ digit·2^(w·i), digit = 2·u − (2^w − 1), u the w bits at w·i.
#[derive(Clone, Copy)]
pub(super) struct OddDigits {
    pub(super) words: [u64; 5],
    /// Whether the whole sum is to be negated.
    pub(super) negated: bool,
}

impl OddDigits {
    /// Recodes a scalar for `windows` windows of `width` bits, 256 in all at least.
    pub(super) fn new(scalar: &Scalar, width: usize) -> Self {
        // n is odd, so either the scalar or its negative is odd. 0 becomes n: the same multiple, infinity.
        let negated = scalar.0[0] & 1 == 0;
        let odd = if negated {
            super::super::limbs::sub4(&N, &scalar.0).0
        } else {
            scalar.0
        };
        let mut words = [
            odd[0] >> 1 | odd[1] << 63,
            odd[1] >> 1 | odd[2] << 63,
            odd[2] >> 1 | odd[3] << 63,
            odd[3] >> 1,
            0,
        ];
        let top = windows(width) * width - 1;
        words[top / 64] |= 1 << (top % 64);
        Self { words, negated }
    }
}

/// Windows of `width` bits that cover a scalar.
pub(super) const fn windows(width: usize) -> usize {
    256usize.div_ceil(width)
}

/// Memory of a table.
pub(crate) const fn table_bytes(width: usize) -> usize {
    (windows(width) * size_of::<Entry>()) << (width - 1)
}

impl LaneTable {
    /// Builds the table of a point on the curve.
    pub(crate) fn build(base: &Affine, width: usize) -> Self {
        let (windows, half) = (windows(width), 1usize << (width - 1));
        // Multiples 2^(w·i + j) for j < w: the first of a window, and the distances by which its multiples double.
        let mut bases = Vec::with_capacity(windows * width);
        let mut point = Jacobian::from(*base);
        for _ in 0..windows * width {
            bases.push(point);
            point = point.double();
        }
        let bases = to_affine_all(&bases);
        let mut entries = vec![Entry([0; 8]); windows * half];
        let mut odd: Vec<Vec<Affine>> = bases.chunks_exact(width).map(|powers| vec![powers[0]]).collect();
        let mut scratch = Vec::new();
        for level in 1..width {
            // 1, 3, …, 2m−1 plus 2m·P gives 2m+1, …, 4m−1. No sum is exceptional: all multiples are below the order.
            let mut inverses = Vec::new();
            for (window, powers) in odd.iter().zip(bases.chunks_exact(width)) {
                inverses.extend(window.iter().map(|point| powers[level].x.sub(&point.x)));
            }
            Fe::invert_all(&mut inverses, &mut scratch);
            let mut inverses = inverses.into_iter();
            for (window, powers) in odd.iter_mut().zip(bases.chunks_exact(width)) {
                let step = powers[level];
                for at in 0..window.len() {
                    let (point, inverse) = (window[at], inverses.next().unwrap_or(Fe::ZERO));
                    let slope = step.y.sub(&point.y).mul(&inverse);
                    let x = slope.square().sub(&step.x).sub(&point.x);
                    let y = slope.mul(&point.x.sub(&x)).sub(&point.y);
                    window.push(Affine { x, y });
                }
            }
        }
        for (entry, point) in entries.iter_mut().zip(odd.iter().flatten()) {
            *entry = Entry::new(point);
        }
        Self {
            width,
            entries: entries.into_boxed_slice(),
        }
    }

    /// sum + scalar·P without lanes, for single signatures; `None` stands for infinity. Variable time.
    ///
    /// # Errors
    /// [`Exception`] when an addition met its own point or its negative.
    pub(super) fn add_multiple(
        &self,
        mut sum: Option<Jacobian>,
        scalar: &Scalar,
    ) -> Result<Option<Jacobian>, Exception> {
        let digits = OddDigits::new(scalar, self.width);
        let half = 1 << (self.width - 1);
        for (window, entries) in self.entries.chunks_exact(half).enumerate() {
            let (word, shift) = (window * self.width / 64, window * self.width % 64);
            let next = digits.words.get(word + 1).copied().unwrap_or(0);
            let bits = (u128::from(next) << 64 | u128::from(digits.words[word])) >> shift;
            let bits = bits as usize & (2 * half - 1);
            let below = bits < half;
            let index = if below { !bits } else { bits } & (half - 1);
            let Some(entry) = entries.get(index) else {
                return Err(Exception);
            };
            let mut point = entry.to_affine();
            if below != digits.negated {
                point.y = point.y.neg();
            }
            sum = Some(match sum {
                None => Jacobian::from(point),
                Some(sum) => sum.add_affine(&point).ok_or(Exception)?,
            });
        }
        Ok(sum)
    }

    /// Bits of a window.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The entries, window after window.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Entry {
    pub(super) fn new(point: &Affine) -> Self {
        // From R = 2^256 to R = 2^260.
        let [x, y] = [point.x, point.y].map(|c| c.double().double().double().double().0);
        Self([x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]])
    }

    pub(super) fn to_affine(self) -> Affine {
        // A product of the scalar field divides by 2^256, so 2^252 takes R = 2^260 to R = 2^256.
        const FACTOR: Fe = Fe([0, 0, 0, 1 << 60]);
        let [x0, x1, x2, x3, y0, y1, y2, y3] = self.0;
        Affine {
            x: Fe([x0, x1, x2, x3]).mul(&FACTOR),
            y: Fe([y0, y1, y2, y3]).mul(&FACTOR),
        }
    }
}

/// Table of G, built at first use (about 10 ms).
pub(crate) fn base_table() -> &'static LaneTable {
    static TABLE: OnceLock<LaneTable> = OnceLock::new();
    TABLE.get_or_init(|| LaneTable::build(&G, BASE_WIDTH))
}
