//! Comb tables of many keys at once: sixteen keys in the lanes, their windows side by side.

use super::super::odd_table::OddTable;
use super::super::point::Affine;
use super::field::Lanes;
use super::jacobian::Jacobian;
use super::known::{PAIR, group};
use super::points::{Pair, add, delta};
use super::table::{Entry, Form, windows};
use super::unknown::{entries, invert_all, load};
use crate::kernel::Kernel;

/// Windows that grow side by side: their inversions are shared, and their points stay in the L2 cache.
const SIDE_BY_SIDE: usize = 4;

/// The tables of points on the curve. Sixteen narrow ones take as long as four one by one.
///
/// # Panics
/// When the processor does not have the kernel.
pub(in crate::sm2) fn build_tables(points: &[Affine], width: usize) -> Vec<OddTable> {
    assert!(
        Kernel::Ifma.is_available(),
        "lanes are asked for on a processor that has them"
    );
    let mut out = Vec::with_capacity(points.len());
    for points in points.chunks(PAIR) {
        // SAFETY: the processor has the features of the kernel, checked above.
        let tables = unsafe { build_pair(points, width) };
        out.extend(
            tables
                .into_iter()
                .map(|entries| OddTable::from_entries(entries, width, Form::Lanes)),
        );
    }
    out
}

/// The entries of at most sixteen tables.
#[target_feature(enable = "avx512f,avx512ifma")]
fn build_pair(points: &[Affine], width: usize) -> Vec<Vec<Entry>> {
    let bases = powers(points, windows(width) * width);
    let half = 1usize << (width - 1);
    let mut out = vec![Vec::with_capacity(windows(width) * half); points.len()];
    let mut inverses: Vec<[Lanes; 2]> = Vec::with_capacity(SIDE_BY_SIDE * half / 2);
    for powers in bases.chunks(SIDE_BY_SIDE * width) {
        let mut odd: Vec<Vec<Pair>> = Vec::with_capacity(SIDE_BY_SIDE);
        for powers in powers.chunks_exact(width) {
            let mut window = Vec::with_capacity(half);
            window.push(powers[0]);
            odd.push(window);
        }
        for level in 1..width {
            // 1, 3, …, 2m−1 plus 2m·P gives 2m+1, …, 4m−1. No sum is exceptional: all multiples are below the order.
            inverses.clear();
            for (window, powers) in odd.iter().zip(powers.chunks_exact(width)) {
                let step = &powers[level];
                let runs = |point: &Pair| [delta(&point[0].x, &step[0].x), delta(&point[1].x, &step[1].x)];
                inverses.extend(window.iter().map(runs));
            }
            invert_all(&mut inverses);
            let mut inverses = inverses.iter();
            for (window, powers) in odd.iter_mut().zip(powers.chunks_exact(width)) {
                for at in 0..window.len() {
                    let Some(inverse) = inverses.next() else { break };
                    window.push(add(&window[at], &powers[level], inverse));
                }
            }
        }
        for point in odd.iter().flatten() {
            for (tables, point) in out.chunks_mut(8).zip(point) {
                for (table, entry) in tables.iter_mut().zip(entries(point)) {
                    table.push(entry);
                }
            }
        }
    }
    out
}

/// `count` points, each twice the one before, affine.
#[target_feature(enable = "avx512f,avx512ifma")]
fn powers(points: &[Affine], count: usize) -> Vec<Pair> {
    let first = [0, 8].map(|half| load(&group(points, half).map(|point| Entry::new(point, Form::Lanes))));
    let mut chain = Vec::with_capacity(count);
    let mut point = Jacobian::new(&first);
    for _ in 0..count {
        chain.push(point);
        point.double();
    }
    let mut inverses: Vec<[Lanes; 2]> = chain.iter().map(|point| *point.z()).collect();
    invert_all(&mut inverses);
    let pairs = chain.iter().zip(&inverses);
    pairs.map(|(point, inverse)| point.to_affine(inverse)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::key::generate;
    use super::*;

    #[test]
    fn tables_in_lanes_are_those_of_one_key() {
        if !Kernel::Ifma.is_available() {
            return;
        }
        let points: Vec<Affine> = (0..19u8).map(|i| *generate(&[i; 32]).public_key().point()).collect();
        for (width, count) in [(5, 1), (6, 19), (6, 8), (7, 3), (8, 17)] {
            let tables = build_tables(&points[..count], width);
            assert_eq!(tables.len(), count);
            for (table, point) in tables.iter().zip(&points) {
                let one = OddTable::build(point, width, Form::Lanes);
                assert_eq!(table.width(), width);
                assert!(table.entries() == one.entries(), "width {width}, {count} keys");
            }
        }
    }
}
