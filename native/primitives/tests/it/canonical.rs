//! One value, one encoding: what decodes encodes back to the same bytes, whatever was done to them.

use crate::fixture::{KEYS, batch, name, signed_tx, validators};
use hn_primitives::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Decodes and encodes again.
type Recode = fn(&[u8]) -> Option<Vec<u8>>;

/// Every format that stands alone.
const FORMATS: &[(&str, Recode)] = &[
    ("tx body", |b| TxBody::decode(b).ok().map(|v| v.encode())),
    ("signed tx", |b| SignedTx::decode(b).ok().map(|v| v.encode())),
    ("batch header", |b| {
        BatchHeader::decode(b).ok().map(|v| v.encode().to_vec())
    }),
    ("batch", |b| decode_batch(b).ok().map(|v| rebuild(&v))),
    ("header", |b| Header::decode(b).ok().map(|v| v.encode().to_vec())),
    ("value", |b| Value::decode(b).ok().map(|v| v.encode())),
    ("validators", |b| ValidatorSet::decode(b).ok().map(|v| v.encode())),
    ("certificate", |b| Certificate::decode(b).ok().map(|v| v.encode())),
    ("receipt", |b| Receipt::decode(b).ok().map(|v| v.encode())),
    ("genesis", |b| Genesis::decode(b).ok().map(|v| v.encode())),
    ("account record", |b| AccountRecord::decode(b).ok().map(|v| v.encode())),
];

/// A batch put together again from its parsed parts alone.
fn rebuild(batch: &Batch) -> Vec<u8> {
    let mut out = batch.header.encode().to_vec();
    out.extend_from_slice(&batch.author_signature);
    for index in 0..batch.txs.len() {
        let tx = batch.tx(index).unwrap().to_signed().unwrap().encode();
        out.extend_from_slice(&(tx.len() as u32).to_be_bytes());
        out.extend_from_slice(&tx);
    }
    out
}

fn arb_name() -> impl Strategy<Value = Name> {
    "[a-z][a-z0-9_]{0,31}".prop_map(|text| name(&text))
}

fn arb_body() -> impl Strategy<Value = TxBody> {
    let fields = (any::<[u8; 32]>(), any::<[u8; 20]>(), any::<u64>(), any::<u64>());
    (fields, arb_name(), arb_name(), vec(any::<u8>(), 0..200)).prop_map(|(fixed, application, action, payload)| {
        let (chain_id, sender, nonce, valid_until_height) = fixed;
        TxBody {
            chain_id,
            sender,
            nonce,
            valid_until_height,
            application,
            action,
            payload,
        }
    })
}

fn arb_header() -> impl Strategy<Value = Header> {
    (any::<u64>(), any::<u64>(), any::<[u8; 20]>(), any::<[[u8; 32]; 10]>()).prop_map(
        |(height, time_ms, proposer, h)| {
            let [
                chain_id,
                parent_hash,
                batches_root,
                tx_root,
                validators_hash,
                next_validators_hash,
                ..,
            ] = h;
            let [.., plugins_hash, receipts_root, state_root, outbox_root] = h;
            Header {
                chain_id,
                height,
                time_ms,
                proposer,
                parent_hash,
                batches_root,
                tx_root,
                validators_hash,
                next_validators_hash,
                plugins_hash,
                receipts_root,
                state_root,
                outbox_root,
            }
        },
    )
}

fn arb_receipt() -> impl Strategy<Value = Receipt> {
    let event = (".{0,20}", ".{0,40}", vec(any::<u8>(), 0..60)).prop_map(|(name, entity, data)| Event {
        name: name.try_into().unwrap(),
        entity: entity.try_into().unwrap(),
        data,
    });
    let fixed = (any::<[u8; 32]>(), any::<u32>(), any::<u64>(), any::<[u8; 32]>());
    (fixed, ".{0,40}", vec(event, 0..5)).prop_map(|((tx_id, code, steps, write_set_digest), rule, events)| Receipt {
        tx_id,
        code,
        rule: rule.try_into().unwrap(),
        steps,
        write_set_digest,
        events,
    })
}

