//! Decides the signatures that a kernel does not accept.
//!
//! The rule takes eighty times as long as a kernel, so whoever sends invalid signatures must not choose how often it runs.
//! A rejection is final when the single signature's kernel, with other formulas, another order of additions and other
//! field arithmetic, finds it too; both compute s·G + t·P exactly, or ask. The first rejection of a call is put to the rule
//! whatever the kernels say, and when the rule does not agree, so are all that follow.

use super::batch::BatchItem;
use super::verify::{Answer, VerifyStatus, verify_digest_single};

/// What the rule said on rejections so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Untested,
    Sound,
    Broken,
}

/// Decides items of one call.
pub(super) struct Referee<'a> {
    items: &'a [BatchItem<'a>],
    digests: &'a [[u8; 32]],
    trust: Trust,
}

impl<'a> Referee<'a> {
    /// For items with their digests.
    pub(super) fn new(items: &'a [BatchItem<'a>], digests: &'a [[u8; 32]]) -> Self {
        Self {
            items,
            digests,
            trust: Trust::Untested,
        }
    }

    /// The verdict on item `at`, of which a kernel said `answer`; `second` is the answer of another one, asked for when a
    /// rejection is to be confirmed.
    pub(super) fn decide(&mut self, at: usize, answer: Answer, second: impl FnOnce() -> Answer) -> VerifyStatus {
        match answer {
            Answer::Accept => VerifyStatus::Valid,
            Answer::Ask => self.rule(at),
            Answer::Reject if self.trust == Trust::Sound && second() == Answer::Reject => VerifyStatus::BadSignature,
            Answer::Reject => {
                let status = self.rule(at);
                if status == VerifyStatus::Valid {
                    self.trust = Trust::Broken;
                } else if self.trust == Trust::Untested {
                    self.trust = Trust::Sound;
                }
                status
            }
        }
    }

    fn rule(&self, at: usize) -> VerifyStatus {
        let (pk, _, signature) = self.items[at];
        verify_digest_single(pk, &self.digests[at], signature)
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::generate;
    use super::*;

    #[test]
    fn the_rule_decides_what_is_doubtful() {
        let key = generate(&[5; 32]);
        let good = key.sign(b"m");
        let mut bad = good;
        bad[40] ^= 1;
        let items: Vec<BatchItem<'_>> = [&bad, &bad, &good, &good]
            .into_iter()
            .map(|signature| (key.public_key(), &b"m"[..], signature))
            .collect();
        let digests = [key.public_key().digest(b"m"); 4];
        let mut referee = Referee::new(&items, &digests);
        let unasked = || -> Answer { panic!("no second answer is needed") };
        assert_eq!(referee.decide(2, Answer::Accept, unasked), VerifyStatus::Valid);
        // The first rejection goes to the rule.
        assert_eq!(referee.decide(0, Answer::Reject, unasked), VerifyStatus::BadSignature);
        assert_eq!(
            referee.decide(1, Answer::Reject, || Answer::Reject),
            VerifyStatus::BadSignature
        );
        // Questions and contradictions too; a wrong rejection ends the trust.
        assert_eq!(referee.decide(2, Answer::Ask, unasked), VerifyStatus::Valid);
        assert_eq!(
            referee.decide(1, Answer::Reject, || Answer::Ask),
            VerifyStatus::BadSignature
        );
        assert_eq!(
            referee.decide(3, Answer::Reject, || Answer::Accept),
            VerifyStatus::Valid
        );
        assert_eq!(referee.decide(2, Answer::Reject, unasked), VerifyStatus::Valid);
        let mut referee = Referee::new(&items, &digests);
        assert_eq!(referee.decide(2, Answer::Reject, unasked), VerifyStatus::Valid);
        assert_eq!(referee.decide(3, Answer::Reject, unasked), VerifyStatus::Valid);
    }
}
