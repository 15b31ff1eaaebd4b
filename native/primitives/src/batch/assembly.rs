//! How a batch is put together from its bytes or from transactions: read first, hashed then, many at once.

use super::{Batch, BatchHeader, Span, TxEntry};
use crate::codec::{CodecError, Fault, Object, Reader, put_count32};
use crate::limits::{BATCH_BODY_BYTES_MAX, BATCH_HEADER_BYTES, BATCH_TX_COUNT_MAX, TX_BYTES_MAX, TX_BYTES_MIN};
use crate::tx::{TxView, tx_ids};
use crate::{Account, Hash32, Sig64, ZERO_HASH, tag};
use std::sync::Arc;

pub(super) const fn fail(fault: Fault) -> CodecError {
    CodecError {
        object: Object::Batch,
        fault,
    }
}

/// A batch that is read and not yet hashed.
pub(super) struct Open {
    header: BatchHeader,
    author_signature: Sig64,
    bytes: Arc<[u8]>,
    body: Body,
    /// Filled by [`identify`].
    signatures_hash: Hash32,
}

impl Open {
    pub(super) fn read(bytes: Arc<[u8]>) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Batch, &bytes);
        let header = BatchHeader::read(&mut reader)?;
        let author_signature = reader.array("author_signature")?;
        if reader.remaining() != header.body_bytes as usize {
            return Err(reader.fail(Fault::Mismatch("body_bytes")));
        }
        let body = Body::read(&bytes, reader, header.tx_count as usize, &header.chain_id)?;
        Ok(Self {
            header,
            author_signature,
            bytes,
            body,
            signatures_hash: ZERO_HASH,
        })
    }

    pub(super) fn finish(self) -> Result<Batch, CodecError> {
        if self.signatures_hash != self.header.signatures_hash {
            return Err(fail(Fault::Mismatch("signatures_hash")));
        }
        Ok(Batch {
            digest: self.header.digest(),
            header: self.header,
            author_signature: self.author_signature,
            bytes: self.bytes,
            txs: self.body.txs,
        })
    }
}

/// Computes the ids of all transactions and the hashes over the signatures of all batches.
pub(super) fn identify(open: &mut [Open]) {
    let bodies: Vec<&[u8]> = open.iter().flat_map(|one| one.body.bodies(&one.bytes)).collect();
    let ids = tx_ids(&bodies);
    let signatures: Vec<&[u8]> = open.iter().map(|one| one.body.signatures.as_slice()).collect();
    let hashes = tag::hash_many(&tag::SIGNATURES, &signatures);
    let txs = open.iter_mut().flat_map(|one| &mut one.body.txs);
    txs.zip(ids).for_each(|(tx, id)| tx.tx_id = id);
    for (one, hash) in open.iter_mut().zip(hashes) {
        one.signatures_hash = hash;
    }
}

/// The transactions of a batch; their ids are still zeros.
pub(super) struct Body {
    pub(super) txs: Vec<TxEntry>,
    /// All signatures, joined.
    signatures: Vec<u8>,
}

impl Body {
    /// Reads the body that `reader` stands before; `bytes` is the whole encoding.
    fn read(bytes: &[u8], mut reader: Reader<'_>, tx_count: usize, chain_id: &Hash32) -> Result<Self, CodecError> {
        if reader.remaining() / (4 + TX_BYTES_MIN) < tx_count {
            return Err(reader.fail(Fault::Mismatch("tx_count")));
        }
        let mut txs = Vec::with_capacity(tx_count);
        let mut signatures = Vec::with_capacity(64 * tx_count);
        for _ in 0..tx_count {
            let encoded = reader.bytes32("tx", TX_BYTES_MAX)?;
            let view = TxView::decode_as(Object::Batch, encoded)?;
            signatures.extend_from_slice(view.signature());
            let span = Span::locate(bytes, encoded);
            txs.push(TxEntry {
                start: span.start,
                len: span.len,
                tx_id: ZERO_HASH,
                sender: *view.sender(),
                nonce: view.nonce(),
                valid_until_height: view.valid_until_height(),
                same_chain: view.chain_id() == chain_id,
                application: Span::locate(bytes, view.application().as_bytes()),
                action: Span::locate(bytes, view.action().as_bytes()),
                payload: Span::locate(bytes, view.payload()),
            });
        }
        reader.finish()?;
        Ok(Self { txs, signatures })
    }

    /// What the ids are hashes of.
    pub(super) fn bodies<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.txs.iter().map(|tx| {
            let signed = tx.span().of(bytes);
            signed.split_last_chunk::<64>().map_or(signed, |(body, _)| body)
        })
    }
}

/// A batch that is joined and not yet signed.
pub(super) struct Draft {
    /// Room for header and signature, then the body.
    pub(super) bytes: Vec<u8>,
    pub(super) body: Body,
}

impl Draft {
    pub(super) fn join<T: AsRef<[u8]>>(chain_id: &Hash32, signed_txs: &[T]) -> Result<Self, CodecError> {
        if signed_txs.is_empty() || signed_txs.len() > BATCH_TX_COUNT_MAX {
            return Err(fail(Fault::Range {
                field: "tx_count",
                got: signed_txs.len() as u64,
            }));
        }
        let body_bytes: usize = signed_txs.iter().map(|tx| 4 + tx.as_ref().len()).sum();
        if body_bytes > BATCH_BODY_BYTES_MAX {
            return Err(fail(Fault::Range {
                field: "body_bytes",
                got: body_bytes as u64,
            }));
        }
        let mut bytes = Vec::with_capacity(BATCH_FRONT_BYTES + body_bytes);
        bytes.resize(BATCH_FRONT_BYTES, 0);
        for tx in signed_txs {
            put_count32(&mut bytes, tx.as_ref().len());
            bytes.extend_from_slice(tx.as_ref());
        }
        let body = bytes.get(BATCH_FRONT_BYTES..).unwrap_or_default();
        let body = Body::read(&bytes, Reader::new(Object::Batch, body), signed_txs.len(), chain_id)?;
        Ok(Self { bytes, body })
    }

    pub(super) fn seal(
        mut self,
        chain_id: Hash32,
        author: Account,
        seq: u64,
        txs_root: impl FnOnce(&[TxEntry]) -> Hash32,
        sign: impl FnOnce(&Hash32) -> Sig64,
    ) -> Batch {
        let txs = self.body.txs;
        let header = BatchHeader {
            chain_id,
            author,
            seq,
            tx_count: txs.len() as u32,
            body_bytes: (self.bytes.len() - BATCH_FRONT_BYTES) as u32,
            txs_root: txs_root(&txs),
            signatures_hash: tag::SIGNATURES.hash(&[&self.body.signatures]),
        };
        let digest = header.digest();
        let author_signature = sign(&digest);
        let (head, tail) = self.bytes.split_at_mut(BATCH_HEADER_BYTES);
        head.copy_from_slice(&header.encode());
        tail[..64].copy_from_slice(&author_signature);
        Batch {
            header,
            author_signature,
            bytes: self.bytes.into(),
            txs,
            digest,
        }
    }
}

/// Bytes before the body: header and signature.
const BATCH_FRONT_BYTES: usize = BATCH_HEADER_BYTES + 64;
