//! Execution against a twin that runs one transaction after another on a plain map, and against itself with the same
//! transactions spread differently over batches.

use crate::chain::{Chain, TIME, account, batch, body, hex, receipts};
use hn_execution::evidence::{Algorithm, Cosign, EvidenceKey, EvidenceRecord};
use hn_primitives::{TxBody, codes};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Call {
    Preserve {
        hash: u8,
        previous: Option<u8>,
        name: String,
    },
    PreserveBatch {
        root: u8,
        leaf_count: u64,
    },
    Cosign {
        hash: u8,
        owner: usize,
    },
    Revoke {
        of: usize,
    },
    Broken,
}

#[derive(Debug, Clone)]
struct Tx {
    sender: usize,
    nonce: u64,
    call: Call,
}

impl Tx {
    fn body(&self) -> TxBody {
        let hash = |i: &u8| hex(&[*i; 32]);
        let (application, action, payload) = match &self.call {
            Call::Preserve {
                hash: h,
                previous,
                name,
            } => {
                let previous = previous
                    .map(|i| format!(r#","previous":"{}""#, hash(&i)))
                    .unwrap_or_default();
                let name = serde_json::to_string(name).unwrap();
                let payload = format!(r#"{{"name":{name},"algorithm":"sm3","hash":"{}"{previous}}}"#, hash(h));
                ("evidence", "preserve", payload)
            }
            Call::PreserveBatch { root, leaf_count } => {
                let payload = format!(
                    r#"{{"root":"{}","leaf_count":{leaf_count},"algorithm":"sm3"}}"#,
                    hash(root)
                );
                ("evidence", "preserve_batch", payload)
            }
            Call::Cosign { hash: h, owner } => {
                let payload = format!(r#"{{"hash":"{}","owner":"{}"}}"#, hash(h), hex(&account(*owner)));
                ("evidence", "cosign", payload)
            }
            Call::Revoke { of } => (
                "identity",
                "revoke",
                format!(r#"{{"account":"{}"}}"#, hex(&account(*of))),
            ),
            Call::Broken => ("evidence", "preserve", "{".to_owned()),
        };
        body(self.sender, self.nonce, application, action, &payload)
    }
}

fn tx() -> impl Strategy<Value = Tx> {
    let call = prop_oneof![
        6 => (0..5u8, prop::option::of(0..5u8), "\\PC{0,8}")
            .prop_map(|(hash, previous, name)| Call::Preserve { hash, previous, name }),
        2 => (0..3u8, 0..3u64).prop_map(|(root, leaf_count)| Call::PreserveBatch { root, leaf_count }),
        4 => (0..5u8, 0..4usize).prop_map(|(hash, owner)| Call::Cosign { hash, owner }),
        1 => (0..5usize).prop_map(|of| Call::Revoke { of }),
        1 => Just(Call::Broken),
    ];
    (0..5usize, 0..4u64, call).prop_map(|(sender, nonce, call)| Tx { sender, nonce, call })
}

type State = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// One transaction on the map; what it answers and how many events it emits.
fn serial(tx: &Tx, height: u64, active: &[bool], state: &mut State) -> (u32, &'static str, usize) {
    let sender = account(tx.sender);
    let evidence = |key: EvidenceKey| ("evidence".to_owned(), key.encode());
    let record = |size, name: &str, previous| {
        let (algorithm, name, tx_id) = (Algorithm::Sm3, name.to_owned(), tx.body().tx_id());
        EvidenceRecord {
            height,
            time_ms: TIME,
            tx_id,
            algorithm,
            size,
            name,
            previous,
        }
        .encode()
        .unwrap()
    };
    match &tx.call {
        Call::Broken => return (codes::PAYLOAD_INVALID, "", 0),
        Call::Preserve { hash, previous, name } => {
            let key = evidence(EvidenceKey::Record {
                hash: [*hash; 32],
                owner: sender,
            });
            if state.contains_key(&key) {
                return (0, "", 0);
            }
            let previous = previous.map(|i| [i; 32]);
            let own = |hash| state.contains_key(&evidence(EvidenceKey::Record { hash, owner: sender }));
            if previous.is_some_and(|hash| !own(hash)) {
                return (codes::RULE_VIOLATION, "evidence.previous_unknown", 0);
            }
            state.insert(key, record(0, name, previous));
        }
        Call::PreserveBatch { leaf_count: 0, .. } => return (codes::PAYLOAD_INVALID, "", 0),
        Call::PreserveBatch { root, leaf_count } => {
            let key = evidence(EvidenceKey::Batch {
                root: [*root; 32],
                owner: sender,
            });
            if state.contains_key(&key) {
                return (0, "", 0);
            }
            state.insert(key, record(*leaf_count, "", None));
        }
        Call::Cosign { hash, owner } => {
            let (hash, owner) = ([*hash; 32], account(*owner));
            if !state.contains_key(&evidence(EvidenceKey::Record { hash, owner })) {
                return (codes::RULE_VIOLATION, "evidence.record_unknown", 0);
            }
            if owner == sender {
                return (codes::RULE_VIOLATION, "evidence.own_record", 0);
            }
            let key = evidence(EvidenceKey::Cosign {
                hash,
                owner,
                signer: sender,
            });
            if state.contains_key(&key) {
                return (codes::RULE_VIOLATION, "evidence.already_cosigned", 0);
            }
            state.insert(
                key,
                Cosign {
                    height,
                    time_ms: TIME,
                    tx_id: tx.body().tx_id(),
                    role: None,
                }
                .encode(),
            );
        }
        Call::Revoke { of } => {
            if tx.sender != 0 {
                return (codes::ROLE_MISSING, "", 0);
            }
            if *of == 0 {
                return (codes::RULE_VIOLATION, "identity.own_account", 0);
            }
            let Some(value) = state.get_mut(&("identity".to_owned(), account(*of).to_vec())) else {
                return (codes::RULE_VIOLATION, "identity.account_unknown", 0);
            };
            // Byte 66 of an account record is the flag, the height follows.
            if value[66] == 0 {
                return (codes::RULE_VIOLATION, "identity.already_revoked", 0);
            }
            value[66] = 0;
            value[67..75].copy_from_slice(&height.to_be_bytes());
            assert!(active.len() == 4);
        }
    }
    (0, "", 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn prop_blocks_equal_the_serial_twin(blocks in prop::collection::vec(prop::collection::vec(tx(), 1..25), 1..5)) {
        let mut chain = Chain::new();
        let (mut state, mut committed) = (chain.state.clone(), chain.committed.clone());
        for block in &blocks {
            let active: Vec<bool> =
                (0..4).map(|i| state[&("identity".to_owned(), account(i).to_vec())][66] == 1).collect();
            let mut want = Vec::new();
            for tx in block {
                let id = tx.body().tx_id();
                want.push(if tx.sender >= 4 {
                    (codes::ACCOUNT_UNKNOWN, "", 0)
                } else if !active[tx.sender] {
                    (codes::ACCOUNT_REVOKED, "", 0)
                } else if !committed.insert(id) {
                    (codes::TX_DUPLICATE, "", 0)
                } else {
                    serial(tx, chain.height, &active, &mut state)
                });
                committed.insert(id);
            }
            let bodies: Vec<_> = block.iter().map(Tx::body).collect();
            let result = chain.run(&[batch(&bodies)]);
            let receipts = receipts(&result);
            let got: Vec<_> = receipts.iter().map(|r| (r.code, r.rule.as_str(), r.events.len())).collect();
            prop_assert_eq!(got, want);
            prop_assert_eq!(&chain.state, &state);
        }
    }

    #[test]
    fn prop_spread_over_batches_changes_nothing(
        txs in prop::collection::vec(tx(), 1..40),
        cuts in prop::collection::btree_set(0..40usize, 0..12),
    ) {
        let chain = Chain::new();
        let bodies: Vec<_> = txs.iter().map(Tx::body).collect();
        let whole = chain.execute(&[batch(&bodies)]);
        let single: Vec<_> = bodies.iter().map(|body| batch(std::slice::from_ref(body))).collect();
        prop_assert_eq!(&chain.execute(&single), &whole);
        let mut start = 0;
        let mut spread = Vec::new();
        for cut in cuts.into_iter().chain([bodies.len()]) {
            if cut > start && cut <= bodies.len() {
                spread.push(batch(&bodies[start..cut]));
                start = cut;
            }
        }
        prop_assert_eq!(&chain.execute(&spread), &whole);
    }
}
