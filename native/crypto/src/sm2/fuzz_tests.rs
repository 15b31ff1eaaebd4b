//! Structured random signatures: the answers of all kernels against a comb with digits that may be 0, in mixed batches.
//! `HN_FUZZ_CASES` sets the count (default 200,000; each case runs on all kernels, with and without a table, and each
//! sixteenth one on the rule as well).

use super::comb::{Comb, verify_table};
#[cfg(target_arch = "x86_64")]
use super::ifma::{known, unknown};
use super::jacobian::{Jacobian, to_affine_all};
use super::key::{PublicKey, generate};
use super::limbs::from_be_bytes;
use super::odd_table::{Form, OddTable};
use super::products::Baseline;
use super::scalar::Scalar;
use super::verify::{Answer, Equation, VerifyStatus, verify_digest_single};
use super::words;
use crate::kernel::{self, Kernel};
use crate::sm3::sm3;

/// Signatures of a batch.
const BATCH: usize = 250;
/// Every so many cases the rule itself is asked, too.
const RULE_EVERY: usize = 16;

struct Subject {
    key: PublicKey,
    comb: Comb<6>,
    table: OddTable,
    #[cfg(target_arch = "x86_64")]
    lanes: OddTable,
}

/// Repeatable random numbers.
struct Source(u64);

impl Source {
    fn words(&mut self) -> [u64; 4] {
        self.0 += 1;
        from_be_bytes(&sm3(&self.0.to_be_bytes()))
    }

    /// A scalar: random, small, sparse, dense, or with long runs of equal bits.
    fn scalar(&mut self) -> Scalar {
        let (a, b) = (self.words(), self.words());
        let words = match b[3] % 8 {
            0 => [b[0] % 64, 0, 0, 0],
            1 => [0, 0, 0, 1 << (b[0] % 64)],
            2 => [a[0], 0, 0, a[3]],
            3 => [u64::MAX, u64::MAX, a[2], u64::MAX],
            4 => std::array::from_fn(|i| a[i] & b[i] & a[i].rotate_left(7)),
            5 => std::array::from_fn(|i| a[i] | b[i] | a[i].rotate_left(7)),
            _ => a,
        };
        Scalar::from_words_reduced(&words)
    }
}

struct Case {
    subject: usize,
    e: [u8; 32],
    signature: [u8; 64],
    /// What the scalar kernel found; `None` for exceptional sums.
    want: Option<bool>,
}

/// Signatures that are valid, or would be for e − 1.
fn cases(source: &mut Source, subjects: &[Subject]) -> Vec<Case> {
    let mut chosen = Vec::new();
    let mut sums = Vec::new();
    while chosen.len() < BATCH {
        let subject = (source.words()[0] % subjects.len() as u64) as usize;
        let (s, t) = (source.scalar(), source.scalar());
        if s.is_zero() || t.is_zero() || t.sub(&s).is_zero() {
            continue;
        }
        let sum = subjects[subject].comb.add_multiple(None, &t);
        let sum: Option<Jacobian> = sum.and_then(|sum| verify_table().add_multiple(sum, &s)).ok().flatten();
        sums.extend(sum);
        chosen.push((subject, s, t, sum.is_some()));
    }
    let mut points = to_affine_all(&sums).into_iter();
    chosen
        .into_iter()
        .map(|(subject, s, t, regular)| {
            let r = t.sub(&s);
            let x1 = points
                .by_ref()
                .take(usize::from(regular))
                .next()
                .map_or([7; 4], |point| point.x.to_words());
            let valid = !source.words()[0].is_multiple_of(3);
            let mut e = r.sub(&Scalar::from_words_reduced(&x1));
            if !valid {
                e = e.add(&Scalar::ONE);
            }
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r.to_bytes());
            signature[32..].copy_from_slice(&s.to_bytes());
            Case {
                subject,
                e: e.to_bytes(),
                signature,
                want: regular.then_some(valid),
            }
        })
        .collect()
}

