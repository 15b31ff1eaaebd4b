//! Comb tables with windows of w bits and odd signed digits, so that no digit is 0 and no entry is missing.
//! Entry (i, j) = (2j + 1)·2^(w·i)·P, affine, 64 bytes on a cache line.

use super::comb::Exception;
use super::field::Fe;
use super::jacobian::{Jacobian, to_affine_all};
use super::point::{Affine, G};
use super::products::Products;
use super::scalar::{N, Scalar};
use crate::kernel::Kernel;
use std::sync::OnceLock;

/// Window of the tables of G: 20 windows, 5 MiB.
const BASE_WIDTH: usize = 13;

/// The Montgomery form of the coordinates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// R = 2^256, that of [`Fe`].
    Words,
    /// R = 2^260, that of the IFMA lanes.
    #[cfg(target_arch = "x86_64")]
    Lanes,
}

/// x and y, four words each, below p.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(64))]
pub(super) struct Entry(pub(super) [u64; 8]);

/// The comb table of one point.
pub(crate) struct OddTable {
    width: usize,
    form: Form,
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
            super::limbs::sub4(&N, &scalar.0).0
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

    /// Entry of `window`, and all ones when it is to be negated.
    #[inline(always)]
    fn pick(&self, window: usize, width: usize) -> (usize, u64) {
        let (word, shift) = (window * width / 64, window * width % 64);
        let low = self.words.get(word).copied().unwrap_or(0) >> shift;
        // Two shifts, since one by 64 does not exist.
        let high = self.words.get(word + 1).copied().unwrap_or(0) << 1 << (63 - shift);
        let bits = low | high;
        // digit = 2u − (2^w − 1): the entry is u without its top bit, or the complement of that for a negative digit.
        let below = (bits >> (width - 1) & 1).wrapping_sub(1);
        let index = (bits ^ below) & ((1 << (width - 1)) - 1);
        (index as usize, below ^ 0u64.wrapping_sub(u64::from(self.negated)))
    }
}

/// Windows of `width` bits that cover a scalar.
pub(crate) const fn windows(width: usize) -> usize {
    256usize.div_ceil(width)
}

/// Memory of a table.
pub(crate) const fn table_bytes(width: usize) -> usize {
    (windows(width) * size_of::<Entry>()) << (width - 1)
}

impl OddTable {
    /// Builds the table of a point on the curve.
    pub(crate) fn build(base: &Affine, width: usize, form: Form) -> Self {
        let (windows, half) = (windows(width), 1usize << (width - 1));
        // Multiples 2^(w·i + j) for j < w: the first of a window, and the distances by which its multiples double.
        let mut bases = Vec::with_capacity(windows * width);
        let mut point = Jacobian::from(*base);
        for _ in 0..windows * width {
            bases.push(point);
            point = point.double();
        }
        let bases = to_affine_all(&bases);
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
        let mut entries = Vec::with_capacity(windows * half);
        entries.extend(odd.iter().flatten().map(|point| Entry::new(point, form)));
        Self::from_entries(entries, width, form)
    }

    /// From entries that were computed elsewhere.
    pub(super) fn from_entries(entries: Vec<Entry>, width: usize, form: Form) -> Self {
        assert_eq!(entries.len(), windows(width) << (width - 1), "entries of a table");
        Self {
            width,
            form,
            entries: entries.into_boxed_slice(),
        }
    }

