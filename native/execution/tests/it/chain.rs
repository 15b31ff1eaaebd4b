//! A chain in memory: state, committed ids, accounts. Execution does not look at signatures, so these carry none.

use hn_crypto::sm2::{KeyCache, SecretKey, generate};
use hn_execution::{Applications, BlockExecution, BlockInfo, BlockResult, ForeignResult, ForeignTx, MigrationPage};
use hn_merkle::{StateTree, block_tree, state_tree};
use hn_pool::Accounts;
use hn_primitives::{
    Account, AccountRecord, Batch, Hash32, Name, Receipt, SignedTx, Text16, TxBody, ZERO_HASH, account_of,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

pub const CHAIN: Hash32 = [7; 32];
pub const TIME: u64 = 1_700_000_000_000;

static KEYS: LazyLock<Vec<(SecretKey, Account)>> = LazyLock::new(|| {
    let keys = (0..8).map(|i| generate(&[i + 1; 32]));
    keys.map(|key| (account_of(key.public_key()), key))
        .map(|(account, key)| (key, account))
        .collect()
});

pub fn key(i: usize) -> &'static SecretKey {
    &KEYS[i].0
}

pub fn account(i: usize) -> Account {
    KEYS[i].1
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A transaction body of account `sender`, valid up to height 1,000.
pub fn body(sender: usize, nonce: u64, application: &str, action: &str, payload: &str) -> TxBody {
    TxBody {
        chain_id: CHAIN,
        sender: account(sender),
        nonce,
        valid_until_height: 1_000,
        application: Name::new(application).unwrap(),
        action: Name::new(action).unwrap(),
        payload: payload.as_bytes().to_vec(),
    }
}

pub fn batch(bodies: &[TxBody]) -> Arc<Batch> {
    let encode = |body: &TxBody| {
        SignedTx {
            body: body.clone(),
            signature: [1; 64],
        }
        .encode()
    };
    let txs: Vec<_> = bodies.iter().map(encode).collect();
    Arc::new(Batch::build(CHAIN, [9; 20], 1, &txs, block_tree::root, |_| [0; 64]).unwrap())
}

type Host = fn(&str, &ForeignTx<'_>) -> ForeignResult;

pub struct Chain {
    pub height: u64,
    pub valid_blocks_max: u64,
    pub state: BTreeMap<(String, Vec<u8>), Vec<u8>>,
    pub committed: BTreeSet<Hash32>,
    pub accounts: Accounts,
    pub applications: Arc<Applications>,
    pub host: Host,
    /// Page of the migration of the next blocks.
    pub page: Option<MigrationPage>,
}

impl Chain {
    /// Accounts 0 (admin), 1 and 2 registered and active, 3 revoked; 4 and above unknown.
    pub fn new() -> Self {
        Self::with(Applications::native().unwrap())
    }

    pub fn with(applications: Applications) -> Self {
        let mut state = BTreeMap::new();
        for i in 0..4 {
            let record = AccountRecord {
                key: key(i).public_key().to_bytes(),
                active: i != 3,
                since_height: 0,
                organisation: Text16::new("org").unwrap(),
                roles: if i == 0 {
                    vec![Name::new("admin").unwrap()]
                } else {
                    Vec::new()
                },
            };
            state.insert(("identity".to_owned(), account(i).to_vec()), record.encode());
        }
        let accounts = Accounts::new(KeyCache::new(1 << 20));
        accounts
            .load(state.iter().map(|((_, key), value)| (key, value)))
            .unwrap();
        Self {
            height: 10,
            valid_blocks_max: 10_000,
            state,
            committed: BTreeSet::new(),
            accounts,
            applications: Arc::new(applications),
            host: |_, tx| ForeignResult {
                tx_index: tx.tx_index,
                ..ForeignResult::default()
            },
            page: None,
        }
    }

    pub fn begin(&self, batches: &[Arc<Batch>]) -> BlockExecution {
        let info = BlockInfo {
            chain_id: CHAIN,
            height: self.height,
            time_ms: TIME,
            proposer: [9; 20],
            valid_blocks_max: self.valid_blocks_max,
        };
        BlockExecution::begin(info, batches.to_vec(), &self.accounts, self.applications.clone())
    }

    /// Executes without committing: once with every key read, once with those alone that the state tree holds.
    pub fn execute(&self, batches: &[Arc<Batch>]) -> BlockResult {
        let mut tree = StateTree::with_root(1 << 20, ZERO_HASH);
        let hashes = self.state.keys().map(|(name, key)| state_tree::key_hash(name, key));
        tree.apply(&hashes.map(|hash| (hash, Some([1; 32]))).collect::<Vec<_>>())
            .unwrap();
        let result = self.execute_by(batches, None);
        assert_eq!(self.execute_by(batches, Some(&tree)), result);
        result
    }

    fn execute_by(&self, batches: &[Arc<Batch>], tree: Option<&StateTree>) -> BlockResult {
        let mut block = self.begin(batches);
        let committed: Vec<bool> = block.tx_ids().iter().map(|id| self.committed.contains(id)).collect();
        block.set_committed(&committed).unwrap();
        let rows = |block: &BlockExecution| -> Vec<Vec<u8>> {
            let keys = block.native_keys().unwrap().into_iter();
            keys.map(|key| key.row().to_vec()).collect()
        };
        let all = rows(&block);
        let of = |row: &[u8]| {
            let (name, key) = row[1..].split_at(usize::from(row[0]));
            self.state
                .get(&(String::from_utf8(name.to_vec()).unwrap(), key.to_vec()))
        };
        if let Some(tree) = tree {
            block.prove_absent(|keys| tree.surely_absent(keys)).unwrap();
            assert!(rows(&block).iter().eq(all.iter().filter(|row| of(row).is_some())));
        }
        let values = rows(&block).iter().map(|row| of(row).cloned()).collect();
        block.supply(values).unwrap();
        if let Some(page) = &self.page {
            block.migrate(page.clone()).unwrap();
        }
        block.run_native().unwrap();
        let groups = block.foreign_groups().unwrap();
        let results: Vec<_> = groups
            .iter()
            .map(|g| {
                (
                    g.application.to_owned(),
                    g.txs
                        .iter()
                        .map(|tx| (self.host)(g.application, tx))
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        for (application, results) in results {
            block.complete(&application, &ForeignResult::pack(&results)).unwrap();
        }
        block.finish().unwrap()
    }

    /// Executes and commits one block.
    pub fn run(&mut self, batches: &[Arc<Batch>]) -> BlockResult {
        let result = self.execute(batches);
        for write in result.writes.iter() {
            let key = (write.key.application().to_owned(), write.key.key().to_vec());
            match write.value {
                Some(value) => self.state.insert(key, value.to_vec()),
                None => self.state.remove(&key),
            };
        }
        self.accounts.update(result.writes_of("identity")).unwrap();
        self.committed.extend(&result.tx_ids);
        self.height += 1;
        result
    }

    /// Runs one block of one batch and tells (code, rule) of each transaction.
    pub fn codes(&mut self, bodies: &[TxBody]) -> Vec<(u32, String)> {
        let result = self.run(&[batch(bodies)]);
        let receipts = receipts(&result);
        assert_eq!(
            result.codes,
            receipts.iter().map(|receipt| receipt.code).collect::<Vec<_>>()
        );
        receipts
            .into_iter()
            .map(|receipt| (receipt.code, receipt.rule.to_string()))
            .collect()
    }

    /// As [`Chain::codes`] for one transaction; a failed one must have left nothing.
    pub fn code(&mut self, body: TxBody) -> (u32, String) {
        let before = self.state.clone();
        let result = self.run(&[batch(&[body])]);
        let receipt = receipts(&result).remove(0);
        if receipt.code != 0 {
            assert!(result.writes.is_empty() && receipt.events.is_empty() && self.state == before);
            assert_eq!(receipt.write_set_digest, ZERO_HASH);
        }
        (receipt.code, receipt.rule.to_string())
    }
}

pub fn receipts(result: &BlockResult) -> Vec<Receipt> {
    result
        .receipts
        .iter()
        .map(|receipt| Receipt::decode(receipt).unwrap())
        .collect()
}

pub fn ok() -> (u32, String) {
    (0, String::new())
}

pub fn code(code: u32) -> (u32, String) {
    (code, String::new())
}

pub fn rule(rule: &str) -> (u32, String) {
    (hn_primitives::codes::RULE_VIOLATION, rule.to_owned())
}
