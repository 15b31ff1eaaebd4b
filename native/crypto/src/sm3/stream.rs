//! One stream as fast as a core can: words of eight blocks expanded side by side, then rounds in assembly.
//!
//! The expansion does not depend on the chaining value, so eight blocks of a stream share vector instructions: 26 cycles
//! a block with AVX-512 VL, 44 with AVX2 (Zen 4). The rounds do depend on it: from E to the next E lead seven operations
//! (add, rotate, two adds, rotate, two xors), so 448 cycles a block are the bound and 461 are reached. Assembly, because
//! that takes T added before E comes, rotations that keep the source, and the choice functions added in two disjoint
//! parts; what the compiler makes of the same rounds takes a fifth more.

use super::BLOCK_BYTES;
use super::compress::ROUND;
use super::lanes::Expander;
use crate::kernel::Kernel;
use std::mem::MaybeUninit;

/// Blocks that are expanded together.
pub(super) const SIDE: usize = 8;

/// Expanded words of eight blocks, a row of eight for each W_j and W'_j = W_j ^ W_{j+4}. The assembly knows the layout.
///
/// Rows are not cleared first: 4 KiB would cost a short message a tenth of its time.
#[repr(C, align(64))]
pub(super) struct Words {
    pub w: [MaybeUninit<[u32; SIDE]>; 64],
    pub w1: [MaybeUninit<[u32; SIDE]>; 64],
}

/// Proof that the processor has BMI1 and BMI2.
#[derive(Clone, Copy)]
pub(super) struct Bmi2(());

/// The assembly and the expansion of `kernel` for a run of `count` blocks, where the processor has them and they pay.
pub(super) fn available(kernel: Kernel, count: usize) -> Option<(Bmi2, Expander)> {
    // A lone block waits for the whole expansion, which without rotations in one instruction takes longer than it saves.
    if kernel == Kernel::Avx2 && count < 2 {
        return None;
    }
    let have = is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
    Some((have.then_some(Bmi2(()))?, Expander::of(kernel)?))
}

/// Compresses blocks one after the other.
pub(super) fn compress_blocks((bmi2, expander): (Bmi2, Expander), state: &mut [u32; 8], blocks: &[[u8; BLOCK_BYTES]]) {
    let mut words = Words {
        w: [const { MaybeUninit::uninit() }; 64],
        w1: [const { MaybeUninit::uninit() }; 64],
    };
    for group in blocks.chunks(SIDE) {
        expander.expand(group, &mut words);
        for block in 0..group.len() {
            // SAFETY: `expand` has written all rows.
            unsafe { rounds(bmi2, state, &words, block) };
        }
    }
}

/// One round as text. `$ff` and `$gg` add the choice functions to D and H.
macro_rules! round_text {
    ($j:literal, $ff:ident, $gg:ident, $a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal) => {
        concat!(
            "mov {t1:e}, dword ptr [{t} + 4*", $j, "]\n",
            "rorx {t0:e}, {", $a, ":e}, 20\n",
            "add {t1:e}, {t0:e}\n",
            "add {", $h, ":e}, dword ptr [{w} + 32*", $j, "]\n",
            "add {", $d, ":e}, dword ptr [{w} + 2048 + 32*", $j, "]\n",
            "add {t1:e}, {", $e, ":e}\n",
            $gg!($e $f $g $h),
            "rorx {t1:e}, {t1:e}, 25\n",
            "xor {t0:e}, {t1:e}\n",
            "add {", $h, ":e}, {t1:e}\n",
            $ff!($a $b $c $d),
            "rorx {t1:e}, {", $h, ":e}, 23\n",
            "rorx {t2:e}, {", $h, ":e}, 15\n",
            "add {", $d, ":e}, {t0:e}\n",
            "xor {", $h, ":e}, {t1:e}\n",
            "xor {", $h, ":e}, {t2:e}\n",
            "rorx {", $b, ":e}, {", $b, ":e}, 23\n",
            "rorx {", $f, ":e}, {", $f, ":e}, 13\n",
        )
    };
}

/// Adds x ^ y ^ z.
macro_rules! parity_text {
    ($x:literal $y:literal $z:literal $sum:literal) => {
        concat!(
            "mov {t2:e}, {",
            $x,
            ":e}\n",
            "xor {t2:e}, {",
            $y,
            ":e}\n",
            "xor {t2:e}, {",
            $z,
            ":e}\n",
            "add {",
            $sum,
            ":e}, {t2:e}\n",
        )
    };
}

