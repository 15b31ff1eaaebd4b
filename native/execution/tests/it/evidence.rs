use crate::chain::{Chain, TIME, account, batch, body, code, hex, ok, receipts, rule};
use hn_execution::evidence::{Algorithm, Cosign, EvidenceKey, EvidenceRecord};
use hn_primitives::{TxBody, codes};

fn preserve(sender: usize, nonce: u64, payload: &str) -> TxBody {
    body(sender, nonce, "evidence", "preserve", payload)
}

fn hash(i: u8) -> String {
    hex(&[i; 32])
}

#[test]
fn test_preserve_writes_record_and_event() {
    let mut chain = Chain::new();
    let payload = format!(
        r#"{{"hash":"{}","algorithm":"sha256","size":18446744073709551615,"name":"合同\n"}}"#,
        hash(1)
    );
    let tx = preserve(1, 1, &payload);
    let result = chain.run(&[batch(std::slice::from_ref(&tx))]);
    let key = EvidenceKey::Record {
        hash: [1; 32],
        owner: account(1),
    };
    assert_eq!(
        (result.writes.len(), result.writes.get(0).unwrap().key.key()),
        (1, key.encode().as_slice())
    );
    let record = EvidenceRecord::decode(result.writes.get(0).unwrap().value.unwrap()).unwrap();
    let want = EvidenceRecord {
        height: 10,
        time_ms: TIME,
        tx_id: tx.tx_id(),
        algorithm: Algorithm::Sha256,
        size: u64::MAX,
        name: "合同\n".into(),
        previous: None,
    };
    assert_eq!(record, want);
    let receipt = receipts(&result).remove(0);
    assert_ne!(receipt.write_set_digest, [0; 32]);
    assert_eq!(
        (&*receipt.events[0].name, &*receipt.events[0].entity),
        ("evidence.preserved", hash(1).as_str())
    );
    let data = format!(
        r#"{{"algorithm":"sha256","name":"合同\n","owner":"{}","size":18446744073709551615}}"#,
        hex(&account(1))
    );
    assert_eq!(std::str::from_utf8(&receipt.events[0].data).unwrap(), data);
}

#[test]
fn test_second_preservation_succeeds_and_changes_nothing() {
    let mut chain = Chain::new();
    let first = format!(r#"{{"hash":"{}","algorithm":"sm3","name":"a"}}"#, hash(1));
    let again = format!(
        r#"{{"hash":"{}","algorithm":"sha256","previous":"{}"}}"#,
        hash(1),
        hash(9)
    );
    let result = chain.run(&[batch(&[
        preserve(1, 1, &first),
        preserve(1, 2, &again),
        preserve(2, 1, &first),
    ])]);
    assert_eq!(result.codes, [0, 0, 0]);
    assert_eq!(result.writes.len(), 2, "one record a sender");
    let before = chain.state.clone();
    let result = chain.run(&[batch(&[preserve(1, 3, &again)])]);
    let receipt = receipts(&result).remove(0);
    assert_eq!(
        (receipt.code, receipt.events.len(), receipt.write_set_digest),
        (0, 0, [0; 32])
    );
    assert!(result.writes.is_empty() && chain.state == before);
}

#[test]
fn test_previous_must_be_an_own_record() {
    let mut chain = Chain::new();
    let next = |i, previous| {
        format!(
            r#"{{"hash":"{}","algorithm":"sm3","previous":"{}"}}"#,
            hash(i),
            hash(previous)
        )
    };
    let first = format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, hash(1));
    assert_eq!(
        chain.code(preserve(1, 1, &next(2, 1))),
        rule("evidence.previous_unknown")
    );
    assert_eq!(chain.code(preserve(2, 1, &first)), ok());
    assert_eq!(
        chain.code(preserve(1, 2, &next(2, 1))),
        rule("evidence.previous_unknown"),
        "another owner's"
    );
    assert_eq!(
        chain.code(preserve(1, 3, &next(3, 3))),
        rule("evidence.previous_unknown"),
        "itself"
    );
    assert_eq!(
        chain.codes(&[preserve(1, 4, &first), preserve(1, 5, &next(2, 1))]),
        [ok(), ok()]
    );
    let key = EvidenceKey::Record {
        hash: [2; 32],
        owner: account(1),
    }
    .encode();
    let record = EvidenceRecord::decode(&chain.state[&("evidence".to_owned(), key)]).unwrap();
    assert_eq!(record.previous, Some([1; 32]));
}

#[test]
fn test_preserve_batch_keeps_the_leaf_count() {
    let mut chain = Chain::new();
    let payload = |leaf_count: &str| {
        format!(
            r#"{{"root":"{}","leaf_count":{leaf_count},"algorithm":"sm3"}}"#,
            hash(4)
        )
    };
    let tx = |nonce, leaf_count| body(1, nonce, "evidence", "preserve_batch", &payload(leaf_count));
    for bad in ["0", "-1", "1.0", "1e3", "\"1\"", "null", "18446744073709551616", "01"] {
        assert_eq!(chain.code(tx(1, bad)), code(codes::PAYLOAD_INVALID), "{bad}");
    }
    let result = chain.run(&[batch(&[tx(2, "1000"), tx(3, "7")])]);
    assert_eq!(result.codes, [0, 0]);
    let key = EvidenceKey::Batch {
        root: [4; 32],
        owner: account(1),
    }
    .encode();
    let record = EvidenceRecord::decode(&chain.state[&("evidence".to_owned(), key)]).unwrap();
    assert_eq!(
        (record.size, record.algorithm, record.previous),
        (1_000, Algorithm::Sm3, None)
    );
    let receipts = receipts(&result);
    let data = format!(
        r#"{{"algorithm":"sm3","leaf_count":1000,"name":"","owner":"{}"}}"#,
        hex(&account(1))
    );
    assert_eq!(
        (&*receipts[0].events[0].name, &receipts[0].events[0].data),
        ("evidence.batch_preserved", &data.into())
    );
    assert!(receipts[1].events.is_empty(), "the first one stands");
    let sha = payload("1").replace("sm3", "sha256");
    assert_eq!(
        chain.code(body(1, 5, "evidence", "preserve_batch", &sha)),
        code(codes::PAYLOAD_INVALID)
    );
}

