use crate::chain::{Chain, account, batch, body, code, hex, ok, receipts, rule};
use hn_execution::{Applications, ForeignEvent, ForeignResult, ForeignTx};
use hn_primitives::{Name, TxBody, Write, codes, write_set_digest};

pub fn chain() -> Chain {
    let mut applications = Applications::native().unwrap();
    applications.add_foreign("coldchain", "declare", &[]).unwrap();
    applications.add_foreign("coldchain", "freeze", &["admin"]).unwrap();
    applications.add_foreign("agri", "harvest", &[]).unwrap();
    Chain::with(applications)
}

pub fn tx(nonce: u64) -> TxBody {
    body(1, nonce, "coldchain", "declare", "{}")
}

pub fn result(index: u32) -> ForeignResult {
    ForeignResult {
        tx_index: index,
        ..ForeignResult::default()
    }
}

fn event(name: usize, entity: usize, data: usize) -> ForeignEvent {
    let data = if data == 0 { Vec::new() } else { vec![b'1'; data] };
    ForeignEvent {
        name: "n".repeat(name),
        entity: "x".repeat(entity),
        data,
    }
}

fn writes(count: usize, key: usize, value: usize) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    (0..count)
        .map(|i| ([vec![i as u8], vec![0; key - 1]].concat(), Some(vec![1; value])))
        .collect()
}

#[test]
fn test_groups_hold_what_passed_the_checks_in_block_order() {
    let chain = chain();
    let evidence = format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, hex(&[1; 32]));
    let txs = [
        tx(1),
        body(1, 2, "agri", "harvest", "a"),
        body(1, 3, "evidence", "preserve", &evidence),
        body(1, 4, "coldchain", "freeze", "{}"),
        body(3, 5, "coldchain", "declare", "{}"),
        body(0, 6, "coldchain", "freeze", "b"),
        body(1, 7, "coldchain", "thaw", "{}"),
        tx(1),
        body(2, 8, "coldchain", "declare", "c"),
    ];
    let mut block = chain.begin(&[batch(&txs[..5]), batch(&txs[5..])]);
    block.set_committed(&[false; 9]).unwrap();
    let groups = block.foreign_groups().unwrap();
    let shape = |tx: &ForeignTx<'_>| (tx.tx_index, tx.action.to_owned(), tx.payload.to_vec(), *tx.sender);
    let got: Vec<_> = groups
        .iter()
        .map(|g| (g.application, g.txs.iter().map(shape).collect::<Vec<_>>()))
        .collect();
    let want = [
        ("agri", vec![(1, "harvest".into(), b"a".to_vec(), account(1))]),
        (
            "coldchain",
            vec![
                (0, "declare".into(), b"{}".to_vec(), account(1)),
                (5, "freeze".into(), b"b".to_vec(), account(0)),
                (8, "declare".into(), b"c".to_vec(), account(2)),
            ],
        ),
    ];
    assert_eq!(got, want);
    assert_eq!(groups[1].txs[1].tx_id, &txs[5].tx_id());
    assert_eq!(&*groups[1].txs[1].account.organisation, "org");
    let finished = chain.execute(&[batch(&txs)]);
    let want = [0, 0, 0, 4007, 2002, 0, 4003, 3003, 0];
    assert_eq!(finished.codes, want);
}

#[test]
fn test_results_become_receipts_and_writes_and_the_last_write_stands() {
    let mut chain = chain();
    chain.host = |_, tx| match tx.tx_index {
        0 => ForeignResult {
            steps: 17,
            writes: vec![(b"b".to_vec(), Some(b"1".to_vec())), (b"a".to_vec(), None)],
            events: vec![ForeignEvent {
                name: "coldchain.coded".into(),
                entity: "批".into(),
                data: b"{\"a\":1}".to_vec(),
            }],
            ..result(0)
        },
        1 => ForeignResult {
            code: codes::RULE_VIOLATION,
            rule: "coldchain.not_released".into(),
            steps: 3,
            ..result(1)
        },
        _ => ForeignResult {
            writes: vec![(b"b".to_vec(), Some(b"2".to_vec()))],
            ..result(tx.tx_index)
        },
    };
    let result = chain.run(&[batch(&[tx(1), tx(2), tx(3)])]);
    let receipts = receipts(&result);
    assert_eq!(result.codes, [0, codes::RULE_VIOLATION, 0]);
    assert_eq!(
        (receipts[0].steps, receipts[1].steps, &*receipts[1].rule),
        (17, 3, "coldchain.not_released")
    );
    assert_eq!(
        (&*receipts[0].events[0].entity, receipts[0].events[0].data.as_slice()),
        ("批", b"{\"a\":1}".as_slice())
    );
    let application = &Name::new("coldchain").unwrap();
    let digest = write_set_digest([
        Write {
            application,
            key: b"a",
            value: None,
        },
        Write {
            application,
            key: b"b",
            value: Some(b"1"),
        },
    ]);
    assert_eq!(receipts[0].write_set_digest, digest);
    let writes: Vec<_> = result
        .writes
        .iter()
        .map(|write| (write.key.key(), write.value))
        .collect();
    assert_eq!(
        writes,
        [(b"a".as_slice(), None), (b"b".as_slice(), Some(b"2".as_slice()))]
    );
}

