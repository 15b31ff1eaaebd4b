use crate::chain::{Chain, account, batch, body, code, hex, ok, receipts};
use hn_execution::{Applications, native_actions};
use hn_primitives::{TxBody, codes};

fn preserve(sender: usize, nonce: u64) -> TxBody {
    let payload = format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, hex(&[nonce as u8; 32]));
    body(sender, nonce, "evidence", "preserve", &payload)
}

#[test]
fn test_each_check_before_the_handler_has_its_code() {
    let mut chain = Chain::new();
    let good = preserve(1, 1);
    assert_eq!(chain.code(good.clone()), ok());
    assert_eq!(chain.code(good.clone()), code(codes::TX_DUPLICATE));
    let foreign = TxBody {
        chain_id: [8; 32],
        ..preserve(1, 2)
    };
    assert_eq!(chain.code(foreign), code(codes::WRONG_CHAIN));
    let height = chain.height;
    assert_eq!(
        chain.code(TxBody {
            valid_until_height: height - 1,
            ..preserve(1, 3)
        }),
        code(codes::TX_EXPIRED)
    );
    let height = chain.height;
    assert_eq!(
        chain.code(TxBody {
            valid_until_height: height,
            ..preserve(1, 3)
        }),
        ok()
    );
    let far = chain.height + chain.valid_blocks_max + 1;
    assert_eq!(
        chain.code(TxBody {
            valid_until_height: far,
            ..preserve(1, 4)
        }),
        code(codes::VALIDITY_TOO_FAR)
    );
    let far = chain.height + chain.valid_blocks_max;
    assert_eq!(
        chain.code(TxBody {
            valid_until_height: far,
            ..preserve(1, 7)
        }),
        ok()
    );
    assert_eq!(
        chain.code(TxBody {
            valid_until_height: u64::MAX,
            ..preserve(1, 5)
        }),
        code(codes::VALIDITY_TOO_FAR)
    );
    assert_eq!(chain.code(preserve(4, 5)), code(codes::ACCOUNT_UNKNOWN));
    assert_eq!(chain.code(preserve(3, 5)), code(codes::ACCOUNT_REVOKED));
    assert_eq!(
        chain.code(body(1, 6, "weather", "preserve", "{}")),
        code(codes::APPLICATION_UNKNOWN)
    );
    assert_eq!(
        chain.code(body(1, 6, "evidence", "remove", "{}")),
        code(codes::ACTION_UNKNOWN)
    );
    let revoke = format!(r#"{{"account":"{}"}}"#, hex(&account(2)));
    assert_eq!(
        chain.code(body(1, 6, "identity", "revoke", &revoke)),
        code(codes::ROLE_MISSING)
    );
    assert_eq!(chain.code(body(0, 6, "identity", "revoke", &revoke)), ok());
    assert_eq!(
        chain.code(preserve(2, 6)),
        code(codes::ACCOUNT_REVOKED),
        "revoked in the block before"
    );
}

#[test]
fn test_of_several_faults_the_first_in_order_answers() {
    let mut chain = Chain::new();
    // Everything is wrong; the faults are mended one after another.
    let mut tx = body(4, 1, "weather", "x", "");
    tx.chain_id = [8; 32];
    tx.valid_until_height = 0;
    assert_eq!(chain.code(tx.clone()), code(codes::WRONG_CHAIN));
    tx.chain_id = crate::chain::CHAIN;
    assert_eq!(chain.code(tx.clone()), code(codes::TX_EXPIRED));
    tx.valid_until_height = u64::MAX;
    assert_eq!(chain.code(tx.clone()), code(codes::VALIDITY_TOO_FAR));
    tx.valid_until_height = 1_000;
    assert_eq!(chain.code(tx.clone()), code(codes::ACCOUNT_UNKNOWN));
    tx.sender = account(3);
    assert_eq!(chain.code(tx.clone()), code(codes::ACCOUNT_REVOKED));
    tx.sender = account(1);
    chain.committed.insert(tx.tx_id());
    assert_eq!(chain.code(tx.clone()), code(codes::TX_DUPLICATE));
    tx.nonce = 2;
    assert_eq!(chain.code(tx.clone()), code(codes::APPLICATION_UNKNOWN));
    tx.application = "identity".try_into().unwrap();
    assert_eq!(chain.code(tx.clone()), code(codes::ACTION_UNKNOWN));
    tx.action = "revoke".try_into().unwrap();
    assert_eq!(chain.code(tx.clone()), code(codes::ROLE_MISSING));
    tx.sender = account(0);
    assert_eq!(chain.code(tx), code(codes::PAYLOAD_INVALID));
}

#[test]
fn test_second_occurrence_in_a_block_is_a_duplicate() {
    let mut chain = Chain::new();
    let (a, b) = (preserve(1, 1), preserve(2, 2));
    let result = chain.run(&[
        batch(&[a.clone(), b.clone(), a.clone()]),
        batch(std::slice::from_ref(&b)),
    ]);
    assert_eq!(result.codes, [0, 0, codes::TX_DUPLICATE, codes::TX_DUPLICATE]);
    assert_eq!(result.writes.len(), 2);
    // A first occurrence that failed in its handler stays the only one, too.
    let bad = body(1, 9, "evidence", "preserve", "{}");
    let result = chain.run(&[batch(&[bad.clone(), bad])]);
    assert_eq!(result.codes, [codes::PAYLOAD_INVALID, codes::TX_DUPLICATE]);
}

#[test]
fn test_accounts_count_as_of_the_block_before() {
    let mut chain = Chain::new();
    let revoke = format!(r#"{{"account":"{}"}}"#, hex(&account(1)));
    let block = [body(0, 1, "identity", "revoke", &revoke), preserve(1, 1)];
    assert_eq!(chain.codes(&block), [ok(), ok()]);
    assert_eq!(chain.codes(&[preserve(1, 2)]), [code(codes::ACCOUNT_REVOKED)]);
}

#[test]
fn test_empty_block_has_the_roots_of_empty_lists() {
    let result = Chain::new().execute(&[]);
    let empty = hn_merkle::block_tree::root::<&[u8]>(&[]);
    assert_eq!((result.receipts_root, result.outbox_root), (empty, empty));
    assert!(result.receipts.count() == 0 && result.writes.is_empty() && result.state_updates.is_empty());
}

#[test]
fn test_result_lists_agree_with_each_other() {
    let mut chain = Chain::new();
    let result = chain.run(&[batch(&[preserve(2, 9), preserve(1, 5), preserve(1, 1)])]);
    assert_eq!(
        result.receipts_root,
        hn_merkle::block_tree::root(&result.receipts.iter().collect::<Vec<_>>())
    );
    assert_eq!(result.receipts.count(), 3);
    let ids: Vec<_> = receipts(&result).iter().map(|receipt| receipt.tx_id).collect();
    assert_eq!(ids, result.tx_ids);
    assert!(
        result
            .writes
            .iter()
            .is_sorted_by(|a, b| (a.key.application(), a.key.key()) < (b.key.application(), b.key.key()))
    );
    for (write, update) in result.writes.iter().zip(&result.state_updates) {
        let key_hash = hn_merkle::state_tree::key_hash(write.key.application(), write.key.key());
        let value_hash = write.value.map(hn_merkle::state_tree::value_hash);
        assert_eq!(*update, (key_hash, value_hash));
    }
    assert_eq!((result.writes.len(), result.state_updates.len()), (3, 3));
    assert_eq!(result.writes_of("evidence").count(), 3);
    assert_eq!(result.writes_of("identity").count(), 0);
}

#[test]
fn test_native_actions_are_complete_and_their_schemas_are_json() {
    let actions = native_actions();
    let names: Vec<_> = actions
        .iter()
        .map(|action| (action.application, action.action))
        .collect();
    let want = [
        ("evidence", "advance_case"),
        ("evidence", "archive_case"),
        ("evidence", "collect"),
        ("evidence", "cosign"),
        ("evidence", "cosign_as"),
        ("evidence", "issue_certificate"),
        ("evidence", "link_correction"),
        ("evidence", "open_case"),
        ("evidence", "preserve"),
        ("evidence", "preserve_batch"),
        ("evidence", "set_policy"),
        ("evidence", "submit_to_case"),
        ("evidence", "verify"),
        ("governance", "propose"),
        ("governance", "vote"),
        ("identity", "register"),
        ("identity", "revoke"),
    ];
    assert_eq!(names, want);
    for action in actions {
        let schema: serde_json::Value = serde_json::from_str(action.schema_json).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(
            (action.plugin, action.roles.contains(&"admin")),
            ("hnnode", action.application != "evidence")
        );
    }
}

#[test]
fn test_table_refuses_contradictions() {
    let mut table = Applications::native().unwrap();
    table.add_foreign("coldchain", "declare", &["importer"]).unwrap();
    table.add_foreign("coldchain", "release", &[]).unwrap();
    let refused = [
        table.add_foreign("coldchain", "declare", &[]),
        table.add_foreign("evidence", "extra", &[]),
        table.add_foreign("Cold", "x", &[]),
        table.add_foreign("cold", "", &[]),
        table.add_foreign("cold", "x", &["Role"]),
        table.add_native(Box::new(hn_execution::evidence::Evidence)),
    ];
    assert!(
        refused
            .into_iter()
            .all(|result| result.unwrap_err().code() == codes::PLUGIN_SET_INVALID)
    );
}

#[test]
fn test_failed_receipts_are_told_with_their_codes() {
    let mut chain = Chain::new();
    chain.run(&[batch(&[preserve(1, 1)])]);
    let expired = TxBody {
        valid_until_height: 1,
        ..preserve(1, 4)
    };
    let stranger = TxBody {
        sender: account(4),
        ..preserve(1, 3)
    };
    let result = chain.run(&[batch(&[
        preserve(1, 2),
        preserve(1, 1),
        preserve(1, 2),
        stranger,
        expired,
        preserve(2, 2),
    ])]);
    let want = [
        codes::OK,
        codes::TX_DUPLICATE,
        codes::TX_DUPLICATE,
        codes::ACCOUNT_UNKNOWN,
        codes::TX_EXPIRED,
        codes::OK,
    ];
    assert_eq!(result.codes, want);
    let failed: Vec<_> = result.failed().collect();
    assert_eq!(failed, (1..5).map(|i| (i, want[i as usize])).collect::<Vec<_>>());
}
