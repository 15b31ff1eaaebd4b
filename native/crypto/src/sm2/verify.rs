//! Verification (GB/T 32918.2 §7.1): t = r + s; (x1, y1) = s·G + t·P; accept when r ≡ e + x1 mod n.
//! [`verify_single`] is the rule: complete formulas, no tables, no exceptional case. The kernels below it answer
//! accept, reject or ask.

use super::comb::{Exception, verify_table};
use super::field::Fe;
use super::jacobian::Jacobian;
use super::key::PublicKey;
use super::limbs::{add4, less};
use super::point::{G, Projective};
use super::scalar::{N, Scalar};

/// Window of the small table of an unknown key.
const UNKNOWN_WIDTH: usize = 5;
/// p − n: below it, x1 may also be x + n.
const P_MINUS_N: [u64; 4] = [0xac44_0bf6_c62a_bedc, 0x8dfc_2093_de39_fad5, 0, 0];

/// Verdict on one signature; the numbers are permanent.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyStatus {
    /// The signature is valid.
    Valid = 0,
    /// The equation does not hold, or t = r + s ≡ 0.
    BadSignature = 1,
    /// r or s is outside [1, n−1].
    OutOfRange = 2,
    /// The public key is malformed; only for callers that hold raw key bytes, since a [`PublicKey`] is always sound.
    BadKey = 3,
}

/// Answer of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accept,
    Reject,
    Ask,
}

/// A signature in range.
pub(crate) struct Equation {
    pub(crate) s: Scalar,
    pub(crate) t: Scalar,
    /// (r − e) mod n: what x1 must be modulo n.
    pub(crate) x: Scalar,
}

impl Equation {
    pub(crate) fn parse(e: &[u8; 32], signature: &[u8; 64]) -> Result<Self, VerifyStatus> {
        let ([r, s], _) = signature.as_chunks::<32>() else {
            return Err(VerifyStatus::OutOfRange);
        };
        let (Some(r), Some(s)) = (Scalar::from_bytes(r), Scalar::from_bytes(s)) else {
            return Err(VerifyStatus::OutOfRange);
        };
        if r.is_zero() || s.is_zero() {
            return Err(VerifyStatus::OutOfRange);
        }
        let t = r.add(&s);
        if t.is_zero() {
            return Err(VerifyStatus::BadSignature);
        }
        Ok(Self {
            s,
            t,
            x: r.sub(&Scalar::from_bytes_reduced(e)),
        })
    }

    /// Whether X/D ≡ x1 for one of the field elements x1 ≡ x mod n: x, and x + n when that is below p.
    fn holds(&self, x: &Fe, denominator: &Fe) -> bool {
        let (first, second) = self.candidates();
        first.mul(denominator) == *x || second.is_some_and(|second| second.mul(denominator) == *x)
    }

    /// The field elements that x1 may be: x, and x + n when that is below p.
    pub(crate) fn candidates(&self) -> (Fe, Option<Fe>) {
        let second = self.second_x();
        (Fe::from_words(&self.x.0), second.map(|x| Fe::from_words(&x)))
    }

    /// x + n, when that is below p.
    pub(crate) fn second_x(&self) -> Option<[u64; 4]> {
        (less(&self.x.0, &P_MINUS_N) == 1).then(|| add4(&self.x.0, &N).0)
    }

    pub(crate) fn holds_jacobian(&self, sum: Result<Option<Jacobian>, Exception>) -> Answer {
        match sum {
            Ok(Some(point)) if self.holds(&point.x, &point.z.square()) => Answer::Accept,
            Ok(Some(_)) => Answer::Reject,
            Ok(None) | Err(Exception) => Answer::Ask,
        }
    }
}

/// THE rule: verdict on `signature` over SM3(ZA ‖ message) with the default ID. Portable, no tables, variable time.
pub fn verify_single(pk: &PublicKey, message: &[u8], signature: &[u8; 64]) -> VerifyStatus {
    verify_digest_single(pk, &pk.digest(message), signature)
}

/// [`verify_single`] for a digest e that the caller computed.
pub fn verify_digest_single(pk: &PublicKey, e: &[u8; 32], signature: &[u8; 64]) -> VerifyStatus {
    match Equation::parse(e, signature) {
        Ok(equation) => rule(pk, &equation).0,
        Err(status) => status,
    }
}

/// The rule for a signature in range: the verdict, and sG + tP.
pub(crate) fn rule(pk: &PublicKey, equation: &Equation) -> (VerifyStatus, Projective) {
    let both = Projective::from(&G).add_affine(pk.point());
    let mut sum = Projective::INFINITY;
    for bit in (0..256).rev() {
        sum = sum.double();
        match (equation.s.bit(bit), equation.t.bit(bit)) {
            (0, 0) => {}
            (1, 0) => sum = sum.add_affine(&G),
            (0, _) => sum = sum.add_affine(pk.point()),
            _ => sum = sum.add(&both),
        }
    }
    let status = if !sum.is_infinity() && equation.holds(&sum.x, &sum.z) {
        VerifyStatus::Valid
    } else {
        VerifyStatus::BadSignature
    };
    (status, sum)
}

/// Kernel for a key without a table: signed windows over 16 small multiples, and the comb of G.
pub(crate) fn answer_unknown(equation: &Equation, pk: &PublicKey) -> Answer {
    equation.holds_jacobian(sum_unknown(equation, pk))
}

/// sG + tP for a key without a table; `None` stands for infinity.
///
/// # Errors
/// [`Exception`] when an addition met its own point or its negative.
pub(crate) fn sum_unknown(equation: &Equation, pk: &PublicKey) -> Result<Option<Jacobian>, Exception> {
    let sum = window_multiple(pk, &equation.t)?;
    verify_table().add_multiple(sum, &equation.s)
}

/// scalar·P by signed windows from the top. Variable time.
fn window_multiple(pk: &PublicKey, scalar: &Scalar) -> Result<Option<Jacobian>, Exception> {
    let base = Jacobian::from(*pk.point());
    // Entry j holds (j + 1)·P; even multiples are doublings.
    let mut table = [base; 1 << (UNKNOWN_WIDTH - 1)];
    for at in 1..table.len() {
        table[at] = if at % 2 == 1 {
            table[at / 2].double()
        } else {
            table[at - 1].add_affine(pk.point()).ok_or(Exception)?
        };
    }
    let mut sum: Option<Jacobian> = None;
    for window in (0..257usize.div_ceil(UNKNOWN_WIDTH)).rev() {
        sum = sum.map(|point| point.double_times(UNKNOWN_WIDTH));
        let (magnitude, negative) = scalar.signed_digit(window, UNKNOWN_WIDTH);
        let Some(entry) = (magnitude as usize).checked_sub(1).and_then(|at| table.get(at)) else {
            continue;
        };
        let entry = if negative == 0 { *entry } else { entry.neg() };
        sum = Some(match sum {
            None => entry,
            Some(point) => point.add(&entry).ok_or(Exception)?,
        });
    }
    Ok(sum)
}
