//! Secret multiples of G in eight lanes: a comb of odd signed digits whose every entry is read for every digit.
//!
//! A window keeps one limb of its 32 entries in four registers, and a permutation of those registers by the digits of
//! eight scalars picks eight entries. So no address, no branch and no instruction's time depends on a scalar. No digit is 0,
//! and partial sums are smaller than the next entry, so the additions meet no exception, but for 30·2^252 − n
//! and its negative, which a signer draws with probability 2^−255; they end with Z = 0 and are reported.

use super::super::field::{Fe, P};
use super::super::jacobian::{Jacobian, to_affine_all};
use super::super::limbs::{opaque, select4, sub4};
use super::super::point::{Affine, G};
use super::super::scalar::{N, Scalar};
use super::field::{Lanes, ONE, P52, from_array, mul, square};
use super::invert::limbs;
use std::arch::x86_64::*;
use std::sync::OnceLock;
use zeroize::Zeroize;

/// Bits of a digit: 43 digits and 108 KiB; 5 bits cost a fifth more additions, 7 bits twice the reading.
const WIDTH: usize = 6;
/// Digits of a scalar; the highest bit of the last one is the constant of the recoding.
const WINDOWS: usize = 43;
/// Entries of a window: the odd multiples 1, 3, …, 63.
const ENTRIES: usize = 1 << (WIDTH - 1);
/// Lanes of a register.
const LANES: usize = 8;

/// One limb of the entries of a window.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Rows([[u64; LANES]; ENTRIES / LANES]);

/// The limbs of x, then those of y.
#[derive(Clone, Copy)]
struct Window([Rows; 10]);

/// The comb of G.
struct Table(Box<[Window]>);

/// A Jacobian point a lane.
#[derive(Clone, Copy)]
struct Point {
    x: Lanes,
    y: Lanes,
    z: Lanes,
}

/// Affine coordinates as plain integers below p.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sm2) struct Coordinates {
    pub(in crate::sm2) x: [u64; 4],
    pub(in crate::sm2) y: [u64; 4],
}

/// Montgomery form with R = 2^260, in limbs.
fn limbs_of(element: &Fe) -> [u64; 5] {
    limbs(&element.double().double().double().double().0)
}

impl Table {
    /// About 1,400 additions and one inversion: 1 ms.
    fn build() -> Self {
        let mut points = Vec::with_capacity(WINDOWS * ENTRIES);
        let mut base = Jacobian::from(G);
        for _ in 0..WINDOWS {
            let double = base.double();
            let mut multiple = base;
            points.push(multiple);
            for _ in 1..ENTRIES {
                // The multiples differ by less than the order, so no sum is exceptional.
                multiple = multiple.add(&double).unwrap_or(multiple);
                points.push(multiple);
            }
            base = base.double_times(WIDTH);
        }
        let points: Vec<Affine> = to_affine_all(&points);
        Self(points.chunks_exact(ENTRIES).map(Window::of).collect())
    }

    fn get() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(Self::build)
    }
}

impl Window {
    fn of(entries: &[Affine]) -> Self {
        let mut limbs = [Rows([[0; LANES]; ENTRIES / LANES]); 10];
        for (at, entry) in entries.iter().enumerate() {
            let values = limbs_of(&entry.x).into_iter().chain(limbs_of(&entry.y));
            for (rows, value) in limbs.iter_mut().zip(values) {
                rows.0[at / LANES][at % LANES] = value;
            }
        }
        Self(limbs)
    }
}

impl Rows {
    /// Entry `index[lane]` for each lane, from all entries.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn pick(&self, index: __m512i, upper: __mmask8) -> __m512i {
        let low = _mm512_permutex2var_epi64(from_array(&self.0[0]), index, from_array(&self.0[1]));
        let high = _mm512_permutex2var_epi64(from_array(&self.0[2]), index, from_array(&self.0[3]));
        _mm512_mask_blend_epi64(upper, low, high)
    }
}

/// Recoded scalars: digit i is 2u − 63 for bits 6i..6i+6 of the value, read as u.
struct Digits([__m512i; 5]);

