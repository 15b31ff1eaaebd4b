//! 256-bit integers as four 64-bit words, least significant first. Nothing here branches on the values.

/// a + b + carry as (word, carry), the carry 0 or 1.
#[inline(always)]
pub(crate) const fn adc(a: u64, b: u64, carry: u64) -> (u64, u64) {
    // This form, not a 128-bit sum, is what the compiler turns into add-with-carry.
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry);
    (sum, (first | second) as u64)
}

/// a − b − borrow as (word, borrow), the borrow 0 or 1.
#[inline(always)]
pub(crate) const fn sbb(a: u64, b: u64, borrow: u64) -> (u64, u64) {
    let (difference, first) = a.overflowing_sub(b);
    let (difference, second) = difference.overflowing_sub(borrow);
    (difference, (first | second) as u64)
}

/// acc + a·b + carry as (word, carry); never overflows 128 bits.
#[inline(always)]
pub(crate) const fn mac(acc: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let t = (a as u128)
        .wrapping_mul(b as u128)
        .wrapping_add(acc as u128)
        .wrapping_add(carry as u128);
    (t as u64, (t >> 64) as u64)
}

/// a + b as (words, carry).
#[inline(always)]
pub(crate) const fn add4(a: &[u64; 4], b: &[u64; 4]) -> ([u64; 4], u64) {
    let (r0, c) = adc(a[0], b[0], 0);
    let (r1, c) = adc(a[1], b[1], c);
    let (r2, c) = adc(a[2], b[2], c);
    let (r3, c) = adc(a[3], b[3], c);
    ([r0, r1, r2, r3], c)
}

/// a − b as (words, borrow).
#[inline(always)]
pub(crate) const fn sub4(a: &[u64; 4], b: &[u64; 4]) -> ([u64; 4], u64) {
    let (r0, c) = sbb(a[0], b[0], 0);
    let (r1, c) = sbb(a[1], b[1], c);
    let (r2, c) = sbb(a[2], b[2], c);
    let (r3, c) = sbb(a[3], b[3], c);
    ([r0, r1, r2, r3], c)
}

/// `a` where `mask` is all ones, `b` where it is zero.
#[inline(always)]
pub(crate) const fn select4(mask: u64, a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    [
        b[0] ^ (mask & (a[0] ^ b[0])),
        b[1] ^ (mask & (a[1] ^ b[1])),
        b[2] ^ (mask & (a[2] ^ b[2])),
        b[3] ^ (mask & (a[3] ^ b[3])),
    ]
}

/// A mask made of a secret, of which the optimiser must not know that it is all ones or zero: it turns selections by
/// such masks into branches.
#[inline(always)]
pub(crate) fn opaque(mask: u64) -> u64 {
    std::hint::black_box(mask)
}

/// All ones when `x` is zero, else zero.
#[inline(always)]
pub(crate) const fn mask_zero(x: u64) -> u64 {
    ((x | x.wrapping_neg()) >> 63).wrapping_sub(1)
}

/// (carry·2^256 + a) reduced once by m: the value must be below 2m.
#[inline(always)]
pub(crate) const fn reduce_once(a: &[u64; 4], carry: u64, m: &[u64; 4]) -> [u64; 4] {
    let (d, borrow) = sub4(a, m);
    let (_, below) = sbb(carry, 0, borrow);
    select4(0u64.wrapping_sub(below), a, &d)
}

/// (a + b) mod m for a, b < m.
#[inline(always)]
pub(crate) const fn add_mod(a: &[u64; 4], b: &[u64; 4], m: &[u64; 4]) -> [u64; 4] {
    let (s, carry) = add4(a, b);
    reduce_once(&s, carry, m)
}

/// (a − b) mod m for a, b < m.
#[inline(always)]
pub(crate) const fn sub_mod(a: &[u64; 4], b: &[u64; 4], m: &[u64; 4]) -> [u64; 4] {
    let (d, borrow) = sub4(a, b);
    let mask = 0u64.wrapping_sub(borrow);
    let (r, _) = add4(&d, &[m[0] & mask, m[1] & mask, m[2] & mask, m[3] & mask]);
    r
}

