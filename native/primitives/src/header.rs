//! Block headers and the values that consensus agrees on (formats §7).

use crate::codec::{CodecError, Object, Reader, put_count16};
use crate::limits::{BATCH_REF_BYTES, HEADER_BYTES, VALUE_BATCH_COUNT_MAX};
use crate::vote::join;
use crate::{Account, Hash32, tag};

/// A block's header; its tagged hash is the block hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The chain.
    pub chain_id: Hash32,
    /// First block: 1.
    pub height: u64,
    /// Unix milliseconds, greater than the parent's.
    pub time_ms: u64,
    /// Who made the value first.
    pub proposer: Account,
    /// Block hash of height − 1; block 1: the chain id.
    pub parent_hash: Hash32,
    /// Block tree over the batch references ([`BatchRef::encode`]).
    pub batches_root: Hash32,
    /// Block tree over the `tx_id`s of all batches in order.
    pub tx_root: Hash32,
    /// Set of this height.
    pub validators_hash: Hash32,
    /// Set of the next height.
    pub next_validators_hash: Hash32,
    /// The plugin set.
    pub plugins_hash: Hash32,
    /// Block tree over the receipts of height − 1.
    pub receipts_root: Hash32,
    /// State tree after height − 1.
    pub state_root: Hash32,
    /// Block tree over the outbox of height − 1.
    pub outbox_root: Hash32,
}

impl Header {
    /// The 357 bytes under the block hash.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        join(&[
            &[1],
            &self.chain_id,
            &self.height.to_be_bytes(),
            &self.time_ms.to_be_bytes(),
            &self.proposer,
            &self.parent_hash,
            &self.batches_root,
            &self.tx_root,
            &self.validators_hash,
            &self.next_validators_hash,
            &self.plugins_hash,
            &self.receipts_root,
            &self.state_root,
            &self.outbox_root,
        ])
    }

    /// Reads a header alone.
    ///
    /// # Errors
    /// A wrong version or length.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Header, bytes);
        let header = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(header)
    }

    /// Reads a header inside another object.
    ///
    /// # Errors
    /// As [`Header::decode`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.version()?;
        Ok(Self {
            chain_id: reader.array("chain_id")?,
            height: reader.u64("height")?,
            time_ms: reader.u64("time_ms")?,
            proposer: reader.array("proposer")?,
            parent_hash: reader.array("parent_hash")?,
            batches_root: reader.array("batches_root")?,
            tx_root: reader.array("tx_root")?,
            validators_hash: reader.array("validators_hash")?,
            next_validators_hash: reader.array("next_validators_hash")?,
            plugins_hash: reader.array("plugins_hash")?,
            receipts_root: reader.array("receipts_root")?,
            state_root: reader.array("state_root")?,
            outbox_root: reader.array("outbox_root")?,
        })
    }

    /// The id of the block, what precommits sign.
    pub fn block_hash(&self) -> Hash32 {
        tag::HEADER.hash(&[&self.encode()])
    }
}

/// Names a batch in a value; author and seq repeat the batch, so that a missing one can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchRef {
    /// Batch digest.
    pub digest: Hash32,
    /// The validator that sealed it.
    pub author: Account,
    /// The author's sequence number.
    pub seq: u64,
}

impl BatchRef {
    /// The 60 bytes in a value, and the leaf under `batches_root`: a reference is bound to the header whole.
    pub fn encode(&self) -> [u8; BATCH_REF_BYTES] {
        join(&[&self.digest, &self.author, &self.seq.to_be_bytes()])
    }
}

/// What consensus agrees on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The block's header.
    pub header: Header,
    /// The block's batches, at most 1,024.
    pub batches: Vec<BatchRef>,
}

impl Value {
    /// `header ‖ count ‖ references`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + 2 + self.batches.len() * BATCH_REF_BYTES);
        out.extend_from_slice(&self.header.encode());
        put_count16(&mut out, self.batches.len());
        for batch in &self.batches {
            out.extend_from_slice(&batch.encode());
        }
        out
    }

    /// Reads a value; whether the references fit the header's root is consensus' check.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §7, code `PROPOSAL_MALFORMED`.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Value, bytes);
        let header = Header::read(&mut reader)?;
        let count = reader.count16("batches", VALUE_BATCH_COUNT_MAX)?;
        let mut batches = Vec::with_capacity(count.min(reader.remaining() / BATCH_REF_BYTES));
        for _ in 0..count {
            batches.push(BatchRef {
                digest: reader.array("batch_digest")?,
                author: reader.array("author")?,
                seq: reader.u64("seq")?,
            });
        }
        reader.finish()?;
        Ok(Self { header, batches })
    }

    /// The id that votes carry: the header's hash, which covers the batches through `batches_root`.
    pub fn block_hash(&self) -> Hash32 {
        self.header.block_hash()
    }
}
