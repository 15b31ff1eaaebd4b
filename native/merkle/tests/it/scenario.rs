//! A small chain with fixed keys: blocks 1 to 4, the validator set changes after block 2.

use hn_crypto::sm2::{SecretKey, generate};
use hn_merkle::block_tree;
use hn_merkle::bundle::{Bundle, HandOff, Item};
use hn_merkle::state_tree::{StateTree, key_hash, value_hash};
use hn_primitives::*;

/// Stands at the head of each file.
pub const NOTE: &str =
    "Written by `cargo run -p hn-merkle --example vectors`; formats: docs/reference/formats.md. Bytes are hex.";

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Secret key number `number`, from a fixed seed.
pub fn secret(number: u8) -> SecretKey {
    generate(&[number; 32])
}

/// Name of a literal.
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A set of the given keys with power 1 each.
pub fn set(epoch: u64, numbers: &[u8]) -> ValidatorSet {
    let members: Vec<_> = numbers
        .iter()
        .map(|number| (secret(*number).public_key().to_bytes(), 1))
        .collect();
    ValidatorSet::new(epoch, &members).unwrap()
}

/// Everything of the chain that the bundles are made from.
pub struct Scenario {
    pub genesis: Genesis,
    pub sets: [ValidatorSet; 2],
    pub txs: Vec<SignedTx>,
    pub receipts: Vec<Receipt>,
    /// (key, value) of application `evidence` after block 3.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    pub tree: StateTree,
    /// Blocks 1 to 4; the transactions are in block 3.
    pub headers: Vec<Header>,
}

/// The secret keys of a set, by index.
fn secrets(set: &ValidatorSet) -> Vec<SecretKey> {
    let of = |account: &Account| {
        (1..=8)
            .map(secret)
            .find(|key| account_of(key.public_key()) == *account)
            .unwrap()
    };
    set.validators()
        .iter()
        .map(|validator| of(&validator.account))
        .collect()
}

/// A certificate for a header, signed by the members at `indices`.
pub fn certify(header: &Header, set: &ValidatorSet, round: u32, indices: &[usize]) -> Certificate {
    let block_hash = header.block_hash();
    let message = vote_sign_bytes(
        &header.chain_id,
        VoteType::Precommit,
        header.height,
        round,
        Some(&block_hash),
    );
    let keys = secrets(set);
    let precommits = indices.iter().map(|index| (*index, keys[*index].sign(&message)));
    Certificate::from_precommits(header.chain_id, header.height, round, block_hash, set, precommits).unwrap()
}

pub fn build() -> Scenario {
    let sets = [set(0, &[1, 2, 3, 4]), set(1, &[1, 2, 3, 5])];
    let genesis = Genesis {
        chain_name: name("city_one"),
        role: ChainRole::City,
        time_ms: 1_700_000_000_000,
        validators_hash: sets[0].hash(),
        plugins_hash: plugins_hash(&[]).unwrap(),
        state_root: ZERO_HASH,
        block_bytes_max: 8 << 20,
        block_tx_count_max: 20_000,
        valid_blocks_max: 1_000,
    };
    let chain_id = genesis.chain_id();
    let sender = secret(7);
    let body = |nonce: u64| TxBody {
        chain_id,
        sender: account_of(sender.public_key()),
        nonce,
        valid_until_height: 100,
        application: name("evidence"),
        action: name("preserve"),
        payload: format!("{{\"hash\":\"{nonce:064x}\"}}").into_bytes(),
    };
    let txs: Vec<SignedTx> = (0..5).map(|nonce| body(nonce).sign(&sender)).collect();
    let tx_ids: Vec<Hash32> = txs.iter().map(|tx| tx.body.tx_id()).collect();
    let entries: Vec<_> = (0..5u8)
        .map(|i| (vec![b'r', i], format!("value {i}").into_bytes()))
        .collect();
    let application = name("evidence");
    let receipt = |(index, tx_id): (usize, &Hash32)| Receipt {
        tx_id: *tx_id,
        code: if index == 4 { codes::RULE_VIOLATION } else { 0 },
        rule: Text8::new(if index == 4 { "evidence.previous_unknown" } else { "" }).unwrap(),
        steps: 0,
        write_set_digest: if index == 4 {
            ZERO_HASH
        } else {
            let (key, value) = &entries[index];
            write_set_digest([Write {
                application: &application,
                key,
                value: Some(value),
            }])
        },
        events: if index == 0 {
            vec![Event {
                name: Text8::new("evidence.preserved").unwrap(),
                entity: Text16::new("证据").unwrap(),
                data: b"{}".to_vec(),
            }]
        } else {
            vec![]
        },
    };
    let receipts: Vec<Receipt> = tx_ids.iter().enumerate().map(receipt).collect();
    let receipt_bytes: Vec<_> = receipts.iter().map(Receipt::encode).collect();
    let mut tree = StateTree::with_root(1 << 20, ZERO_HASH);
    let updates: Vec<_> = entries
        .iter()
        .map(|(key, value)| (key_hash("evidence", key), Some(value_hash(value))))
        .collect();
    let state_root = tree.apply(&updates).unwrap().root;

    let none: [Hash32; 0] = [];
    let empty = block_tree::root(&none);
    let mut headers: Vec<Header> = Vec::new();
    for height in 1..=4u64 {
        let (before, after) = (&sets[usize::from(height > 2)], &sets[usize::from(height > 1)]);
        headers.push(Header {
            chain_id,
            height,
            time_ms: genesis.time_ms + 500 * height,
            proposer: before.validators()[height as usize % 4].account,
            parent_hash: headers.last().map_or(chain_id, Header::block_hash),
            batches_root: if height == 3 {
                block_tree::root(&[[3; 32]])
            } else {
                empty
            },
            tx_root: if height == 3 { block_tree::root(&tx_ids) } else { empty },
            validators_hash: before.hash(),
            next_validators_hash: after.hash(),
            plugins_hash: genesis.plugins_hash,
            receipts_root: if height == 4 {
                block_tree::root(&receipt_bytes)
            } else {
                empty
            },
            state_root: if height == 4 { state_root } else { ZERO_HASH },
            outbox_root: empty,
        });
    }
    Scenario {
        genesis,
        sets,
        txs,
        receipts,
        entries,
        tree,
        headers,
    }
}

