//! Submitted transactions, decoded once: what admission, the duplicate check and the pool need of each.

use hn_primitives::{Account, Hash32, TX_BYTES_MAX, TxView, codes};

/// Transactions one call decodes; items behind it answer `BATCH_TOO_LARGE`.
pub const DECODE_TX_COUNT_MAX: usize = 8_192;
/// Bytes one call decodes, all items together; items behind it answer `BATCH_TOO_LARGE`.
pub const DECODE_BYTES_MAX: usize = 16 << 20;

/// One well-formed transaction of this chain. Its signature is not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodedTx {
    /// Its id.
    pub tx_id: Hash32,
    /// Who claims to have sent it.
    pub sender: Account,
    /// Last height at which it may be included.
    pub valid_until_height: u64,
    start: usize,
    len: usize,
}

/// Result of [`decode_txs`]: one entry an item, with the bytes of the good ones.
#[derive(Debug, Default)]
pub struct DecodedTxs {
    bytes: Vec<u8>,
    items: Vec<Result<DecodedTx, u32>>,
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
    pub fn tx_ids(&self) -> impl Iterator<Item = Option<Hash32>> {
        self.items.iter().map(|item| item.as_ref().ok().map(|tx| tx.tx_id))
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
/// Cost: one id hash and one copy an item.
pub fn decode_txs(chain_id: &Hash32, items: &[&[u8]]) -> DecodedTxs {
    let total = items
        .iter()
        .take(DECODE_TX_COUNT_MAX)
        .map(|item| item.len())
        .sum::<usize>();
    let mut txs = DecodedTxs {
        bytes: Vec::with_capacity(total.min(DECODE_BYTES_MAX)),
        items: Vec::with_capacity(items.len()),
    };
    for (i, item) in items.iter().enumerate() {
        let decoded = if item.len() > TX_BYTES_MAX {
            Err(codes::TX_TOO_LARGE)
        } else if i >= DECODE_TX_COUNT_MAX || txs.bytes.len() + item.len() > DECODE_BYTES_MAX {
            Err(codes::BATCH_TOO_LARGE)
        } else {
            decode_one(chain_id, item, txs.bytes.len())
        };
        if decoded.is_ok() {
            txs.bytes.extend_from_slice(item);
        }
        txs.items.push(decoded);
    }
    txs
}

fn decode_one(chain_id: &Hash32, item: &[u8], start: usize) -> Result<DecodedTx, u32> {
    let tx = TxView::decode(item).map_err(|error| error.code())?;
    if tx.chain_id() != chain_id {
        return Err(codes::WRONG_CHAIN);
    }
    Ok(DecodedTx {
        tx_id: tx.tx_id(),
        sender: *tx.sender(),
        valid_until_height: tx.valid_until_height(),
        start,
        len: item.len(),
    })
}