/// What each kernel says on each case, by name.
fn answers(cases: &[Case], subjects: &[Subject], equations: &[Equation]) -> Vec<(String, Vec<Answer>)> {
    let mut out = Vec::new();
    let jobs: Vec<words::Job<'_>> = equations
        .iter()
        .zip(cases)
        .map(|(equation, case)| words::Job {
            equation,
            table: &subjects[case.subject].table,
        })
        .collect();
    for kernel in kernel::available() {
        if kernel <= Kernel::Scalar {
            out.push((kernel.to_string(), words::answer(kernel, &jobs)));
        }
    }
    let single = jobs.iter().map(|job| words::answer_single(Baseline, job)).collect();
    out.push(("single".to_owned(), single));
    #[cfg(target_arch = "x86_64")]
    if Kernel::Ifma.is_available() {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        let subjects = cases.iter().map(|case| &subjects[case.subject]);
        let known: Vec<_> = equations
            .iter()
            .zip(subjects.clone())
            .map(|(equation, subject)| known::Job {
                equation,
                table: &subject.lanes,
            })
            .collect();
        let unknown: Vec<_> = equations
            .iter()
            .zip(subjects)
            .map(|(equation, subject)| unknown::Job {
                equation,
                key: &subject.key,
            })
            .collect();
        // SAFETY: the kernel is available.
        unsafe {
            known::answer(&known, &mut with);
            unknown::answer(&unknown, &mut without);
        }
        let single = known.iter().map(|job| known::answer_single(Baseline, job)).collect();
        out.extend(
            [
                ("lanes", with),
                ("lanes, unknown key", without),
                ("lanes, single", single),
            ]
            .map(|(name, answers)| (name.to_owned(), answers)),
        );
    }
    out
}

#[test]
fn structured_signatures_get_the_same_answers() {
    let count = std::env::var("HN_FUZZ_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200_000usize);
    let subjects: Vec<Subject> = (0..12u8)
        .map(|i| {
            // Small multiples of G reach exceptional sums.
            let key = if i < 8 {
                generate(&sm3(&[i]))
            } else {
                super::key::SecretKey::from_bytes(&Scalar([u64::from(i) - 6, 0, 0, 0]).to_bytes()).unwrap()
            };
            let key = key.public_key().clone();
            Subject {
                comb: Comb::build(key.point()),
                table: OddTable::build(key.point(), 6, Form::Words),
                #[cfg(target_arch = "x86_64")]
                lanes: OddTable::build(key.point(), 6, Form::Lanes),
                key,
            }
        })
        .collect();
    let mut source = Source(1 << 40);
    let (mut asked, mut total) = (0, 0);
    while total < count {
        let cases = cases(&mut source, &subjects);
        let equations: Vec<Equation> = cases
            .iter()
            .map(|case| Equation::parse(&case.e, &case.signature).unwrap())
            .collect();
        let answers = answers(&cases, &subjects, &equations);
        for (at, case) in cases.iter().enumerate() {
            let rule =
                || verify_digest_single(&subjects[case.subject].key, &case.e, &case.signature) == VerifyStatus::Valid;
            let want = case.want.unwrap_or_else(rule);
            if (total + at).is_multiple_of(RULE_EVERY) {
                assert_eq!(rule(), want, "{at}: {:02x?} {:02x?}", case.e, case.signature);
            }
            for (name, answers) in &answers {
                match answers[at] {
                    Answer::Accept => assert!(want, "{name}, {at}: accepted {:02x?} {:02x?}", case.e, case.signature),
                    Answer::Reject => assert!(!want, "{name}, {at}: refused {:02x?} {:02x?}", case.e, case.signature),
                    Answer::Ask => asked += 1,
                }
            }
        }
        total += cases.len();
    }
    // Random sums are never exceptional; those of small scalars with small keys are, on the kernel of unknown keys.
    assert!(asked < total / 2, "{asked} of {total}");
    assert!(
        asked > 0 || total < 10_000 || !Kernel::Ifma.is_available(),
        "nothing asked"
    );
}
