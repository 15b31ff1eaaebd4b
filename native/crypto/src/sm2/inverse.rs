//! Inverses modulo p in variable time, for public data: the divsteps of Bernstein and Yang ("Fast constant-time gcd
//! computation and modular inversion", 2019), 62 at a time, skipping runs of zeros.

use super::field::P;

/// Limbs of 62 bits, the last one signed: room for the sums of a step, and signs, in five words.
type Limbs = [i64; 5];

const LIMB_BITS: u32 = 62;
const MASK: i64 = (1 << LIMB_BITS) - 1;
/// Batches of 62 steps after which every input below 2^256 is done (Bernstein and Yang, theorem 11.2: 742 steps).
const BATCHES_MAX: usize = 12;

/// The transition of one batch: 2^62·(f', g') = ((u, v), (q, r))·(f, g).
struct Transition {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

const fn to_limbs(words: &[u64; 4]) -> Limbs {
    let mask = MASK as u64;
    [
        (words[0] & mask) as i64,
        ((words[0] >> 62 | words[1] << 2) & mask) as i64,
        ((words[1] >> 60 | words[2] << 4) & mask) as i64,
        ((words[2] >> 58 | words[3] << 6) & mask) as i64,
        (words[3] >> 56) as i64,
    ]
}

const MODULUS: Limbs = to_limbs(&P);

/// 62 steps on the low words of f (odd) and g; `eta` is −δ.
fn steps(mut eta: i64, f: i64, g: i64) -> (i64, Transition) {
    let (mut f, mut g) = (f as u64, g as u64);
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    let mut left = LIMB_BITS;
    loop {
        // A run of even g needs no sum; the marker bit stops the count at the end of the batch.
        let zeros = (g | u64::MAX << left).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta = eta.wrapping_sub(i64::from(zeros));
        left -= zeros;
        if left == 0 {
            break;
        }
        if eta < 0 {
            eta = eta.wrapping_neg();
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
        }
        // Adds the multiple of f that clears as many low bits of g as can be cleared before the next swap, four at most:
        // f⁻¹ ≡ f + (((f + 1) & 4) << 1) mod 16.
        let limit = (eta.wrapping_add(1)).min(i64::from(left)).min(4) as u32;
        let mask = (1u64 << limit) - 1;
        let inverse = f.wrapping_add((f.wrapping_add(1) & 4) << 1);
        let w = inverse.wrapping_neg().wrapping_mul(g) & mask;
        g = g.wrapping_add(f.wrapping_mul(w));
        q = q.wrapping_add(u.wrapping_mul(w));
        r = r.wrapping_add(v.wrapping_mul(w));
    }
    let transition = Transition {
        u: u as i64,
        v: v as i64,
        q: q as i64,
        r: r as i64,
    };
    (eta, transition)
}

#[inline(always)]
fn product(a: i64, b: i64) -> i128 {
    // |a|, |b| ≤ 2^63: the product of two i64 always fits.
    (a as i128).wrapping_mul(b as i128)
}

/// (a·x + b·y) / 2^62, which is exact.
#[inline(always)]
fn combine(a: i64, b: i64, x: &Limbs, y: &Limbs) -> Limbs {
    let mut out = [0; 5];
    let mut carry = product(a, x[0]).wrapping_add(product(b, y[0])) >> LIMB_BITS;
    for i in 1..5 {
        carry = carry.wrapping_add(product(a, x[i])).wrapping_add(product(b, y[i]));
        out[i - 1] = carry as i64 & MASK;
        carry >>= LIMB_BITS;
    }
    out[4] = carry as i64;
    out
}

/// (a·d + b·e) / 2^62 modulo p, in (−2p, p) for d, e in that range.
#[inline(always)]
fn combine_modulo(a: i64, b: i64, d: &Limbs, e: &Limbs) -> Limbs {
    // Multiples of p that make up for negative d and e, then the one that clears the low limb: −p⁻¹ ≡ 1 mod 2^62.
    let signs = (a & (d[4] >> 63)).wrapping_add(b & (e[4] >> 63));
    let low = product(a, d[0]).wrapping_add(product(b, e[0]));
    let multiple = signs.wrapping_sub(signs.wrapping_sub(low as i64) & MASK);
    let mut carry = low.wrapping_add(product(MODULUS[0], multiple)) >> LIMB_BITS;
    let mut out = [0; 5];
    for i in 1..5 {
        carry = carry
            .wrapping_add(product(a, d[i]))
            .wrapping_add(product(b, e[i]))
            .wrapping_add(product(MODULUS[i], multiple));
        out[i - 1] = carry as i64 & MASK;
        carry >>= LIMB_BITS;
    }
    out[4] = carry as i64;
    out
}

/// Adds `multiple`·p or takes the negative, then carries.
fn adjust(d: &Limbs, negate: bool, multiple: i64) -> Limbs {
    let mut out = [0; 5];
    let mut carry = 0i64;
    for i in 0..5 {
        let limb = if negate { d[i].wrapping_neg() } else { d[i] };
        let sum = limb.wrapping_add(MODULUS[i].wrapping_mul(multiple)).wrapping_add(carry);
        out[i] = if i < 4 { sum & MASK } else { sum };
        carry = sum >> LIMB_BITS;
    }
    out
}

/// x⁻¹ mod p for a plain integer x in [1, p); 0 for 0. About 1.2 µs.
pub(crate) fn invert_public(x: &[u64; 4]) -> [u64; 4] {
    let (mut f, mut g) = (MODULUS, to_limbs(x));
    let (mut d, mut e): (Limbs, Limbs) = ([0; 5], [1, 0, 0, 0, 0]);
    let mut eta = -1;
    for _ in 0..BATCHES_MAX {
        if g == [0; 5] {
            break;
        }
        let (next, t) = steps(eta, f[0], g[0]);
        eta = next;
        (d, e) = (combine_modulo(t.u, t.v, &d, &e), combine_modulo(t.q, t.r, &d, &e));
        (f, g) = (combine(t.u, t.v, &f, &g), combine(t.q, t.r, &f, &g));
    }
    // f = ±1 and d = ±x⁻¹ in (−2p, p).
    if d[4] < 0 {
        d = adjust(&d, false, 1);
    }
    d = adjust(&d, f[4] < 0, 0);
    while d[4] < 0 {
        d = adjust(&d, false, 1);
    }
    let limb = d.map(|limb| limb as u64);
    [
        limb[0] | limb[1] << 62,
        limb[1] >> 2 | limb[2] << 60,
        limb[2] >> 4 | limb[3] << 58,
        limb[3] >> 6 | limb[4] << 56,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::field::Fe;
    use super::*;
    use proptest::prelude::*;

    fn check(words: &[u64; 4]) {
        let inverse = invert_public(words);
        assert_eq!(Fe::from_words(words).invert().to_words(), inverse, "{words:x?}");
    }

    #[test]
    fn borders() {
        for bit in 0..256 {
            let mut words = [0; 4];
            words[bit / 64] = 1 << (bit % 64);
            check(&words);
            let mut below = P;
            let mut borrow = false;
            for (x, y) in below.iter_mut().zip(words) {
                let (t, first) = x.overflowing_sub(y);
                let (t, second) = t.overflowing_sub(u64::from(borrow));
                (*x, borrow) = (t, first || second);
            }
            if !borrow {
                check(&below);
            }
        }
        check(&[0; 4]);
        check(&[u64::MAX, u64::MAX, 0, 0]);
        check(&[0, 0, u64::MAX, u64::MAX >> 33]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn random_values(mut words: [u64; 4]) {
            words[3] >>= 1;
            check(&words);
        }
    }
}
