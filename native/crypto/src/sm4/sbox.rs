//! The S-box of SM4 on bit planes: S(x) = A·(A·x + c)⁻¹ + c with A circulant (0xa7), c = 0xd3, inversion modulo
//! x^8+x^7+x^6+x^5+x^4+x^2+1. The inversion runs in GF(2^4)[z]/(z² + z + ν), GF(2^4) = GF(2)[w]/(w⁴ + w + 1),
//! ν = 0x9, reached by x ↦ 0x8e; both changes of basis are merged with A and c. No memory is indexed by data.

type Nibble = [u64; 4];

/// a + b.
#[inline(always)]
fn add(a: &Nibble, b: &Nibble) -> Nibble {
    [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]]
}

/// a · b in GF(2^4).
#[inline(always)]
fn mul(a: &Nibble, b: &Nibble) -> Nibble {
    let c4 = (a[1] & b[3]) ^ (a[2] & b[2]) ^ (a[3] & b[1]);
    let c5 = (a[2] & b[3]) ^ (a[3] & b[2]);
    let c6 = a[3] & b[3];
    [
        (a[0] & b[0]) ^ c4,
        (a[0] & b[1]) ^ (a[1] & b[0]) ^ c4 ^ c5,
        (a[0] & b[2]) ^ (a[1] & b[1]) ^ (a[2] & b[0]) ^ c5 ^ c6,
        (a[0] & b[3]) ^ (a[1] & b[2]) ^ (a[2] & b[1]) ^ (a[3] & b[0]) ^ c6,
    ]
}

/// a² in GF(2^4).
#[inline(always)]
fn square(a: &Nibble) -> Nibble {
    [a[0] ^ a[2], a[2], a[1] ^ a[3], a[3]]
}

/// ν·a² in GF(2^4).
#[inline(always)]
fn square_times_nu(a: &Nibble) -> Nibble {
    [a[0], a[1] ^ a[3], a[3], a[0] ^ a[2]]
}

/// a⁻¹ in GF(2^4), 0 for 0: a¹⁴ = a²·a⁴·a⁸ in algebraic normal form.
#[inline(always)]
fn invert(a: &Nibble) -> Nibble {
    let (a01, a02, a12, a03, a13) = (a[0] & a[1], a[0] & a[2], a[1] & a[2], a[0] & a[3], a[1] & a[3]);
    let a123 = a12 & a[3];
    let a23 = a[2] & a[3];
    [
        a[0] ^ a[1] ^ a[2] ^ a[3] ^ a02 ^ a12 ^ (a01 & a[2]) ^ a123,
        a01 ^ a02 ^ a12 ^ a[3] ^ a13 ^ (a01 & a[3]),
        a01 ^ a[2] ^ a02 ^ a[3] ^ a03 ^ (a02 & a[3]),
        a[1] ^ a[2] ^ a[3] ^ a03 ^ a13 ^ a23 ^ a123,
    ]
}

/// S of 64 bytes at once: plane i holds bit i of each.
#[inline(always)]
pub(super) fn substitute(x: &[u64; 8]) -> [u64; 8] {
    let x46 = x[4] ^ x[6];
    let x014 = x[0] ^ x[1] ^ x[4];
    let low: Nibble = [
        !(x46 ^ x[5] ^ x[7]),
        !(x[1] ^ x46 ^ x[5]),
        !(x[1] ^ x[2] ^ x46 ^ x[7]),
        !(x[3] ^ x[4]),
    ];
    let high: Nibble = [
        x014 ^ x[7],
        !x[6],
        x[2] ^ x[6] ^ x[7],
        !(x014 ^ x[2] ^ x[3] ^ x[5] ^ x[6]),
    ];
    // (high·z + low)⁻¹ = (high·z + high + low) / (ν·high² + high·low + low²).
    let sum = add(&high, &low);
    let norm = add(&square_times_nu(&high), &add(&mul(&high, &low), &square(&low)));
    let inverse = invert(&norm);
    let [y4, y5, y6, y7] = mul(&high, &inverse);
    let [y0, y1, y2, y3] = mul(&sum, &inverse);
    let y02 = y0 ^ y2;
    let y45 = y4 ^ y5;
    let y13 = y1 ^ y3;
    [
        !(y0 ^ y1 ^ y45),
        !(y02 ^ y5 ^ y6),
        y2 ^ y4,
        y02 ^ y45 ^ y7,
        !(y13 ^ y7),
        y13 ^ y5,
        !(y02 ^ y1),
        !(y0 ^ y3 ^ y5),
    ]
}

/// S on each byte of a word, for the key schedule.
pub(super) fn substitute_word(word: u32) -> u32 {
    let mut planes = [0u64; 8];
    for (bit, plane) in planes.iter_mut().enumerate() {
        // Bit `bit` of byte k becomes lane 8k.
        *plane = u64::from((word >> bit) & 0x0101_0101);
    }
    substitute(&planes)
        .iter()
        .enumerate()
        .fold(0, |sum, (bit, plane)| sum | ((*plane as u32 & 0x0101_0101) << bit))
}

#[cfg(test)]
mod tests {
    use super::substitute_word;

    /// Product modulo the SM4 polynomial, bit by bit.
    fn field_mul(a: u32, b: u32) -> u32 {
        let mut product = (0..8).filter(|i| b >> i & 1 == 1).fold(0, |sum, i| sum ^ a << i);
        for bit in (8..15).rev() {
            if product >> bit & 1 == 1 {
                product ^= 0x1f5 << (bit - 8);
            }
        }
        product
    }

    fn affine(x: u32) -> u32 {
        let rows = (0..8u32).map(|i| (0xa7u8.rotate_left(i) & x as u8).count_ones() & 1);
        rows.enumerate().fold(0xd3, |sum, (i, bit)| sum ^ bit << i)
    }

    #[test]
    fn the_circuit_equals_the_algebraic_definition() {
        for x in 0..256 {
            let a = affine(x);
            let inverse = (0..256).find(|&b| field_mul(a, b) == 1).unwrap_or(0);
            let want = affine(inverse);
            assert_eq!(substitute_word(x * 0x0101_0101), want * 0x0101_0101, "{x:02x}");
        }
        assert_eq!(substitute_word(0x0001_02ef), 0xd690_e984);
    }
}
