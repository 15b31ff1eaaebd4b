//! Sums of many multiples, Σ scalar·point, by Pippenger's method: every scalar is cut into signed digits; the points with
//! the same digit at the same place go into one bucket; buckets are added up lane by lane ([`super::lists`]).
//!
//! The weighted sum of a window's buckets, Σ j·B(j), is taken apart by the bits of j in two steps, so that it is made of
//! plain sums as well: rows and columns of a square of buckets first, then the rows and columns whose number has a bit.

use super::super::point::Projective;
use super::super::scalar::Scalar;
use super::lists::{Exceptional, List, ListSums, Pick};
use super::table::Entry;

/// Bits of a short scalar.
const SHORT_BITS: usize = 128;
/// Bits of any scalar.
const LONG_BITS: usize = 256;
/// Windows that are considered.
const WIDTHS: std::ops::RangeInclusive<usize> = 4..=12;

/// Σ scalar·point − Σ short·point to be computed. No two points have the same x.
#[derive(Default)]
pub(super) struct Terms {
    /// Points with scalars modulo n.
    long: Vec<(Entry, Scalar)>,
    /// Points with scalars below 2^128, which are taken off.
    short: Vec<(Entry, [u64; 2])>,
    /// Places by x: 0 for a free place, else 2·index + 2, plus 1 for a short scalar.
    seen: Vec<u32>,
    /// Makes the places unforeseeable.
    salt: u64,
}

impl Terms {
    /// Room for `count` terms; `salt` is one that the owners of the points cannot choose.
    pub(super) fn new(count: usize, salt: u64) -> Self {
        Self {
            long: Vec::with_capacity(count / 2 + 2),
            short: Vec::with_capacity(count / 2 + 2),
            seen: vec![0; (2 * count).next_power_of_two().max(4)],
            salt: salt | 1,
        }
    }

