//! The golden vectors of the formats. Shared by the generator (`examples/vectors.rs`) and the test that compares them.

use crate::scenario::{NOTE, build, certify, hex, name, secret};
use hn_merkle::block_tree;
use hn_primitives::*;
use serde_json::{Value as Json, json};

fn flipped(bytes: &[u8], at: usize, mask: u8) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out[at] ^= mask;
    out
}

fn header_json(header: &Header) -> Json {
    json!({
        "chain_id": hex(&header.chain_id), "height": header.height, "time_ms": header.time_ms,
        "proposer": hex(&header.proposer), "parent_hash": hex(&header.parent_hash),
        "batches_root": hex(&header.batches_root), "tx_root": hex(&header.tx_root),
        "validators_hash": hex(&header.validators_hash), "next_validators_hash": hex(&header.next_validators_hash),
        "plugins_hash": hex(&header.plugins_hash), "receipts_root": hex(&header.receipts_root),
        "state_root": hex(&header.state_root), "outbox_root": hex(&header.outbox_root),
        "encoding": hex(&header.encode()), "block_hash": hex(&header.block_hash()),
    })
}

fn receipt_json(receipt: &Receipt) -> Json {
    let events: Vec<Json> = receipt
        .events
        .iter()
        .map(|event| json!({"name": event.name.as_str(), "entity": event.entity.as_str(), "data": hex(&event.data)}))
        .collect();
    json!({
        "tx_id": hex(&receipt.tx_id), "code": receipt.code, "rule": receipt.rule.as_str(), "steps": receipt.steps,
        "write_set_digest": hex(&receipt.write_set_digest), "events": events, "encoding": hex(&receipt.encode()),
    })
}

fn tx_json(tx: &SignedTx) -> Json {
    let body = &tx.body;
    json!({
        "chain_id": hex(&body.chain_id), "sender": hex(&body.sender), "nonce": body.nonce,
        "valid_until_height": body.valid_until_height, "application": body.application.as_str(),
        "action": body.action.as_str(), "payload": hex(&body.payload), "body": hex(&body.encode()),
        "tx_id": hex(&body.tx_id()), "signature": hex(&tx.signature), "encoding": hex(&tx.encode()),
    })
}

fn set_json(set: &ValidatorSet) -> Json {
    let members: Vec<Json> = set
        .validators()
        .iter()
        .map(|member| json!({"key": hex(&member.key), "account": hex(&member.account), "power": member.power}))
        .collect();
    json!({
        "epoch": set.epoch(), "validators": members, "encoding": hex(&set.encode()), "hash": hex(&set.hash()),
        "total_power": set.total_power(), "quorum": set.quorum(),
    })
}