/// Full product, eight words.
#[inline(always)]
pub(crate) const fn mul_wide(a: &[u64; 4], b: &[u64; 4]) -> [u64; 8] {
    let (t0, c) = mac(0, a[0], b[0], 0);
    let (t1, c) = mac(0, a[0], b[1], c);
    let (t2, c) = mac(0, a[0], b[2], c);
    let (t3, t4) = mac(0, a[0], b[3], c);
    let (t1, c) = mac(t1, a[1], b[0], 0);
    let (t2, c) = mac(t2, a[1], b[1], c);
    let (t3, c) = mac(t3, a[1], b[2], c);
    let (t4, t5) = mac(t4, a[1], b[3], c);
    let (t2, c) = mac(t2, a[2], b[0], 0);
    let (t3, c) = mac(t3, a[2], b[1], c);
    let (t4, c) = mac(t4, a[2], b[2], c);
    let (t5, t6) = mac(t5, a[2], b[3], c);
    let (t3, c) = mac(t3, a[3], b[0], 0);
    let (t4, c) = mac(t4, a[3], b[1], c);
    let (t5, c) = mac(t5, a[3], b[2], c);
    let (t6, t7) = mac(t6, a[3], b[3], c);
    [t0, t1, t2, t3, t4, t5, t6, t7]
}

/// Full square: six cross products, doubled, and four squares.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
pub(crate) const fn square_wide(a: &[u64; 4]) -> [u64; 8] {
    let (t1, c) = mac(0, a[0], a[1], 0);
    let (t2, c) = mac(0, a[0], a[2], c);
    let (t3, t4) = mac(0, a[0], a[3], c);
    let (t3, c) = mac(t3, a[1], a[2], 0);
    let (t4, t5) = mac(t4, a[1], a[3], c);
    let (t5, t6) = mac(t5, a[2], a[3], 0);
    let t7 = t6 >> 63;
    let t6 = (t6 << 1) | (t5 >> 63);
    let t5 = (t5 << 1) | (t4 >> 63);
    let t4 = (t4 << 1) | (t3 >> 63);
    let t3 = (t3 << 1) | (t2 >> 63);
    let t2 = (t2 << 1) | (t1 >> 63);
    let t1 = t1 << 1;
    let (t0, c) = mac(0, a[0], a[0], 0);
    let (t1, c) = adc(t1, c, 0);
    let (lo, hi) = mac(0, a[1], a[1], 0);
    let (t2, c) = adc(t2, lo, c);
    let (t3, c) = adc(t3, hi, c);
    let (lo, hi) = mac(0, a[2], a[2], 0);
    let (t4, c) = adc(t4, lo, c);
    let (t5, c) = adc(t5, hi, c);
    let (lo, hi) = mac(0, a[3], a[3], 0);
    let (t6, c) = adc(t6, lo, c);
    let (t7, _) = adc(t7, hi, c);
    [t0, t1, t2, t3, t4, t5, t6, t7]
}

/// Big-endian bytes to words.
pub(crate) fn from_be_bytes(bytes: &[u8; 32]) -> [u64; 4] {
    let mut out = [0; 4];
    for (word, chunk) in out.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*chunk);
    }
    out
}

/// Words to big-endian bytes.
pub(crate) fn to_be_bytes(words: &[u64; 4]) -> [u8; 32] {
    let mut out = [0; 32];
    for (chunk, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(words.iter().rev()) {
        *chunk = word.to_be_bytes();
    }
    out
}

/// 1 when a < m, else 0, without a branch.
pub(crate) const fn less(a: &[u64; 4], m: &[u64; 4]) -> u64 {
    sub4(a, m).1
}

/// All ones when `a` is zero, else zero.
#[inline(always)]
pub(crate) const fn mask_zero4(a: &[u64; 4]) -> u64 {
    mask_zero(a[0] | a[1] | a[2] | a[3])
}
