//! Prints µs a transaction for each step of admission: `cargo run --release -p hn-pool --example admission_speed`.

use hn_crypto::sm2::{self, KeyCache, SecretKey, VerifyStatus, generate};
use hn_pool::{Accounts, Pool, PoolLimits, decode_txs, verify_batch};
use hn_primitives::{AccountRecord, Name, SignedTx, Text16, TxBody, ValidatorSet, account_of};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const CHAIN: [u8; 32] = [7; 32];
const TX_COUNT: usize = 1_000;
const ROUNDS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let keys: Vec<SecretKey> = (1..=16).map(|i| generate(&[i; 32])).collect();
    let accounts = Accounts::new(KeyCache::new(sm2::CACHE_BYTES_DEFAULT));
    let record = |key: &SecretKey| AccountRecord {
        key: key.public_key().to_bytes(),
        active: true,
        since_height: 0,
        organisation: Text16::default(),
        roles: Vec::new(),
    };
    accounts.load(
        keys.iter()
            .map(|key| (account_of(key.public_key()), record(key).encode())),
    )?;
    let mut txs = Vec::with_capacity(TX_COUNT);
    for i in 0..TX_COUNT {
        let key = &keys[i % keys.len()];
        let body = TxBody {
            chain_id: CHAIN,
            sender: account_of(key.public_key()),
            nonce: i as u64,
            valid_until_height: 100,
            application: Name::new("evidence")?,
            action: Name::new("preserve")?,
            payload: vec![b' '; 150],
        };
        txs.push(body.sign(key));
    }
    let encoded: Vec<Vec<u8>> = txs.iter().map(SignedTx::encode).collect();
    let items: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
    let ids: Vec<_> = txs.iter().map(|tx| tx.body.tx_id()).collect();
    let publics = || keys.iter().map(SecretKey::public_key).cycle();
    let triples: Vec<_> = publics()
        .zip(&ids)
        .zip(&txs)
        .map(|((key, id), tx)| (key, id.as_slice(), &tx.signature))
        .collect();
    let set = ValidatorSet::new(0, &[(keys[0].public_key().to_bytes(), 1)])?;

    let mut spent = [Duration::MAX; 7];
    for _ in 0..ROUNDS {
        let pool = Pool::new(PoolLimits::default())?;
        let mut laps = Laps::default();
        let decoded = decode_txs(&CHAIN, &items);
        laps.lap();
        let valid = sm2::verify_batch(accounts.key_cache(), &triples)
            .iter()
            .all(|v| *v == VerifyStatus::Valid);
        laps.lap();
        let answers = pool.admit(&decoded, &accounts, &[], 1);
        laps.lap();
        let again = pool.admit(&decoded, &accounts, &[], 1);
        laps.lap();
        let batch = pool.seal(&CHAIN, &keys[0], 1).ok_or("nothing was sealed")?;
        laps.lap();
        let unknown = verify_batch(&batch, &CHAIN, &set, &accounts, &|id, signature| {
            pool.verified(id, signature)
        })?;
        laps.lap();
        pool.on_commit(2, &ids, &accounts);
        laps.lap();
        if !valid
            || answers.iter().any(|code| *code != 0)
            || again.contains(&0)
            || !unknown.is_empty()
            || pool.count() != 0
        {
            return Err("the steps disagree".into());
        }
        black_box(batch);
        for (best, lap) in spent.iter_mut().zip(&laps.laps) {
            *best = (*best).min(*lap);
        }
    }
    let us = spent.map(|best| best.as_secs_f64() * 1e6 / TX_COUNT as f64);
    println!("pool.decode_txs/n={TX_COUNT}              {:6.2} µs a tx", us[0]);
    println!("crypto.verify_batch/n={TX_COUNT}          {:6.2}", us[1]);
    println!("pool.admit/n={TX_COUNT}                   {:6.2}", us[2]);
    println!("pool.admit, all duplicates         {:6.2}", us[3]);
    println!("pool.seal/n={TX_COUNT}                    {:6.2}", us[4]);
    println!("pool.verify_batch, all known       {:6.2}", us[5]);
    println!("pool.on_commit/n={TX_COUNT}               {:6.2}", us[6]);
    Ok(())
}

/// Times between calls of `lap`.
struct Laps {
    start: Instant,
    laps: Vec<Duration>,
}

impl Default for Laps {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            laps: Vec::new(),
        }
    }
}

impl Laps {
    fn lap(&mut self) {
        let now = Instant::now();
        self.laps.push(now - self.start);
        self.start = now;
    }
}
