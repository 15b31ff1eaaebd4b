//! Signatures built to reach the exceptional cases of each kernel: every kernel must give the verdict of the rule.

use super::field::Fe;
use super::key::{PublicKey, SecretKey, generate};
use super::point::{Affine, G, Projective, curve_rhs};
use super::scalar::{N, Scalar};
use super::twin_tests::naive_multiple;
use super::verify::{Answer, Equation, VerifyStatus, answer_unknown, verify_digest_single};
use crate::sm3::sm3;

const ONE: Scalar = Scalar::ONE;
const ZERO: Scalar = Scalar([0; 4]);

fn small(value: u64) -> Scalar {
    Scalar([value, 0, 0, 0])
}

fn random(index: u64) -> Scalar {
    Scalar::from_bytes_reduced(&sm3(&index.to_be_bytes()))
}

fn join(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    out[..32].copy_from_slice(r);
    out[32..].copy_from_slice(s);
    out
}

/// A key with its table and, where known, its secret scalar.
struct Subject {
    pk: PublicKey,
    d: Scalar,
}

impl Subject {
    fn new(d: Scalar) -> Self {
        let pk = PublicKey::from_point(naive_multiple(&G, &d).to_affine()).unwrap();
        Self { pk, d }
    }

    /// The verdict, after checking that rule and kernels agree.
    fn verdict(&self, e: &[u8; 32], signature: &[u8; 64]) -> VerifyStatus {
        let rule = verify_digest_single(&self.pk, e, signature);
        if let Ok(equation) = Equation::parse(e, signature) {
            match answer_unknown(&equation, &self.pk) {
                Answer::Accept => assert_eq!(rule, VerifyStatus::Valid),
                Answer::Reject => assert_eq!(rule, VerifyStatus::BadSignature),
                Answer::Ask => {}
            }
        }
        super::words::tests::check_places(&self.pk, e, signature, rule);
        #[cfg(target_arch = "x86_64")]
        super::ifma::tests::check_lanes(&self.pk, e, signature, rule);
        rule
    }

    /// Digest and signature with the given s and t that are valid, or `None` when sG + tP is infinity or r is 0.
    fn craft(&self, s: &Scalar, t: &Scalar) -> Option<([u8; 32], [u8; 64])> {
        let sum = naive_multiple(&G, &s.add(&t.mul(&self.d)));
        let r = t.sub(s);
        if sum.is_infinity() || r.is_zero() || s.is_zero() {
            return None;
        }
        let x1 = Scalar::from_words_reduced(&sum.to_affine().x.to_words());
        Some((r.sub(&x1).to_bytes(), join(&r.to_bytes(), &s.to_bytes())))
    }

    /// The crafted signature is valid, and no longer when e moves by one.
    fn check(&self, s: &Scalar, t: &Scalar) {
        let Some((e, signature)) = self.craft(s, t) else { return };
        let next = Scalar::from_bytes_reduced(&e).add(&ONE).to_bytes();
        assert_eq!(self.verdict(&e, &signature), VerifyStatus::Valid, "s {s:x?} t {t:x?}");
        assert_eq!(self.verdict(&next, &signature), VerifyStatus::BadSignature);
    }

    fn answer(&self, e: &[u8; 32], signature: &[u8; 64]) -> Answer {
        answer_unknown(&Equation::parse(e, signature).unwrap(), &self.pk)
    }
}

#[test]
fn kernels_decide_ordinary_signatures_alone() {
    for index in 0..40 {
        let key = generate(&sm3(&[index]));
        let subject = Subject::new(Scalar::from_bytes(&key.to_bytes()).unwrap());
        let e = sm3(&[index, 1]);
        let signature = key.sign_digest(&e);
        assert_eq!(subject.answer(&e, &signature), Answer::Accept);
        assert_eq!(subject.answer(&sm3(&[index, 2]), &signature), Answer::Reject);
        assert_eq!(subject.verdict(&e, &signature), VerifyStatus::Valid);
    }
}

