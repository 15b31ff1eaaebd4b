use crate::chain::{CHAIN, Chain, account, batch, body, code, hex, key, ok, receipts, rule};
use hn_execution::identity::register_message;
use hn_primitives::{AccountRecord, TxBody, codes};

fn register_with(sender: usize, nonce: u64, new: usize, roles: &str, proof: &[u8]) -> TxBody {
    let payload = format!(
        r#"{{"public_key":"{}","organisation":"税务局","roles":{roles},"proof":"{}"}}"#,
        hex(&key(new).public_key().to_bytes()),
        hex(proof)
    );
    body(sender, nonce, "identity", "register", &payload)
}

fn proof(new: usize) -> [u8; 64] {
    key(new).sign(&register_message(&CHAIN, &key(new).public_key().to_bytes()))
}

fn register(sender: usize, nonce: u64, new: usize) -> TxBody {
    register_with(sender, nonce, new, r#"["writer","auditor"]"#, &proof(new))
}

fn revoke(sender: usize, nonce: u64, of: usize) -> TxBody {
    body(
        sender,
        nonce,
        "identity",
        "revoke",
        &format!(r#"{{"account":"{}"}}"#, hex(&account(of))),
    )
}

fn record(chain: &Chain, i: usize) -> AccountRecord {
    AccountRecord::decode(&chain.state[&("identity".to_owned(), account(i).to_vec())]).unwrap()
}

#[test]
fn test_register_takes_effect_in_the_next_block() {
    let mut chain = Chain::new();
    let payload = format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, hex(&[1; 32]));
    let write = |nonce| body(5, nonce, "evidence", "preserve", &payload);
    let result = chain.run(&[batch(&[register(0, 1, 5), write(1)])]);
    assert_eq!(result.codes, [0, codes::ACCOUNT_UNKNOWN]);
    assert_eq!(chain.codes(&[write(2)]), [ok()]);
    let record = record(&chain, 5);
    assert_eq!(
        (record.active, record.since_height, &*record.organisation),
        (true, 10, "税务局")
    );
    assert_eq!(
        record.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
        ["auditor", "writer"]
    );
    let event = &receipts(&result)[0].events[0];
    assert_eq!(
        (&*event.name, &*event.entity),
        ("identity.registered", hex(&account(5)).as_str())
    );
    let data = format!(
        r#"{{"organisation":"税务局","registered_by":"{}","roles":["auditor","writer"]}}"#,
        hex(&account(0))
    );
    assert_eq!(std::str::from_utf8(&event.data).unwrap(), data);
}

#[test]
fn test_register_rules() {
    let mut chain = Chain::new();
    assert_eq!(chain.code(register(1, 1, 5)), code(codes::ROLE_MISSING));
    assert_eq!(chain.code(register(0, 1, 1)), rule("identity.already_registered"));
    assert_eq!(
        chain.code(register(0, 2, 3)),
        rule("identity.already_registered"),
        "revoked stays taken"
    );
    assert_eq!(
        chain.code(register_with(0, 3, 5, "[]", &proof(6))),
        code(codes::SIGNATURE_INVALID)
    );
    let elsewhere = key(5).sign(&register_message(&[8; 32], &key(5).public_key().to_bytes()));
    assert_eq!(
        chain.code(register_with(0, 4, 5, "[]", &elsewhere)),
        code(codes::SIGNATURE_INVALID),
        "another chain"
    );
    assert_eq!(
        chain.code(register_with(0, 5, 5, "[]", &[0; 64])),
        code(codes::SIGNATURE_OUT_OF_RANGE)
    );
    for roles in [
        r#"["a","a"]"#,
        r#"["A"]"#,
        r#"[""]"#,
        "[1]",
        "null",
        r#""a""#,
        &many_roles(17),
    ] {
        assert_eq!(
            chain.code(register_with(0, 6, 5, roles, &proof(5))),
            code(codes::PAYLOAD_INVALID),
            "{roles}"
        );
        chain.committed.clear();
    }
    let mut off_curve = register(0, 7, 5);
    let payload = String::from_utf8(off_curve.payload).unwrap();
    let public_key = hex(&key(5).public_key().to_bytes());
    off_curve.payload = payload
        .replace(&public_key, &format!("04{}", "11".repeat(64)))
        .into_bytes();
    assert_eq!(chain.code(off_curve), code(codes::PUBLIC_KEY_INVALID));
    let mut long = register(0, 8, 5);
    long.payload = payload.replace("税务局", &"x".repeat(201)).into_bytes();
    assert_eq!(chain.code(long), code(codes::PAYLOAD_INVALID));
    let twice = [register_with(0, 9, 5, &many_roles(16), &proof(5)), register(0, 10, 5)];
    assert_eq!(chain.codes(&twice), [ok(), rule("identity.already_registered")]);
}

fn many_roles(count: usize) -> String {
    let roles: Vec<String> = (0..count).map(|i| format!("\"role{i}\"")).collect();
    format!("[{}]", roles.join(","))
}

#[test]
fn test_revoke_rules() {
    let mut chain = Chain::new();
    assert_eq!(chain.code(revoke(1, 1, 2)), code(codes::ROLE_MISSING));
    assert_eq!(chain.code(revoke(0, 1, 0)), rule("identity.own_account"));
    assert_eq!(chain.code(revoke(0, 2, 6)), rule("identity.account_unknown"));
    assert_eq!(chain.code(revoke(0, 3, 3)), rule("identity.already_revoked"));
    let height = chain.height;
    let result = chain.run(&[batch(&[revoke(0, 4, 2), revoke(0, 5, 2)])]);
    let receipts = receipts(&result);
    assert_eq!(result.codes, [0, codes::RULE_VIOLATION]);
    assert_eq!(&*receipts[1].rule, "identity.already_revoked");
    assert_eq!(&*receipts[0].events[0].name, "identity.revoked");
    assert_eq!(
        receipts[0].events[0].data,
        format!(r#"{{"revoked_by":"{}"}}"#, hex(&account(0))).into_bytes()
    );
    let record = record(&chain, 2);
    assert_eq!((record.active, record.since_height), (false, height));
    assert!(!chain.accounts.get(&account(2)).unwrap().active);
}
