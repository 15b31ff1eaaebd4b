//! Sums of lists of points, one list a lane. Lists of about the same length share a group of sixteen, and the additions of a
//! round (see [`super::points`]), over many groups, share one inversion.

use super::field::{Lanes, ONE, P52, mul, to_array};
use super::gather::transpose;
use super::invert::invert;
use super::points::{Pair, Point, add, add_assign, delta};
use super::table::Entry;
use std::arch::x86_64::*;

/// Terms in memory at once: all of it stays in the L2 cache, unless a single list is longer. Fewer make inversions dearer.
const TERMS: usize = 512;
/// Lists of a group.
const GROUP: usize = 16;
/// Lists at least this long are not told apart by length.
const LENGTHS: usize = 1024;
/// Terms between the request for a point and its use.
const AHEAD: usize = 4;

/// A sum to be made: the points that `picks[start..start + len]` name, at least one.
#[derive(Clone, Copy)]
pub(super) struct List {
    pub(super) start: u32,
    pub(super) len: u32,
    /// Place of the sum.
    pub(super) slot: u32,
}

/// Which point, twice its place in the table, and in the lowest bit whether its negative is meant.
pub(super) type Pick = u16;

/// Sixteen lists whose terms are in memory.
struct Group {
    /// Place of the first terms.
    first: usize,
    /// Terms of the longest list, and of the shortest.
    longest: usize,
    shortest: usize,
    lengths: [__m512i; 2],
}

/// Memory for sums.
pub(super) struct ListSums {
    points: Vec<Pair>,
    products: Vec<[Lanes; 2]>,
    groups: Vec<Group>,
    sorted: Vec<List>,
}

/// An addition met its own point or its negative.
pub(super) struct Exceptional;

impl ListSums {
    pub(super) const fn new() -> Self {
        Self {
            points: Vec::new(),
            products: Vec::new(),
            groups: Vec::new(),
            sorted: Vec::new(),
        }
    }

    /// Writes the sum of each list to its slot of `out`.
    ///
    /// # Errors
    /// [`Exceptional`], and then `out` means nothing.
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn sum(
        &mut self,
        table: &[Entry],
        picks: &[Pick],
        lists: &[List],
        out: &mut [Entry],
    ) -> Result<(), Exceptional> {
        self.sort(lists);
        let sorted = std::mem::take(&mut self.sorted);
        let mut rest = &sorted[..];
        while !rest.is_empty() {
            let (mut terms, mut taken) = (0, 0);
            self.groups.clear();
            while let Some(first) = rest.get(taken)
                && (taken == 0 || terms + first.len as usize <= TERMS)
            {
                let group = &rest[taken..(taken + GROUP).min(rest.len())];
                self.load(table, picks, group, terms);
                terms += self.groups.last().map_or(0, |group| group.longest);
                taken += group.len();
            }
            let (now, later) = rest.split_at(taken);
            let mut step = 1;
            while self.groups.iter().any(|group| group.longest > step) {
                self.round(step)?;
                step *= 2;
            }
            for (group, lists) in self.groups.iter().zip(now.chunks(GROUP)) {
                for (point, lists) in self.points[group.first].iter().zip(lists.chunks(8)) {
                    store(point, lists, out);
                }
            }
            rest = later;
        }
        self.sorted = sorted;
        Ok(())
    }

    /// The lists by falling length.
    fn sort(&mut self, lists: &[List]) {
        let class = |list: &List| LENGTHS - (list.len as usize).min(LENGTHS);
        let mut ends = [0usize; LENGTHS + 2];
        for list in lists {
            ends[class(list) + 1] += 1;
        }
        for at in 0..=LENGTHS {
            ends[at + 1] += ends[at];
        }
        self.sorted.clear();
        self.sorted.resize(
            lists.len(),
            List {
                start: 0,
                len: 0,
                slot: 0,
            },
        );
        for list in lists {
            let place = &mut ends[class(list)];
            self.sorted[*place] = *list;
            *place += 1;
        }
    }

