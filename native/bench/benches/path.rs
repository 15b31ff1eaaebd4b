//! `cargo bench -p hn-bench --bench path [-- COUNT…]`: the way of an `evidence.preserve` transaction through the compiled
//! core of a node, in ns a transaction and stage, for blocks of 200, 2,000 and 20,000 transactions (or of COUNT).
//!
//! One thread, 8 accounts (or `HN_BENCH_ACCOUNTS`), batches as the pool seals them and four of them a call as a node
//! takes them from its peers, a state of 100,000 keys in memory; each figure is the best of some rounds. The last lines weigh the stages as a validator of four sees them: a quarter of the
//! transactions come through its own door, three quarters in batches of others; the rest it does for all.

use hn_crypto::sm2::{self, KeyCache, SecretKey, generate};
use hn_execution::{Applications, BlockExecution, BlockInfo};
use hn_merkle::{StateTree, state_tree};
use hn_pool::{Accounts, Pool, PoolLimits, decode_txs, verify_batches};
use hn_primitives::{
    Account, AccountRecord, Batch, Hash32, Name, SignedTx, Text16, TxBody, ValidatorSet, ZERO_HASH, account_of,
    decode_batches,
};
use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const CHAIN: Hash32 = [7; 32];
const ACCOUNTS: u32 = 8;
/// Batches of peers that arrive together.
const PEER_BATCHES: usize = 4;
const STATE_KEYS: usize = 100_000;
const DOOR: usize = 500;

/// Names of the stages, and the share of a validator's transactions that pass them.
const STAGES: [(&str, f64); 12] = [
    ("door: decode and ids", 0.25),
    ("door: admit (signatures)", 0.25),
    ("door: seal", 0.25),
    ("peer: decode batch and ids", 0.75),
    ("peer: verify (signatures, root)", 0.75),
    ("block: begin, checks, payloads", 1.0),
    ("block: keys and values", 1.0),
    ("block: handlers", 1.0),
    ("block: finish (receipts, hashes)", 1.0),
    ("state tree", 1.0),
    ("accounts follow", 1.0),
    ("pool: on_commit", 0.25),
];

struct World {
    keys: Vec<SecretKey>,
    accounts: Accounts,
    validators: ValidatorSet,
    applications: Arc<Applications>,
    tree: StateTree,
}

fn world() -> Result<World, Box<dyn Error>> {
    let count = match std::env::var("HN_BENCH_ACCOUNTS") {
        Ok(text) => text.parse()?,
        Err(_) => ACCOUNTS,
    };
    let keys: Vec<SecretKey> = (1..=count)
        .map(|i| generate(&hn_crypto::sm3::sm3(&i.to_be_bytes())))
        .collect();
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
    let validators = ValidatorSet::new(0, &[(keys[0].public_key().to_bytes(), 1)])?;
    let mut tree = StateTree::with_root(512 << 20, ZERO_HASH);
    let old: Vec<_> = (0..STATE_KEYS)
        .map(|i| (state_tree::key_hash("evidence", &i.to_be_bytes()), Some([1; 32])))
        .collect();
    tree.apply(&old)?;
    Ok(World {
        keys,
        accounts,
        validators,
        applications: Arc::new(Applications::native()?),
        tree,
    })
}

fn signed(world: &World, count: usize) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let (application, action) = (Name::new("evidence")?, Name::new("preserve")?);
    let tx = |i: usize| {
        let key = &world.keys[i % world.keys.len()];
        let hash = hn_crypto::sm3::sm3(&i.to_be_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        TxBody {
            chain_id: CHAIN,
            sender: account_of(key.public_key()),
            nonce: i as u64,
            valid_until_height: 100,
            application,
            action,
            payload: format!(r#"{{"algorithm":"sm3","hash":"{hash}","name":"doc {i:08}","size":{i}}}"#).into_bytes(),
        }
        .sign(key)
    };
    Ok((0..count).map(tx).map(|tx: SignedTx| tx.encode()).collect())
}

/// Laps of one round, in seconds.
#[derive(Default)]
struct Laps(Vec<f64>);

impl Laps {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let out = work();
        self.0.push(start.elapsed().as_secs_f64());
        out
    }
}

