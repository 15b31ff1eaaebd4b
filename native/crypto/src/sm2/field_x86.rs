//! Field products for x86-64: 64-bit multiplications in assembly, because compilers turn the 128-bit arithmetic of the
//! portable code into about twice the work. Baseline instructions only, so nothing is detected at run time.

use std::arch::asm;

/// One reduction step: with m = `$m` the lowest word, (`$m`, `$x`, `$y`, `$z`) becomes (`$x`, `$y`, `$z`, `$m`) / 2^64 of
/// the value + m·p. Adds m·(2^192 + 1) and takes off m·2^32·(2^128 + 1); carry and borrow out of the top cancel.
macro_rules! reduce_step {
    ($m:literal, $x:literal, $y:literal, $z:literal) => {
        concat!(
            "mov rax, {",
            $m,
            "}\n",
            "mov rdx, {",
            $m,
            "}\n",
            "shl rax, 32\n",
            "shr rdx, 32\n",
            "add {",
            $x,
            "}, {",
            $m,
            "}\n",
            "adc {",
            $y,
            "}, 0\n",
            "adc {",
            $z,
            "}, 0\n",
            "adc {",
            $m,
            "}, 0\n",
            "sub {",
            $x,
            "}, rax\n",
            "sbb {",
            $y,
            "}, rdx\n",
            "sbb {",
            $z,
            "}, rax\n",
            "sbb {",
            $m,
            "}, rdx\n",
        )
    };
}

/// Montgomery reduction of t0..t7 into t0..t3, below p. The last subtraction is a conditional move, not a branch.
macro_rules! reduce {
    ($c:literal) => {
        concat!(
            reduce_step!("t0", "t1", "t2", "t3"),
            reduce_step!("t1", "t2", "t3", "t0"),
            reduce_step!("t2", "t3", "t0", "t1"),
            reduce_step!("t3", "t0", "t1", "t2"),
            "xor {",
            $c,
            ":e}, {",
            $c,
            ":e}\n",
            "add {t0}, {t4}\n",
            "adc {t1}, {t5}\n",
            "adc {t2}, {t6}\n",
            "adc {t3}, {t7}\n",
            "adc {",
            $c,
            "}, 0\n",
            "mov {t4}, {t0}\n",
            "mov {t5}, {t1}\n",
            "mov {t6}, {t2}\n",
            "mov {t7}, {t3}\n",
            "mov rax, 0xffffffff00000000\n",
            "mov rdx, 0xfffffffeffffffff\n",
            "sub {t4}, -1\n",
            "sbb {t5}, rax\n",
            "sbb {t6}, -1\n",
            "sbb {t7}, rdx\n",
            "sbb {",
            $c,
            "}, 0\n",
            "cmovnc {t0}, {t4}\n",
            "cmovnc {t1}, {t5}\n",
            "cmovnc {t2}, {t6}\n",
            "cmovnc {t3}, {t7}\n",
        )
    };
}

pub(super) use {reduce, reduce_step};

/// `$acc` += a[`$j`]·b[`$i`] + c, the new carry left in `$out`.
macro_rules! multiply_add {
    ($i:literal, $j:literal, $acc:literal, $out:literal) => {
        concat!(
            "mov rax, [{a} + 8*",
            $j,
            "]\n",
            "mul qword ptr [{b} + 8*",
            $i,
            "]\n",
            "add {",
            $acc,
            "}, {c}\n",
            "adc rdx, 0\n",
            "add {",
            $acc,
            "}, rax\n",
            "adc rdx, 0\n",
            "mov {",
            $out,
            "}, rdx\n",
        )
    };
}

/// One row of the schoolbook product, after the first.
macro_rules! row {
    ($i:literal, $t0:literal, $t1:literal, $t2:literal, $t3:literal, $t4:literal) => {
        concat!(
            "mov rax, [{a}]\n",
            "mul qword ptr [{b} + 8*",
            $i,
            "]\n",
            "add {",
            $t0,
            "}, rax\n",
            "adc rdx, 0\n",
            "mov {c}, rdx\n",
            multiply_add!($i, "1", $t1, "c"),
            multiply_add!($i, "2", $t2, "c"),
            multiply_add!($i, "3", $t3, $t4),
        )
    };
}