impl Digits {
    /// From odd scalars below 2^256, one a lane: (k − 1)/2 + 2^257.
    #[target_feature(enable = "avx512f")]
    fn of(scalars: &[[u64; 4]; LANES]) -> Self {
        let mut words = [[0; LANES]; 4];
        for (lane, scalar) in scalars.iter().enumerate() {
            for (row, word) in words.iter_mut().zip(scalar) {
                row[lane] = *word;
            }
        }
        let mut k = [_mm512_setzero_si512(); 5];
        for (row, word) in k.iter_mut().zip(&words) {
            *row = from_array(word);
        }
        words.zeroize();
        for at in 0..4 {
            k[at] = _mm512_or_si512(_mm512_srli_epi64::<1>(k[at]), _mm512_slli_epi64::<63>(k[at + 1]));
        }
        k[4] = _mm512_set1_epi64(2);
        Self(k)
    }

    /// Entry of window `at` for each lane, x and y, with the sign of its digit.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn entry(&self, at: usize, window: &Window) -> (Lanes, Lanes) {
        let (word, shift) = (WIDTH * at / 64, (WIDTH * at % 64) as u32);
        let mut u = _mm512_srl_epi64(self.0[word], _mm_cvtsi32_si128(shift as i32));
        if shift > 58 {
            let next = _mm512_sll_epi64(self.0[word + 1], _mm_cvtsi32_si128(64 - shift as i32));
            u = _mm512_or_si512(u, next);
        }
        // u ≥ 32: digit 2(u − 32) + 1, entry u − 32. Below: −(2(31 − u) + 1), entry 31 − u.
        let negative = _mm512_testn_epi64_mask(u, _mm512_set1_epi64(32));
        let index = _mm512_mask_xor_epi64(u, negative, u, _mm512_set1_epi64(31));
        let upper = _mm512_test_epi64_mask(index, _mm512_set1_epi64(16));
        let mut limbs = [_mm512_setzero_si512(); 10];
        for (limb, rows) in limbs.iter_mut().zip(&window.0) {
            *limb = rows.pick(index, upper);
        }
        let [x0, x1, x2, x3, x4, y0, y1, y2, y3, y4] = limbs;
        let y = Lanes([y0, y1, y2, y3, y4]);
        let minus = Lanes::splat(&P52).raw().minus(&y).carry();
        let mut signed = y;
        for (limb, minus) in signed.0.iter_mut().zip(minus.0) {
            *limb = _mm512_mask_mov_epi64(*limb, negative, minus);
        }
        (Lanes([x0, x1, x2, x3, x4]), signed)
    }
}

/// points += (x, y), 8M + 3S. Coordinates stay below 2.01p, y below 4p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add<const K: usize>(p: &mut [Point; K], x: &[Lanes; K], y: &[Lanes; K]) {
    let zz = square(each(p, |p| &p.z));
    let u = mul(refs(x), refs(&zz));
    let zzz = mul(refs(&zz), each(p, |p| &p.z));
    let s = mul(refs(y), refs(&zzz));
    let (mut h, mut r) = (u, s);
    for k in 0..K {
        h[k] = u[k].raw().minus(&p[k].x).reduce();
        r[k] = s[k].raw().minus(&p[k].y).reduce();
    }
    let z = mul(each(p, |p| &p.z), refs(&h));
    let hh = square(refs(&h));
    let hhh = mul(refs(&hh), refs(&h));
    let v = mul(each(p, |p| &p.x), refs(&hh));
    let rr = square(refs(&r));
    let mut difference = v;
    for k in 0..K {
        p[k].z = z[k];
        p[k].x = rr[k].raw().minus(&hhh[k]).minus(&v[k]).minus(&v[k]).reduce();
        difference[k] = v[k].raw().minus(&p[k].x).plus_p(3).carry();
    }
    let first = mul(refs(&r), refs(&difference));
    let second = mul(each(p, |p| &p.y), refs(&hhh));
    for k in 0..K {
        p[k].y = first[k].raw().minus(&second[k]).plus_p(2).carry();
    }
}

#[inline(always)]
fn refs<const K: usize>(x: &[Lanes; K]) -> [&Lanes; K] {
    x.each_ref()
}

#[inline(always)]
fn each<const K: usize>(p: &[Point; K], part: impl Fn(&Point) -> &Lanes) -> [&Lanes; K] {
    p.each_ref().map(part)
}

