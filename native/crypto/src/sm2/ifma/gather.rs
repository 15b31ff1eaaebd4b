//! Digits of eight scalars and the table entries that they pick.

use super::super::scalar::Scalar;
use super::field::{Lanes, P52, from_array, to_array};
use super::points::{Pair, Point};
use super::table::{Entry, LaneTable, OddDigits};
use std::arch::x86_64::*;
use std::marker::PhantomData;

impl Picked {
    /// No entries.
    const NONE: Self = Self {
        addresses: [0; 8],
        negative: 0,
    };
}

/// Eight scalars with the tables of their points.
pub(super) struct Digits<'a> {
    width: usize,
    /// Entries from the table of a window to that of the next: 0 when all windows share one.
    stride: usize,
    /// The recoded scalars, word by word.
    words: [__m512i; 5],
    /// Lanes whose sum is negated.
    negated: __mmask8,
    /// Addresses of the tables' first entries.
    bases: __m512i,
    tables: PhantomData<&'a Entry>,
}

/// The entries that one window picks.
#[derive(Clone, Copy)]
pub(super) struct Picked {
    addresses: [u64; 8],
    negative: __mmask8,
}

impl<'a> Digits<'a> {
    /// For combs, which must have equal widths; this is checked.
    #[target_feature(enable = "avx512f")]
    pub(super) fn comb(scalars: &[&Scalar; 8], tables: &[&'a LaneTable; 8]) -> Self {
        let width = tables[0].width();
        assert!(tables.iter().all(|table| table.width() == width), "tables of one width");
        Self::new(scalars, width, 1 << (width - 1), &tables.map(LaneTable::entries))
    }

    /// For tables of odd multiples that all windows share: 2^(width−1) entries each, which is checked.
    #[target_feature(enable = "avx512f")]
    pub(super) fn windows_over(scalars: &[&Scalar; 8], width: usize, tables: &[&'a [Entry]; 8]) -> Self {
        assert!(
            tables.iter().all(|table| table.len() == 1 << (width - 1)),
            "tables of one width"
        );
        Self::new(scalars, width, 0, tables)
    }

    #[target_feature(enable = "avx512f")]
    fn new(scalars: &[&Scalar; 8], width: usize, stride: usize, tables: &[&'a [Entry]; 8]) -> Self {
        let scalars = scalars.map(|scalar| OddDigits::new(scalar, width));
        let word = |at: usize| from_array(&scalars.each_ref().map(|scalar| scalar.words[at]));
        Self {
            width,
            stride,
            words: [word(0), word(1), word(2), word(3), word(4)],
            negated: (0..8).fold(0, |mask, lane| mask | u8::from(scalars[lane].negated) << lane),
            bases: from_array(&tables.map(|table| table.as_ptr().expose_provenance() as u64)),
            tables: PhantomData,
        }
    }

    /// Addresses and signs of the entries of `window`, which are fetched ahead.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn pick(&self, window: usize) -> Picked {
        let position = window * self.width;
        let (word, shift) = (position / 64, position % 64);
        let count = |bits: usize| _mm_cvtsi64_si128(bits as i64);
        let low = _mm512_srl_epi64(self.words[word], count(shift));
        let next = if word < 4 {
            self.words[word + 1]
        } else {
            _mm512_setzero_si512()
        };
        // A shift by 64 gives 0.
        let bits = _mm512_or_si512(low, _mm512_sll_epi64(next, count(64 - shift)));
        let half = 1i64 << (self.width - 1);
        let below = !_mm512_test_epi64_mask(bits, _mm512_set1_epi64(half));
        // digit = 2u − (2^w − 1): the entry is u without its top bit, or the complement of that for a negative digit.
        let index = _mm512_mask_xor_epi64(bits, below, bits, _mm512_set1_epi64(-1));
        let index = _mm512_and_si512(index, _mm512_set1_epi64(half - 1));
        let index = _mm512_add_epi64(index, _mm512_set1_epi64((self.stride * window) as i64));
        let addresses = to_array(_mm512_add_epi64(self.bases, _mm512_slli_epi64::<6>(index)));
        Picked {
            addresses,
            negative: below ^ self.negated,
        }
    }

    /// Asks for the entries to be brought into the cache.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn prefetch(&self, picked: &Picked) {
        for address in &picked.addresses {
            // The intrinsic is safe in newer releases of the compiler only.
            #[allow(unused_unsafe)]
            // SAFETY: a prefetch reads nothing that the program can see and never faults.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(std::ptr::with_exposed_provenance(*address as usize))
            };
        }
    }

