//! A chain of a few registered accounts, one of them a validator, and signed transactions of theirs.

use hn_crypto::sm2::{KeyCache, SecretKey, generate};
use hn_pool::{Accounts, PoolLimits, decode_txs};
use hn_primitives::{
    Account, AccountRecord, Batch, Hash32, Name, SignedTx, Text16, TxBody, ValidatorSet, account_of, decode_batch,
};

pub const CHAIN: Hash32 = [7; 32];
pub const HEIGHT: u64 = 100;

/// Key number `i`; the same on every call.
pub fn key(i: u8) -> SecretKey {
    generate(&[i + 1; 32])
}

pub fn account(i: u8) -> Account {
    account_of(key(i).public_key())
}

pub fn record(i: u8, active: bool) -> Vec<u8> {
    let record = AccountRecord {
        key: key(i).public_key().to_bytes(),
        active,
        since_height: 0,
        organisation: Text16::new("组织").unwrap(),
        roles: vec![Name::new("writer").unwrap()],
    };
    record.encode()
}

/// Accounts 0 to 3 registered, of which 3 is revoked; 4 and above unknown.
pub fn accounts() -> Accounts {
    let accounts = Accounts::new(KeyCache::new(4 << 20));
    let entries: Vec<_> = (0..4).map(|i| (account(i), record(i, i != 3))).collect();
    assert_eq!(accounts.load(entries), Ok(4));
    accounts
}

/// Validators are the keys 10 to 13.
pub fn validators() -> ValidatorSet {
    let members: Vec<_> = (10..14).map(|i| (key(i).public_key().to_bytes(), 1)).collect();
    ValidatorSet::new(0, &members).unwrap()
}

pub fn limits() -> PoolLimits {
    PoolLimits {
        account_bytes_max: 1 << 20,
        pool_bytes_max: 4 << 20,
        ..PoolLimits::default()
    }
}

/// An unsigned transaction of account `sender`.
pub fn body(sender: u8, nonce: u64, valid_until_height: u64, payload_bytes: usize) -> TxBody {
    TxBody {
        chain_id: CHAIN,
        sender: account(sender),
        nonce,
        valid_until_height,
        application: Name::new("evidence").unwrap(),
        action: Name::new("preserve").unwrap(),
        payload: vec![b' '; payload_bytes],
    }
}

/// A good transaction of account `sender`, valid for 50 more heights.
pub fn tx(sender: u8, nonce: u64) -> SignedTx {
    body(sender, nonce, HEIGHT + 50, 20).sign(&key(sender))
}

/// The same transaction with a signature that does not verify.
pub fn spoiled(tx: &SignedTx) -> SignedTx {
    let mut tx = tx.clone();
    tx.signature[5] ^= 1;
    tx
}

/// Admits encoded transactions at [`HEIGHT`].
pub fn admit(pool: &hn_pool::Pool, accounts: &Accounts, items: &[Vec<u8>]) -> Vec<u32> {
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    pool.admit(&decode_txs(&CHAIN, &items), accounts, &[], HEIGHT)
}

/// Seals `txs` as validator `author`.
pub fn batch(author: u8, seq: u64, txs: &[SignedTx]) -> Batch {
    let encoded: Vec<Vec<u8>> = txs.iter().map(SignedTx::encode).collect();
    let key = key(author);
    let batch = Batch::build(
        CHAIN,
        account_of(key.public_key()),
        seq,
        &encoded,
        hn_merkle::block_tree::root,
        |digest| key.sign(digest),
    );
    let batch = batch.unwrap();
    // What a peer would hold after decoding is the same.
    assert_eq!(decode_batch(batch.bytes.clone()).unwrap(), batch);
    batch
}
