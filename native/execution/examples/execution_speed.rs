//! Prints µs a transaction for each step of a block of `evidence.preserve`:
//! `cargo run --release -p hn-execution --example execution_speed`.

use hn_crypto::sm2::{KeyCache, generate};
use hn_execution::{Applications, BlockExecution, BlockInfo};
use hn_merkle::block_tree;
use hn_pool::Accounts;
use hn_primitives::{AccountRecord, Batch, Name, SignedTx, Text16, TxBody, account_of};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CHAIN: [u8; 32] = [7; 32];
const TX_COUNT: usize = 2_000;
const ROUNDS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let key = generate(&[1; 32]);
    let account = account_of(key.public_key());
    let record = AccountRecord {
        key: key.public_key().to_bytes(),
        active: true,
        since_height: 0,
        organisation: Text16::default(),
        roles: Vec::new(),
    };
    let accounts = Accounts::new(KeyCache::new(0));
    accounts.load([(account, record.encode())])?;
    let mut txs = Vec::with_capacity(TX_COUNT);
    for i in 0..TX_COUNT {
        let hash = format!("{i:064x}");
        let body = TxBody {
            chain_id: CHAIN,
            sender: account,
            nonce: i as u64,
            valid_until_height: 100,
            application: Name::new("evidence")?,
            action: Name::new("preserve")?,
            payload: format!(r#"{{"algorithm":"sm3","hash":"{hash}","name":"contract","size":4096}}"#).into_bytes(),
        };
        txs.push(
            SignedTx {
                body,
                signature: [1; 64],
            }
            .encode(),
        );
    }
    let batch = Arc::new(Batch::build(CHAIN, [9; 20], 1, &txs, block_tree::root, |_| [0; 64])?);
    let applications = Arc::new(Applications::native()?);
    let info = BlockInfo {
        chain_id: CHAIN,
        height: 1,
        time_ms: 1,
        proposer: [9; 20],
        valid_blocks_max: 1_000,
    };

    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut block = BlockExecution::begin(info, vec![batch.clone()], &accounts, applications.clone());
        block.set_committed(&vec![false; TX_COUNT])?;
        let checked = Instant::now();
        let keys = block.native_keys()?;
        block.supply(vec![None; keys.len()])?;
        let supplied = Instant::now();
        block.run_native()?;
        let ran = Instant::now();
        let result = black_box(block.finish()?);
        let finished = Instant::now();
        if result.codes.iter().any(|code| *code != 0) || result.writes.len() != TX_COUNT {
            return Err("a transaction failed".into());
        }
        let laps = [checked - start, supplied - checked, ran - supplied, finished - ran];
        best.iter_mut()
            .zip(laps)
            .for_each(|(best, lap)| *best = (*best).min(lap));
    }
    let us = best.map(|lap| lap.as_secs_f64() * 1e6 / TX_COUNT as f64);
    println!("execution.check and decode/n={TX_COUNT}   {:6.2} µs a tx", us[0]);
    println!("execution.keys and supply/n={TX_COUNT}    {:6.2}", us[1]);
    println!("execution.run_native/n={TX_COUNT}         {:6.2}", us[2]);
    println!("execution.finish/n={TX_COUNT}             {:6.2}", us[3]);
    println!(
        "execution, all/n={TX_COUNT}               {:6.2}",
        us.iter().sum::<f64>()
    );
    Ok(())
}