/// The multiples of G by 8K odd scalars.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply<const K: usize>(table: &Table, scalars: &[[[u64; 4]; LANES]; K]) -> [Point; K] {
    let digits: [Digits; K] = std::array::from_fn(|k| Digits::of(&scalars[k]));
    let one = Lanes::splat(&ONE);
    let mut sum = [Point { x: one, y: one, z: one }; K];
    for (at, window) in table.0.iter().enumerate() {
        let (mut x, mut y) = ([one; K], [one; K]);
        for k in 0..K {
            (x[k], y[k]) = digits[k].entry(at, window);
        }
        if at == 0 {
            for k in 0..K {
                (sum[k].x, sum[k].y) = (x[k], y[k]);
            }
        } else {
            add(&mut sum, &x, &y);
        }
    }
    sum
}

/// Lanes whose value is 0 mod p, for values below 2p.
#[inline]
#[target_feature(enable = "avx512f")]
fn zero_mask(x: &Lanes) -> __mmask8 {
    let (mut zero, mut p) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for (limb, modulus) in x.0.iter().zip(P52) {
        zero = _mm512_or_si512(zero, *limb);
        p = _mm512_or_si512(p, _mm512_xor_si512(*limb, _mm512_set1_epi64(modulus as i64)));
    }
    _mm512_testn_epi64_mask(zero, zero) | _mm512_testn_epi64_mask(p, p)
}