/// `tests/vectors/formats.json`.
pub fn formats() -> Json {
    let scenario = build();
    let chain_id = scenario.genesis.chain_id();
    let header = scenario.headers[3];
    let block_hash = header.block_hash();
    let keys: Vec<Json> = (1..=8u8)
        .map(|number| {
            let key = secret(number);
            let public = key.public_key();
            json!({
                "seed": hex(&[number; 32]), "secret_key": hex(key.to_bytes().as_ref()),
                "public_key": hex(&public.to_bytes()), "account": hex(&account_of(public)),
            })
        })
        .collect();

    let encoded: Vec<_> = scenario.txs.iter().map(SignedTx::encode).collect();
    let author = secret(2);
    let root = |entries: &[TxEntry]| block_tree::root(entries);
    let author_account = account_of(author.public_key());
    let batch = Batch::build(chain_id, author_account, 41, &encoded, root, |digest| {
        author.sign(digest)
    })
    .unwrap();
    let value = Value {
        header,
        batches: vec![
            BatchRef {
                digest: batch.digest,
                author: author_account,
                seq: 41,
            },
            BatchRef {
                digest: [9; 32],
                author: [8; 20],
                seq: u64::MAX,
            },
        ],
    };
    let certificate = certify(&header, &scenario.sets[1], 1, &[0, 2, 3]);
    let record = AccountRecord {
        key: secret(7).public_key().to_bytes(),
        active: true,
        since_height: 12,
        organisation: "合作社 One".try_into().unwrap(),
        roles: vec![name("admin"), name("auditor")],
    };
    let plugin = |application: &str, action: &str| PluginEntry {
        plugin: name("evidence"),
        version: "1.2.3".try_into().unwrap(),
        api_version: 1,
        state_version: 7,
        code_hash: [1; 32],
        application: name(application),
        action: name(action),
        schema_hash: [2; 32],
    };
    let plugins = [plugin("evidence", "cosign"), plugin("evidence", "preserve")];
    let (app_a, app_b) = (name("a"), name("b"));
    let writes = [
        Write {
            application: &app_a,
            key: b"k1",
            value: Some(b"v1"),
        },
        Write {
            application: &app_b,
            key: b"k2",
            value: None,
        },
    ];

    json!({
        "note": NOTE,
        "keys": keys,
        "txs": scenario.txs.iter().map(tx_json).collect::<Vec<_>>(),
        "batch": {
            "chain_id": hex(&chain_id), "author": hex(&author_account), "seq": 41,
            "tx_count": batch.header.tx_count, "body_bytes": batch.header.body_bytes,
            "txs_root": hex(&batch.header.txs_root), "signatures_hash": hex(&batch.header.signatures_hash),
            "header": hex(&batch.header.encode()), "digest": hex(&batch.digest),
            "author_signature": hex(&batch.author_signature), "encoding": hex(&batch.bytes),
        },
        "headers": scenario.headers.iter().map(header_json).collect::<Vec<_>>(),
        "value": {
            "header": hex(&header.encode()), "encoding": hex(&value.encode()),
            "batches": value.batches.iter().map(|r| json!({
                "digest": hex(&r.digest), "author": hex(&r.author), "seq": r.seq,
            })).collect::<Vec<_>>(),
        },
        "validator_sets": scenario.sets.iter().map(set_json).collect::<Vec<_>>(),
        "votes": votes(&chain_id, &block_hash),
        "proposals": proposals(&chain_id, &block_hash),
        "certificate": {
            "chain_id": hex(&chain_id), "height": header.height, "round": 1, "block_hash": hex(&block_hash),
            "validator_set": 1, "signers": [0, 2, 3], "encoding": hex(&certificate.encode()),
        },
        "genesis": {
            "chain_name": "city_one", "role": 3, "time_ms": scenario.genesis.time_ms,
            "validators_hash": hex(&scenario.genesis.validators_hash),
            "plugins_hash": hex(&scenario.genesis.plugins_hash), "state_root": hex(&scenario.genesis.state_root),
            "block_bytes_max": scenario.genesis.block_bytes_max,
            "block_tx_count_max": scenario.genesis.block_tx_count_max,
            "valid_blocks_max": scenario.genesis.valid_blocks_max,
            "encoding": hex(&scenario.genesis.encode()), "chain_id": hex(&chain_id),
        },
        "plugins": {
            "entries": plugins.iter().map(|p| json!({
                "plugin": p.plugin.as_str(), "version": p.version.as_str(), "api_version": p.api_version,
                "state_version": p.state_version, "code_hash": hex(&p.code_hash), "application": p.application.as_str(),
                "action": p.action.as_str(), "schema_hash": hex(&p.schema_hash),
            })).collect::<Vec<_>>(),
            "hash": hex(&plugins_hash(&plugins).unwrap()), "hash_of_none": hex(&plugins_hash(&[]).unwrap()),
        },
        "receipts": scenario.receipts.iter().map(receipt_json).collect::<Vec<_>>(),
        "write_set": {
            "writes": writes.iter().map(|w| json!({
                "application": w.application.as_str(), "key": hex(w.key), "value": w.value.map(hex),
            })).collect::<Vec<_>>(),
            "digest": hex(&write_set_digest(writes)), "digest_of_none": hex(&write_set_digest([])),
        },
        "account_record": {
            "key": hex(&record.key), "active": record.active, "since_height": record.since_height,
            "organisation": record.organisation.as_str(),
            "roles": record.roles.iter().map(Name::as_str).collect::<Vec<_>>(), "encoding": hex(&record.encode()),
        },
        "must_fail": must_fail(&batch, &value, &certificate, &record, &scenario.sets[0], &scenario.receipts[0]),
    })
}

fn votes(chain_id: &Hash32, block_hash: &Hash32) -> Vec<Json> {
    let cases = [
        (VoteType::Prevote, None),
        (VoteType::Prevote, Some(block_hash)),
        (VoteType::Precommit, Some(block_hash)),
    ];
    let vote = |(vote_type, hash): (VoteType, Option<&Hash32>)| {
        let message = vote_sign_bytes(chain_id, vote_type, 4, 1, hash);
        json!({
            "chain_id": hex(chain_id), "type": vote_type as u8, "height": 4, "round": 1,
            "block_hash": hash.map(|hash| hex(hash)), "sign_bytes": hex(&message),
            "key": 0, "signature": hex(&secret(1).sign(&message)),
        })
    };
    cases.into_iter().map(vote).collect()
}

fn proposals(chain_id: &Hash32, block_hash: &Hash32) -> Vec<Json> {
    let proposal = |pol_round| {
        json!({
            "chain_id": hex(chain_id), "height": 4, "round": 5, "pol_round": pol_round, "block_hash": hex(block_hash),
            "sign_bytes": hex(&proposal_sign_bytes(chain_id, 4, 5, pol_round, block_hash)),
        })
    };
    [None, Some(0), Some(3)].into_iter().map(proposal).collect()
}

