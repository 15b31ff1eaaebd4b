//! Lanes against the scalar field, and their answers against the rule.

use super::super::field::{Fe, P};
use super::super::key::{PublicKey, SecretKey, generate};
use super::super::limbs::from_be_bytes;
use super::super::products::Baseline;
use super::super::verify::{Answer, Equation, VerifyStatus};
use super::field::{Lanes, R2, from_array, mul, square};
use super::invert::{invert, limbs};
use super::known::{self, Job};
use super::table::{Form, LaneTable};
use super::unknown;
use crate::kernel::Kernel;
use crate::sm3::sm3;
use std::sync::OnceLock;

/// A sound signature with its key and table, to fill the lanes beside the one that is looked at.
struct Filler {
    key: PublicKey,
    table: LaneTable,
    equation: Equation,
}

fn filler() -> &'static Filler {
    static FILLER: OnceLock<Filler> = OnceLock::new();
    FILLER.get_or_init(|| {
        let key = generate(&sm3(b"filler"));
        let e = sm3(b"of lanes");
        Filler {
            key: key.public_key().clone(),
            table: LaneTable::build(key.public_key().point(), 6, Form::Lanes),
            equation: Equation::parse(&e, &key.sign_digest(&e)).unwrap(),
        }
    })
}

fn answers(jobs: &[Job<'_>]) -> Vec<Answer> {
    let mut out = Vec::new();
    // SAFETY: the callers checked that the kernel is available.
    unsafe { known::answer(jobs, &mut out) };
    out
}

/// The signature gets the rule's verdict, or a question, in each of sixteen lanes beside sound ones, and in all of them.
pub(crate) fn check_lanes(pk: &PublicKey, e: &[u8; 32], signature: &[u8; 64], rule: VerifyStatus) {
    let Ok(equation) = Equation::parse(e, signature) else {
        return;
    };
    if !Kernel::Ifma.is_available() {
        return;
    }
    let want = |answer: Answer| match answer {
        Answer::Accept => rule == VerifyStatus::Valid,
        Answer::Reject => rule == VerifyStatus::BadSignature,
        Answer::Ask => true,
    };
    let table = LaneTable::build(pk.point(), 6, Form::Lanes);
    let (beside, own) = (
        filler(),
        Job {
            equation: &equation,
            table: &table,
        },
    );
    let other = Job {
        equation: &beside.equation,
        table: &beside.table,
    };
    for lane in 0..16 {
        let jobs: Vec<Job<'_>> = (0..16).map(|at| if at == lane { own } else { other }).collect();
        for (at, answer) in answers(&jobs).into_iter().enumerate() {
            assert!(
                if at == lane {
                    want(answer)
                } else {
                    answer == Answer::Accept
                },
                "lane {lane}, at {at}: {answer:?}"
            );
        }
    }
    for lane in 0..8 {
        let jobs: Vec<Job<'_>> = (0..8).map(|at| if at == lane { own } else { other }).collect();
        for (at, answer) in answers(&jobs).into_iter().enumerate() {
            assert!(
                if at == lane {
                    want(answer)
                } else {
                    answer == Answer::Accept
                },
                "lane {lane} of 8, at {at}: {answer:?}"
            );
        }
    }
    assert!(answers(&[own; 16]).into_iter().all(want));
    assert!(answers(&[own]).into_iter().all(want));
    assert!(want(known::answer_single(Baseline, &own)));
    check_unknown(pk, &equation, want);
}

fn check_unknown(key: &PublicKey, equation: &Equation, want: impl Fn(Answer) -> bool) {
    let beside = filler();
    let other = unknown::Job {
        equation: &beside.equation,
        key: &beside.key,
    };
    let own = unknown::Job { equation, key };
    for lane in 0..=16 {
        let jobs: Vec<unknown::Job<'_>> = (0..16)
            .map(|at| if at == lane || lane == 16 { own } else { other })
            .collect();
        let mut got = Vec::new();
        // SAFETY: the caller checked that the kernel is available.
        unsafe { unknown::answer(&jobs, &mut got) };
        for (at, answer) in got.into_iter().enumerate() {
            let expected = if at == lane || lane == 16 {
                want(answer)
            } else {
                answer == Answer::Accept
            };
            assert!(expected, "lane {lane}, at {at}: {answer:?}");
        }
    }
}

fn random_words(seed: &[u8]) -> [u64; 4] {
    let mut words = from_be_bytes(&sm3(seed));
    words[3] >>= 1;
    words
}

/// 2^256 mod p.
const R: [u64; 4] = [!P[0] + 1, !P[1], !P[2], !P[3]];

/// Values below p at the borders of limbs, words and the modulus.
fn border_values() -> Vec<[u64; 4]> {
    let mut out = vec![
        [0; 4],
        [1, 0, 0, 0],
        [u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1],
        [!0, 0, !0, 0],
        [0, !0, 0, !0 >> 1],
        [0x5555_5555_5555_5555; 4],
        [0xaaaa_aaaa_aaaa_aaaa; 4],
        // 2^256 and 2^260 mod p: the Montgomery forms of 1 in words and in lanes.
        R,
        R.map(|word| word.rotate_left(4)),
    ];
    for low in 1..4 {
        out.push([P[0] - low, P[1], P[2], P[3]]);
    }
    for bit in (0..256)
        .step_by(13)
        .chain((51..256).step_by(52))
        .chain((52..256).step_by(52))
    {
        let mut words = [0; 4];
        words[bit / 64] = 1 << (bit % 64);
        out.push(words);
        let ones: [u64; 4] = std::array::from_fn(|i| match (64 * i..).take(64).filter(|at| *at < bit).count() {
            64 => u64::MAX,
            count => (1 << count) - 1,
        });
        out.push(ones);
    }
    out.extend((0..40u8).map(|i| random_words(&[i])));
    out
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn check_arithmetic(a: &[[u64; 4]; 8], b: &[[u64; 4]; 8]) {
    let load = |values: &[[u64; 4]; 8]| {
        let word = |at: usize| from_array(&values.map(|value| value[at]));
        Lanes::unpack([word(0), word(1), word(2), word(3)])
    };
    let r2 = Lanes::splat(&R2);
    let one = Lanes::splat(&[1, 0, 0, 0, 0]);
    let [x, y] = mul([&load(a), &load(b)], [&r2, &r2]);
    let plain = |lanes: &Lanes| mul([lanes], [&one])[0].to_words();
    let [product, reversed] = mul([&x, &y], [&y, &x]);
    let [square_x, square_y] = square([&x, &y]);
    let difference = x.raw().minus(&y).reduce();
    let sum = x.raw().plus(&y).reduce();
    // The largest loose value: 7p and a bit.
    let loose = x.raw().plus_p(5).carry();
    let [wide] = mul([&loose], [&y]);
    let inverses = invert(&[x, y]);
    let [same] = mul([&inverses[0]], [&x]);
    let invertible = a.iter().chain(b).all(|value| *value != [0; 4]);
    for lane in 0..8 {
        let (a, b) = (Fe::from_words(&a[lane]), Fe::from_words(&b[lane]));
        assert_eq!(plain(&x)[lane], a.to_words());
        assert_eq!(plain(&product)[lane], a.mul(&b).to_words(), "{a:?} * {b:?}");
        assert_eq!(plain(&reversed)[lane], a.mul(&b).to_words());
        assert_eq!(plain(&wide)[lane], a.mul(&b).to_words());
        assert_eq!(plain(&square_x)[lane], a.square().to_words());
        assert_eq!(plain(&square_y)[lane], b.square().to_words());
        assert_eq!(plain(&difference)[lane], a.sub(&b).to_words());
        assert_eq!(plain(&sum)[lane], a.add(&b).to_words());
        assert_eq!(difference.zero_lanes() >> lane & 1 == 1, a == b);
        // One inversion serves all lanes, so none may be 0.
        if invertible {
            assert_eq!(plain(&same)[lane], [1, 0, 0, 0]);
        }
    }
}

#[test]
fn lanes_match_the_scalar_field() {
    if !Kernel::Ifma.is_available() {
        return;
    }
    let values = border_values();
    for (shift, first) in (0..).zip(&values) {
        for group in values.as_chunks::<8>().0 {
            // SAFETY: the kernel is available.
            unsafe {
                check_arithmetic(&[*first; 8], group);
                check_arithmetic(&std::array::from_fn(|i| values[(i * 7 + shift) % values.len()]), group);
            }
        }
    }
    assert_eq!(limbs(&P), super::field::P52);
}

/// Keys and signatures of random messages, every third one broken; widths 5 to 10 in turn.
#[test]
fn known_keys_get_their_verdicts() {
    if !Kernel::Ifma.is_available() {
        return;
    }
    let keys: Vec<SecretKey> = (0..5u64).map(|i| generate(&sm3(&i.to_be_bytes()))).collect();
    for width in 5..=10 {
        let tables: Vec<LaneTable> = keys
            .iter()
            .map(|key| LaneTable::build(key.public_key().point(), width, Form::Lanes))
            .collect();
        let equations: Vec<Equation> = (0..150)
            .map(|i| {
                let e = sm3(&[i as u8, width as u8]);
                let mut signature = keys[i % 5].sign_digest(&e);
                signature[40] ^= u8::from(i % 3 == 1);
                Equation::parse(&e, &signature).unwrap()
            })
            .collect();
        let jobs: Vec<Job<'_>> = (0..150)
            .map(|i| Job {
                equation: &equations[i],
                table: &tables[i % 5],
            })
            .collect();
        let keyed: Vec<unknown::Job<'_>> = (0..150)
            .map(|i| unknown::Job {
                equation: &equations[i],
                key: keys[i % 5].public_key(),
            })
            .collect();
        for count in [0, 1, 7, 8, 9, 15, 16, 17, 127, 128, 129, 150] {
            let got = answers(&jobs[..count]);
            assert_eq!(got.len(), count);
            assert!(
                jobs.iter()
                    .zip(&got)
                    .all(|(job, answer)| known::answer_single(Baseline, job) == *answer)
            );
            let mut without = Vec::new();
            // SAFETY: the kernel is available.
            unsafe { unknown::answer(&keyed[..count], &mut without) };
            assert_eq!(got, without);
            for (i, answer) in got.into_iter().enumerate() {
                assert_eq!(
                    answer,
                    if i % 3 == 1 { Answer::Reject } else { Answer::Accept },
                    "{i} of {count}"
                );
            }
        }
    }
}
