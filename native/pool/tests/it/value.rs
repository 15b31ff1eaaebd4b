use crate::fixture::{CHAIN, account, batch, tx, validators};
use hn_pool::{Expected, ValueError, build_value, check_value, check_value_batches, decode_value};
use hn_primitives::{Batch, BatchRef, Header, Value, codes};
use std::collections::BTreeMap;
use std::sync::Arc;

const TIME: u64 = 1_700_000_000_000;

fn template() -> Header {
    Header {
        chain_id: CHAIN,
        height: 5,
        time_ms: TIME,
        proposer: account(10),
        parent_hash: [1; 32],
        batches_root: [0; 32],
        tx_root: [0; 32],
        validators_hash: [2; 32],
        next_validators_hash: [3; 32],
        plugins_hash: [4; 32],
        receipts_root: [5; 32],
        state_root: [6; 32],
        outbox_root: [7; 32],
    }
}

fn expected() -> Expected {
    Expected {
        chain_id: CHAIN,
        height: 5,
        proposer: Some(account(10)),
        parent_hash: [1; 32],
        parent_time_ms: TIME - 1,
        now_ms: Some(TIME),
        clock_skew_ms_max: 500,
        validators_hash: [2; 32],
        next_validators_hash: [3; 32],
        plugins_hash: [4; 32],
        receipts_root: [5; 32],
        state_root: [6; 32],
        outbox_root: [7; 32],
        block_bytes_max: 1 << 20,
        block_tx_count_max: 100,
    }
}

fn batches() -> Vec<Arc<Batch>> {
    let list = [(10, 1, 1), (11, 7, 2), (10, 3, 3)];
    list.iter()
        .map(|(author, seq, nonce)| Arc::new(batch(*author, *seq, &[tx(0, *nonce), tx(1, *nonce)])))
        .collect()
}

fn good() -> (Value, Vec<Arc<Batch>>) {
    let batches = batches();
    (build_value(&template(), &batches), batches)
}

fn check(value: &Value, batches: &[Arc<Batch>], expected: &Expected, last: &BTreeMap<[u8; 20], u64>) -> u32 {
    let result =
        check_value(value, expected).and_then(|()| check_value_batches(value, batches, expected, &validators(), last));
    result.map_or_else(|error| error.code(), |()| 0)
}

#[test]
fn test_good_values_pass_with_and_without_batches() {
    let (value, batches) = good();
    assert_eq!(check(&value, &batches, &expected(), &BTreeMap::new()), 0);
    assert_eq!(decode_value(&value.encode()), Ok(value.clone()));
    let last = BTreeMap::from([(account(10), 0), (account(11), 6), (account(12), 9)]);
    assert_eq!(check(&value, &batches, &expected(), &last), 0);
    let empty = build_value(&template(), &[]);
    assert_eq!(check(&empty, &[], &expected(), &BTreeMap::new()), 0);
    let ids: Vec<_> = batches
        .iter()
        .flat_map(|batch| batch.txs.iter().map(|tx| tx.tx_id))
        .collect();
    assert_eq!(value.header.tx_root, hn_merkle::block_tree::root(&ids));
    let leaves: Vec<_> = value.batches.iter().map(BatchRef::encode).collect();
    assert_eq!(value.header.batches_root, hn_merkle::block_tree::root(&leaves));
}

