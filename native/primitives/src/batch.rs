//! Batches (formats §3): transactions that one validator admitted and sealed.

use crate::codec::{CodecError, Fault, Object, Reader, put_count32};
use crate::limits::{BATCH_BODY_BYTES_MAX, BATCH_HEADER_BYTES, BATCH_TX_COUNT_MAX, TX_BYTES_MAX, TX_BYTES_MIN};
use crate::tx::{TxView, tx_ids};
use crate::vote::join;
use crate::{Account, Hash32, Sig64, ZERO_HASH, tag};
use std::sync::Arc;

/// What the author signs; its tagged hash is the batch digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The chain of the author.
    pub chain_id: Hash32,
    /// A validator.
    pub author: Account,
    /// Rises strictly for an author; gaps are allowed.
    pub seq: u64,
    /// 1–4,096.
    pub tx_count: u32,
    /// Bytes of the body, at most 1,048,576.
    pub body_bytes: u32,
    /// Block tree over the `tx_id`s.
    pub txs_root: Hash32,
    /// Tagged hash of all signatures, joined.
    pub signatures_hash: Hash32,
}

impl BatchHeader {
    /// The 133 bytes under the digest.
    pub fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        join(&[
            &[1],
            &self.chain_id,
            &self.author,
            &self.seq.to_be_bytes(),
            &self.tx_count.to_be_bytes(),
            &self.body_bytes.to_be_bytes(),
            &self.txs_root,
            &self.signatures_hash,
        ])
    }

    /// Reads a header alone.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §3.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Batch, bytes);
        let header = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(header)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.version()?;
        let header = Self {
            chain_id: reader.array("chain_id")?,
            author: reader.array("author")?,
            seq: reader.u64("seq")?,
            tx_count: reader.u32("tx_count")?,
            body_bytes: reader.u32("body_bytes")?,
            txs_root: reader.array("txs_root")?,
            signatures_hash: reader.array("signatures_hash")?,
        };
        if header.tx_count == 0 || header.tx_count as usize > BATCH_TX_COUNT_MAX {
            return Err(reader.fail(Fault::Range {
                field: "tx_count",
                got: header.tx_count.into(),
            }));
        }
        if header.body_bytes as usize > BATCH_BODY_BYTES_MAX {
            return Err(reader.fail(Fault::Range {
                field: "body_bytes",
                got: header.body_bytes.into(),
            }));
        }
        Ok(header)
    }

    /// The digest that names the batch and that the author signs.
    pub fn digest(&self) -> Hash32 {
        tag::BATCH.hash(&[&self.encode()])
    }
}

/// A part of a batch's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Count of bytes.
    pub len: u32,
}

impl Span {
    /// The bytes it names; empty when the span belongs to another, longer batch.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        bytes.get(start..start + self.len as usize).unwrap_or_default()
    }

    /// The position of `part` in `whole`, of which it must be a slice.
    fn locate(whole: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
        Self {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            len: u32::try_from(part.len()).unwrap_or(u32::MAX),
        }
    }
}

/// One transaction of a decoded batch: its id and where its parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxEntry {
    /// First byte of the signed transaction in the batch's bytes.
    pub start: u32,
    /// Bytes of the signed transaction.
    pub len: u32,
    /// Tagged hash of the body.
    pub tx_id: Hash32,
    /// The sender's account.
    pub sender: Account,
    /// The sender's nonce.
    pub nonce: u64,
    /// Last height at which the transaction may be included.
    pub valid_until_height: u64,
    /// Whether the transaction names the chain of the batch.
    pub same_chain: bool,
    /// Where the application's name is.
    pub application: Span,
    /// Where the action's name is.
    pub action: Span,
    /// Where the payload is.
    pub payload: Span,
}

impl TxEntry {
    /// Where the whole signed transaction is.
    pub const fn span(&self) -> Span {
        Span {
            start: self.start,
            len: self.len,
        }
    }

    /// Where the signature is.
    pub const fn signature(&self) -> Span {
        Span {
            start: self.start + self.len.saturating_sub(64),
            len: 64,
        }
    }
}

/// A batch that kept every rule of its format. Made by [`decode_batch`] and [`Batch::build`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// What the author signed.
    pub header: BatchHeader,
    /// By the author, over the digest. Not verified by decoding.
    pub author_signature: Sig64,
    /// The whole encoding.
    pub bytes: Arc<[u8]>,
    /// The transactions, in order.
    pub txs: Vec<TxEntry>,
    /// Names the batch.
    pub digest: Hash32,
}

