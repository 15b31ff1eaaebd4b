//! Commit certificates (formats §8): the precommits that decided a block.

use crate::codec::{CodecError, Fault, Object, Reader, bit, put_bitmap, put_count16};
use crate::validators::ValidatorSet;
use crate::vote::{VoteType, vote_sign_bytes};
use crate::{Hash32, Sig64, ZERO_HASH, codes};
use hn_crypto::sm2::{KeyCache, PublicKey, VerifyStatus, verify_batch, verify_single};

/// Why a certificate does not prove a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes are no certificate, or the precommits cannot form one.
    #[error(transparent)]
    Malformed(#[from] CodecError),
    /// It belongs to another chain.
    #[error("certificate: got another chain's id (height={height})")]
    Chain {
        /// Height the certificate names.
        height: u64,
    },
    /// It belongs to another height or block, or to nil.
    #[error("certificate: got another block (height={got}), want height {want}")]
    Block {
        /// Height the certificate names.
        got: u64,
        /// Height asked for.
        want: u64,
    },
    /// Its count is not that of the height's set.
    #[error("certificate: got {got} validators, want {want} (height={height})")]
    Signer {
        /// Count the certificate names.
        got: usize,
        /// Count of the set.
        want: usize,
        /// Height the certificate names.
        height: u64,
    },
    /// The signers' power does not decide.
    #[error("certificate: got power {got}, want {want} (height={height})")]
    Quorum {
        /// Power of the signers.
        got: u64,
        /// Power that decides.
        want: u64,
        /// Height the certificate names.
        height: u64,
    },
    /// A signature is no valid precommit.
    #[error("certificate: signature of validator {index} is invalid (height={height}, round={round})")]
    Signature {
        /// Index in the set.
        index: usize,
        /// Height the certificate names.
        height: u64,
        /// Round the certificate names.
        round: u32,
    },
}

impl CertificateError {
    /// The numeric code.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Malformed(_) => codes::CERTIFICATE_MALFORMED,
            Self::Chain { .. } => codes::CERTIFICATE_CHAIN,
            Self::Block { .. } => codes::CERTIFICATE_BLOCK,
            Self::Signer { .. } => codes::CERTIFICATE_SIGNER,
            Self::Quorum { .. } => codes::CERTIFICATE_QUORUM,
            Self::Signature { .. } => codes::CERTIFICATE_SIGNATURE,
        }
    }
}

/// The signed proof of a decision. Nothing hashes it: nodes may hold different ones for one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    chain_id: Hash32,
    height: u64,
    round: u32,
    block_hash: Hash32,
    validator_count: u16,
    /// Strictly ascending by index, each below `validator_count`.
    signatures: Vec<(u16, Sig64)>,
}