/// An encoding of any format, with the format's index.
fn arb_encoding() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let refs = vec((any::<[u8; 32]>(), any::<[u8; 20]>(), any::<u64>()), 0..4);
    let genesis = (
        arb_name(),
        1u8..4,
        any::<u64>(),
        any::<[[u8; 32]; 3]>(),
        any::<(u32, u32, u64)>(),
    );
    let record = (
        0..KEYS.len(),
        any::<bool>(),
        any::<u64>(),
        ".{0,30}",
        proptest::collection::btree_set(arb_name(), 0..5),
    );
    prop_oneof![
        arb_body().prop_map(|body| (0, body.encode())),
        (arb_body(), any::<[u8; 32]>()).prop_map(|(body, half)| {
            let signature = [half, half].concat().try_into().unwrap();
            (1, SignedTx { body, signature }.encode())
        }),
        (1usize..4, any::<u64>(), vec(any::<u8>(), 0..90)).prop_map(|(count, nonce, payload)| {
            let txs: Vec<_> = (0..count).map(|i| signed_tx(nonce ^ i as u64, &payload)).collect();
            (3, batch(&txs).bytes.to_vec())
        }),
        any::<u64>().prop_map(|nonce| (2, batch(&[signed_tx(nonce, b"{}")]).header.encode().to_vec())),
        arb_header().prop_map(|header| (4, header.encode().to_vec())),
        (arb_header(), refs).prop_map(|(header, refs)| {
            let batches = refs
                .into_iter()
                .map(|(digest, author, seq)| BatchRef { digest, author, seq })
                .collect();
            (5, Value { header, batches }.encode())
        }),
        vec(1u64..1000, 1..8).prop_map(|powers| (6, validators(&powers).0.encode())),
        (vec(any::<bool>(), 1..8), any::<(u64, u32, [u8; 32])>()).prop_map(|(signs, (height, round, hash))| {
            let (set, _) = validators(&vec![1; signs.len()]);
            let signers = signs
                .iter()
                .enumerate()
                .filter(|(_, signs)| **signs)
                .map(|(index, _)| (index, [3; 64]));
            let made = Certificate::from_precommits([1; 32], height, round, hash, &set, signers);
            (7, made.unwrap().encode())
        }),
        arb_receipt().prop_map(|receipt| (8, receipt.encode())),
        genesis.prop_map(|(chain_name, role, time_ms, [a, b, c], (x, y, z))| {
            let role = ChainRole::try_from(role).unwrap();
            let genesis = Genesis {
                chain_name,
                role,
                time_ms,
                validators_hash: a,
                plugins_hash: b,
                state_root: c,
                block_bytes_max: x,
                block_tx_count_max: y,
                valid_blocks_max: z,
            };
            (9, genesis.encode())
        }),
        record.prop_map(|(key, active, since_height, organisation, roles)| {
            let record = AccountRecord {
                key: KEYS[key].public_key().to_bytes(),
                active,
                since_height,
                organisation: organisation.try_into().unwrap(),
                roles: roles.into_iter().collect(),
            };
            (10, record.encode())
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn encodings_come_back_and_mutations_never_collide(
        (format, bytes) in arb_encoding(),
        flips in vec((any::<prop::sample::Index>(), 0u8..8), 1..24),
        cut in any::<prop::sample::Index>(),
        tail in vec(any::<u8>(), 1..70),
    ) {
        let (label, recode) = FORMATS[format];
        prop_assert_eq!(recode(&bytes), Some(bytes.clone()), "{}", label);
        for (at, bit) in flips {
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1 << bit;
            if let Some(again) = recode(&flipped) {
                prop_assert_eq!(again, flipped, "{} flipped", label);
            }
        }
        prop_assert_eq!(recode(&bytes[..cut.index(bytes.len())]), None, "{} truncated", label);
        let extended = [bytes, tail].concat();
        prop_assert_eq!(recode(&extended), None, "{} extended", label);
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..600), versioned in any::<bool>()) {
        if let Some(first) = bytes.first_mut().filter(|_| versioned) {
            *first = 1;
        }
        for (label, recode) in FORMATS {
            if let Some(again) = recode(&bytes) {
                prop_assert_eq!(&again, &bytes, "{}", label);
            }
        }
    }
}

#[test]
fn the_view_of_a_tx_agrees_with_the_owned_form() {
    let bytes = signed_tx(4, b"{}");
    let view = TxView::decode(&bytes).unwrap();
    let owned = SignedTx::decode(&bytes).unwrap();
    assert_eq!(view.to_signed().unwrap(), owned);
    assert_eq!(view.tx_id(), owned.body.tx_id());
    assert_eq!(view.body(), owned.body.encode());
    assert_eq!(
        (view.application(), view.action(), view.payload()),
        ("evidence", "preserve", &b"{}"[..])
    );
    assert_eq!(
        (view.sender(), view.nonce(), view.valid_until_height()),
        (&[8; 20], 4, 100)
    );
    assert_eq!(owned.signature, *view.signature());
}

#[test]
fn limits_hold_at_their_borders_and_have_their_codes() {
    assert!(SignedTx::decode(&signed_tx(1, &vec![0; PAYLOAD_BYTES_MAX])).is_ok());
    let over = SignedTx::decode(&signed_tx(1, &vec![0; PAYLOAD_BYTES_MAX + 1])).unwrap_err();
    assert_eq!(over.code(), codes::TX_TOO_LARGE);
    assert_eq!(
        SignedTx::decode(&vec![1; TX_BYTES_MAX + 1]).unwrap_err().code(),
        codes::TX_TOO_LARGE
    );
    assert_eq!(SignedTx::decode(&[]).unwrap_err().code(), codes::TX_MALFORMED);
    let mut wrong_version = signed_tx(1, b"");
    wrong_version[0] = 2;
    assert_eq!(SignedTx::decode(&wrong_version).unwrap_err().fault, Fault::Version(2));

    let mut receipt = Receipt {
        tx_id: [1; 32],
        code: 0,
        rule: Text8::default(),
        steps: 0,
        write_set_digest: ZERO_HASH,
        events: Vec::new(),
    };
    let event = |data| Event {
        name: "a.b".try_into().unwrap(),
        entity: Text16::default(),
        data,
    };
    receipt.events = vec![event(vec![0; EVENT_DATA_BYTES_MAX]); EVENT_COUNT_MAX];
    assert_eq!(Receipt::decode(&receipt.encode()).as_ref(), Ok(&receipt));
    receipt.events.push(event(Vec::new()));
    assert_eq!(
        Receipt::decode(&receipt.encode()).unwrap_err().code(),
        codes::RESULT_INVALID
    );
    receipt.events = vec![event(vec![0; EVENT_DATA_BYTES_MAX + 1])];
    assert!(Receipt::decode(&receipt.encode()).is_err());
}

#[test]
fn records_refuse_disorder_and_bad_keys() {
    let record = AccountRecord {
        key: KEYS[0].public_key().to_bytes(),
        active: true,
        since_height: 0,
        organisation: Text16::default(),
        roles: vec![name("b"), name("a")],
    };
    assert_eq!(
        AccountRecord::decode(&record.encode()).unwrap_err().fault,
        Fault::Order("roles")
    );
    let twice = AccountRecord {
        roles: vec![name("a"), name("a")],
        ..record.clone()
    };
    assert_eq!(
        AccountRecord::decode(&twice.encode()).unwrap_err().fault,
        Fault::Order("roles")
    );
    let many = AccountRecord {
        roles: (0..17).map(|i| name(&format!("r{i:02}"))).collect(),
        ..record.clone()
    };
    assert!(AccountRecord::decode(&many.encode()).is_err());
    let mut off_curve = AccountRecord {
        roles: vec![],
        ..record
    };
    off_curve.key[64] ^= 1;
    assert_eq!(
        AccountRecord::decode(&off_curve.encode()).unwrap_err().fault,
        Fault::Key("key")
    );
}

#[test]
fn digests_of_sets_ignore_the_order_given_and_refuse_doubles() {
    let entry = |application: &str, action: &str| PluginEntry {
        plugin: name("evidence"),
        version: "1.0".try_into().unwrap(),
        api_version: 1,
        state_version: 1,
        code_hash: [1; 32],
        application: name(application),
        action: name(action),
        schema_hash: [2; 32],
    };
    let (a, b) = (entry("a", "z"), entry("b", "a"));
    assert_eq!(plugins_hash(&[a.clone(), b.clone()]), plugins_hash(&[b, a.clone()]));
    assert_eq!(
        plugins_hash(&[a.clone(), a]).unwrap_err().code(),
        codes::PLUGIN_SET_INVALID
    );

    assert_eq!(write_set_digest([]), ZERO_HASH);
    let application = name("a");
    let write = |value| Write {
        application: &application,
        key: b"k",
        value,
    };
    assert_ne!(
        write_set_digest([write(None)]),
        write_set_digest([write(Some(&b""[..]))])
    );
}