impl Scenario {
    /// Transaction and receipt `index`, a present and an absent key, over the headers 3 and 4, through a hand-off.
    pub fn bundle(&self, index: usize) -> Bundle {
        let tx_ids: Vec<_> = self.txs.iter().map(|tx| tx.body.tx_id()).collect();
        let receipts: Vec<_> = self.receipts.iter().map(Receipt::encode).collect();
        let state = |key: &[u8], value: Option<&Vec<u8>>| Item::State {
            header_index: 1,
            application: name("evidence"),
            key: key.to_vec(),
            value: value.cloned(),
            proof: self.tree.prove(&key_hash("evidence", key)).unwrap(),
        };
        let items = vec![
            Item::Tx {
                header_index: 0,
                tx: self.txs[index].clone(),
                proof: block_tree::prove(&tx_ids, &[index]).unwrap().remove(0),
            },
            Item::Receipt {
                header_index: 1,
                receipt: self.receipts[index].clone(),
                proof: block_tree::prove(&receipts, &[index]).unwrap().remove(0),
            },
            state(&self.entries[index].0, Some(&self.entries[index].1)),
            state(b"missing", None),
        ];
        Bundle {
            genesis: self.genesis.clone(),
            validators: self.sets[0].clone(),
            hand_offs: vec![HandOff {
                header: self.headers[1],
                certificate: certify(&self.headers[1], &self.sets[0], 0, &[0, 1, 2]),
                next_validators: self.sets[1].clone(),
            }],
            headers: self.headers[2..].to_vec(),
            certificate: certify(&self.headers[3], &self.sets[1], 1, &[0, 2, 3]),
            items,
        }
    }

    /// The state alone, under block 2 and without a hand-off: nothing is there yet.
    pub fn early_bundle(&self) -> Bundle {
        let key = key_hash("evidence", b"missing");
        Bundle {
            genesis: self.genesis.clone(),
            validators: self.sets[0].clone(),
            hand_offs: vec![],
            headers: self.headers[..2].to_vec(),
            certificate: certify(&self.headers[1], &self.sets[0], 0, &[0, 1, 2, 3]),
            items: vec![Item::State {
                header_index: 1,
                application: name("evidence"),
                key: b"missing".to_vec(),
                value: None,
                proof: StateTree::with_root(0, ZERO_HASH).prove(&key).unwrap(),
            }],
        }
    }
}