    /// The points whose sum is scalar·P, window after window; only for tables in the form of words, which is checked.
    #[inline]
    pub(super) fn terms<'a>(&'a self, scalar: &Scalar) -> impl Iterator<Item = Affine> + 'a {
        assert!(self.form == Form::Words, "terms of a table in words");
        self.picked(scalar)
            .map(|(entry, negative)| entry.to_affine().negated(negative))
    }

    /// Asks for the entries of scalar·P to be brought into the cache: tables are larger than it.
    #[inline]
    pub(super) fn prefetch(&self, scalar: &Scalar) {
        #[cfg(target_arch = "x86_64")]
        for (entry, _) in self.picked(scalar) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // The intrinsic is safe in newer releases of the compiler only.
            #[allow(unused_unsafe)]
            // SAFETY: a prefetch reads nothing that the program can see and never faults.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(entry).cast());
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = scalar;
    }

    /// The entries that the digits of a scalar pick, each with all ones when it is to be negated.
    #[inline(always)]
    fn picked<'a>(&'a self, scalar: &Scalar) -> impl Iterator<Item = (&'a Entry, u64)> + 'a {
        let (digits, width) = (OddDigits::new(scalar, self.width), self.width);
        let windows = self.entries.chunks_exact(1 << (width - 1)).enumerate();
        windows.filter_map(move |(window, entries)| {
            let (index, negative) = digits.pick(window, width);
            Some((entries.get(index)?, negative))
        })
    }

    /// sum + scalar·P, one addition after the other; `None` stands for infinity. Variable time.
    ///
    /// # Errors
    /// [`Exception`] when an addition met its own point or its negative.
    pub(super) fn add_multiple(
        &self,
        products: impl Products,
        mut sum: Option<Jacobian>,
        scalar: &Scalar,
    ) -> Result<Option<Jacobian>, Exception> {
        for (entry, negative) in self.picked(scalar) {
            let point = match self.form {
                Form::Words => entry.to_affine(),
                #[cfg(target_arch = "x86_64")]
                Form::Lanes => entry.lanes_to_affine(products),
            };
            let point = point.negated(negative);
            sum = Some(match sum {
                None => Jacobian::from(point),
                Some(sum) => sum.add_affine_by(products, &point).ok_or(Exception)?,
            });
        }
        Ok(sum)
    }

    /// Bits of a window.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The entries, window after window.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Entry {
    pub(super) fn new(point: &Affine, form: Form) -> Self {
        let [x, y] = [point.x, point.y].map(|c| match form {
            Form::Words => c.0,
            // From R = 2^256 to R = 2^260.
            #[cfg(target_arch = "x86_64")]
            Form::Lanes => c.double().double().double().double().0,
        });
        Self([x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]])
    }

    /// The point of an entry in words.
    #[inline(always)]
    fn to_affine(self) -> Affine {
        let [x0, x1, x2, x3, y0, y1, y2, y3] = self.0;
        Affine {
            x: Fe([x0, x1, x2, x3]),
            y: Fe([y0, y1, y2, y3]),
        }
    }

    /// The point of an entry for lanes.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn lanes_to_affine(self, products: impl Products) -> Affine {
        // A product of the scalar field divides by 2^256, so 2^252 takes R = 2^260 to R = 2^256.
        const FACTOR: Fe = Fe([0, 0, 0, 1 << 60]);
        let Affine { x, y } = self.to_affine();
        Affine {
            x: products.mul(&x, &FACTOR),
            y: products.mul(&y, &FACTOR),
        }
    }
}

impl Affine {
    /// −self where `mask` is all ones, self where it is zero.
    #[inline(always)]
    fn negated(self, mask: u64) -> Self {
        Self {
            x: self.x,
            y: Fe::select(mask, &self.y.neg(), &self.y),
        }
    }
}

/// The form of the tables that a kernel reads.
pub(crate) const fn form_of(kernel: Kernel) -> Form {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Ifma => Form::Lanes,
        _ => Form::Words,
    }
}

/// Builds the table of G for a kernel anew, as its first use in a process does, and drops it; its bytes. For measurements.
pub fn build_base_table(kernel: Kernel) -> usize {
    let table = OddTable::build(&G, BASE_WIDTH, form_of(kernel));
    size_of_val(&*table.entries)
}

/// Builds the table of G for a kernel unless it is there: at the start of a process rather than at its first signature.
pub fn prepare_base_table(kernel: Kernel) {
    base_table(form_of(kernel));
}

/// Table of G in a form, built at first use (about 10 ms).
pub(crate) fn base_table(form: Form) -> &'static OddTable {
    static WORDS: OnceLock<OddTable> = OnceLock::new();
    #[cfg(target_arch = "x86_64")]
    static LANES: OnceLock<OddTable> = OnceLock::new();
    let table = match form {
        Form::Words => &WORDS,
        #[cfg(target_arch = "x86_64")]
        Form::Lanes => &LANES,
    };
    table.get_or_init(|| OddTable::build(&G, BASE_WIDTH, form))
}

#[cfg(test)]
mod tests {
    use super::super::point::Projective;
    use super::*;

    /// Every entry against complete additions from the first one of its window.
    fn check(table: &OddTable, point: &Affine) {
        let mut base = Projective::from(point);
        let mut count = 0;
        for window in table.entries.chunks_exact(1 << (table.width - 1)) {
            let (mut multiple, step) = (base, base.double());
            for entry in window {
                let entry = match table.form {
                    Form::Words => entry.to_affine(),
                    #[cfg(target_arch = "x86_64")]
                    Form::Lanes => entry.lanes_to_affine(super::super::products::Baseline),
                };
                assert!(entry.x.mul(&multiple.z) == multiple.x && entry.y.mul(&multiple.z) == multiple.y);
                multiple = multiple.add(&step);
                count += 1;
            }
            base = (0..table.width).fold(base, |base, _| base.double());
        }
        assert_eq!(count, windows(table.width) << (table.width - 1));
    }

    #[test]
    fn tables_equal_the_naive_ones() {
        for kernel in [Kernel::Portable, Kernel::Ifma] {
            check(base_table(form_of(kernel)), &G);
        }
        for width in [5, 6, 8] {
            check(&OddTable::build(&G, width, Form::Words), &G);
        }
        assert_eq!(build_base_table(Kernel::Portable), table_bytes(BASE_WIDTH));
    }
}