    /// Brings the terms of up to sixteen lists to `first` and behind it.
    #[target_feature(enable = "avx512f")]
    fn load(&mut self, table: &[Entry], picks: &[Pick], lists: &[List], first: usize) {
        // Lanes without a list repeat the last one; lanes whose list has ended pick what is behind it, which the masks hide.
        let lanes: [List; GROUP] = std::array::from_fn(|lane| lists[lane.min(lists.len() - 1)]);
        let starts = lanes.map(|list| list.start as usize);
        let lengths = lanes.map(|list| u64::from(list.len));
        let longest = lengths.iter().max().map_or(0, |len| *len as usize);
        let shortest = lengths.iter().min().map_or(0, |len| *len as usize);
        let zero = Lanes::zero();
        if self.points.len() < first + longest {
            self.points.resize(first + longest, [Point { x: zero, y: zero }; 2]);
        }
        let pick = |term: usize| -> [Pick; GROUP] {
            let picked = starts.map(|start| picks.get(start + term).copied().unwrap_or(0));
            for pick in picked {
                let entry: *const Entry = &table[usize::from(pick >> 1)];
                // The intrinsic is safe in newer releases of the compiler only.
                #[allow(unused_unsafe)]
                // SAFETY: a prefetch reads nothing that the program can see and never faults.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(entry.cast())
                };
            }
            picked
        };
        let mut ahead: [[Pick; GROUP]; AHEAD] = std::array::from_fn(&pick);
        for (term, points) in self.points[first..first + longest].iter_mut().enumerate() {
            let picked = std::mem::replace(&mut ahead[term % AHEAD], pick(term + AHEAD));
            for (point, picked) in points.iter_mut().zip(picked.as_chunks::<8>().0) {
                let entries: [&Entry; 8] = picked.map(|pick| &table[usize::from(pick >> 1)]);
                // SAFETY: references to entries may be read.
                unsafe { transpose(&entries.map(std::ptr::from_ref), point) };
                let negative = (0..8).fold(0, |mask, lane| mask | (picked[lane] as u8 & 1) << lane);
                for (limb, p) in point.y.0.iter_mut().zip(P52) {
                    *limb = _mm512_mask_sub_epi64(*limb, negative, _mm512_set1_epi64(p as i64), *limb);
                }
            }
        }
        let word = |k: usize| super::field::from_array(&std::array::from_fn(|lane| lengths[8 * k + lane]));
        self.groups.push(Group {
            first,
            longest,
            shortest,
            lengths: [word(0), word(1)],
        });
    }

    /// Adds term (2i + 1)·step of each list, where it has that, to term 2i·step.
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn round(&mut self, step: usize) -> Result<(), Exceptional> {
        let one = Lanes::splat(&ONE);
        let mut product = [one; 2];
        self.products.clear();
        for group in &self.groups {
            let terms = &self.points[group.first..][..group.longest];
            for at in (step..group.longest).step_by(2 * step) {
                let d = group.run(terms, at, step);
                if (d[0].maybe_zero() || d[1].maybe_zero()) && d.iter().any(|d| d.raw().reduce().zero_lanes() != 0) {
                    return Err(Exceptional);
                }
                self.products.push(product);
                product = mul(product.each_ref(), d.each_ref());
            }
        }
        let mut inverse = invert(&product);
        let mut products = self.products.iter().rev();
        for group in self.groups.iter().rev() {
            let terms = &mut self.points[group.first..][..group.longest];
            for at in (step..group.longest).step_by(2 * step).rev() {
                let Some(before) = products.next() else { break };
                let d = group.run(terms, at, step);
                let own = mul(inverse.each_ref(), before.each_ref());
                inverse = mul(inverse.each_ref(), d.each_ref());
                let (head, tail) = terms.split_at_mut(at);
                let first = &mut head[at - step];
                if at < group.shortest {
                    add_assign(first, &tail[0], &own);
                } else {
                    let sum = add(first, &tail[0], &own);
                    for (k, (first, sum)) in first.iter_mut().zip(sum).enumerate() {
                        let present = group.present(k, at);
                        blend(&mut first.x, present, &sum.x);
                        blend(&mut first.y, present, &sum.y);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Group {
    /// Lanes whose list has a term `at`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn present(&self, k: usize, at: usize) -> __mmask8 {
        _mm512_cmpgt_epu64_mask(self.lengths[k], _mm512_set1_epi64(at as i64))
    }

    /// The difference of x of terms `at` − `step` and `at`; 1 where there is none.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn run(&self, terms: &[Pair], at: usize, step: usize) -> [Lanes; 2] {
        let (first, second) = (&terms[at - step], &terms[at]);
        let mut d = [delta(&first[0].x, &second[0].x), delta(&first[1].x, &second[1].x)];
        if at >= self.shortest {
            let one = Lanes::splat(&ONE);
            for (k, d) in d.iter_mut().enumerate() {
                blend(d, !self.present(k, at), &one);
            }
        }
        d
    }
}

/// Takes the lanes of `mask` from `other`.
#[inline]
#[target_feature(enable = "avx512f")]
fn blend(lanes: &mut Lanes, mask: __mmask8, other: &Lanes) {
    for (limb, other) in lanes.0.iter_mut().zip(other.0) {
        *limb = _mm512_mask_mov_epi64(*limb, mask, other);
    }
}

#[target_feature(enable = "avx512f")]
fn store(point: &Point, lists: &[List], out: &mut [Entry]) {
    let y = point.y.raw().carry();
    let words = [point.x.canonical().pack(), y.canonical().pack()].map(|words| words.map(|word| to_array(word)));
    for (lane, list) in lists.iter().enumerate() {
        out[list.slot as usize].0 = std::array::from_fn(|at| words[at / 4][at % 4][lane]);
    }
}
