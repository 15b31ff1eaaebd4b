//! Verification of a bundle, in the order chain id, anchor, headers, certificate, items.

use super::{Bundle, Item};
use crate::block_tree::InclusionProof;
use crate::state_tree::{key_hash, value_hash};
use hn_primitives::{CertificateError, CodecError, Hash32, Header, Name, ValidatorSet, codes};

/// Why a bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The bytes are no bundle, or a part of it is malformed.
    #[error("proof bundle: {0}")]
    Malformed(#[from] CodecError),
    /// The genesis is not the trusted one, or a part belongs to another chain.
    #[error("proof bundle: {0} belongs to another chain")]
    Chain(&'static str),
    /// The validator set does not follow from the genesis.
    #[error("proof bundle: {what} (height={height})")]
    Anchor {
        /// The broken rule.
        what: &'static str,
        /// Height of the header at fault; 0 for the genesis.
        height: u64,
    },
    /// Headers are not consecutive blocks of one chain.
    #[error("proof bundle: {what} (height={height})")]
    Headers {
        /// The broken rule.
        what: &'static str,
        /// Height of the header at fault.
        height: u64,
    },
    /// A certificate does not prove its header.
    #[error("proof bundle: {0}")]
    Certificate(#[from] CertificateError),
    /// An item does not stand under the root of its header.
    #[error("proof bundle: item {item} is not under its root")]
    Path {
        /// Position of the item, from 0.
        item: usize,
    },
    /// Transaction and receipt of one id contradict each other.
    #[error("proof bundle: items {tx} and {receipt} do not belong together")]
    Subject {
        /// Position of the transaction, from 0.
        tx: usize,
        /// Position of the receipt, from 0.
        receipt: usize,
    },
}

impl BundleError {
    /// The numeric code; a certificate's failure keeps its own.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Malformed(_) => codes::PROOF_MALFORMED,
            Self::Chain(_) => codes::PROOF_CHAIN,
            Self::Anchor { .. } => codes::PROOF_ANCHOR,
            Self::Headers { .. } => codes::PROOF_HEADERS,
            Self::Certificate(error) => error.code(),
            Self::Path { .. } => codes::PROOF_PATH,
            Self::Subject { .. } => codes::PROOF_SUBJECT,
        }
    }
}

/// A proven transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxReport {
    /// Its id.
    pub tx_id: Hash32,
    /// The block it is in.
    pub height: u64,
    /// Its position in the block.
    pub index: u64,
}

/// A proven result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptReport {
    /// The transaction.
    pub tx_id: Hash32,
    /// 0 = succeeded.
    pub code: u32,
    /// The block the transaction is in.
    pub height: u64,
    /// Its position in the block.
    pub index: u64,
}

/// A proven state entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateReport {
    /// The namespace.
    pub application: Name,
    /// The key inside the namespace.
    pub key: Vec<u8>,
    /// `None`: proven to be absent.
    pub value: Option<Vec<u8>>,
    /// The state is that after this block; 0 is the genesis.
    pub height: u64,
}

/// What a bundle proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleReport {
    /// The chain, to be compared with the one that the reader trusts when none was given.
    pub chain_id: Hash32,
    /// The chain's readable name.
    pub chain_name: Name,
    /// Heights of the headers, ascending.
    pub heights: Vec<u64>,
    /// Hash of the last header, the one that the certificate signs.
    pub block_hash: Hash32,
    /// Validators that signed.
    pub signer_count: usize,
    /// Members of the set.
    pub validator_count: usize,
    /// Power of the signers.
    pub signer_power: u64,
    /// Power of the whole set.
    pub total_power: u64,
    /// Kind 1 items, in order.
    pub txs: Vec<TxReport>,
    /// Kind 2 items, in order.
    pub receipts: Vec<ReceiptReport>,
    /// Kind 3 items, in order.
    pub states: Vec<StateReport>,
}

