//! Checking certificates and translating them between the wire and the core. Every signature counts or none does.

use hn_primitives::{Account, Certificate, Hash32, Sig64, VoteType, ZERO_HASH, codes};
use malachitebft_core_types::{
    CommitCertificate, PolkaCertificate, PolkaSignature, Round, RoundCertificate, RoundCertificateType, RoundSignature,
};

use crate::context::{Address, BlockId, Context, Height, core_kind, core_value, wire_kind, wire_value};
use crate::message::{PolkaMessage, RoundMessage, RoundVote};
use crate::statement::{Statement, Verifier};
use crate::validators::Validators;

type Signed = Vec<(Statement, Sig64)>;

/// The powers that decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quorums {
    /// A planted bug: more than a third decides.
    pub is_minus: bool,
}

impl Quorums {
    fn decides(self, power: u64, total: u64) -> bool {
        if self.is_minus {
            self.skips(power, total)
        } else {
            3 * power > 2 * total
        }
    }

    fn skips(self, power: u64, total: u64) -> bool {
        3 * power > total
    }
}

/// Summed power of distinct members; `None` when one is unknown or twice.
fn power_of<'a>(validators: &Validators, signers: impl Iterator<Item = &'a Account>) -> Option<u64> {
    let mut seen = std::collections::BTreeSet::new();
    let mut power = 0;
    for signer in signers {
        power += validators.member(signer).filter(|_| seen.insert(*signer))?.power;
    }
    Some(power)
}

/// The prevotes of a polka certificate, when their power suffices.
pub(crate) fn polka_statements(validators: &Validators, quorums: Quorums, polka: &PolkaMessage) -> Option<Signed> {
    let power = power_of(validators, polka.signatures.iter().map(|(signer, _)| signer))?;
    quorums.decides(power, validators.total()).then(|| {
        let prevote = |signer| Statement::vote(VoteType::Prevote, polka.height, polka.round, polka.block_hash, signer);
        polka
            .signatures
            .iter()
            .map(|(signer, signature)| (prevote(*signer), *signature))
            .collect()
    })
}

/// The votes of a round certificate, when their power suffices.
pub(crate) fn round_statements(validators: &Validators, quorums: Quorums, round: &RoundMessage) -> Option<Signed> {
    let power = power_of(validators, round.votes.iter().map(|vote| &vote.signer))?;
    let total = validators.total();
    let is_enough = if round.is_precommit {
        quorums.decides(power, total) && round.votes.iter().all(|vote| vote.kind == VoteType::Precommit)
    } else {
        quorums.skips(power, total)
    };
    is_enough.then(|| {
        let statement = |v: &RoundVote| Statement::vote(v.kind, round.height, round.round, v.block_hash, v.signer);
        round
            .votes
            .iter()
            .map(|vote| (statement(vote), vote.signature))
            .collect()
    })
}

/// The precommits of a commit certificate for `block_hash` at `height`, when their power suffices.
///
/// # Errors
/// The code of the first broken rule.
pub(crate) fn commit_statements(
    validators: &Validators,
    quorums: Quorums,
    chain_id: &Hash32,
    height: u64,
    block_hash: &Hash32,
    certificate: &Certificate,
) -> Result<Signed, u32> {
    if certificate.chain_id() != chain_id {
        return Err(codes::CERTIFICATE_CHAIN);
    }
    if certificate.height() != height || certificate.block_hash() != block_hash || *block_hash == ZERO_HASH {
        return Err(codes::CERTIFICATE_BLOCK);
    }
    if usize::from(certificate.validator_count()) != validators.members().len() {
        return Err(codes::CERTIFICATE_SIGNER);
    }
    if !quorums.decides(certificate.power(validators.set()), validators.total()) {
        return Err(codes::CERTIFICATE_QUORUM);
    }
    let precommit = |(index, signature): &(u16, Sig64)| {
        let signer = validators.members().get(usize::from(*index))?.address.0;
        Some((
            Statement::vote(VoteType::Precommit, height, certificate.round(), *block_hash, signer),
            *signature,
        ))
    };
    certificate
        .signatures()
        .iter()
        .map(precommit)
        .collect::<Option<_>>()
        .ok_or(codes::CERTIFICATE_SIGNER)
}