    /// The place of the point's x in `seen`: an empty one when the point is new.
    fn place(&self, point: &Entry) -> usize {
        let mask = self.seen.len() - 1;
        let mixed = (point.0[0] ^ point.0[1].rotate_left(32)).wrapping_mul(self.salt);
        let mut place = (mixed >> 32) as usize & mask;
        loop {
            let held = match self.seen[place] {
                0 => return place,
                index if index & 1 == 0 => &self.long[index as usize / 2 - 1].0,
                index => &self.short[index as usize / 2 - 1].0,
            };
            if held.0[..4] == point.0[..4] {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    /// Adds scalar·point.
    pub(super) fn add(&mut self, point: Entry, scalar: &Scalar) {
        let place = self.place(&point);
        let index = self.seen[place] as usize;
        if index == 0 || index & 1 == 1 {
            // A short term with the same x becomes a long one; its own multiple is 0 then.
            self.long.push((point, *scalar));
            self.seen[place] = 2 * self.long.len() as u32;
            if let Some(held) = index.checked_sub(2).and_then(|index| self.short.get_mut(index / 2)) {
                let short = std::mem::take(&mut held.1);
                let held = held.0;
                self.add(held, &negative(short));
            }
        } else if let Some((held, sum)) = self.long.get_mut(index / 2 - 1) {
            *sum = if held.0 == point.0 { sum.add(scalar) } else { sum.sub(scalar) };
        }
    }

    /// Takes off short·point.
    pub(super) fn subtract(&mut self, point: Entry, short: [u64; 2]) {
        let place = self.place(&point);
        if self.seen[place] == 0 {
            self.short.push((point, short));
            self.seen[place] = 2 * self.short.len() as u32 + 1;
        } else {
            self.add(point, &negative(short));
        }
    }

    /// Whether the sum is infinity. An exceptional addition on the way gives false.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn vanish(&self, sums: &mut ListSums) -> bool {
        match self.sum(sums) {
            Ok(sum) => sum.is_infinity(),
            Err(Exceptional) => false,
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma")]
    fn sum(&self, sums: &mut ListSums) -> Result<Projective, Exceptional> {
        let shape = Shape::of(self.long.len(), self.short.len());
        let points: Vec<Entry> = self.long.iter().map(|term| term.0).chain(self.short.iter().map(|term| term.0)).collect();
        let (picks, lists) = self.digits(&shape);
        let mut buckets = vec![Entry([0; 8]); shape.windows * shape.half];
        sums.sum(&points, &picks, &lists, &mut buckets)?;
        shape.weigh(&buckets, &lists, sums)
    }

    /// The points of each bucket that has any; bucket j of window w has place w·half + j − 1.
    fn digits(&self, shape: &Shape) -> (Vec<Pick>, Vec<List>) {
        let long = offset_digits(shape.width, shape.windows);
        let short = offset_digits(shape.width, shape.short_windows);
        let mut words: Vec<[u64; 5]> = Vec::with_capacity(self.long.len() + self.short.len());
        words.extend(self.long.iter().map(|(_, scalar)| plus(&long, &scalar.0)));
        words.extend(self.short.iter().map(|(_, [low, high])| plus(&short, &[*low, *high, 0, 0])));
        let mut picks = vec![0; self.long.len() * shape.windows + self.short.len() * shape.short_windows];
        let mut lists = Vec::with_capacity(shape.windows * shape.half);
        let mut digits: Vec<u16> = vec![0; words.len()];
        let mut ends = vec![0u32; shape.half + 1];
        let mut filled = 0;
        for window in 0..shape.windows {
            let count = if window < shape.short_windows { words.len() } else { self.long.len() };
            ends.fill(0);
            let (word, shift) = (window * shape.width / 64, window * shape.width % 64);
            for (at, (digit, words)) in digits[..count].iter_mut().zip(&words).enumerate() {
                let next = if word < 4 { words[word + 1] } else { 0 };
                let bits = (u128::from(next) << 64 | u128::from(words[word])) >> shift;
                let value = (bits as usize & (2 * shape.half - 1)) as i32 - shape.half as i32;
                let negative = value < 0;
                // Short scalars are taken off.
                *digit = (value.unsigned_abs() << 1) as u16 | u16::from(negative != (at >= self.long.len()));
                ends[value.unsigned_abs() as usize] += 1;
            }
            // Digit 0 has no bucket.
            let mut end = filled;
            ends[0] = 0;
            for (bucket, slot) in ends[1..].iter_mut().zip((window * shape.half) as u32..) {
                let len = std::mem::replace(bucket, end);
                if len > 0 {
                    lists.push(List { start: end, len, slot });
                }
                end += len;
            }
            for (at, digit) in (0u32..).zip(&digits[..count]) {
                let bucket = usize::from(digit >> 1);
                if bucket > 0 {
                    picks[ends[bucket] as usize] = at << 1 | u32::from(digit & 1);
                    ends[bucket] += 1;
                }
            }
            filled = end;
        }
        (picks, lists)
    }
}

fn negative(short: [u64; 2]) -> Scalar {
    Scalar([0; 4]).sub(&Scalar([short[0], short[1], 0, 0]))
}

/// Σ 2^(width·w + width − 1): with it added, the bits of window w are its signed digit plus 2^(width−1).
fn offset_digits(width: usize, windows: usize) -> [u64; 5] {
    let mut out = [0; 5];
    for window in 0..windows {
        let bit = width * window + width - 1;
        out[bit / 64] |= 1 << (bit % 64);
    }
    out
}

fn plus(a: &[u64; 5], b: &[u64; 4]) -> [u64; 5] {
    let mut out = *a;
    let mut carry = 0;
    for (out, b) in out.iter_mut().zip(b.iter().chain(&[0])) {
        let sum = u128::from(*out) + u128::from(*b) + carry;
        *out = sum as u64;
        carry = sum >> 64;
    }
    out
}

/// How scalars are cut.
struct Shape {
    width: usize,
    /// Buckets of a window: digits are −half to half − 1.
    half: usize,
    windows: usize,
    short_windows: usize,
    /// Bits of the number of a column; the others are the row.
    column_bits: usize,
}

impl Shape {
    /// The cheapest one.
    fn of(long: usize, short: usize) -> Self {
        let cost = |shape: &Self| {
            let digits = shape.windows * long + shape.short_windows * short;
            // A bucket saves one addition and takes two.
            digits + shape.windows * shape.half.min(long + short) + 2 * shape.windows * (1 << shape.width.div_ceil(2))
        };
        let mut best = Self::new(*WIDTHS.start());
        for width in WIDTHS {
            let shape = Self::new(width);
            if cost(&shape) < cost(&best) {
                best = shape;
            }
        }
        best
    }

    fn new(width: usize) -> Self {
        Self {
            width,
            half: 1 << (width - 1),
            // One bit more for the sign.
            windows: (LONG_BITS + 1).div_ceil(width),
            short_windows: (SHORT_BITS + 1).div_ceil(width),
            column_bits: width / 2,
        }
    }

    /// Σ 2^(width·w)·j·B(w, j).
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn weigh(&self, buckets: &[Entry], filled: &[List], sums: &mut ListSums) -> Result<Projective, Exceptional> {
        let columns = 1 << self.column_bits;
        let rows = (self.half >> self.column_bits) + 1;
        let mut present = vec![false; buckets.len()];
        filled.iter().for_each(|list| present[list.slot as usize] = true);
        // Row a of window w has place w·(rows + columns) + a, its column b the place of `rows` + b.
        let mut lines = Lists::default();
        for window in 0..self.windows {
            let first = window * (rows + columns);
            let mut line = |slot: usize, members: &mut dyn Iterator<Item = usize>| {
                let places = members.filter(|j| (1..=self.half).contains(j)).map(|j| window * self.half + j - 1);
                lines.push(slot, places.filter(|place| present[*place]));
            };
            // Row 0 and column 0 count for nothing.
            for row in 1..rows {
                line(first + row, &mut (0..columns).map(|column| row << self.column_bits | column));
            }
            for column in 1..columns {
                line(first + rows + column, &mut (0..rows).map(|row| row << self.column_bits | column));
            }
        }
        let mut totals = vec![Entry([0; 8]); self.windows * (rows + columns)];
        let present = lines.sum(buckets, &mut totals, sums)?;
        let mut bits = Lists::default();
        for window in 0..self.windows {
            let first = window * (rows + columns);
            for bit in 0..self.width {
                let (lines, count, bit_of) = match bit.checked_sub(self.column_bits) {
                    None => (first + rows, columns, bit),
                    Some(bit) => (first, rows, bit),
                };
                let members = (1..count).filter(|line| line >> bit_of & 1 == 1).map(|line| lines + line);
                bits.push(window * self.width + bit, members.filter(|place| present[*place]));
            }
        }
        let mut powers = vec![Entry([0; 8]); self.windows * self.width];
        let present = bits.sum(&totals, &mut powers, sums)?;
        let mut sum = Projective::INFINITY;
        for (power, present) in powers.iter().zip(present).rev() {
            sum = sum.double();
            if present {
                sum = sum.add_affine(&power.to_affine());
            }
        }
        Ok(sum)
    }
}

/// Lists without negatives.
#[derive(Default)]
struct Lists {
    picks: Vec<Pick>,
    lists: Vec<List>,
}

impl Lists {
    /// A list of places, unless there is none.
    fn push(&mut self, slot: usize, places: impl Iterator<Item = usize>) {
        let start = self.picks.len();
        self.picks.extend(places.map(|place| (place as Pick) << 1));
        let len = self.picks.len() - start;
        if len > 0 {
            self.lists.push(List {
                start: start as u32,
                len: len as u32,
                slot: slot as u32,
            });
        }
    }

    /// Sums all lists; says which places got one.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn sum(&self, table: &[Entry], out: &mut [Entry], sums: &mut ListSums) -> Result<Vec<bool>, Exceptional> {
        sums.sum(table, &self.picks, &self.lists, out)?;
        let mut present = vec![false; out.len()];
        self.lists.iter().for_each(|list| present[list.slot as usize] = true);
        Ok(present)
    }
}