#[test]
fn range_of_r_and_s() {
    let subject = Subject::new(random(1));
    let (e, valid) = subject.craft(&random(2), &random(3)).unwrap();
    let word = |words: [u64; 4]| super::limbs::to_be_bytes(&words);
    let n_minus_1 = word([N[0] - 1, N[1], N[2], N[3]]);
    let outside = [
        [0; 32],
        word(N),
        word([N[0] + 1, N[1], N[2], N[3]]),
        word(super::field::P),
        [0xff; 32],
    ];
    let (r, s): (&[u8; 32], &[u8; 32]) = (valid[..32].try_into().unwrap(), valid[32..].try_into().unwrap());
    assert_eq!(subject.verdict(&e, &valid), VerifyStatus::Valid);
    for bad in outside {
        assert_eq!(subject.verdict(&e, &join(&bad, s)), VerifyStatus::OutOfRange);
        assert_eq!(subject.verdict(&e, &join(r, &bad)), VerifyStatus::OutOfRange);
        assert_eq!(subject.verdict(&e, &join(&bad, &bad)), VerifyStatus::OutOfRange);
    }
    assert_eq!(subject.verdict(&e, &join(&n_minus_1, s)), VerifyStatus::BadSignature);
    assert_eq!(subject.verdict(&e, &join(r, &n_minus_1)), VerifyStatus::BadSignature);
    // Valid signatures at both ends of the range of s.
    subject.check(&ONE, &random(4));
    subject.check(&ZERO.sub(&ONE), &random(4));
}

#[test]
fn t_zero_and_sum_infinity_are_bad() {
    let subject = Subject::new(random(5));
    for index in 10..14 {
        let s = random(index);
        // r = −s, so t = 0.
        let signature = join(&ZERO.sub(&s).to_bytes(), &s.to_bytes());
        assert_eq!(subject.verdict(&sm3(b"any"), &signature), VerifyStatus::BadSignature);
        // With e = r − x(sG) the equation holds without the key: the check of t alone stops the forgery.
        let x1 = Scalar::from_words_reduced(&naive_multiple(&G, &s).to_affine().x.to_words());
        let e = ZERO.sub(&s).sub(&x1).to_bytes();
        assert_eq!(subject.verdict(&e, &signature), VerifyStatus::BadSignature);
        // s = −t·d, so the sum is infinity; e = r would fit an x of 0.
        let t = random(index + 100);
        let s = ZERO.sub(&t.mul(&subject.d));
        let r = t.sub(&s);
        let signature = join(&r.to_bytes(), &s.to_bytes());
        for e in [r.to_bytes(), [0; 32], sm3(b"any")] {
            assert_eq!(subject.verdict(&e, &signature), VerifyStatus::BadSignature);
        }
    }
}

#[test]
fn forced_doubling_in_the_comb() {
    let subject = Subject::new(random(6));
    let inverse = subject.d.invert();
    for window in 0..32 {
        let mut s = ZERO;
        s.0[window / 8] = 1 << (8 * (window % 8));
        // t·P = s·G, and s is one entry of the table of G: the last addition is a doubling.
        let t = s.mul(&inverse);
        let (e, signature) = subject.craft(&s, &t).unwrap();
        assert_eq!(subject.answer(&e, &signature), Answer::Ask);
        assert_eq!(subject.verdict(&e, &signature), VerifyStatus::Valid);
        // t·P = −s·G.
        let t = ZERO.sub(&t);
        let signature = join(&t.sub(&s).to_bytes(), &s.to_bytes());
        assert_eq!(subject.answer(&e, &signature), Answer::Ask);
        assert_eq!(subject.verdict(&e, &signature), VerifyStatus::BadSignature);
    }
    // Equal points of full size.
    let s = random(7);
    subject.check(&s, &s.mul(&inverse));
}

#[test]
fn keys_that_are_small_multiples_of_g() {
    let mut multiples = vec![1, 2, 3, 16, 32, 33, 64, 128, 256, 1 << 12, 1 << 40]
        .into_iter()
        .map(small)
        .collect::<Vec<_>>();
    multiples.extend(multiples.clone().iter().map(|d| ZERO.sub(d)));
    for (index, d) in (0u64..).zip(multiples) {
        let subject = Subject::new(d);
        subject.check(&random(200 + index), &random(300 + index));
        for (s, t) in [(1, 1), (1, 2), (2, 1), (256, 1), (1, 256), (33, 64), (0x80, 0x20)] {
            subject.check(&small(s), &small(t));
            subject.check(&small(s), &ZERO.sub(&small(t)));
            subject.check(&ZERO.sub(&small(s)), &small(t));
        }
    }
}