#[test]
fn test_each_wrong_field_has_its_code() {
    type Spoil = fn(&mut Value);
    let table: &[(&str, Spoil, u32)] = &[
        ("chain", |v| v.header.chain_id[0] ^= 1, codes::HEADER_CHAIN),
        ("height above", |v| v.header.height += 1, codes::HEADER_HEIGHT),
        ("height below", |v| v.header.height -= 1, codes::HEADER_HEIGHT),
        ("proposer", |v| v.header.proposer = account(11), codes::HEADER_PROPOSER),
        ("parent", |v| v.header.parent_hash[31] ^= 1, codes::HEADER_PARENT),
        (
            "time of the parent",
            |v| v.header.time_ms = TIME - 1,
            codes::HEADER_TIME,
        ),
        ("time before the parent", |v| v.header.time_ms = 0, codes::HEADER_TIME),
        ("time ahead", |v| v.header.time_ms = TIME + 501, codes::HEADER_TIME),
        (
            "digest twice",
            |v| v.batches[2].digest = v.batches[0].digest,
            codes::BATCH_LIST_INVALID,
        ),
        ("seq repeats", |v| v.batches[2].seq = 1, codes::BATCH_LIST_INVALID),
        ("seq falls", |v| v.batches[0].seq = 9, codes::BATCH_LIST_INVALID),
        (
            "too many",
            |v| v.batches = (0..1_025).map(reference).collect(),
            codes::BATCH_LIST_INVALID,
        ),
        (
            "batches root",
            |v| v.header.batches_root[0] ^= 1,
            codes::HEADER_BATCHES_ROOT,
        ),
        (
            "order of the batches",
            |v| v.batches.swap(0, 1),
            codes::HEADER_BATCHES_ROOT,
        ),
        ("a batch less", |v| v.batches.truncate(2), codes::HEADER_BATCHES_ROOT),
        ("tx root", |v| v.header.tx_root[0] ^= 1, codes::HEADER_TX_ROOT),
        (
            "validators",
            |v| v.header.validators_hash[0] ^= 1,
            codes::HEADER_VALIDATORS,
        ),
        (
            "next validators",
            |v| v.header.next_validators_hash[0] ^= 1,
            codes::HEADER_NEXT_VALIDATORS,
        ),
        ("plugins", |v| v.header.plugins_hash[0] ^= 1, codes::HEADER_PLUGINS),
        (
            "receipts root",
            |v| v.header.receipts_root[0] ^= 1,
            codes::HEADER_RESULTS,
        ),
        ("state root", |v| v.header.state_root[0] ^= 1, codes::HEADER_RESULTS),
        ("outbox root", |v| v.header.outbox_root[0] ^= 1, codes::HEADER_RESULTS),
        (
            "author of a reference",
            |v| v.batches[1].author = account(12),
            codes::HEADER_BATCHES_ROOT,
        ),
        (
            "seq of a reference",
            |v| v.batches[1].seq += 1,
            codes::HEADER_BATCHES_ROOT,
        ),
        (
            "author of a reference, root along",
            |v| {
                v.batches[1].author = account(12);
                let leaves: Vec<_> = v.batches.iter().map(BatchRef::encode).collect();
                v.header.batches_root = hn_merkle::block_tree::root(&leaves);
            },
            codes::BATCH_LIST_INVALID,
        ),
    ];
    for (what, spoil, code) in table {
        let (mut value, batches) = good();
        spoil(&mut value);
        assert_eq!(check(&value, &batches, &expected(), &BTreeMap::new()), *code, "{what}");
    }
}

fn reference(i: u64) -> BatchRef {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&i.to_be_bytes());
    BatchRef {
        digest,
        author: account(10),
        seq: i,
    }
}

#[test]
fn test_each_fault_of_the_batches_has_its_code() {
    let (value, batches) = good();
    let none = BTreeMap::new();
    let list = codes::BATCH_LIST_INVALID;
    assert_eq!(
        check(&value, &batches[..2], &expected(), &none),
        list,
        "a batch is missing"
    );
    let swapped = [batches[1].clone(), batches[0].clone(), batches[2].clone()];
    assert_eq!(check(&value, &swapped, &expected(), &none), list, "another batch");
    for last in [1, 2, 3, u64::MAX] {
        assert_eq!(
            check(&value, &batches, &expected(), &BTreeMap::from([(account(10), last)])),
            list,
            "last {last}"
        );
    }
    let bytes: u64 = batches.iter().map(|batch| batch.bytes.len() as u64).sum();
    assert_eq!(
        check(
            &value,
            &batches,
            &Expected {
                block_bytes_max: bytes,
                ..expected()
            },
            &none
        ),
        0
    );
    assert_eq!(
        check(
            &value,
            &batches,
            &Expected {
                block_bytes_max: bytes - 1,
                ..expected()
            },
            &none
        ),
        list
    );
    assert_eq!(
        check(
            &value,
            &batches,
            &Expected {
                block_tx_count_max: 6,
                ..expected()
            },
            &none
        ),
        0
    );
    assert_eq!(
        check(
            &value,
            &batches,
            &Expected {
                block_tx_count_max: 5,
                ..expected()
            },
            &none
        ),
        list
    );
    let stranger = [Arc::new(batch(1, 1, &[tx(0, 1)]))];
    let value = build_value(&template(), &stranger);
    assert_eq!(
        check(&value, &stranger, &expected(), &none),
        list,
        "author is no validator"
    );
}

