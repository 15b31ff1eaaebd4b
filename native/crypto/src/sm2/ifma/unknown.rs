//! Verification without a table of the key: signed windows of five bits over a small table that is built for the call,
//! eight keys in the lanes, and the comb of G.

use super::super::key::PublicKey;
use super::super::verify::{Answer, Equation};
use super::field::{Lanes, from_array, mul, to_array};
use super::gather::{Digits, gather_all};
use super::invert::invert;
use super::jacobian::Jacobian;
use super::known::{CHUNK, PAIR, candidates, group, verdicts, with_sums};
use super::points::{Pair, Point, Sums, add, delta, double};
use super::table::{Entry, Form, base_table, windows};

/// Bits of a window.
const WIDTH: usize = 5;
/// Odd multiples of a key: 1, 3, …, 31.
const MULTIPLES: usize = 1 << (WIDTH - 1);

/// A signature in range, with its key.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) equation: &'a Equation,
    pub(crate) key: &'a PublicKey,
}

/// Answers for all jobs, in their order.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(crate) fn answer(jobs: &[Job<'_>], answers: &mut Vec<Answer>) {
    with_sums(|sums| {
        for chunk in jobs.chunks(CHUNK) {
            answer_chunk(chunk, sums, answers);
        }
    });
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn answer_chunk(jobs: &[Job<'_>], sums: &mut Sums, answers: &mut Vec<Answer>) {
    let pairs = jobs.len().div_ceil(PAIR);
    let tables = tables(jobs, pairs);
    let base = base_table();
    sums.begin(pairs, windows(base.width()));
    for (pair, terms) in sums.points.chunks_exact_mut(sums.stride).enumerate() {
        let digits = [0, 8].map(|half| {
            let jobs = group(jobs, pair * PAIR + half);
            Digits::comb(&jobs.map(|job| &job.equation.s), &[base; 8])
        });
        gather_all(&digits, terms);
    }
    sums.add_up(1);
    let mut terms = Vec::with_capacity(windows(WIDTH));
    for (pair, (of_base, flags)) in sums.points.chunks_exact(sums.stride).zip(&mut sums.flags).enumerate() {
        let digits = [0, 8].map(|half| {
            let start = pair * PAIR + half;
            let scalars = group(jobs, start).map(|job| &job.equation.t);
            let tables = std::array::from_fn(|lane| &tables[start + lane][..]);
            Digits::windows_over(&scalars, WIDTH, &tables)
        });
        terms.clear();
        terms.resize(windows(WIDTH), of_base[0]);
        gather_all(&digits, &mut terms);
        let mut terms = terms.iter().rev();
        let Some(top) = terms.next() else { continue };
        let mut sum = Jacobian::new(top);
        for term in terms {
            for _ in 0..WIDTH {
                sum.double();
            }
            sum.add(term, flags);
        }
        sum.add(&of_base[0], flags);
        for (half, flags) in flags.iter().enumerate() {
            let start = pair * PAIR + half * 8;
            let candidates = candidates(&group(jobs, start).map(|job| job.equation));
            let verdicts = verdicts(sum.has_x(half, &candidates), *flags);
            answers.extend(verdicts.into_iter().take(jobs.len().saturating_sub(start)));
        }
    }
}

/// The points of a pair of groups while their table grows.
struct Growing {
    /// 1, 3, 5, … times the keys.
    odd: Vec<Pair>,
    /// The largest power of two so far, times the keys.
    power: Pair,
}

/// The odd multiples of each key, lane by lane.
#[target_feature(enable = "avx512f,avx512ifma")]
fn tables(jobs: &[Job<'_>], pairs: usize) -> Vec<[Entry; MULTIPLES]> {
    let mut growing: Vec<Growing> = (0..pairs)
        .map(|pair| {
            let power = [0, 8]
                .map(|half| load(&group(jobs, pair * PAIR + half).map(|job| Entry::new(job.key.point(), Form::Lanes))));
            let mut odd = Vec::with_capacity(MULTIPLES);
            odd.push(power);
            Growing { odd, power }
        })
        .collect();
    // P, then 2P; {P, 3P}, 4P; {P, …, 7P}, 8P; and so on. No sum is exceptional: all multiples are below the order.
    let mut inverses: Vec<[Lanes; 2]> = Vec::with_capacity(pairs * MULTIPLES);
    for level in 0..WIDTH {
        inverses.clear();
        for Growing { odd, power } in &growing {
            if level > 0 {
                let before = |point: &Pair| [delta(&point[0].x, &power[0].x), delta(&point[1].x, &power[1].x)];
                inverses.extend(odd.iter().map(before));
            }
            if level + 1 < WIDTH {
                inverses.push(power.each_ref().map(|point| point.y.raw().times(2).carry()));
            }
        }
        invert_all(&mut inverses);
        let mut inverses = inverses.iter();
        for Growing { odd, power } in &mut growing {
            if level > 0 {
                for at in 0..odd.len() {
                    let Some(inverse) = inverses.next() else { break };
                    odd.push(add(&odd[at], power, inverse));
                }
            }
            if level + 1 < WIDTH
                && let Some(inverse) = inverses.next()
            {
                *power = double(power, inverse);
            }
        }
    }
    let mut out = vec![[Entry([0; 8]); MULTIPLES]; pairs * PAIR];
    for (tables, growing) in out.as_chunks_mut::<PAIR>().0.iter_mut().zip(&growing) {
        for (multiple, points) in growing.odd.iter().enumerate() {
            for (tables, point) in tables.as_chunks_mut::<8>().0.iter_mut().zip(points) {
                for (table, entry) in tables.iter_mut().zip(entries(point)) {
                    table[multiple] = entry;
                }
            }
        }
    }
    out
}

/// Replaces all elements, none of them 0, by their inverses.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn invert_all(elements: &mut [[Lanes; 2]]) {
    let mut products = Vec::with_capacity(elements.len());
    let mut product: Option<[Lanes; 2]> = None;
    for element in elements.iter() {
        products.push(product);
        product = Some(product.map_or(*element, |product| mul(product.each_ref(), element.each_ref())));
    }
    let Some(product) = product else { return };
    let mut inverse = invert(&product);
    for (element, before) in elements.iter_mut().zip(&products).rev() {
        let next = mul(inverse.each_ref(), element.each_ref());
        *element = before
            .as_ref()
            .map_or(inverse, |before| mul(inverse.each_ref(), before.each_ref()));
        inverse = next;
    }
}

/// Eight entries as points.
#[target_feature(enable = "avx512f")]
pub(super) fn load(entries: &[Entry; 8]) -> Point {
    let word = |at: usize| from_array(&entries.each_ref().map(|entry| entry.0[at]));
    Point {
        x: Lanes::unpack([word(0), word(1), word(2), word(3)]),
        y: Lanes::unpack([word(4), word(5), word(6), word(7)]),
    }
}

/// Eight points as entries.
#[target_feature(enable = "avx512f")]
pub(super) fn entries(point: &Point) -> [Entry; 8] {
    let words = [point.x.canonical().pack(), point.y.canonical().pack()].map(|words| words.map(|word| to_array(word)));
    std::array::from_fn(|lane| Entry(std::array::from_fn(|at| words[at / 4][at % 4][lane])))
}