/// Checks a batch in one pass: every length, every transaction, ids, `body_bytes`, `signatures_hash`.
/// `txs_root`, the author and all signatures are left to the caller.
///
/// Cost: hashes each byte about once; allocates the entries and, unless `bytes` is an `Arc` already, one copy.
///
/// # Errors
/// Any broken rule of formats §1–§3, code `BATCH_MALFORMED`.
pub fn decode_batch(bytes: impl Into<Arc<[u8]>>) -> Result<Batch, CodecError> {
    let bytes = bytes.into();
    let mut reader = Reader::new(Object::Batch, &bytes);
    let header = BatchHeader::read(&mut reader)?;
    let author_signature = reader.array("author_signature")?;
    if reader.remaining() != header.body_bytes as usize {
        return Err(reader.fail(Fault::Mismatch("body_bytes")));
    }
    let (txs, signatures_hash) = read_body(&bytes, reader, header.tx_count as usize, &header.chain_id)?;
    if signatures_hash != header.signatures_hash {
        return Err(CodecError {
            object: Object::Batch,
            fault: Fault::Mismatch("signatures_hash"),
        });
    }
    let digest = header.digest();
    Ok(Batch {
        header,
        author_signature,
        bytes,
        txs,
        digest,
    })
}

/// Reads the body that `reader` stands before; `bytes` is the whole encoding.
fn read_body(
    bytes: &[u8],
    mut reader: Reader<'_>,
    tx_count: usize,
    chain_id: &Hash32,
) -> Result<(Vec<TxEntry>, Hash32), CodecError> {
    if reader.remaining() / (4 + TX_BYTES_MIN) < tx_count {
        return Err(reader.fail(Fault::Mismatch("tx_count")));
    }
    let mut txs = Vec::with_capacity(tx_count);
    let mut bodies = Vec::with_capacity(tx_count);
    let mut signatures = tag::SIGNATURES.start();
    for _ in 0..tx_count {
        let encoded = reader.bytes32("tx", TX_BYTES_MAX)?;
        let view = TxView::decode_as(Object::Batch, encoded)?;
        signatures.update(view.signature());
        bodies.push(view.body());
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
    for (tx, id) in txs.iter_mut().zip(tx_ids(&bodies)) {
        tx.tx_id = id;
    }
    Ok((txs, signatures.finalize()))
}

impl Batch {
    /// Joins signed transactions into a batch: `txs_root` maps the entries to their root, `sign` signs the digest.
    ///
    /// # Errors
    /// `BATCH_MALFORMED` when there are no or too many transactions, too many bytes, or one is malformed.
    pub fn build<T: AsRef<[u8]>>(
        chain_id: Hash32,
        author: Account,
        seq: u64,
        signed_txs: &[T],
        txs_root: impl FnOnce(&[TxEntry]) -> Hash32,
        sign: impl FnOnce(&Hash32) -> Sig64,
    ) -> Result<Self, CodecError> {
        let fail = |fault| CodecError {
            object: Object::Batch,
            fault,
        };
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
        let front = BATCH_HEADER_BYTES + 64;
        let mut bytes = vec![0; front];
        bytes.reserve_exact(body_bytes);
        for tx in signed_txs {
            put_count32(&mut bytes, tx.as_ref().len());
            bytes.extend_from_slice(tx.as_ref());
        }
        let body = bytes.get(front..).unwrap_or_default();
        let (txs, signatures_hash) = read_body(&bytes, Reader::new(Object::Batch, body), signed_txs.len(), &chain_id)?;
        let header = BatchHeader {
            chain_id,
            author,
            seq,
            tx_count: signed_txs.len() as u32,
            body_bytes: body_bytes as u32,
            txs_root: txs_root(&txs),
            signatures_hash,
        };
        let digest = header.digest();
        let author_signature = sign(&digest);
        let (head, tail) = bytes.split_at_mut(BATCH_HEADER_BYTES);
        head.copy_from_slice(&header.encode());
        tail[..64].copy_from_slice(&author_signature);
        Ok(Self {
            header,
            author_signature,
            bytes: bytes.into(),
            txs,
            digest,
        })
    }

    /// Transaction `index` with all fields in place; `None` beyond the last. Cost: reads its fields again, no hash.
    pub fn tx(&self, index: usize) -> Option<TxView<'_>> {
        let entry = self.txs.get(index)?;
        TxView::decode(entry.span().of(&self.bytes)).ok()
    }
}

/// The leaf bytes of `txs_root` and `tx_root`: an entry stands for its id.
impl AsRef<[u8]> for TxEntry {
    fn as_ref(&self) -> &[u8] {
        &self.tx_id
    }
}
