use crate::chain::{Chain, batch, body, code, ok, receipts, rule};
use crate::probe::Probe;
use hn_execution::Applications;
use hn_primitives::{Name, TxBody, Write, codes, write_set_digest};

fn chain() -> Chain {
    let mut applications = Applications::native().unwrap();
    applications.add_native(Box::new(Probe)).unwrap();
    Chain::with(applications)
}

fn run(nonce: u64, script: &str) -> TxBody {
    body(1, nonce, "probe", "run", script)
}

#[test]
fn test_undeclared_keys_are_out_of_reach() {
    let mut chain = chain();
    let denied = code(codes::UNDECLARED_ACCESS);
    assert_eq!(chain.code(run(1, "get a")), denied);
    assert_eq!(chain.code(run(2, "declare a\nput a 1\nget b")), denied);
    assert_eq!(chain.code(run(3, "declare a\nput b 1")), denied);
    assert_eq!(chain.code(run(4, "declare a\ndelete b")), denied);
    // Declared by another transaction of the block, in front and behind.
    let block = [
        run(5, "declare b"),
        run(6, "declare a\nget b"),
        run(7, "declare b\nget b"),
    ];
    assert_eq!(chain.codes(&block), [ok(), denied, ok()]);
}

#[test]
fn test_failed_transaction_leaves_no_write_and_no_event() {
    let mut chain = chain();
    assert_eq!(
        chain.code(run(1, "declare a\nput a 1\nemit e x 1\nfail")),
        rule("probe.fail")
    );
    let block = [
        run(2, "declare a\nput a 1"),
        run(3, "declare a\ndeclare b\nput a 2\nput b 2\nwant a 2\nemit e x 1\nfail"),
        run(4, "declare a\ndeclare b\nwant a 1\nwant b"),
        run(5, "declare a\ndelete a\nwant a"),
        run(6, "declare a\nwant a\nput a 3"),
    ];
    let result = chain.run(&[batch(&block)]);
    assert_eq!(result.codes, [0, codes::RULE_VIOLATION, 0, 0, 0]);
    assert_eq!(result.writes.len(), 1);
    assert_eq!(result.writes.get(0).unwrap().value, Some(b"3".as_slice()));
    let receipts = receipts(&result);
    assert!(receipts.iter().all(|receipt| receipt.events.is_empty()));
    let application = &Name::new("probe").unwrap();
    let digest = |value| {
        write_set_digest([Write {
            application,
            key: b"a",
            value,
        }])
    };
    let got: Vec<_> = receipts.iter().map(|receipt| receipt.write_set_digest).collect();
    assert_eq!(
        got,
        [digest(Some(b"1")), [0; 32], [0; 32], digest(None), digest(Some(b"3"))]
    );
    assert_eq!(
        chain.code(run(7, "declare a\nwant a 3\ndelete a\nput a 4\ndelete a")),
        ok()
    );
    assert!(!chain.state.contains_key(&("probe".to_owned(), b"a".to_vec())));
}

#[test]
fn test_write_set_digest_follows_key_order_and_last_value() {
    let mut chain = chain();
    let script = "declare b\ndeclare a\ndeclare c\nput b 1\nput c 3\nput a 9\nput a 2\nget c";
    let result = chain.run(&[batch(&[run(1, script)])]);
    let application = &Name::new("probe").unwrap();
    let write = |key, value| Write {
        application,
        key,
        value: Some(value),
    };
    let want = write_set_digest([
        write(b"a".as_slice(), b"2".as_slice()),
        write(b"b", b"1"),
        write(b"c", b"3"),
    ]);
    assert_eq!(receipts(&result)[0].write_set_digest, want);
    let keys: Vec<_> = result.writes.iter().map(|write| write.key.key()).collect();
    assert_eq!(keys, [b"a", b"b", b"c"]);
}

#[test]
fn test_bounds_of_writes_keys_values_and_events() {
    let mut chain = chain();
    let exceeded = code(codes::WRITE_LIMIT_EXCEEDED);
    let keys = |count: usize| {
        let declare: Vec<_> = (0..count).map(|i| format!("declare k{i}\nput k{i} v")).collect();
        declare.join("\n")
    };
    let key = |length: usize| format!("declare {0}\nput {0} 1", "k".repeat(length));
    let events = |count: usize| vec!["emit e x 1"; count].join("\n");
    let emit =
        |name: usize, entity: usize, data: usize| format!("emit {} {} {data}", "n".repeat(name), "x".repeat(entity));
    let cases = [
        (keys(64), ok()),
        (keys(65), exceeded.clone()),
        (key(256), ok()),
        (key(257), exceeded.clone()),
        ("declare ".into(), exceeded.clone()),
        ("declare k\nfill k 65536".into(), ok()),
        ("declare k\nfill k 65537".into(), exceeded.clone()),
        (events(64), ok()),
        (events(65), exceeded.clone()),
        (emit(255, 1, 16_384), ok()),
        (emit(256, 1, 1), exceeded.clone()),
        (emit(1, 1, 16_385), exceeded),
    ];
    for (nonce, (script, want)) in cases.into_iter().enumerate() {
        assert_eq!(chain.code(run(nonce as u64, &script)), want, "{script:.60}");
    }
}
