//! Sums of many multiples, Σ scalar·point, by Pippenger's method: every scalar is cut into signed digits; the points with
//! the same digit at the same place go into one bucket; buckets are added up lane by lane ([`super::lists`]).
//!
//! The weighted sum of a window's buckets, Σ j·B(j), is taken apart by the bits of j in two steps, so that it is made of
//! plain sums as well: rows and columns of a square of buckets first, then the rows and columns whose number has a bit.

use super::super::limbs::adc;
use super::super::point::Projective;
use super::super::products::Baseline;
use super::super::scalar::Scalar;
use super::lists::{Exceptional, List, ListSums, Pick};
use super::table::Entry;

/// Bits of a short scalar.
const SHORT_BITS: usize = 128;
/// Bits of any scalar.
const LONG_BITS: usize = 256;
/// Windows that are considered.
const WIDTHS: std::ops::RangeInclusive<usize> = 4..=11;
/// Points of a sum: what a pick can name, which for the buckets of all windows holds too.
pub(super) const POINTS_MAX: usize = 1 << 15;

/// Σ scalar·point − Σ short·point to be computed. No two points in use have the same x.
#[derive(Default)]
pub(super) struct Terms {
    points: Vec<Entry>,
    /// Place of a point, with a scalar modulo n.
    long: Vec<(u16, Scalar)>,
    /// Place of a point, with a number below 2^128; this multiple is taken off.
    short: Vec<(u16, [u64; 2])>,
    /// By x: 0 for a free place, else 2·index + 2 into `long`, or 2·index + 3 into `short`.
    seen: Vec<u32>,
    /// Makes the places unforeseeable.
    salt: u64,
    /// The place of the point of each scalar, long ones first.
    places: Vec<u16>,
    /// Word `i` of each scalar, in the same order, in offset form.
    words: [Vec<u64>; 5],
    /// Twice the digit without its sign, for each scalar, and the sign in the lowest bit.
    digits: Vec<u16>,
    picks: Vec<Pick>,
    lists: Vec<List>,
    buckets: Vec<Entry>,
}

impl Terms {
    /// Without terms and without memory.
    pub(super) const fn new() -> Self {
        Self {
            points: Vec::new(),
            long: Vec::new(),
            short: Vec::new(),
            seen: Vec::new(),
            salt: 1,
            places: Vec::new(),
            words: [const { Vec::new() }; 5],
            digits: Vec::new(),
            picks: Vec::new(),
            lists: Vec::new(),
            buckets: Vec::new(),
        }
    }

    /// Forgets all terms; there will be up to `count`. The owners of the points cannot choose `salt`.
    pub(super) fn begin(&mut self, count: usize, salt: u64) {
        assert!(count <= POINTS_MAX, "picks have room for the points");
        self.points.clear();
        self.long.clear();
        self.short.clear();
        self.seen.clear();
        self.seen.resize((count + count / 2).next_power_of_two().max(4), 0);
        self.salt = salt | 1;
    }