#[test]
fn test_cosign_rules() {
    let mut chain = Chain::new();
    let payload = format!(r#"{{"hash":"{}","owner":"{}"}}"#, hash(1), hex(&account(1)));
    let cosign = |sender, nonce| body(sender, nonce, "evidence", "cosign", &payload);
    let record = format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, hash(1));
    assert_eq!(chain.code(cosign(2, 1)), rule("evidence.record_unknown"));
    assert_eq!(chain.code(cosign(1, 1)), rule("evidence.record_unknown"));
    assert_eq!(chain.code(preserve(1, 2, &record)), ok());
    assert_eq!(chain.code(cosign(1, 3)), rule("evidence.own_record"));
    let tx = cosign(2, 4);
    let result = chain.run(&[batch(std::slice::from_ref(&tx))]);
    let event = &receipts(&result)[0].events[0];
    assert_eq!((&*event.name, &*event.entity), ("evidence.cosigned", hash(1).as_str()));
    let data = format!(r#"{{"owner":"{}","signer":"{}"}}"#, hex(&account(1)), hex(&account(2)));
    assert_eq!(event.data, data.into_bytes());
    assert_eq!(chain.code(cosign(2, 5)), rule("evidence.already_cosigned"));
    let key = EvidenceKey::Cosign {
        hash: [1; 32],
        owner: account(1),
        signer: account(2),
    }
    .encode();
    let cosigned = Cosign::decode(&chain.state[&("evidence".to_owned(), key)]).unwrap();
    assert_eq!(
        cosigned,
        Cosign {
            height: chain.height - 2,
            time_ms: TIME,
            tx_id: tx.tx_id(),
            role: None,
        }
    );
    assert_eq!(
        chain.codes(&[cosign(0, 6), cosign(0, 7)]),
        [ok(), rule("evidence.already_cosigned")]
    );
}

#[test]
fn test_payload_must_be_exactly_the_schema() {
    let mut chain = Chain::new();
    let h = hash(1);
    let good = [
        format!(r#"{{"hash":"{h}","algorithm":"sm3"}}"#),
        format!(" \n{{ \"algorithm\" : \"sm3\" , \"hash\" : \"{h}\" }}\t"),
        format!(r#"{{"hash":"{h}","algorithm":"sha256","size":0,"name":""}}"#),
        format!(
            r#"{{"hash":"{h}","algorithm":"s\u006d3","name":"{}"}}"#,
            "x".repeat(200)
        ),
        format!(r#"{{"h\u0061sh":"{h}","algorithm":"sm3","name":"\ud83d\ude00"}}"#),
    ];
    for (i, payload) in good.iter().enumerate() {
        assert_eq!(chain.code(preserve(1, i as u64, payload)), ok(), "{payload}");
    }
    let bad = [
        String::new(),
        "null".into(),
        "{}".into(),
        format!(r#"["{h}","sm3"]"#),
        format!(r#"{{"hash":"{h}"}}"#),
        r#"{"algorithm":"sm3"}"#.into(),
        format!(r#"{{"hash":"{h}","algorithm":"md5"}}"#),
        format!(r#"{{"hash":"{h}","algorithm":{{"sm3":null}}}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","extra":1}}"#),
        format!(r#"{{"hash":"{h}","hash":"{h}","algorithm":"sm3"}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","size":1.5}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","size":1e2}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","size":-0}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","size":null}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","name":null}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","previous":null}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","name":"{}"}}"#, "x".repeat(201)),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","name":"{}"}}"#, "证".repeat(67)),
        format!(r#"{{"hash":"{h}","algorithm":"sm3","name":"\ud800"}}"#),
        format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, h.replace("01", "AB")),
        format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, &h[1..]),
        format!(r#"{{"hash":"{h}00","algorithm":"sm3"}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3"}} x"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3",}}"#),
        format!(r#"{{"hash":"{h}","algorithm":"sm3"}}"#).repeat(2),
        format!("\u{feff}{{\"hash\":\"{h}\",\"algorithm\":\"sm3\"}}"),
        "[".repeat(60_000),
    ];
    for (i, payload) in bad.iter().enumerate() {
        assert_eq!(
            chain.code(preserve(2, i as u64, payload)),
            code(codes::PAYLOAD_INVALID),
            "{payload:.120}"
        );
    }
    let mut raw = preserve(2, 99, "");
    raw.payload = format!(r#"{{"hash":"{h}","algorithm":"sm3","name":"?"}}"#).into_bytes();
    raw.payload
        .iter_mut()
        .filter(|byte| **byte == b'?')
        .for_each(|byte| *byte = 0xff);
    assert_eq!(chain.code(raw), code(codes::PAYLOAD_INVALID), "not UTF-8");
}