/// Encodings that every decoder must refuse: format, reason, bytes, code.
fn must_fail(
    batch: &Batch,
    value: &Value,
    certificate: &Certificate,
    record: &AccountRecord,
    validators: &ValidatorSet,
    receipt: &Receipt,
) -> Vec<Json> {
    let tx = batch.txs[0].span().of(&batch.bytes).to_vec();
    let (certificate, record, value) = (certificate.encode(), record.encode(), value.encode());
    let (validators, receipt) = (validators.encode(), receipt.encode());
    let bitmap = 1 + 32 + 8 + 4 + 32 + 2;
    let cases = [
        ("signed_tx", "empty", vec![], codes::TX_MALFORMED),
        ("signed_tx", "version 2", flipped(&tx, 0, 3), codes::TX_MALFORMED),
        (
            "signed_tx",
            "application starts with a capital",
            flipped(&tx, 70, 0x20),
            codes::TX_MALFORMED,
        ),
        (
            "signed_tx",
            "application of length 0",
            flipped(&tx, 69, 8),
            codes::TX_MALFORMED,
        ),
        (
            "signed_tx",
            "trailing byte",
            [&tx[..], &[0]].concat(),
            codes::TX_MALFORMED,
        ),
        (
            "signed_tx",
            "last byte cut",
            tx[..tx.len() - 1].to_vec(),
            codes::TX_MALFORMED,
        ),
        (
            "signed_tx",
            "payload length over its limit",
            flipped(&tx, 87, 0x80),
            codes::TX_TOO_LARGE,
        ),
        (
            "batch",
            "signature of a tx changed",
            flipped(&batch.bytes, batch.bytes.len() - 1, 1),
            codes::BATCH_MALFORMED,
        ),
        (
            "batch",
            "tx_count one more",
            flipped(&batch.bytes, 64, 3),
            codes::BATCH_MALFORMED,
        ),
        (
            "batch",
            "trailing byte",
            [&batch.bytes[..], &[0]].concat(),
            codes::BATCH_MALFORMED,
        ),
        (
            "batch",
            "signatures_hash changed",
            flipped(&batch.bytes, 132, 1),
            codes::BATCH_MALFORMED,
        ),
        (
            "value",
            "one reference missing",
            value[..value.len() - 60].to_vec(),
            codes::PROPOSAL_MALFORMED,
        ),
        (
            "value",
            "1,025 references",
            flipped(&value, 357, 4),
            codes::PROPOSAL_MALFORMED,
        ),
        (
            "certificate",
            "unused bit set",
            flipped(&certificate, bitmap, 0x10),
            codes::CERTIFICATE_MALFORMED,
        ),
        (
            "certificate",
            "bit without signature",
            flipped(&certificate, bitmap, 2),
            codes::CERTIFICATE_MALFORMED,
        ),
        (
            "certificate",
            "trailing byte",
            [&certificate[..], &[0]].concat(),
            codes::CERTIFICATE_MALFORMED,
        ),
        (
            "validator_set",
            "key off the curve",
            flipped(&validators, 74, 1),
            codes::GENESIS_INVALID,
        ),
        (
            "validator_set",
            "compressed key prefix",
            flipped(&validators, 10, 6),
            codes::GENESIS_INVALID,
        ),
        (
            "validator_set",
            "power 0",
            flipped(&validators, 82, 1),
            codes::GENESIS_INVALID,
        ),
        (
            "validator_set",
            "not ascending",
            [
                &validators[..10],
                &validators[83..156],
                &validators[10..83],
                &validators[156..],
            ]
            .concat(),
            codes::GENESIS_INVALID,
        ),
        (
            "account_record",
            "active is 3",
            flipped(&record, 66, 2),
            codes::STORAGE_CORRUPT,
        ),
        (
            "account_record",
            "organisation is not UTF-8",
            flipped(&record, 77, 0x80),
            codes::STORAGE_CORRUPT,
        ),
        (
            "receipt",
            "event data length beyond the end",
            flipped(&receipt, receipt.len() - 3, 1),
            codes::RESULT_INVALID,
        ),
        (
            "receipt",
            "trailing byte",
            [&receipt[..], &[0]].concat(),
            codes::RESULT_INVALID,
        ),
    ];
    cases
        .into_iter()
        .map(|(format, label, bytes, code)| {
            assert_eq!(decode_code(format, &bytes), code, "{format}: {label}");
            json!({"format": format, "name": label, "encoding": hex(&bytes), "code": code})
        })
        .collect()
}

/// The code a decoder refuses with; 0 when it accepts.
fn decode_code(format: &str, bytes: &[u8]) -> u32 {
    let result = match format {
        "signed_tx" => SignedTx::decode(bytes).map(drop),
        "batch" => decode_batch(bytes).map(drop),
        "value" => Value::decode(bytes).map(drop),
        "certificate" => Certificate::decode(bytes).map(drop),
        "validator_set" => ValidatorSet::decode(bytes).map(drop),
        "account_record" => AccountRecord::decode(bytes).map(drop),
        "receipt" => Receipt::decode(bytes).map(drop),
        other => panic!("unknown format {other}"),
    };
    result.map_or_else(|error| error.code(), |()| 0)
}