impl Certificate {
    /// Collects precommits given in any order as (index in the set, signature). They are not verified.
    ///
    /// # Errors
    /// `CERTIFICATE_MALFORMED`: an index twice or beyond the set.
    pub fn from_precommits(
        chain_id: Hash32,
        height: u64,
        round: u32,
        block_hash: Hash32,
        validators: &ValidatorSet,
        precommits: impl IntoIterator<Item = (usize, Sig64)>,
    ) -> Result<Self, CertificateError> {
        let fail = |fault| {
            CertificateError::Malformed(CodecError {
                object: Object::Certificate,
                fault,
            })
        };
        let validator_count = u16::try_from(validators.count()).unwrap_or(u16::MAX);
        let mut signatures = Vec::new();
        for (index, signature) in precommits {
            match u16::try_from(index) {
                Ok(small) if small < validator_count => signatures.push((small, signature)),
                _ => {
                    return Err(fail(Fault::Range {
                        field: "index",
                        got: index as u64,
                    }));
                }
            }
        }
        signatures.sort_by_key(|entry| entry.0);
        if signatures.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            return Err(fail(Fault::Order("precommits")));
        }
        Ok(Self {
            chain_id,
            height,
            round,
            block_hash,
            validator_count,
            signatures,
        })
    }

    /// `version ‖ chain_id ‖ height ‖ round ‖ block_hash ‖ count ‖ bitmap ‖ signatures`.
    pub fn encode(&self) -> Vec<u8> {
        let bitmap_bytes = usize::from(self.validator_count).div_ceil(8);
        let mut out = Vec::with_capacity(79 + bitmap_bytes + 64 * self.signatures.len());
        out.push(1);
        out.extend_from_slice(&self.chain_id);
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(&self.block_hash);
        put_count16(&mut out, self.validator_count.into());
        let mut signers = self.signatures.iter().map(|entry| entry.0).peekable();
        put_bitmap(
            &mut out,
            (0..self.validator_count).map(|index| signers.next_if_eq(&index).is_some()),
        );
        for (_, signature) in &self.signatures {
            out.extend_from_slice(signature);
        }
        out
    }

    /// Reads a certificate; exact length, unused bits zero.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §8, code `CERTIFICATE_MALFORMED`.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Certificate, bytes);
        reader.version()?;
        let chain_id = reader.array("chain_id")?;
        let height = reader.u64("height")?;
        let round = reader.u32("round")?;
        let block_hash = reader.array("block_hash")?;
        let validator_count = reader.u16("validator_count")?;
        let bitmap = reader.bitmap("bitmap", validator_count.into())?;
        let signer_count: usize = bitmap.iter().map(|byte| byte.count_ones() as usize).sum();
        if reader.remaining() != 64 * signer_count {
            return Err(reader.fail(Fault::Mismatch("signatures")));
        }
        let mut signatures = Vec::with_capacity(signer_count);
        for index in (0..validator_count).filter(|index| bit(bitmap, usize::from(*index))) {
            signatures.push((index, reader.array("signature")?));
        }
        reader.finish()?;
        Ok(Self {
            chain_id,
            height,
            round,
            block_hash,
            validator_count,
            signatures,
        })
    }

    /// Checks that the certificate proves `block_hash` at `height` under `validators`, with the plain verifier.
    /// Cost: one signature verification a signer, after all cheap checks.
    ///
    /// # Errors
    /// The first broken rule, in the order chain, block, signers, quorum, signatures.
    pub fn verify(
        &self,
        validators: &ValidatorSet,
        chain_id: &Hash32,
        height: u64,
        block_hash: &Hash32,
    ) -> Result<(), CertificateError> {
        let signers = self.check(validators, chain_id, height, block_hash)?;
        let message = self.message();
        let statuses = signers
            .iter()
            .map(|(key, signature)| verify_single(key, &message, signature));
        self.judge(statuses)
    }

    /// As [`Certificate::verify`], with the tables of known keys.
    ///
    /// # Errors
    /// As [`Certificate::verify`].
    pub fn verify_cached(
        &self,
        cache: &KeyCache,
        validators: &ValidatorSet,
        chain_id: &Hash32,
        height: u64,
        block_hash: &Hash32,
    ) -> Result<(), CertificateError> {
        let signers = self.check(validators, chain_id, height, block_hash)?;
        let message = self.message();
        let items: Vec<_> = signers
            .into_iter()
            .map(|(key, signature)| (key, message.as_slice(), signature))
            .collect();
        self.judge(verify_batch(cache, &items).into_iter())
    }

    /// Every rule but the signatures themselves; returns each signer's key and signature.
    fn check<'a>(
        &'a self,
        validators: &'a ValidatorSet,
        chain_id: &Hash32,
        height: u64,
        block_hash: &Hash32,
    ) -> Result<Vec<(&'a PublicKey, &'a Sig64)>, CertificateError> {
        if self.chain_id != *chain_id {
            return Err(CertificateError::Chain { height: self.height });
        }
        if self.height != height || self.block_hash != *block_hash || self.block_hash == ZERO_HASH {
            return Err(CertificateError::Block {
                got: self.height,
                want: height,
            });
        }
        let (got, want) = (usize::from(self.validator_count), validators.count());
        if got != want {
            return Err(CertificateError::Signer { got, want, height });
        }
        let (got, want) = (self.power(validators), validators.quorum());
        if got < want {
            return Err(CertificateError::Quorum { got, want, height });
        }
        let signers = self.signatures.iter();
        let known = signers.filter_map(|(index, signature)| Some((validators.public_key((*index).into())?, signature)));
        Ok(known.collect())
    }

    /// What every signer signed.
    fn message(&self) -> [u8; crate::vote::VOTE_SIGN_BYTES] {
        vote_sign_bytes(
            &self.chain_id,
            VoteType::Precommit,
            self.height,
            self.round,
            Some(&self.block_hash),
        )
    }

    /// The first signature, in index order, that is not valid.
    fn judge(&self, statuses: impl Iterator<Item = VerifyStatus>) -> Result<(), CertificateError> {
        for (status, (index, _)) in statuses.zip(&self.signatures) {
            if !matches!(status, VerifyStatus::Valid) {
                let index = usize::from(*index);
                return Err(CertificateError::Signature {
                    index,
                    height: self.height,
                    round: self.round,
                });
            }
        }
        Ok(())
    }

    /// The chain.
    pub const fn chain_id(&self) -> &Hash32 {
        &self.chain_id
    }

    /// The decided height.
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// The round of the decision.
    pub const fn round(&self) -> u32 {
        self.round
    }

    /// The decided block.
    pub const fn block_hash(&self) -> &Hash32 {
        &self.block_hash
    }

    /// Count of the set it was made under.
    pub const fn validator_count(&self) -> u16 {
        self.validator_count
    }

    /// (index in the set, signature), ascending.
    pub fn signatures(&self) -> &[(u16, Sig64)] {
        &self.signatures
    }

    /// Summed power of the signers; indices beyond the set count nothing.
    pub fn power(&self, validators: &ValidatorSet) -> u64 {
        self.signatures
            .iter()
            .filter_map(|(index, _)| validators.get((*index).into()))
            .map(|v| v.power)
            .sum()
    }
}