/// Decodes and verifies in one go.
///
/// # Errors
/// As [`Bundle::decode`] and [`Bundle::verify`].
pub fn verify(bytes: &[u8], trusted_chain_id: Option<&Hash32>) -> Result<BundleReport, BundleError> {
    Bundle::decode(bytes)?.verify(trusted_chain_id)
}

impl Bundle {
    /// Checks everything the bundle claims. Without a trusted chain id the reader must compare the report's.
    /// Cost: one signature verification for each signer of each certificate.
    ///
    /// # Errors
    /// The first broken rule, in the order chain id, anchor, headers, certificate, items.
    pub fn verify(&self, trusted_chain_id: Option<&Hash32>) -> Result<BundleReport, BundleError> {
        let chain_id = self.genesis.chain_id();
        if trusted_chain_id.is_some_and(|trusted| *trusted != chain_id) {
            return Err(BundleError::Chain("genesis"));
        }
        let handed_off = self.hand_offs.iter().map(|hand_off| &hand_off.header);
        if handed_off
            .chain(&self.headers)
            .any(|header| header.chain_id != chain_id)
        {
            return Err(BundleError::Chain("header"));
        }
        let validators = self.check_anchor(&chain_id)?;
        let last = self.check_headers(&chain_id, validators)?;
        let block_hash = last.block_hash();
        self.certificate
            .verify(validators, &chain_id, last.height, &block_hash)?;
        let mut report = BundleReport {
            chain_id,
            chain_name: self.genesis.chain_name,
            heights: self.headers.iter().map(|header| header.height).collect(),
            block_hash,
            signer_count: self.certificate.signatures().len(),
            validator_count: validators.count(),
            signer_power: self.certificate.power(validators),
            total_power: validators.total_power(),
            txs: Vec::new(),
            receipts: Vec::new(),
            states: Vec::new(),
        };
        self.check_items(&mut report)?;
        self.check_pairs()?;
        Ok(report)
    }

    /// From the genesis through the hand-offs to the set of the last header.
    fn check_anchor(&self, chain_id: &Hash32) -> Result<&ValidatorSet, BundleError> {
        let mut validators = &self.validators;
        if validators.hash() != self.genesis.validators_hash {
            let what = "validator set is not that of the genesis";
            return Err(BundleError::Anchor { what, height: 0 });
        }
        let mut height_before = 0;
        for hand_off in &self.hand_offs {
            let header = &hand_off.header;
            let height = header.height;
            let fail = |what| Err(BundleError::Anchor { what, height });
            if height <= height_before {
                return fail("hand-offs are not ascending");
            }
            if header.validators_hash != validators.hash() {
                return fail("hand-off is not made by the set before");
            }
            if header.next_validators_hash != hand_off.next_validators.hash() {
                return fail("hand-off does not name its next set");
            }
            let block_hash = header.block_hash();
            if self
                .headers
                .iter()
                .any(|other| other.height == height && other.block_hash() != block_hash)
            {
                return fail("hand-off contradicts the header of its height");
            }
            hand_off.certificate.verify(validators, chain_id, height, &block_hash)?;
            validators = &hand_off.next_validators;
            height_before = height;
        }
        Ok(validators)
    }

