//! Affine points added pairwise, with one inversion for a whole round of additions.
//!
//! A sum of m points is a tree: the first round adds the points 2i and 2i + 1 of every sum, the next one the results, and
//! so on. A round costs 5M + 1S an addition and one inversion in all, and there are only log2(m) rounds. Two sums go
//! side by side: the processor overlaps their products, where those of one sum wait for each other.

use super::super::field::Fe;
use super::super::inverse::invert_public;
use super::super::point::Affine;
use super::super::products::Products;

/// Two independent points.
pub(super) type Pair = [Affine; 2];

/// Neither a point of a sum nor infinity: to fill memory with.
const BLANK: Affine = Affine {
    x: Fe::ZERO,
    y: Fe::ZERO,
};

/// The points of many sums: `points[pair·stride + i]` is term i of a pair of sums.
pub(super) struct Sums {
    pub(super) points: Vec<Pair>,
    pub(super) stride: usize,
    /// Sums that met an exceptional addition: the result means nothing.
    pub(super) exceptional: Vec<[bool; 2]>,
    products: Vec<[Fe; 2]>,
}

impl Sums {
    /// No sums yet.
    pub(super) const fn new() -> Self {
        Self {
            points: Vec::new(),
            stride: 1,
            exceptional: Vec::new(),
            products: Vec::new(),
        }
    }

    /// Makes room for `count` pairs of sums of `stride` terms; what the terms hold is left from earlier sums.
    pub(super) fn begin(&mut self, count: usize, stride: usize) {
        self.stride = stride;
        self.points.resize(count * stride, [BLANK; 2]);
        self.exceptional.clear();
        self.exceptional.resize(count, [false; 2]);
    }

    /// Adds the terms down to two a sum, which end up at the first and at the returned place.
    pub(super) fn add_up(&mut self, products: impl Products) -> usize {
        let (mut terms, mut step) = (self.stride, 1);
        while terms > 2 {
            self.round(products, terms / 2, step);
            terms = terms.div_ceil(2);
            step *= 2;
        }
        step
    }

    /// Adds the terms at 2i·step and (2i + 1)·step of each sum, for i below `half`; the results take the first place.
    fn round(&mut self, by: impl Products, half: usize, step: usize) {
        let mut product = [Fe::ONE; 2];
        self.products.clear();
        for (terms, exceptional) in self.points.chunks_exact_mut(self.stride).zip(&mut self.exceptional) {
            for i in 0..half {
                let (first, second) = two_terms(terms, i, step);
                let mut run = [second[0].x.sub(&first[0].x), second[1].x.sub(&first[1].x)];
                for k in 0..2 {
                    if run[k].is_zero() {
                        // The product survives; the sum is of no use any more.
                        exceptional[k] = true;
                        second[k].x = first[k].x.add(&Fe::ONE);
                        run[k] = Fe::ONE;
                    }
                }
                self.products.push(product);
                product = [by.mul(&product[0], &run[0]), by.mul(&product[1], &run[1])];
            }
        }
        let mut inverse = invert_two(by, &product);
        let mut products = self.products.iter().rev();
        for terms in self.points.chunks_exact_mut(self.stride).rev() {
            for i in (0..half).rev() {
                let Some(before) = products.next() else { return };
                let (first, second) = two_terms(terms, i, step);
                let run = [second[0].x.sub(&first[0].x), second[1].x.sub(&first[1].x)];
                let own = [by.mul(&inverse[0], &before[0]), by.mul(&inverse[1], &before[1])];
                inverse = [by.mul(&inverse[0], &run[0]), by.mul(&inverse[1], &run[1])];
                let rise = [second[0].y.sub(&first[0].y), second[1].y.sub(&first[1].y)];
                let slope = [by.mul(&own[0], &rise[0]), by.mul(&own[1], &rise[1])];
                let squares = [by.square(&slope[0]), by.square(&slope[1])];
                let x = [0, 1].map(|k| squares[k].sub(&first[k].x).sub(&second[k].x));
                let back = [first[0].x.sub(&x[0]), first[1].x.sub(&x[1])];
                let falls = [by.mul(&slope[0], &back[0]), by.mul(&slope[1], &back[1])];
                for k in 0..2 {
                    first[k].y = falls[k].sub(&first[k].y);
                    first[k].x = x[k];
                }
            }
        }
    }
}

/// Terms 2i and 2i + 1 of a round.
#[inline(always)]
fn two_terms(terms: &mut [Pair], i: usize, step: usize) -> (&mut Pair, &mut Pair) {
    let (head, tail) = terms.split_at_mut((2 * i + 1) * step);
    (&mut head[2 * i * step], &mut tail[0])
}

/// The inverses of two nonzero elements. Variable time.
fn invert_two(by: impl Products, elements: &[Fe; 2]) -> [Fe; 2] {
    /// 2^768 mod p: takes the inverse of x·2^256 to x⁻¹·2^256 by one product.
    const TO_MONTGOMERY: Fe = Fe([
        0x0000_0012_0000_0016,
        0x0000_000e_ffff_fff8,
        0x0000_000a_0000_000c,
        0x0000_001b_0000_0009,
    ]);
    let both = by.mul(&elements[0], &elements[1]);
    let inverse = by.mul(&Fe(invert_public(&both.0)), &TO_MONTGOMERY);
    [by.mul(&inverse, &elements[1]), by.mul(&inverse, &elements[0])]
}

/// Whether the sum of two points has one of the given x; `None` when the addition is exceptional. No inversion:
/// x3 = (Δy/Δx)² − x1 − x2 is compared as (x3 + x1 + x2)·Δx² = Δy².
pub(super) fn sum_has_x(
    by: impl Products,
    first: &Affine,
    second: &Affine,
    (x, other): &(Fe, Option<Fe>),
) -> Option<bool> {
    let run = second.x.sub(&first.x);
    if run.is_zero() {
        return None;
    }
    let (run_square, rise_square) = (by.square(&run), by.square(&second.y.sub(&first.y)));
    let has = |x: &Fe| by.mul(&x.add(&first.x).add(&second.x), &run_square) == rise_square;
    Some(has(x) || other.as_ref().is_some_and(has))
}

#[cfg(test)]
mod tests {
    use super::super::super::products::Baseline;
    use super::*;

    #[test]
    fn inverses_of_two() {
        let elements = [Fe::from_words(&[3, 0, 5, 7]), Fe::ONE.double()];
        let inverses = invert_two(Baseline, &elements);
        assert_eq!(inverses, elements.map(|element| element.invert()));
    }
}