/// x^(2^count).
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn square_times(x: &Lanes, count: u32) -> Lanes {
    let mut out = *x;
    for _ in 0..count {
        [out] = square([&out]);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply_one(a: &Lanes, b: &Lanes) -> Lanes {
    let [out] = mul([a], [b]);
    out
}

/// x⁻¹ in each lane by Fermat, the chain of [`Fe::invert`].
#[target_feature(enable = "avx512f,avx512ifma")]
fn invert(x: &Lanes) -> Lanes {
    let x2 = multiply_one(&square_times(x, 1), x);
    let x3 = multiply_one(&square_times(&x2, 1), x);
    let x6 = multiply_one(&square_times(&x3, 3), &x3);
    let x12 = multiply_one(&square_times(&x6, 6), &x6);
    let x15 = multiply_one(&square_times(&x12, 3), &x3);
    let x30 = multiply_one(&square_times(&x15, 15), &x15);
    let x31 = multiply_one(&square_times(&x30, 1), x);
    let x32 = multiply_one(&square_times(&x31, 1), x);
    let x64 = multiply_one(&square_times(&x32, 32), &x32);
    let x128 = multiply_one(&square_times(&x64, 64), &x64);
    let head = multiply_one(&square_times(&x31, 129), &x128);
    let head = multiply_one(&square_times(&head, 64), &x32);
    let head = multiply_one(&square_times(&head, 30), &x30);
    multiply_one(&square_times(&head, 2), x)
}

/// Plain integers below p, a lane each.
#[target_feature(enable = "avx512f,avx512ifma")]
fn to_words(x: &Lanes) -> [[u64; 4]; LANES] {
    multiply_one(x, &Lanes::splat(&[1, 0, 0, 0, 0])).to_words()
}

/// k·G for each scalar in [1, n−1]; `None` where the formulas did not hold. Constant time, and the same for every scalar.
/// Cost: about 5,000 cycles a scalar when there are many, and 25,000 for the inversion that all share.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(in crate::sm2) fn multiples_of_g(scalars: &[Scalar]) -> Vec<Option<Coordinates>> {
    let table = Table::get();
    let mut points: Vec<Point> = Vec::with_capacity(scalars.len().div_ceil(2 * LANES) * 2);
    for chunk in scalars.chunks(2 * LANES) {
        let mut odd = [[[1, 0, 0, 0]; LANES]; 2];
        for (slot, scalar) in odd.as_flattened_mut().iter_mut().zip(chunk) {
            (*slot, _) = odd_of_pair(scalar);
        }
        if chunk.len() > LANES {
            points.extend(multiply(table, &odd));
        } else {
            points.extend(multiply(table, &[odd[0]]));
        }
        odd.zeroize();
    }
    let groups = to_affine(&mut points);
    let mut out = Vec::with_capacity(scalars.len());
    for (group, scalars) in groups.iter().zip(scalars.chunks(LANES)) {
        for (lane, scalar) in scalars.iter().enumerate() {
            let (_, flipped) = odd_of_pair(scalar);
            let (minus, _) = sub4(&P, &group.y[lane]);
            let point = Coordinates {
                x: group.x[lane],
                y: select4(flipped, &minus, &group.y[lane]),
            };
            out.push((group.exceptions >> lane & 1 == 0).then_some(point));
        }
    }
    out
}

/// The odd one of k and n − k, and all ones when that is n − k.
fn odd_of_pair(k: &Scalar) -> ([u64; 4], u64) {
    let even = opaque((k.0[0] & 1).wrapping_sub(1));
    let (minus, _) = sub4(&N, &k.0);
    (select4(even, &minus, &k.0), even)
}

/// Eight points.
struct Group {
    x: [[u64; 4]; LANES],
    y: [[u64; 4]; LANES],
    /// Bit a lane: Z was 0.
    exceptions: u8,
}

/// Affine forms with one inversion, 7 products and a square a group of eight.
#[target_feature(enable = "avx512f,avx512ifma")]
fn to_affine(points: &mut [Point]) -> Vec<Group> {
    let one = Lanes::splat(&ONE);
    let mut product = one;
    let mut before = Vec::with_capacity(points.len());
    for point in points.iter_mut() {
        let zero = zero_mask(&point.z);
        for (limb, one) in point.z.0.iter_mut().zip(one.0) {
            *limb = _mm512_mask_mov_epi64(*limb, zero, one);
        }
        before.push((product, zero));
        product = multiply_one(&product, &point.z);
    }
    let mut inverse = invert(&product);
    let mut groups = Vec::with_capacity(points.len());
    for (point, (before, exceptions)) in points.iter().zip(&before).rev() {
        let z = multiply_one(&inverse, before);
        inverse = multiply_one(&inverse, &point.z);
        let [zz] = square([&z]);
        let [x, zzz] = mul([&point.x, &zz], [&zz, &z]);
        groups.push(Group {
            x: to_words(&x),
            y: to_words(&multiply_one(&point.y, &zzz)),
            exceptions: *exceptions,
        });
    }
    groups.reverse();
    groups
}

#[cfg(test)]
mod tests {
    use super::super::super::comb::sign_table;
    use super::*;
    use crate::kernel::Kernel;
    use crate::sm3::sm3;

    fn check(scalars: &[Scalar]) {
        if !Kernel::Ifma.is_available() {
            return;
        }
        // SAFETY: the kernel is available.
        let found = unsafe { multiples_of_g(scalars) };
        assert_eq!(found.len(), scalars.len());
        for (scalar, found) in scalars.iter().zip(found) {
            let want = sign_table().multiply_secret(scalar).to_affine();
            let want = Coordinates {
                x: want.x.to_words(),
                y: want.y.to_words(),
            };
            assert_eq!(found, Some(want), "{scalar:x?}");
        }
    }

    fn random(count: u64) -> Vec<Scalar> {
        (0..count)
            .map(|i| Scalar::from_bytes_reduced(&sm3(&i.to_be_bytes())))
            .collect()
    }

    #[test]
    fn borders_of_scalars_and_digits() {
        let mut scalars: Vec<Scalar> = (1..70).map(|k| Scalar([k, 0, 0, 0])).collect();
        scalars.extend((1..70).map(|k| Scalar([0; 4]).sub(&Scalar([k, 0, 0, 0]))));
        for bit in 0..256 {
            let mut words = [0; 4];
            words[bit / 64] = 1 << (bit % 64);
            let power = Scalar::from_words_reduced(&words);
            scalars.extend(
                [power, power.add(&Scalar::ONE), power.sub(&Scalar::ONE)]
                    .into_iter()
                    .filter(|k| !k.is_zero()),
            );
        }
        check(&scalars);
    }

    #[test]
    fn random_scalars_in_batches_of_every_size() {
        let scalars = random(300);
        for count in (0..40).chain([255, 256, 257, 300]) {
            check(&scalars[..count]);
        }
    }

    #[test]
    fn the_one_exception_is_reported_and_touches_no_other_lane() {
        if !Kernel::Ifma.is_available() {
            return;
        }
        // The last digit of 30·2^252 − n adds the partial sum to itself.
        let (mut words, borrow) = sub4(&[0, 0, 0, 0xe << 60], &N);
        assert_eq!(borrow, 1);
        let exception = Scalar(words);
        (words, _) = sub4(&N, &words);
        for at in 0..20 {
            let mut scalars = random(20);
            scalars[at] = if at % 2 == 0 { exception } else { Scalar(words) };
            // SAFETY: the kernel is available.
            let found = unsafe { multiples_of_g(&scalars) };
            assert!((0..20).all(|i| found[i].is_none() == (i == at)));
            scalars.remove(at);
            check(&scalars);
        }
    }
}