/// Adds the majority: x & y, and z & (x ^ y), which share no bit.
macro_rules! majority_text {
    ($x:literal $y:literal $z:literal $sum:literal) => {
        concat!(
            "mov {t2:e}, {",
            $y,
            ":e}\n",
            "and {t2:e}, {",
            $x,
            ":e}\n",
            "add {",
            $sum,
            ":e}, {t2:e}\n",
            "mov {t2:e}, {",
            $y,
            ":e}\n",
            "xor {t2:e}, {",
            $x,
            ":e}\n",
            "and {t2:e}, {",
            $z,
            ":e}\n",
            "add {",
            $sum,
            ":e}, {t2:e}\n",
        )
    };
}

/// Adds the choice: x & y, and !x & z, which share no bit.
macro_rules! choose_text {
    ($x:literal $y:literal $z:literal $sum:literal) => {
        concat!(
            "andn {t2:e}, {",
            $x,
            ":e}, {",
            $z,
            ":e}\n",
            "add {",
            $sum,
            ":e}, {t2:e}\n",
            "mov {t2:e}, {",
            $x,
            ":e}\n",
            "and {t2:e}, {",
            $y,
            ":e}\n",
            "add {",
            $sum,
            ":e}, {t2:e}\n",
        )
    };
}

/// Four rounds, after which the names are in place again.
macro_rules! four_text {
    ($ff:ident $gg:ident $j0:literal $j1:literal $j2:literal $j3:literal) => {
        concat!(
            round_text!($j0, $ff, $gg, "a" "b" "c" "d" "e" "f" "g" "h"),
            round_text!($j1, $ff, $gg, "d" "a" "b" "c" "h" "e" "f" "g"),
            round_text!($j2, $ff, $gg, "c" "d" "a" "b" "g" "h" "e" "f"),
            round_text!($j3, $ff, $gg, "b" "c" "d" "a" "f" "g" "h" "e"),
        )
    };
}

/// The 64 rounds over the words of one block, and the feed-forward.
///
/// Panics when `block` is not below eight.
///
/// # Safety
/// Column `block` of every row of `words` must have been written.
unsafe fn rounds(_: Bmi2, state: &mut [u32; 8], words: &Words, block: usize) {
    assert!(block < SIDE, "a lane of the words");
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    // SAFETY: a `Bmi2` exists only where `rorx` and `andn` do. The text reads the 64 words of `ROUND`, and of `words`
    // column `block` < 8 of its 128 rows of 32 bytes (`repr(C)`), which is written; it changes registers alone.
    unsafe {
        core::arch::asm!(
            four_text!(parity_text parity_text "0" "1" "2" "3"),
            four_text!(parity_text parity_text "4" "5" "6" "7"),
            four_text!(parity_text parity_text "8" "9" "10" "11"),
            four_text!(parity_text parity_text "12" "13" "14" "15"),
            four_text!(majority_text choose_text "16" "17" "18" "19"),
            four_text!(majority_text choose_text "20" "21" "22" "23"),
            four_text!(majority_text choose_text "24" "25" "26" "27"),
            four_text!(majority_text choose_text "28" "29" "30" "31"),
            four_text!(majority_text choose_text "32" "33" "34" "35"),
            four_text!(majority_text choose_text "36" "37" "38" "39"),
            four_text!(majority_text choose_text "40" "41" "42" "43"),
            four_text!(majority_text choose_text "44" "45" "46" "47"),
            four_text!(majority_text choose_text "48" "49" "50" "51"),
            four_text!(majority_text choose_text "52" "53" "54" "55"),
            four_text!(majority_text choose_text "56" "57" "58" "59"),
            four_text!(majority_text choose_text "60" "61" "62" "63"),
            a = inout(reg) a,
            b = inout(reg) b,
            c = inout(reg) c,
            d = inout(reg) d,
            e = inout(reg) e,
            f = inout(reg) f,
            g = inout(reg) g,
            h = inout(reg) h,
            t = in(reg) ROUND.as_ptr(),
            w = in(reg) (&raw const *words).cast::<u32>().add(block),
            t0 = out(reg) _,
            t1 = out(reg) _,
            t2 = out(reg) _,
            options(pure, readonly, nostack),
        );
    }
    for (word, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word ^= new;
    }
}