fn round(world: &mut World, txs: &[Vec<u8>]) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut laps = Laps::default();
    let count = txs.len();
    let pool = Pool::new(PoolLimits {
        pool_bytes_max: 1 << 30,
        account_bytes_max: 1 << 30,
        ..PoolLimits::default()
    })?;
    let groups: Vec<Vec<&[u8]>> = txs
        .chunks(DOOR)
        .map(|g| g.iter().map(Vec::as_slice).collect())
        .collect();
    let decoded: Vec<_> = laps.time(|| groups.iter().map(|group| decode_txs(&CHAIN, group)).collect());
    let admitted = laps.time(|| {
        let codes = decoded.iter().flat_map(|txs| pool.admit(txs, &world.accounts, &[], 1));
        codes.filter(|code| *code == 0).count()
    });
    let mut own = Vec::new();
    laps.time(|| {
        while let Some(batch) = pool.seal(&CHAIN, &world.keys[0], own.len() as u64) {
            own.push(batch);
        }
    });
    let frames: Vec<Arc<[u8]>> = own.iter().map(|batch| batch.bytes.clone()).collect();
    drop((decoded, own));
    let mut batches: Vec<Arc<Batch>> = Vec::new();
    laps.time(|| {
        for group in frames.chunks(PEER_BATCHES) {
            for batch in decode_batches(group.iter().cloned()) {
                batches.push(Arc::new(batch?));
            }
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    laps.time(|| {
        batches.chunks(PEER_BATCHES).try_for_each(|group| {
            let group: Vec<&Batch> = group.iter().map(|batch| &**batch).collect();
            let verdicts = verify_batches(&group, &CHAIN, &world.validators, &world.accounts, None);
            verdicts.into_iter().try_for_each(|verdict| verdict.map(|_| ()))
        })
    })?;
    let info = BlockInfo {
        chain_id: CHAIN,
        height: 2,
        time_ms: 1,
        proposer: Account::default(),
        valid_blocks_max: 1_000,
    };
    let mut block = laps.time(|| -> Result<_, Box<dyn Error>> {
        let applications = Arc::clone(&world.applications);
        let mut block = BlockExecution::begin(info, batches.clone(), &world.accounts, applications);
        block.set_committed(&vec![false; count])?;
        Ok(block)
    })?;
    laps.time(|| -> Result<_, Box<dyn Error>> {
        let keys = black_box(block.native_keys()?);
        Ok(block.supply(vec![None; keys.len()])?)
    })?;
    laps.time(|| block.run_native())?;
    let result = laps.time(|| block.finish())?;
    let applied = laps.time(|| world.tree.apply(&result.state_updates))?;
    laps.time(|| world.accounts.update(result.writes_of("identity")))?;
    laps.time(|| pool.on_commit(2, &result.tx_ids, &world.accounts));
    if admitted != count
        || pool.count() != 0
        || result.codes.iter().any(|code| *code != 0)
        || result.writes.len() != count
    {
        return Err("the stages disagree".into());
    }
    black_box((applied, result.receipts_root));
    let undo: Vec<_> = result.state_updates.iter().map(|(key, _)| (*key, None)).collect();
    world.tree.apply(&undo)?;
    Ok(laps.0)
}

fn measure() -> Result<(), Box<dyn Error>> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    // Cargo passes options of its own.
    let asked = std::env::args().skip(1).filter(|text| !text.starts_with('-'));
    let mut counts = asked.map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?;
    if counts.is_empty() {
        counts = vec![200, 2_000, 20_000];
    }
    let mut world = world()?;
    let mut table: Vec<Vec<f64>> = Vec::new();
    for count in &counts {
        let txs = signed(&world, *count)?;
        let mut best = vec![f64::INFINITY; STAGES.len()];
        for _ in 0..(100_000 / count.max(&1)).clamp(8, 200) {
            let laps = round(&mut world, &txs)?;
            best.iter_mut().zip(laps).for_each(|(best, lap)| *best = best.min(lap));
        }
        table.push(best.iter().map(|s| s * 1e9 / *count as f64).collect());
    }
    let line = |name: &str, value: &dyn Fn(usize) -> f64| {
        let cells: String = (0..counts.len()).map(|i| format!("{:>9.0}", value(i))).collect();
        println!("{name:<34}{cells}");
    };
    line("ns a transaction, block of", &|i| counts[i] as f64);
    for (stage, (name, _)) in STAGES.iter().enumerate() {
        line(name, &|i| table[i][stage]);
    }
    let weighed = |i: usize, stages: std::ops::Range<usize>| -> f64 {
        stages.map(|stage| table[i][stage] * STAGES[stage].1).sum()
    };
    line("a validator of four: before order", &|i| weighed(i, 0..5));
    line("a validator of four: execution", &|i| weighed(i, 5..9));
    line("a validator of four: all stages", &|i| weighed(i, 0..12));
    Ok(())
}

fn main() {
    if let Err(error) = measure() {
        eprintln!("{error}");
        std::process::exit(2);
    }
}