    /// The picked entries as eight points.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn gather(&self, picked: &Picked, out: &mut Point) {
        let mut entries = [std::ptr::null(); 8];
        for (entry, address) in entries.iter_mut().zip(&picked.addresses) {
            *entry = std::ptr::with_exposed_provenance(*address as usize);
        }
        // SAFETY: `pick` computed the addresses as base + 64·(stride·window + index), index < half, of the tables that
        // `self` borrows: combs have stride = half entries for each window, others half entries in all.
        unsafe { transpose(&entries, out) };
        for (limb, p) in out.y.0.iter_mut().zip(P52) {
            *limb = _mm512_mask_sub_epi64(*limb, picked.negative, _mm512_set1_epi64(p as i64), *limb);
        }
    }

    /// Windows of each scalar.
    pub(super) fn windows(&self) -> usize {
        super::table::windows(self.width)
    }
}

/// Eight entries as eight points, written in place. Arrays of vectors that go through closures or are returned become copies
/// in memory, which took a third of the time here.
///
/// # Safety
/// Each address is that of an entry that may be read.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transpose(entries: &[*const Entry; 8], out: &mut Point) {
    for (coordinate, out) in [&mut out.x, &mut out.y].into_iter().enumerate() {
        // SAFETY: the caller's entries have 64 bytes, on a cache line: both halves are 32 aligned bytes.
        let (a, b, c, d) = unsafe {
            (
                halves(entries[0], entries[2], coordinate),
                halves(entries[1], entries[3], coordinate),
                halves(entries[4], entries[6], coordinate),
                halves(entries[5], entries[7], coordinate),
            )
        };
        let (even, odd) = (_mm512_unpacklo_epi64(a, b), _mm512_unpacklo_epi64(c, d));
        let (even_high, odd_high) = (_mm512_unpackhi_epi64(a, b), _mm512_unpackhi_epi64(c, d));
        *out = Lanes::unpack([
            _mm512_shuffle_i64x2::<0x88>(even, odd),
            _mm512_shuffle_i64x2::<0x88>(even_high, odd_high),
            _mm512_shuffle_i64x2::<0xdd>(even, odd),
            _mm512_shuffle_i64x2::<0xdd>(even_high, odd_high),
        ]);
    }
}

/// The same half of two entries.
///
/// # Safety
/// Each address is that of an entry that may be read; `coordinate` is 0 or 1.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn halves(low: *const Entry, high: *const Entry, coordinate: usize) -> __m512i {
    // SAFETY: entries have 64 bytes, on a cache line: both halves are 32 aligned bytes.
    unsafe {
        let first = _mm256_load_si256(low.cast::<__m256i>().add(coordinate));
        let second = _mm256_load_si256(high.cast::<__m256i>().add(coordinate));
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second)
    }
}

/// Windows between the request for an entry and its use.
const AHEAD: usize = 4;

/// Writes the point that each window picks, for a pair of groups; `out` has room for all windows.
#[target_feature(enable = "avx512f")]
pub(super) fn gather_all(digits: &[Digits<'_>; 2], out: &mut [Pair]) {
    let windows = digits[0].windows();
    let mut ahead = [[Picked::NONE; 2]; AHEAD];
    for (window, slot) in ahead.iter_mut().enumerate() {
        fetch(digits, window, slot);
    }
    for (window, out) in out.iter_mut().enumerate() {
        let slot = &mut ahead[window % AHEAD];
        let now = *slot;
        if window + AHEAD < windows {
            fetch(digits, window + AHEAD, slot);
        }
        digits[0].gather(&now[0], &mut out[0]);
        digits[1].gather(&now[1], &mut out[1]);
    }
}

/// Picks a window's entries for both groups and asks for them.
#[inline]
#[target_feature(enable = "avx512f")]
fn fetch(digits: &[Digits<'_>; 2], window: usize, slot: &mut [Picked; 2]) {
    for (digits, slot) in digits.iter().zip(slot) {
        *slot = digits.pick(window);
        digits.prefetch(slot);
    }
}