#[test]
fn digits_of_zero_and_of_the_largest_magnitude() {
    let subject = Subject::new(random(8));
    let mut patterns = Vec::new();
    for byte in [0x00u8, 0x01, 0x10, 0x20, 0x7f, 0x80, 0x81, 0x88, 0xff, 0xaa] {
        let mut bytes = [byte; 32];
        bytes[31] |= 1;
        patterns.push(Scalar::from_bytes_reduced(&bytes));
        bytes[..16].fill(0);
        patterns.push(Scalar::from_bytes_reduced(&bytes));
    }
    for s in &patterns {
        for t in &patterns {
            subject.check(s, t);
        }
    }
}

#[test]
fn digests_of_zero_and_above_n() {
    let key = generate(&sm3(b"digest"));
    let subject = Subject::new(Scalar::from_bytes(&key.to_bytes()).unwrap());
    let above = super::limbs::to_be_bytes(&[N[0] + 5, N[1], N[2], N[3]]);
    for e in [[0; 32], [0xff; 32], super::limbs::to_be_bytes(&N), above] {
        let signature = key.sign_digest(&e);
        assert_eq!(subject.verdict(&e, &signature), VerifyStatus::Valid);
        assert_eq!(subject.verdict(&sm3(b"other"), &signature), VerifyStatus::BadSignature);
    }
    // Digests that agree modulo n are one digest to SM2.
    assert_eq!(
        subject.verdict(&small(5).to_bytes(), &key.sign_digest(&above)),
        VerifyStatus::Valid
    );
}

#[test]
fn x_between_n_and_p_is_accepted() {
    // R with x1 = n + j < p, and P = t⁻¹·(R − s·G): then r ≡ e + x1 holds with the second candidate only.
    let mut found = 0;
    for j in 0..20 {
        let x = Fe::from_words(&[N[0] + j, N[1], N[2], N[3]]);
        let Some(y) = curve_rhs(&x).sqrt() else { continue };
        found += 1;
        let (e, s) = (random(400 + j), random(500 + j));
        let r = e.add(&small(j));
        let t = r.add(&s);
        let minus_sg = naive_multiple(&Affine { x: G.x, y: G.y.neg() }, &s);
        let point = naive_multiple(
            &minus_sg.add(&Projective::from(&Affine { x, y })).to_affine(),
            &t.invert(),
        );
        let pk = PublicKey::from_point(point.to_affine()).unwrap();
        let subject = Subject { pk, d: ZERO };
        let signature = join(&r.to_bytes(), &s.to_bytes());
        assert_eq!(subject.answer(&e.to_bytes(), &signature), Answer::Accept);
        assert_eq!(subject.verdict(&e.to_bytes(), &signature), VerifyStatus::Valid);
        assert_eq!(
            subject.verdict(&e.add(&ONE).to_bytes(), &signature),
            VerifyStatus::BadSignature
        );
    }
    assert!(found > 3);
}

#[test]
fn nonces_that_the_standard_refuses_are_refused() {
    let key = SecretKey::from_bytes(&random(9).to_bytes()).unwrap();
    let k = random(10);
    let x1 = Scalar::from_words_reduced(&naive_multiple(&G, &k).to_affine().x.to_words());
    // r = 0: e = −x1. r + k = n: e = −x1 − k.
    assert_eq!(key.sign_with_nonce(&ZERO.sub(&x1).to_bytes(), &k), None);
    assert_eq!(key.sign_with_nonce(&ZERO.sub(&x1).sub(&k).to_bytes(), &k), None);
    // s = 0: k = r·d, so e = k·d⁻¹ − x1.
    let d = Scalar::from_bytes(&key.to_bytes()).unwrap();
    assert_eq!(key.sign_with_nonce(&k.mul(&d.invert()).sub(&x1).to_bytes(), &k), None);
    assert!(key.sign_with_nonce(&[1; 32], &k).is_some());
}

#[test]
fn nonce_of_the_standard_gives_its_signature() {
    let unhex =
        |text: &str| -> [u8; 32] { std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()) };
    let key = SecretKey::from_bytes(&unhex(
        "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8",
    ))
    .unwrap();
    let k = unhex("59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21");
    let e = key.public_key().digest(b"message digest");
    let want = join(
        &unhex("f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"),
        &unhex("b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"),
    );
    assert_eq!(key.sign_with_nonce(&e, &Scalar::from_bytes(&k).unwrap()), Some(want));
}
