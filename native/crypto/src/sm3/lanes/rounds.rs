//! The compression function over vectors, one lane a message: what all vector kernels share.

/// One round on vectors; the caller renames the registers. `$w` and `$w1` are W_j and W'_j.
macro_rules! vector_round {
    ($j:expr, $w:expr, $w1:expr, $ff:ident, $gg:ident, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident) => {{
        let a12 = rotl::<12>($a);
        let ss1 = rotl::<7>(add(a12, add($e, splat(ROUND[$j]))));
        let tt1 = add(add($ff($a, $b, $c), add($d, $w1)), xor(ss1, a12));
        let tt2 = add(add($gg($e, $f, $g), add($h, $w)), ss1);
        $b = rotl::<9>($b);
        $d = tt1;
        $f = rotl::<19>($f);
        $h = xor3(tt2, rotl::<9>(tt2), rotl::<17>(tt2));
    }};
}

/// Four rounds over one source of words, after which the names are in place again. `$word!(j)` gives `(W_j, W'_j)`,
/// `$next!(j)` makes what later rounds need.
macro_rules! vector_four {
    ($j:expr, $word:ident, $next:ident, $ff:ident, $gg:ident, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident) => {
        let (w, w1) = $word!($j);
        vector_round!($j, w, w1, $ff, $gg, $a, $b, $c, $d, $e, $f, $g, $h);
        $next!($j);
        let (w, w1) = $word!($j + 1);
        vector_round!($j + 1, w, w1, $ff, $gg, $d, $a, $b, $c, $h, $e, $f, $g);
        $next!($j + 1);
        let (w, w1) = $word!($j + 2);
        vector_round!($j + 2, w, w1, $ff, $gg, $c, $d, $a, $b, $g, $h, $e, $f);
        $next!($j + 2);
        let (w, w1) = $word!($j + 3);
        vector_round!($j + 3, w, w1, $ff, $gg, $b, $c, $d, $a, $f, $g, $h, $e);
        $next!($j + 3);
    };
}

/// The 64 rounds, unrolled: every index below is a constant.
macro_rules! vector_rounds {
    ($word:ident, $next:ident, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident) => {
        vector_rounds!(@ parity, parity, $word, $next, [0, 4, 8, 12], $a, $b, $c, $d, $e, $f, $g, $h);
        vector_rounds!(@ majority, choose, $word, $next, [16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60],
            $a, $b, $c, $d, $e, $f, $g, $h);
    };
    (@ $ff:ident, $gg:ident, $word:ident, $next:ident, [$($j:literal),*], $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident, $h:ident) => {
        $(vector_four!($j, $word, $next, $ff, $gg, $a, $b, $c, $d, $e, $f, $g, $h);)*
    };
}

/// W_{j+16} in the place of W_j, which no later round reads.
macro_rules! vector_next {
    ($j:expr, $x:ident) => {
        if $j < 52 {
            let y = xor3($x[$j % 16], $x[($j + 7) % 16], rotl::<15>($x[($j + 13) % 16]));
            let p = xor3(y, rotl::<15>(y), rotl::<23>(y));
            $x[$j % 16] = xor3(p, rotl::<7>($x[($j + 3) % 16]), $x[($j + 10) % 16]);
        }
    };
}

/// `compress` of a kernel over its `load`, `store`, `load_blocks` and its operations on vectors.
macro_rules! vector_compress {
    ($features:literal, $lanes:expr) => {
        /// Compresses the first `count` blocks of each run into its lane.
        ///
        /// Panics when a run is shorter: the scheduler counted wrong.
        #[target_feature(enable = $features)]
        pub(super) fn compress(states: &mut States<$lanes>, runs: &[&[[u8; BLOCK_BYTES]]; $lanes], count: usize) {
            assert!(runs.iter().all(|run| run.len() >= count), "a run for every lane");
            for at in 0..count {
                let mut x = load_blocks(runs, at);
                let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = load(states);
                macro_rules! word {
                    ($j:expr) => {
                        (x[$j % 16], xor(x[$j % 16], x[($j + 4) % 16]))
                    };
                }
                macro_rules! next {
                    ($j:expr) => {
                        vector_next!($j, x)
                    };
                }
                vector_rounds!(word, next, a, b, c, d, e, f, g, h);
                store(states, [a, b, c, d, e, f, g, h]);
            }
        }
    };
}

/// `compress_expanded` of a kernel over its `load`, `store`, `add`, `xor`, `xor3`, `parity`, `majority`, `choose`,
/// `rotl` and `splat`.
macro_rules! vector_expanded {
    ($features:literal, $states:ty) => {
        /// Compresses one expanded block into every lane.
        #[target_feature(enable = $features)]
        pub(super) fn compress_expanded(states: &mut $states, block: &Expanded) {
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = load(states);
            macro_rules! word {
                ($j:expr) => {
                    (splat(block.w[$j]), splat(block.w1[$j]))
                };
            }
            macro_rules! next {
                ($j:expr) => {};
            }
            vector_rounds!(word, next, a, b, c, d, e, f, g, h);
            store(states, [a, b, c, d, e, f, g, h]);
        }
    };
}

/// `expand` of a kernel of eight lanes over its `load_blocks`, `to_words` and its operations on vectors.
macro_rules! vector_expand {
    ($features:literal) => {
        /// Expands the first block of each run into its column.
        #[target_feature(enable = $features)]
        #[allow(unused_assignments, reason = "the last words of the window are not used up")]
        pub(super) fn expand(runs: &[&[[u8; BLOCK_BYTES]]; 8], words: &mut Words) {
            let mut x = load_blocks(runs, 0);
            macro_rules! four {
                ($j:expr) => {
                    one!($j);
                    one!($j + 1);
                    one!($j + 2);
                    one!($j + 3);
                };
            }
            macro_rules! one {
                ($j:expr) => {
                    words.w[$j].write(to_words(x[$j % 16]));
                    words.w1[$j].write(to_words(xor(x[$j % 16], x[($j + 4) % 16])));
                    vector_next!($j, x);
                };
            }
            four!(0);
            four!(4);
            four!(8);
            four!(12);
            four!(16);
            four!(20);
            four!(24);
            four!(28);
            four!(32);
            four!(36);
            four!(40);
            four!(44);
            four!(48);
            four!(52);
            four!(56);
            four!(60);
        }
    };
}

pub(super) use {
    vector_compress, vector_expand, vector_expanded, vector_four, vector_next, vector_round, vector_rounds,
};
