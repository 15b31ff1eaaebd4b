//! Submitted transactions, decoded once: what admission, the duplicate check and the pool need of each.

use hn_primitives::{Account, Hash32, TX_BYTES_MAX, TxView, ZERO_HASH, codes, tx_ids};

use crate::payload::{PersonalHit, PersonalScan};

/// Transactions one call decodes; items behind it answer `BATCH_TOO_LARGE`.
pub const DECODE_TX_COUNT_MAX: usize = 8_192;
/// Bytes one call decodes, all items together; items behind it answer `BATCH_TOO_LARGE`.
pub const DECODE_BYTES_MAX: usize = 16 << 20;
/// Of so many transactions of one call it is kept which number of a person was found where.
pub const PERSONAL_HITS_MAX: usize = 256;

/// One well-formed transaction of this chain. Its signature is not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodedTx {
    /// Its id.
    pub tx_id: Hash32,
    /// Who claims to have sent it.
    pub sender: Account,
    /// Last height at which it may be included.
    pub valid_until_height: u64,
    /// Whether its payload holds a number of a person that this node's door refuses.
    pub is_personal: bool,
    start: usize,
    len: usize,
}

/// Result of [`decode_txs`]: one entry an item, with the bytes of the good ones.
#[derive(Debug, Default)]
pub struct DecodedTxs {
    bytes: Vec<u8>,
    items: Vec<Result<DecodedTx, u32>>,
    hits: Vec<(usize, PersonalHit)>,
}

impl DecodedTxs {
    /// Number of items, refused ones included.
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// The items in order: a transaction, or the code that refuses it.
    pub fn items(&self) -> &[Result<DecodedTx, u32>] {
        &self.items
    }

    /// The ids in order, `None` for refused items.
    pub fn tx_ids(&self) -> impl ExactSizeIterator<Item = Option<Hash32>> {
        self.items.iter().map(|item| item.as_ref().ok().map(|tx| tx.tx_id))
    }

    /// Place of an item and what was found in its payload, ascending; of the first [`PERSONAL_HITS_MAX`].
    pub fn hits(&self) -> &[(usize, PersonalHit)] {
        &self.hits
    }

    /// Bytes of all good items.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// The items of many calls behind each other. Cost: one copy.
    pub fn concat(parts: &[&Self]) -> Self {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.bytes.len()).sum());
        let mut items: Vec<Result<DecodedTx, u32>> =
            Vec::with_capacity(parts.iter().map(|part| part.items.len()).sum());
        let mut hits = Vec::new();
        for part in parts {
            let start = bytes.len();
            let first = items.len();
            hits.extend(part.hits.iter().map(|(i, hit)| (first + i, hit.clone())));
            bytes.extend_from_slice(&part.bytes);
            items.extend(part.items.iter().map(|item| {
                item.map(|tx| DecodedTx {
                    start: start + tx.start,
                    ..tx
                })
            }));
        }
        Self { bytes, items, hits }
    }

    /// The signed transaction as it was submitted; empty when `tx` is of another call.
    pub fn bytes(&self, tx: &DecodedTx) -> &[u8] {
        self.bytes
            .get(tx.start..)
            .and_then(|rest| rest.get(..tx.len))
            .unwrap_or_default()
    }
}

/// Decodes submitted transactions of the chain `chain_id`; a bad one costs its own item only.
///
/// Codes: `TX_TOO_LARGE`, `TX_MALFORMED`, `WRONG_CHAIN`, and `BATCH_TOO_LARGE` for what lies behind the bounds of one call.
/// Cost: one copy and, in lanes on this thread, one id hash an item.
pub fn decode_txs(chain_id: &Hash32, items: &[&[u8]]) -> DecodedTxs {
    decode_groups(chain_id, [items], None)
}

/// [`decode_txs`] of several submissions at once, so that lanes and signature batches fill up: the items of all groups
/// behind each other. The bounds of one call hold for each group by itself; the caller bounds their number.
///
/// `personal`: looks the payloads through; what it finds is marked for [`crate::Pool::admit`].
pub fn decode_groups<'a>(
    chain_id: &Hash32,
    groups: impl IntoIterator<Item = &'a [&'a [u8]]>,
    personal: Option<&PersonalScan>,
) -> DecodedTxs {
    let mut txs = DecodedTxs::default();
    for items in groups {
        txs.append(chain_id, items, personal);
    }
    txs.identify();
    txs
}

impl DecodedTxs {
    /// Decodes a group, but for the ids.
    fn append(&mut self, chain_id: &Hash32, items: &[&[u8]], personal: Option<&PersonalScan>) {
        let first = self.bytes.len();
        let total: usize = items.iter().take(DECODE_TX_COUNT_MAX).map(|item| item.len()).sum();
        self.bytes.reserve(total.min(DECODE_BYTES_MAX));
        self.items.reserve(items.len());
        for (i, item) in items.iter().enumerate() {
            let decoded = if item.len() > TX_BYTES_MAX {
                Err(codes::TX_TOO_LARGE)
            } else if i >= DECODE_TX_COUNT_MAX || self.bytes.len() - first + item.len() > DECODE_BYTES_MAX {
                Err(codes::BATCH_TOO_LARGE)
            } else {
                decode_one(chain_id, item, self.bytes.len()).map(|(mut tx, view)| {
                    let hit = personal.and_then(|scan| scan.find(view.application(), view.action(), view.payload()));
                    tx.is_personal = hit.is_some();
                    if self.hits.len() < PERSONAL_HITS_MAX {
                        self.hits.extend(hit.map(|hit| (self.items.len(), hit)));
                    }
                    tx
                })
            };
            if decoded.is_ok() {
                self.bytes.extend_from_slice(item);
            }
            self.items.push(decoded);
        }
    }

    /// Computes the ids of all items.
    fn identify(&mut self) {
        let Self { bytes, items, .. } = self;
        let good = items.iter_mut().filter_map(|item| item.as_mut().ok());
        let (places, bodies): (Vec<&mut DecodedTx>, Vec<&[u8]>) = good
            .map(|tx| {
                let body = bytes.get(tx.start..tx.start + tx.len - SIGNATURE_BYTES);
                (tx, body.unwrap_or_default())
            })
            .unzip();
        for (tx, id) in places.into_iter().zip(tx_ids(&bodies)) {
            tx.tx_id = id;
        }
    }
}

/// Bytes of the signature behind the body.
const SIGNATURE_BYTES: usize = 64;

/// A transaction whose id is not known yet.
fn decode_one<'a>(chain_id: &Hash32, item: &'a [u8], start: usize) -> Result<(DecodedTx, TxView<'a>), u32> {
    let view = TxView::decode(item).map_err(|error| error.code())?;
    if view.chain_id() != chain_id {
        return Err(codes::WRONG_CHAIN);
    }
    let tx = DecodedTx {
        tx_id: ZERO_HASH,
        sender: *view.sender(),
        valid_until_height: view.valid_until_height(),
        is_personal: false,
        start,
        len: item.len(),
    };
    Ok((tx, view))
}