#[test]
fn test_results_at_the_bounds_pass_and_beyond_them_are_invalid() {
    let bad = code(codes::RESULT_INVALID);
    let cases: Vec<(ForeignResult, (u32, String))> = vec![
        (
            ForeignResult {
                writes: writes(64, 1, 0),
                ..result(0)
            },
            ok(),
        ),
        (
            ForeignResult {
                writes: writes(65, 1, 0),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                writes: writes(1, 256, 65_536),
                ..result(0)
            },
            ok(),
        ),
        (
            ForeignResult {
                writes: writes(1, 257, 1),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                writes: writes(1, 1, 65_537),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                writes: vec![(Vec::new(), None)],
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                writes: [writes(2, 1, 1), writes(1, 1, 2)].concat(),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                events: vec![event(1, 0, 1); 64],
                ..result(0)
            },
            ok(),
        ),
        (
            ForeignResult {
                events: vec![event(1, 0, 1); 65],
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                events: vec![event(255, 65_535, 16_384)],
                ..result(0)
            },
            ok(),
        ),
        (
            ForeignResult {
                events: vec![event(256, 1, 1)],
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                events: vec![event(0, 1, 1)],
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                events: vec![event(1, 65_536, 1)],
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                events: vec![event(1, 1, 16_385)],
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                events: vec![event(1, 1, 0)],
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::HANDLER_FAILED,
                ..result(0)
            },
            code(codes::HANDLER_FAILED),
        ),
        (
            ForeignResult {
                code: codes::RESULT_INVALID,
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::RULE_VIOLATION,
                rule: "a.b".into(),
                ..result(0)
            },
            rule("a.b"),
        ),
        (
            ForeignResult {
                code: codes::RULE_VIOLATION,
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::RULE_VIOLATION,
                rule: "a b".into(),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::RULE_VIOLATION,
                rule: "规则".into(),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::RULE_VIOLATION,
                rule: "r".repeat(256),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::HANDLER_FAILED,
                rule: "a.b".into(),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                rule: "a.b".into(),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::TX_EXPIRED,
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: 4_999,
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::HANDLER_FAILED,
                writes: writes(1, 1, 1),
                ..result(0)
            },
            bad.clone(),
        ),
        (
            ForeignResult {
                code: codes::HANDLER_FAILED,
                events: vec![event(1, 1, 1)],
                ..result(0)
            },
            bad,
        ),
    ];
    for (i, (given, want)) in cases.into_iter().enumerate() {
        let mut block = chain().begin(&[batch(&[tx(1)])]);
        block.set_committed(&[false]).unwrap();
        block.supply(Vec::new()).unwrap();
        block.run_native().unwrap();
        let (steps, write_count, event_count) = (given.steps, given.writes.len(), given.events.len());
        block.complete("coldchain", &ForeignResult::pack(&[given])).unwrap();
        let finished = block.finish().unwrap();
        let receipt = receipts(&finished).remove(0);
        assert_eq!(
            (receipt.code, receipt.rule.to_string(), receipt.steps),
            (want.0, want.1, steps),
            "case {i}"
        );
        let left = if receipt.code == 0 {
            (write_count, event_count)
        } else {
            (0, 0)
        };
        assert_eq!((finished.writes.len(), receipt.events.len()), left, "case {i}");
    }
}
