//! The compression function of SM3 (GB/T 32905 §5.3), portable.

use crate::kernel::Kernel;

/// Initial value (§4.1).
pub(super) const IV: [u32; 8] = [
    0x7380_166f,
    0x4914_b2b9,
    0x1724_42d7,
    0xda8a_0600,
    0xa96f_30bc,
    0x1631_38aa,
    0xe38d_ee4d,
    0xb0fb_0e4e,
];

/// Round constants T_j already rotated left by j (§4.2).
pub(super) const ROUND: [u32; 64] = {
    let mut out = [0u32; 64];
    let mut j = 0;
    while j < 64 {
        let t: u32 = if j < 16 { 0x79cc_4519 } else { 0x7a87_9d8a };
        out[j] = t.rotate_left(j as u32 % 32);
        j += 1;
    }
    out
};

/// Message expansion (§5.3.2): words 0..68; W'_j is W_j ^ W_{j+4}.
pub(super) const fn expand(block: &[u8; 64]) -> [u32; 68] {
    let mut w = [0u32; 68];
    let mut j = 0;
    while j < 16 {
        w[j] = u32::from_be_bytes([block[4 * j], block[4 * j + 1], block[4 * j + 2], block[4 * j + 3]]);
        j += 1;
    }
    while j < 68 {
        let x = w[j - 16] ^ w[j - 9] ^ w[j - 3].rotate_left(15);
        w[j] = x ^ x.rotate_left(15) ^ x.rotate_left(23) ^ w[j - 13].rotate_left(7) ^ w[j - 6];
        j += 1;
    }
    w
}

/// One round; the caller renames the registers instead of moving them.
macro_rules! round {
    ($w:expr, $j:expr, $ff:ident, $gg:ident, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident) => {
        let a12 = $a.rotate_left(12);
        let ss1 = a12.wrapping_add($e).wrapping_add(ROUND[$j]).rotate_left(7);
        let tt1 = $ff($a, $b, $c)
            .wrapping_add($d)
            .wrapping_add(ss1 ^ a12)
            .wrapping_add($w[$j] ^ $w[$j + 4]);
        let tt2 = $gg($e, $f, $g).wrapping_add($h).wrapping_add(ss1).wrapping_add($w[$j]);
        $b = $b.rotate_left(9);
        $d = tt1;
        $f = $f.rotate_left(19);
        $h = tt2 ^ tt2.rotate_left(9) ^ tt2.rotate_left(17);
    };
}

/// Four rounds, after which the names are in place again.
macro_rules! four_rounds {
    ($w:expr, $j:expr, $ff:ident, $gg:ident, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident) => {
        round!($w, $j, $ff, $gg, $a, $b, $c, $d, $e, $f, $g, $h);
        round!($w, $j + 1, $ff, $gg, $d, $a, $b, $c, $h, $e, $f, $g);
        round!($w, $j + 2, $ff, $gg, $c, $d, $a, $b, $g, $h, $e, $f);
        round!($w, $j + 3, $ff, $gg, $b, $c, $d, $a, $f, $g, $h, $e);
    };
}

#[inline(always)]
fn parity(x: u32, y: u32, z: u32) -> u32 {
    x ^ y ^ z
}

#[inline(always)]
fn majority(x: u32, y: u32, z: u32) -> u32 {
    (x & y) | ((x | y) & z)
}

#[inline(always)]
fn choose(x: u32, y: u32, z: u32) -> u32 {
    ((y ^ z) & x) ^ z
}

/// The 64 rounds over an expanded block.
pub(super) fn compress_expanded(state: &mut [u32; 8], w: &[u32; 68]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    let mut j = 0;
    while j < 16 {
        four_rounds!(w, j, parity, parity, a, b, c, d, e, f, g, h);
        j += 4;
    }
    while j < 64 {
        four_rounds!(w, j, majority, choose, a, b, c, d, e, f, g, h);
        j += 4;
    }
    for (word, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word ^= new;
    }
}

/// Compresses blocks one after the other on `kernel`, or in portable code where the processor lacks it.
pub(super) fn compress_blocks(kernel: Kernel, state: &mut [u32; 8], blocks: &[[u8; 64]]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(proof) = super::stream::available(kernel, blocks.len()) {
        return super::stream::compress_blocks(proof, state, blocks);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = kernel;
    for block in blocks {
        compress(state, block);
    }
}

/// Compresses one block into the chaining value.
pub(super) fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    compress_expanded(state, &expand(block));
}