#[test]
fn test_decode_tells_a_wrong_version_from_malformed_bytes() {
    let bytes = good().0.encode();
    let code = |bytes: &[u8]| decode_value(bytes).map_or_else(|error| error.code(), |_| 0);
    assert_eq!(code(&[&[2], &bytes[1..]].concat()), codes::HEADER_VERSION);
    assert_eq!(code(&bytes[..bytes.len() - 1]), codes::PROPOSAL_MALFORMED);
    assert_eq!(code(&[&bytes[..], &[0]].concat()), codes::PROPOSAL_MALFORMED);
    assert_eq!(code(&[]), codes::PROPOSAL_MALFORMED);
}

#[test]
fn test_early_values_wait_and_reproposals_skip_proposer_and_clock() {
    let (mut value, _) = good();
    value.header.time_ms = TIME + 700;
    let error = check_value(&value, &expected()).unwrap_err();
    assert_eq!((error.wait_ms(), error.code()), (Some(200), codes::HEADER_TIME));
    assert_eq!(ValueError::Parent.wait_ms(), None);
    assert_eq!(
        check_value(
            &value,
            &Expected {
                now_ms: Some(TIME + 200),
                ..expected()
            }
        ),
        Ok(())
    );
    assert_eq!(
        check_value(
            &value,
            &Expected {
                now_ms: Some(u64::MAX),
                ..expected()
            }
        ),
        Ok(())
    );
    value.header.proposer = account(13);
    assert_eq!(
        check_value(
            &value,
            &Expected {
                now_ms: None,
                proposer: None,
                ..expected()
            }
        ),
        Ok(())
    );
}

#[test]
fn test_of_several_faults_the_first_in_order_answers() {
    let (mut value, _) = good();
    let mut want = Vec::new();
    let header = &mut value.header;
    header.outbox_root = [9; 32];
    want.push((check_value(&value, &expected()), codes::HEADER_RESULTS));
    value.header.plugins_hash = [9; 32];
    want.push((check_value(&value, &expected()), codes::HEADER_PLUGINS));
    value.header.next_validators_hash = [9; 32];
    want.push((check_value(&value, &expected()), codes::HEADER_NEXT_VALIDATORS));
    value.header.validators_hash = [9; 32];
    want.push((check_value(&value, &expected()), codes::HEADER_VALIDATORS));
    value.header.batches_root = [9; 32];
    want.push((check_value(&value, &expected()), codes::HEADER_BATCHES_ROOT));
    value.batches[2].seq = 0;
    want.push((check_value(&value, &expected()), codes::BATCH_LIST_INVALID));
    value.header.time_ms = 0;
    want.push((check_value(&value, &expected()), codes::HEADER_TIME));
    value.header.parent_hash = [9; 32];
    want.push((check_value(&value, &expected()), codes::HEADER_PARENT));
    value.header.proposer = [9; 20];
    want.push((check_value(&value, &expected()), codes::HEADER_PROPOSER));
    value.header.height = 0;
    want.push((check_value(&value, &expected()), codes::HEADER_HEIGHT));
    value.header.chain_id = [9; 32];
    want.push((check_value(&value, &expected()), codes::HEADER_CHAIN));
    for (result, code) in want {
        assert_eq!(result.map_err(|error| error.code()), Err(code));
    }
}