/// a·b·2^−256 mod p for a·b < p·2^256.
#[inline(always)]
pub(super) fn mul(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let (t0, t1, t2, t3): (u64, u64, u64, u64);
    // SAFETY: reads four words behind each of the two references and writes registers only; no stack, no other memory.
    unsafe {
        asm!(
            "mov rax, [{a}]", "mul qword ptr [{b}]", "mov {t0}, rax", "mov {t1}, rdx",
            "mov rax, [{a} + 8]", "mul qword ptr [{b}]", "add {t1}, rax", "adc rdx, 0", "mov {t2}, rdx",
            "mov rax, [{a} + 16]", "mul qword ptr [{b}]", "add {t2}, rax", "adc rdx, 0", "mov {t3}, rdx",
            "mov rax, [{a} + 24]", "mul qword ptr [{b}]", "add {t3}, rax", "adc rdx, 0", "mov {t4}, rdx",
            row!("1", "t1", "t2", "t3", "t4", "t5"),
            row!("2", "t2", "t3", "t4", "t5", "t6"),
            row!("3", "t3", "t4", "t5", "t6", "t7"),
            reduce!("c"),
            a = in(reg) a.as_ptr(),
            b = in(reg) b.as_ptr(),
            t0 = out(reg) t0, t1 = out(reg) t1, t2 = out(reg) t2, t3 = out(reg) t3,
            t4 = out(reg) _, t5 = out(reg) _, t6 = out(reg) _, t7 = out(reg) _,
            c = out(reg) _,
            out("rax") _, out("rdx") _,
            options(pure, readonly, nostack),
        );
    }
    [t0, t1, t2, t3]
}

/// a²·2^−256 mod p for a² < p·2^256.
#[inline(always)]
pub(super) fn square(a: &[u64; 4]) -> [u64; 4] {
    let (t0, t1, t2, t3): (u64, u64, u64, u64);
    // SAFETY: reads four words behind the reference and writes registers only; no stack, no other memory.
    unsafe {
        asm!(
            // The six cross products.
            "mov rax, [{a}]", "mul qword ptr [{a} + 8]", "mov {t1}, rax", "mov {t2}, rdx",
            "mov rax, [{a}]", "mul qword ptr [{a} + 16]", "add {t2}, rax", "adc rdx, 0", "mov {t3}, rdx",
            "mov rax, [{a}]", "mul qword ptr [{a} + 24]", "add {t3}, rax", "adc rdx, 0", "mov {t4}, rdx",
            "mov rax, [{a} + 8]", "mul qword ptr [{a} + 16]", "add {t3}, rax", "adc rdx, 0", "mov {c}, rdx",
            "mov rax, [{a} + 8]", "mul qword ptr [{a} + 24]", "add {t4}, {c}", "adc rdx, 0",
            "add {t4}, rax", "adc rdx, 0", "mov {t5}, rdx",
            "mov rax, [{a} + 16]", "mul qword ptr [{a} + 24]", "add {t5}, rax", "adc rdx, 0", "mov {t6}, rdx",
            // Doubled.
            "xor {t7:e}, {t7:e}",
            "add {t1}, {t1}", "adc {t2}, {t2}", "adc {t3}, {t3}", "adc {t4}, {t4}", "adc {t5}, {t5}",
            "adc {t6}, {t6}", "adc {t7}, 0",
            // The four squares.
            "mov rax, [{a}]", "mul rax", "mov {t0}, rax", "mov {c}, rdx",
            "mov rax, [{a} + 8]", "mul rax", "add {t1}, {c}", "adc {t2}, rax", "adc rdx, 0", "mov {c}, rdx",
            "mov rax, [{a} + 16]", "mul rax", "add {t3}, {c}", "adc {t4}, rax", "adc rdx, 0", "mov {c}, rdx",
            "mov rax, [{a} + 24]", "mul rax", "add {t5}, {c}", "adc {t6}, rax", "adc {t7}, rdx",
            reduce!("c"),
            a = in(reg) a.as_ptr(),
            t0 = out(reg) t0, t1 = out(reg) t1, t2 = out(reg) t2, t3 = out(reg) t3,
            t4 = out(reg) _, t5 = out(reg) _, t6 = out(reg) _, t7 = out(reg) _,
            c = out(reg) _,
            out("rax") _, out("rdx") _,
            options(pure, readonly, nostack),
        );
    }
    [t0, t1, t2, t3]
}