/// Decode and fully verify a commit certificate.
///
/// # Errors
/// The code of the first broken rule.
pub(crate) fn verify_commit(
    verifier: &mut Verifier,
    validators: &Validators,
    quorums: Quorums,
    chain_id: &Hash32,
    height: u64,
    block_hash: &Hash32,
    bytes: &[u8],
) -> Result<Certificate, u32> {
    let certificate = Certificate::decode(bytes).map_err(|_| codes::CERTIFICATE_MALFORMED)?;
    let signed = commit_statements(validators, quorums, chain_id, height, block_hash, &certificate)?;
    if verifier.verify_each(validators, &signed) {
        Ok(certificate)
    } else {
        Err(codes::CERTIFICATE_SIGNATURE)
    }
}

/// The wire form of a certificate that the core made from verified precommits.
pub(crate) fn commit_from_core(
    validators: &Validators,
    chain_id: &Hash32,
    certificate: &CommitCertificate<Context>,
) -> Option<Certificate> {
    let signatures = certificate
        .commit_signatures
        .iter()
        .map(|commit| Some((validators.set().index_of(&commit.address.0)?, commit.signature)))
        .collect::<Option<Vec<_>>>()?;
    Certificate::from_precommits(
        *chain_id,
        certificate.height.0,
        certificate.round.as_u32()?,
        certificate.value_id.0,
        validators.set(),
        signatures,
    )
    .ok()
}

pub(crate) fn commit_core_statements(certificate: &CommitCertificate<Context>) -> Option<Signed> {
    let (height, round) = (certificate.height.0, certificate.round.as_u32()?);
    let precommit = |signer| Statement::vote(VoteType::Precommit, height, round, certificate.value_id.0, signer);
    Some(
        certificate
            .commit_signatures
            .iter()
            .map(|c| (precommit(c.address.0), c.signature))
            .collect(),
    )
}

/// Whether the signers of a core certificate decide, every signature being valid.
pub(crate) fn verify_core_commit(
    verifier: &mut Verifier,
    validators: &Validators,
    quorums: Quorums,
    certificate: &CommitCertificate<Context>,
) -> bool {
    let signers = certificate.commit_signatures.iter().map(|commit| &commit.address.0);
    let decides = power_of(validators, signers).is_some_and(|power| quorums.decides(power, validators.total()));
    decides && commit_core_statements(certificate).is_some_and(|signed| verifier.verify_each(validators, &signed))
}

pub(crate) fn polka_to_core(polka: &PolkaMessage) -> PolkaCertificate<Context> {
    let signature = |(signer, signature): &(Account, Sig64)| PolkaSignature::new(Address(*signer), *signature);
    PolkaCertificate {
        height: Height(polka.height),
        round: Round::new(polka.round),
        value_id: BlockId(polka.block_hash),
        polka_signatures: polka.signatures.iter().map(signature).collect(),
    }
}

pub(crate) fn polka_from_core(polka: &PolkaCertificate<Context>) -> Option<PolkaMessage> {
    let mut signatures: Vec<_> = polka
        .polka_signatures
        .iter()
        .map(|p| (p.address.0, p.signature))
        .collect();
    signatures.sort_by_key(|(signer, _)| *signer);
    signatures.dedup_by_key(|(signer, _)| *signer);
    let (height, round) = (polka.height.0, polka.round.as_u32()?);
    Some(PolkaMessage {
        height,
        round,
        block_hash: polka.value_id.0,
        signatures,
    })
}

pub(crate) fn round_to_core(round: &RoundMessage) -> RoundCertificate<Context> {
    let signature = |v: &RoundVote| {
        RoundSignature::new(
            core_kind(v.kind),
            core_value(&v.block_hash),
            Address(v.signer),
            v.signature,
        )
    };
    RoundCertificate {
        height: Height(round.height),
        round: Round::new(round.round),
        cert_type: if round.is_precommit {
            RoundCertificateType::Precommit
        } else {
            RoundCertificateType::Skip
        },
        round_signatures: round.votes.iter().map(signature).collect(),
    }
}

pub(crate) fn round_from_core(round: &RoundCertificate<Context>) -> Option<RoundMessage> {
    let vote = |s: &RoundSignature<Context>| RoundVote {
        kind: wire_kind(s.vote_type),
        block_hash: wire_value(&s.value_id),
        signer: s.address.0,
        signature: s.signature,
    };
    let mut votes: Vec<_> = round.round_signatures.iter().map(vote).collect();
    votes.sort_by_key(|vote| vote.signer);
    votes.dedup_by_key(|vote| vote.signer);
    let is_precommit = round.cert_type == RoundCertificateType::Precommit;
    Some(RoundMessage {
        is_precommit,
        height: round.height.0,
        round: round.round.as_u32()?,
        votes,
    })
}