    /// Consecutive, linked, and the last one made by `validators`; returns the last.
    fn check_headers(&self, chain_id: &Hash32, validators: &ValidatorSet) -> Result<&Header, BundleError> {
        for header in &self.headers {
            let (height, is_first) = (header.height, header.height == 1);
            let broken = if height == 0 {
                Some("there is no block 0")
            } else if is_first && header.parent_hash != *chain_id {
                Some("block 1 does not follow the genesis")
            } else if is_first && header.validators_hash != self.genesis.validators_hash {
                Some("block 1 is not made by the set of the genesis")
            } else {
                None
            };
            if let Some(what) = broken {
                return Err(BundleError::Headers { what, height });
            }
        }
        for (parent, header) in self.headers.iter().zip(self.headers.iter().skip(1)) {
            let height = header.height;
            let broken = if parent.height.checked_add(1) != Some(height) {
                Some("heights are not consecutive")
            } else if header.parent_hash != parent.block_hash() {
                Some("header does not name its parent")
            } else if header.time_ms <= parent.time_ms {
                Some("time does not rise")
            } else if header.validators_hash != parent.next_validators_hash {
                Some("validator set is not the one its parent names")
            } else {
                None
            };
            if let Some(what) = broken {
                return Err(BundleError::Headers { what, height });
            }
        }
        let what = "there is no header";
        let last = self.headers.last().ok_or(BundleError::Headers { what, height: 0 })?;
        let height = last.height;
        if last.validators_hash != validators.hash() {
            let what = "validator set of the last header is not the one handed to";
            return Err(BundleError::Anchor { what, height });
        }
        if self
            .hand_offs
            .last()
            .is_some_and(|hand_off| hand_off.header.height >= height)
        {
            let what = "hand-off is not before the last header";
            return Err(BundleError::Anchor { what, height });
        }
        Ok(last)
    }

    fn check_items(&self, report: &mut BundleReport) -> Result<(), BundleError> {
        for (position, item) in self.items.iter().enumerate() {
            let header = self.header_of(position, item.header_index())?;
            let under = |proof: &InclusionProof, leaf: &[u8], root: &Hash32| {
                if proof.verify(leaf, root) {
                    Ok(())
                } else {
                    Err(BundleError::Path { item: position })
                }
            };
            match item {
                Item::Tx { tx, proof, .. } => {
                    if tx.body.chain_id != report.chain_id {
                        return Err(BundleError::Chain("tx"));
                    }
                    let tx_id = tx.body.tx_id();
                    under(proof, &tx_id, &header.tx_root)?;
                    let (height, index) = (header.height, proof.index);
                    report.txs.push(TxReport { tx_id, height, index });
                }
                Item::Receipt { receipt, proof, .. } => {
                    under(proof, &receipt.encode(), &header.receipts_root)?;
                    report.receipts.push(ReceiptReport {
                        tx_id: receipt.tx_id,
                        code: receipt.code,
                        height: header.height.saturating_sub(1),
                        index: proof.index,
                    });
                }
                Item::State {
                    application,
                    key,
                    value,
                    proof,
                    ..
                } => {
                    let hash = value.as_deref().map(value_hash);
                    if !proof.verify(&header.state_root, &key_hash(application, key), hash.as_ref()) {
                        return Err(BundleError::Path { item: position });
                    }
                    report.states.push(StateReport {
                        application: *application,
                        key: key.clone(),
                        value: value.clone(),
                        height: header.height.saturating_sub(1),
                    });
                }
            }
        }
        Ok(())
    }

    /// The header an item names; an index beyond the last is refused (decoding refuses it, a built bundle may have it).
    fn header_of(&self, item: usize, index: u8) -> Result<&Header, BundleError> {
        self.headers.get(usize::from(index)).ok_or(BundleError::Path { item })
    }

    /// A receipt's header follows the transaction's, and both stand at the same index. At most 64 · 64 comparisons.
    fn check_pairs(&self) -> Result<(), BundleError> {
        for (tx_position, item) in self.items.iter().enumerate() {
            let Item::Tx {
                header_index,
                tx,
                proof,
            } = item
            else {
                continue;
            };
            let (tx_id, tx_header, tx_index) = (tx.body.tx_id(), *header_index, proof.index);
            for (receipt_position, item) in self.items.iter().enumerate() {
                let Item::Receipt {
                    header_index,
                    receipt,
                    proof,
                } = item
                else {
                    continue;
                };
                let follows = tx_header.checked_add(1) == Some(*header_index);
                if receipt.tx_id == tx_id && (!follows || proof.index != tx_index) {
                    return Err(BundleError::Subject {
                        tx: tx_position,
                        receipt: receipt_position,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Item {
    const fn header_index(&self) -> u8 {
        match self {
            Self::Tx { header_index, .. } | Self::Receipt { header_index, .. } | Self::State { header_index, .. } => {
                *header_index
            }
        }
    }
}