    /// The place of the point's x in `seen`: an empty one when the point is new.
    #[inline]
    fn place(&self, point: &Entry) -> usize {
        let mask = self.seen.len() - 1;
        let mixed = (point.0[0] ^ point.0[1].rotate_left(32)).wrapping_mul(self.salt);
        let mut place = (mixed >> 32) as usize & mask;
        loop {
            let at = match self.seen[place] {
                0 => return place,
                index if index & 1 == 0 => self.long[index as usize / 2 - 1].0,
                index => self.short[index as usize / 2 - 1].0,
            };
            if self.points[usize::from(at)].0[..4] == point.0[..4] {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    /// Adds scalar·point.
    pub(super) fn add(&mut self, point: &Entry, scalar: &Scalar) {
        let place = self.place(point);
        let index = self.seen[place] as usize;
        if index == 0 {
            self.long.push((self.points.len() as u16, *scalar));
            self.points.push(*point);
            self.seen[place] = 2 * self.long.len() as u32;
        } else if index & 1 == 1 {
            // A short term with the same x becomes a long one.
            let (at, short) = &mut self.short[index / 2 - 1];
            let (at, short) = (*at, std::mem::take(short));
            self.long.push((at, negative(short)));
            self.seen[place] = 2 * self.long.len() as u32;
            self.add(point, scalar);
        } else {
            let (at, sum) = &mut self.long[index / 2 - 1];
            let same = self.points[usize::from(*at)].0 == point.0;
            *sum = if same { sum.add(scalar) } else { sum.sub(scalar) };
        }
    }

    /// Takes off short·point.
    pub(super) fn subtract(&mut self, point: &Entry, short: [u64; 2]) {
        let place = self.place(point);
        if self.seen[place] == 0 {
            self.short.push((self.points.len() as u16, short));
            self.points.push(*point);
            self.seen[place] = 2 * self.short.len() as u32 + 1;
        } else {
            self.add(point, &negative(short));
        }
    }

    /// Whether the sum is infinity. An exceptional addition on the way gives false.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    pub(super) fn vanish(&mut self, sums: &mut ListSums) -> bool {
        match self.sum(sums) {
            Ok(sum) => sum.is_infinity(),
            Err(Exceptional) => false,
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn sum(&mut self, sums: &mut ListSums) -> Result<Projective, Exceptional> {
        let shape = Shape::of(self.long.len(), self.short.len());
        self.recode(&shape);
        self.sort(&shape);
        self.buckets.clear();
        self.buckets.resize(shape.windows * shape.half, Entry([0; 8]));
        sums.sum(&self.points, &self.picks, &self.lists, &mut self.buckets)?;
        shape.weigh(&self.buckets, &self.lists, sums)
    }

    /// Brings the scalars into offset form.
    fn recode(&mut self, shape: &Shape) {
        self.words.iter_mut().for_each(Vec::clear);
        self.places.clear();
        self.places.extend(self.long.iter().map(|term| term.0));
        self.places.extend(self.short.iter().map(|term| term.0));
        let mut push = |words: [u64; 5]| {
            self.words
                .iter_mut()
                .zip(words)
                .for_each(|(list, word)| list.push(word))
        };
        let offset = offset_digits(shape.width, shape.windows);
        self.long.iter().for_each(|(_, scalar)| push(plus(&offset, &scalar.0)));
        let offset = offset_digits(shape.width, shape.short_windows);
        self.short
            .iter()
            .for_each(|(_, [low, high])| push(plus(&offset, &[*low, *high, 0, 0])));
    }

    /// The points of each bucket that has any; bucket j of window w has place w·half + j − 1.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn sort(&mut self, shape: &Shape) {
        let long = self.long.len();
        let all = long + self.short.len();
        self.digits.resize(all, 0);
        self.picks.clear();
        self.picks
            .resize(long * shape.windows + self.short.len() * shape.short_windows, 0);
        self.lists.clear();
        let mut ends = vec![0u32; shape.half + 1];
        let mut filled = 0;
        for window in 0..shape.windows {
            let count = if window < shape.short_windows { all } else { long };
            let (word, shift) = (window * shape.width / 64, window * shape.width % 64);
            let low = &self.words[word];
            let high = self.words.get(word + 1).filter(|_| shift > 0);
            let digits = &mut self.digits[..count];
            extract(digits, low, high.unwrap_or(low), shift as u32, shape);
            // Short multiples are taken off.
            digits.iter_mut().skip(long).for_each(|digit| *digit ^= 1);
            ends.fill(0);
            digits.iter().for_each(|digit| ends[usize::from(digit >> 1)] += 1);
            let mut end = filled;
            for (bucket, slot) in ends.iter_mut().zip((window * shape.half) as u32..).skip(1) {
                let len = std::mem::replace(bucket, end);
                if len > 0 {
                    let slot = slot - 1;
                    self.lists.push(List { start: end, len, slot });
                }
                end += len;
            }
            // What digit 0 picks goes behind the others and is overwritten by the next window.
            ends[0] = end;
            for (at, digit) in self.places.iter().zip(digits) {
                let end = &mut ends[usize::from(*digit >> 1)];
                self.picks[*end as usize] = at << 1 | *digit & 1;
                *end += 1;
            }
            filled = end;
        }
    }
}

/// The digits of a window: bits from `shift` of `low`, and of `high` behind them. A loop that the compiler turns into vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn extract(digits: &mut [u16], low: &[u64], high: &[u64], shift: u32, shape: &Shape) {
    let (half, mask) = (shape.half as i64, 2 * shape.half as u64 - 1);
    // For shift 0 nothing is taken from `high`.
    let (keep, up) = if shift > 0 { (!0, 64 - shift) } else { (0, 0) };
    for ((digit, low), high) in digits.iter_mut().zip(low).zip(high) {
        let bits = (low >> shift | (high & keep) << up) & mask;
        let value = bits as i64 - half;
        *digit = (value.unsigned_abs() << 1) as u16 | u16::from(value < 0);
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
    let (r0, c) = adc(a[0], b[0], 0);
    let (r1, c) = adc(a[1], b[1], c);
    let (r2, c) = adc(a[2], b[2], c);
    let (r3, c) = adc(a[3], b[3], c);
    [r0, r1, r2, r3, a[4] + c]
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
        // Row a of window w has place w·(rows + columns) + a, its column b the place of `rows` + b. Row 0 and column 0 count
        // for nothing.
        let mut lines = Lists::default();
        let mut filled = filled.iter().map(|list| list.slot as usize).peekable();
        let mut numbers = Vec::with_capacity(self.half);
        let mut ends = vec![0; columns];
        for window in 0..self.windows {
            let (first, before) = (window * (rows + columns), window * self.half);
            numbers.clear();
            while let Some(slot) = filled.next_if(|slot| *slot < before + self.half) {
                numbers.push(slot + 1 - before);
            }
            for row in numbers.chunk_by(|a, b| a >> self.column_bits == b >> self.column_bits) {
                let number = row[0] >> self.column_bits;
                if number > 0 {
                    lines.push(first + number, row.iter().map(|j| before + j - 1));
                }
            }
            ends.fill(0);
            numbers.iter().for_each(|j| ends[j & (columns - 1)] += 1);
            let mut end = lines.picks.len();
            lines.picks.resize(end + numbers.len() - ends[0], 0);
            for (column, count) in ends.iter_mut().enumerate().skip(1) {
                let (start, len) = (end as u32, std::mem::replace(count, end) as u32);
                end += len as usize;
                if len > 0 {
                    let slot = (first + rows + column) as u32;
                    lines.lists.push(List { start, len, slot });
                }
            }
            for j in numbers.iter().filter(|j| *j & (columns - 1) > 0) {
                let end = &mut ends[j & (columns - 1)];
                lines.picks[*end] = ((before + j - 1) << 1) as Pick;
                *end += 1;
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
                let members = (1..count)
                    .filter(|line| line >> bit_of & 1 == 1)
                    .map(|line| lines + line);
                bits.push(window * self.width + bit, members.filter(|place| present[*place]));
            }
        }
        let mut powers = vec![Entry([0; 8]); self.windows * self.width];
        let present = bits.sum(&totals, &mut powers, sums)?;
        let mut sum = Projective::INFINITY;
        for (power, present) in powers.iter().zip(present).rev() {
            sum = sum.double();
            if present {
                sum = sum.add_affine(&power.lanes_to_affine(Baseline));
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
