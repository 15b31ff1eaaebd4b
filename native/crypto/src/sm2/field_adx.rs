//! Field products for x86-64 with BMI2 and ADX: `mulx` leaves the flags alone, so the low and the high halves of a row
//! are added in two carry chains (`adcx`, `adox`) that do not wait for each other.

use super::field::Fe;
use super::field_x86::{reduce, reduce_step};
use super::products::Products;
use crate::kernel::Kernel;
use std::arch::asm;

/// One row of the schoolbook product after the first: t += a·b[`$i`]·2^(64·i), `$t4` is written first here.
macro_rules! row {
    ($i:literal, $t0:literal, $t1:literal, $t2:literal, $t3:literal, $t4:literal) => {
        concat!(
            "mov rdx, [{b} + 8*",
            $i,
            "]\n",
            // Clears both carries.
            "xor {z:e}, {z:e}\n",
            "mulx {",
            $t4,
            "}, rax, [{a}]\n",
            "adcx {",
            $t0,
            "}, rax\n",
            "adox {",
            $t1,
            "}, {",
            $t4,
            "}\n",
            "mulx {",
            $t4,
            "}, rax, [{a} + 8]\n",
            "adcx {",
            $t1,
            "}, rax\n",
            "adox {",
            $t2,
            "}, {",
            $t4,
            "}\n",
            "mulx {",
            $t4,
            "}, rax, [{a} + 16]\n",
            "adcx {",
            $t2,
            "}, rax\n",
            "adox {",
            $t3,
            "}, {",
            $t4,
            "}\n",
            "mulx {",
            $t4,
            "}, rax, [{a} + 24]\n",
            "adcx {",
            $t3,
            "}, rax\n",
            "adox {",
            $t4,
            "}, {z}\n",
            "adcx {",
            $t4,
            "}, {z}\n",
        )
    };
}

/// Products by [`mul`] and [`square`]. A value exists only where the processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Adx(());

impl Adx {
    /// `None` on a processor without BMI2 or ADX.
    pub(crate) fn new() -> Option<Self> {
        Kernel::Scalar.is_available().then_some(Self(()))
    }
}

impl Products for Adx {
    #[inline(always)]
    fn mul(self, a: &Fe, b: &Fe) -> Fe {
        // SAFETY: `self` exists, so the processor has the instructions.
        Fe(unsafe { mul(&a.0, &b.0) })
    }

    #[inline(always)]
    fn square(self, a: &Fe) -> Fe {
        // SAFETY: `self` exists, so the processor has the instructions.
        Fe(unsafe { square(&a.0) })
    }
}

/// a·b·2^−256 mod p for a·b < p·2^256.
///
/// # Safety
/// The processor must have BMI2 and ADX.
#[inline(always)]
unsafe fn mul(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let (t0, t1, t2, t3): (u64, u64, u64, u64);
    // SAFETY: reads four words behind each of the two references and writes registers only; no stack, no other memory.
    // The instructions are there, says the caller.
    unsafe {
        asm!(
            "mov rdx, [{b}]",
            "mulx {t1}, {t0}, [{a}]",
            "mulx {t2}, rax, [{a} + 8]", "add {t1}, rax",
            "mulx {t3}, rax, [{a} + 16]", "adc {t2}, rax",
            "mulx {t4}, rax, [{a} + 24]", "adc {t3}, rax",
            "adc {t4}, 0",
            row!("1", "t1", "t2", "t3", "t4", "t5"),
            row!("2", "t2", "t3", "t4", "t5", "t6"),
            row!("3", "t3", "t4", "t5", "t6", "t7"),
            reduce!("z"),
            a = in(reg) a.as_ptr(),
            b = in(reg) b.as_ptr(),
            t0 = out(reg) t0, t1 = out(reg) t1, t2 = out(reg) t2, t3 = out(reg) t3,
            t4 = out(reg) _, t5 = out(reg) _, t6 = out(reg) _, t7 = out(reg) _,
            z = out(reg) _,
            out("rax") _, out("rdx") _,
            options(pure, readonly, nostack),
        );
    }
    [t0, t1, t2, t3]
}

/// a²·2^−256 mod p for a² < p·2^256.
///
/// # Safety
/// The processor must have BMI2 and ADX.
#[inline(always)]
unsafe fn square(a: &[u64; 4]) -> [u64; 4] {
    let (t0, t1, t2, t3): (u64, u64, u64, u64);
    // SAFETY: reads four words behind the reference and writes registers only; no stack, no other memory. The
    // instructions are there, says the caller.
    unsafe {
        asm!(
            // The six cross products.
            "mov rdx, [{a}]",
            "mulx {t2}, {t1}, [{a} + 8]",
            "mulx {t3}, rax, [{a} + 16]", "add {t2}, rax",
            "mulx {t4}, rax, [{a} + 24]", "adc {t3}, rax",
            "mov rdx, [{a} + 8]",
            "adc {t4}, 0",
            "xor {t7:e}, {t7:e}",
            "mulx {h}, rax, [{a} + 16]", "adcx {t3}, rax", "adox {t4}, {h}",
            "mulx {t5}, rax, [{a} + 24]", "adcx {t4}, rax", "adox {t5}, {t7}",
            "mov rdx, [{a} + 16]",
            "mulx {t6}, rax, [{a} + 24]", "adcx {t5}, rax", "adcx {t6}, {t7}",
            // Doubled in one chain while the other adds the four squares.
            "mov rdx, [{a}]",
            "xor {t7:e}, {t7:e}",
            "mulx {h}, {t0}, rdx", "adcx {t1}, {t1}", "adox {t1}, {h}",
            "mov rdx, [{a} + 8]",
            "mulx {h}, rax, rdx", "adcx {t2}, {t2}", "adox {t2}, rax", "adcx {t3}, {t3}", "adox {t3}, {h}",
            "mov rdx, [{a} + 16]",
            "mulx {h}, rax, rdx", "adcx {t4}, {t4}", "adox {t4}, rax", "adcx {t5}, {t5}", "adox {t5}, {h}",
            "mov rdx, [{a} + 24]",
            "mulx {h}, rax, rdx", "adcx {t6}, {t6}", "adox {t6}, rax", "adcx {t7}, {t7}", "adox {t7}, {h}",
            reduce!("h"),
            a = in(reg) a.as_ptr(),
            t0 = out(reg) t0, t1 = out(reg) t1, t2 = out(reg) t2, t3 = out(reg) t3,
            t4 = out(reg) _, t5 = out(reg) _, t6 = out(reg) _, t7 = out(reg) _,
            h = out(reg) _,
            out("rax") _, out("rdx") _,
            options(pure, readonly, nostack),
        );
    }
    [t0, t1, t2, t3]
}