/// Bundles that must fail, each with the code it fails with. The chain id is trusted.
pub fn failing_bundles(scenario: &Scenario) -> Vec<(&'static str, Vec<u8>, u32)> {
    let good = scenario.bundle(1);
    let mut cases = Vec::new();
    let mut case = |label, code, change: &dyn Fn(&mut Bundle)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        cases.push((label, bundle.encode(), code));
    };
    let sets = &scenario.sets;
    case("no header", codes::PROOF_MALFORMED, &|b| b.headers.clear());
    case("no item", codes::PROOF_MALFORMED, &|b| b.items.clear());
    case("65 items", codes::PROOF_MALFORMED, &|b| {
        b.items = vec![b.items[2].clone(); 65]
    });
    case("9 headers", codes::PROOF_MALFORMED, &|b| {
        b.headers = vec![b.headers[0]; 9]
    });
    case("header index beyond the last", codes::PROOF_MALFORMED, &|b| {
        set_header_index(&mut b.items[2], 2)
    });
    case("another genesis", codes::PROOF_CHAIN, &|b| b.genesis.time_ms += 1);
    case("header of another chain", codes::PROOF_CHAIN, &|b| {
        b.headers[0].chain_id[0] ^= 1
    });
    case("tx of another chain", codes::PROOF_CHAIN, &|b| {
        let Item::Tx { tx, .. } = &mut b.items[0] else {
            panic!("item 0 is the tx")
        };
        tx.body.chain_id[0] ^= 1;
    });
    case("set that is not the genesis set", codes::PROOF_ANCHOR, &|b| {
        b.validators = sets[1].clone()
    });
    case("hand-off left out", codes::PROOF_ANCHOR, &|b| b.hand_offs.clear());
    case("hand-off twice", codes::PROOF_ANCHOR, &|b| {
        b.hand_offs.push(b.hand_offs[0].clone())
    });
    case("hand-off to another set", codes::PROOF_ANCHOR, &|b| {
        b.hand_offs[0].next_validators = set(1, &[5, 6, 7, 8])
    });
    case("hand-off without quorum", codes::CERTIFICATE_QUORUM, &|b| {
        b.hand_offs[0].certificate = certify(&b.hand_offs[0].header, &sets[0], 0, &[0, 1]);
    });
    case("headers swapped", codes::PROOF_HEADERS, &|b| b.headers.swap(0, 1));
    case("header changed below", codes::PROOF_HEADERS, &|b| {
        b.headers[0].tx_root[0] ^= 1
    });
    case("gap between headers", codes::PROOF_HEADERS, &|b| {
        b.headers[1].height += 1
    });
    case("last header changed", codes::CERTIFICATE_BLOCK, &|b| {
        b.headers[1].state_root[0] ^= 1
    });
    case("certificate of the first header", codes::CERTIFICATE_BLOCK, &|b| {
        b.certificate = certify(&b.headers[0], &sets[1], 0, &[0, 1, 2]);
    });
    case("certificate by the old set", codes::CERTIFICATE_SIGNATURE, &|b| {
        b.certificate = certify(&b.headers[1], &set(0, &[5, 6, 7, 8]), 1, &[0, 1, 2, 3]);
    });
    case(
        "certificate of a set of another size",
        codes::CERTIFICATE_SIGNER,
        &|b| {
            b.certificate = certify(&b.headers[1], &set(0, &[1, 2, 3]), 1, &[0, 1, 2]);
        },
    );
    case("certificate without quorum", codes::CERTIFICATE_QUORUM, &|b| {
        b.certificate = certify(&b.headers[1], &sets[1], 1, &[0, 1]);
    });
    case("tx under the wrong header", codes::PROOF_PATH, &|b| {
        set_header_index(&mut b.items[0], 1)
    });
    case("tx changed", codes::PROOF_PATH, &|b| {
        let Item::Tx { tx, .. } = &mut b.items[0] else {
            panic!("item 0 is the tx")
        };
        tx.body.nonce += 1;
    });
    case("receipt changed", codes::PROOF_PATH, &|b| {
        let Item::Receipt { receipt, .. } = &mut b.items[1] else {
            panic!("item 1 is the receipt")
        };
        receipt.code = 1;
    });
    case("value changed", codes::PROOF_PATH, &|b| {
        let Item::State { value, .. } = &mut b.items[2] else {
            panic!("item 2 is the state")
        };
        *value = Some(b"other".to_vec());
    });
    case("present key claimed absent", codes::PROOF_PATH, &|b| {
        let Item::State { value, .. } = &mut b.items[2] else {
            panic!("item 2 is the state")
        };
        *value = None;
    });
    case("absent key claimed present", codes::PROOF_PATH, &|b| {
        let Item::State { value, .. } = &mut b.items[3] else {
            panic!("item 3 is the absent key")
        };
        *value = Some(Vec::new());
    });
    let mut bytes = good.encode();
    bytes.push(0);
    cases.push(("trailing byte", bytes.clone(), codes::PROOF_MALFORMED));
    bytes.truncate(bytes.len() - 2);
    cases.push(("last byte cut", bytes.clone(), codes::PROOF_MALFORMED));
    bytes[0] ^= 1;
    cases.push(("wrong magic", bytes, codes::PROOF_MALFORMED));
    cases.push((
        "receipt of another place",
        misplaced_receipt(scenario).encode(),
        codes::PROOF_SUBJECT,
    ));
    cases
}

/// A block that claims two receipts for one tx: under valid roots, but not at the transaction's index.
fn misplaced_receipt(scenario: &Scenario) -> Bundle {
    let mut bundle = scenario.bundle(1);
    let mut receipts = scenario.receipts.clone();
    receipts[2] = receipts[1].clone();
    let leaves: Vec<_> = receipts.iter().map(Receipt::encode).collect();
    bundle.headers[1].receipts_root = block_tree::root(&leaves);
    bundle.certificate = certify(&bundle.headers[1], &scenario.sets[1], 1, &[0, 2, 3]);
    bundle.items[1] = Item::Receipt {
        header_index: 1,
        receipt: receipts[2].clone(),
        proof: block_tree::prove(&leaves, &[2]).unwrap().remove(0),
    };
    bundle
}

fn set_header_index(item: &mut Item, to: u8) {
    let (Item::Tx { header_index, .. } | Item::Receipt { header_index, .. } | Item::State { header_index, .. }) = item;
    *header_index = to;
}
