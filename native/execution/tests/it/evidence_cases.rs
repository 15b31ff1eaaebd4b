//! Policies, cases, verification, corrections and circumstances of `evidence`: what they leave, and each refusal.

use crate::chain::{Chain, TIME, account, batch, body, code, hex, key, ok, receipts, rule};
use hn_execution::evidence::{
    Case, Cosign, EvidenceKey, EvidenceRecord, ITEM_COUNT_MAX, Item, Policy, Progress, Stamp, TOKEN_SKEW_MS_MAX,
};
use hn_primitives::{AccountRecord, Hash32, Name, Text16, codes};

const OWNER: usize = 1;
const WITNESS: usize = 2;
const NOTARY: usize = 4;
const APPRAISER: usize = 5;
const COURT: usize = 6;

/// The chain of `Chain::new`, and a notary, an appraiser and a court.
fn chain() -> Chain {
    let mut chain = Chain::new();
    let roles = [(NOTARY, "notary"), (APPRAISER, "appraiser"), (COURT, "court")];
    let rows = roles.map(|(i, role)| {
        let record = AccountRecord {
            key: key(i).public_key().to_bytes(),
            active: true,
            since_height: 0,
            organisation: Text16::new(role).unwrap(),
            roles: vec![Name::new(role).unwrap()],
        };
        (("identity".to_owned(), account(i).to_vec()), record.encode())
    });
    chain.state.extend(rows);
    let rows = chain.state.iter().filter(|((name, _), _)| name == "identity");
    chain.accounts.load(rows.map(|((_, key), value)| (key, value))).unwrap();
    chain
}

fn send(chain: &mut Chain, sender: usize, action: &str, payload: &str) -> (u32, String) {
    let nonce = chain.height;
    chain.code(body(sender, nonce, "evidence", action, payload))
}

fn h(i: u8) -> String {
    hex(&[i; 32])
}

fn who(i: usize) -> String {
    hex(&account(i))
}

fn preserve(chain: &mut Chain, sender: usize, hash: u8) {
    let payload = format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, h(hash));
    assert_eq!(send(chain, sender, "preserve", &payload), ok());
}

fn value(chain: &Chain, key: EvidenceKey) -> Option<&Vec<u8>> {
    chain.state.get(&("evidence".to_owned(), key.encode()))
}

/// Opens a case of the owner before the court and gives its id.
fn open(chain: &mut Chain, more: &str) -> Hash32 {
    let payload = format!(r#"{{"court":"{}","name":"案"{more}}}"#, who(COURT));
    let tx = body(OWNER, chain.height, "evidence", "open_case", &payload);
    let id = tx.tx_id();
    assert_eq!(chain.code(tx), ok());
    id
}

fn submit(chain: &mut Chain, sender: usize, case: &Hash32, hash: u8, signers: &[usize]) -> (u32, String) {
    let signers: Vec<_> = signers.iter().map(|i| format!(r#""{}""#, who(*i))).collect();
    let payload = format!(
        r#"{{"case":"{}","hash":"{}","signers":[{}]}}"#,
        hex(case),
        h(hash),
        signers.join(",")
    );
    send(chain, sender, "submit_to_case", &payload)
}

fn verify(chain: &mut Chain, sender: usize, case: &Hash32, hash: u8, computed: u8) -> (u32, String) {
    let payload = format!(
        r#"{{"case":"{}","hash":"{}","owner":"{}","computed":"{}","report":"{}"}}"#,
        hex(case),
        h(hash),
        who(OWNER),
        h(computed),
        h(99)
    );
    send(chain, sender, "verify", &payload)
}

fn on_case(chain: &mut Chain, sender: usize, action: &str, case: &Hash32) -> (u32, String) {
    send(chain, sender, action, &format!(r#"{{"case":"{}"}}"#, hex(case)))
}

fn cosign(chain: &mut Chain, sender: usize, hash: u8, role: Option<&str>) -> (u32, String) {
    let (hash, owner) = (h(hash), who(OWNER));
    match role {
        None => send(
            chain,
            sender,
            "cosign",
            &format!(r#"{{"hash":"{hash}","owner":"{owner}"}}"#),
        ),
        Some(role) => {
            let payload = format!(r#"{{"hash":"{hash}","owner":"{owner}","role":"{role}"}}"#);
            send(chain, sender, "cosign_as", &payload)
        }
    }
}

fn policy(needed: u8, accounts: &[usize], roles: &[&str]) -> String {
    let accounts: Vec<_> = accounts.iter().map(|i| format!(r#""{}""#, who(*i))).collect();
    let roles: Vec<_> = roles.iter().map(|role| format!(r#""{role}""#)).collect();
    let (accounts, roles) = (accounts.join(","), roles.join(","));
    format!(r#"{{"needed":{needed},"accounts":[{accounts}],"roles":[{roles}]}}"#)
}

#[test]
fn test_a_record_goes_all_the_way() {
    let mut chain = chain();
    preserve(&mut chain, OWNER, 1);
    let set = format!(
        r#"{{"hash":"{}","policy":{}}}"#,
        h(1),
        policy(2, &[WITNESS], &["notary"])
    );
    assert_eq!(send(&mut chain, OWNER, "set_policy", &set), ok());
    let case = open(&mut chain, r#","phases":["取证","质证"]"#);
    assert_eq!(cosign(&mut chain, WITNESS, 1, None), ok());
    assert_eq!(
        submit(&mut chain, OWNER, &case, 1, &[WITNESS]),
        rule("evidence.cosignatures_missing")
    );
    assert_eq!(cosign(&mut chain, NOTARY, 1, Some("notary")), ok());
    assert_eq!(on_case(&mut chain, OWNER, "advance_case", &case), ok());
    assert_eq!(submit(&mut chain, OWNER, &case, 1, &[NOTARY, WITNESS]), ok());
    let item = |chain: &Chain| {
        let key = EvidenceKey::Item {
            case,
            hash: [1; 32],
            owner: account(OWNER),
        };
        Item::decode(value(chain, key).unwrap()).unwrap()
    };
    let mut signers = vec![account(NOTARY), account(WITNESS)];
    signers.sort_unstable();
    assert_eq!(
        (item(&chain).phase, item(&chain).signers, item(&chain).finding),
        (1, signers, None)
    );
    assert_eq!(
        on_case(&mut chain, COURT, "archive_case", &case),
        rule("evidence.items_open")
    );
    assert_eq!(verify(&mut chain, COURT, &case, 1, 1), ok());
    let finding = item(&chain).finding.unwrap();
    assert_eq!((finding.computed, finding.report), ([1; 32], Some([99; 32])));
    assert_eq!(on_case(&mut chain, COURT, "archive_case", &case), ok());
    let progress = Progress::decode(value(&chain, EvidenceKey::Progress { case }).unwrap()).unwrap();
    assert_eq!((progress.phase, progress.item_count, progress.match_count), (1, 1, 1));
    assert_eq!(progress.archived.unwrap().height, chain.height - 1);
    let record = EvidenceKey::Record {
        hash: [1; 32],
        owner: account(OWNER),
    };
    assert!(EvidenceRecord::decode(value(&chain, record).unwrap()).is_ok());
    for (sender, action) in [(COURT, "archive_case"), (OWNER, "advance_case")] {
        assert_eq!(
            on_case(&mut chain, sender, action, &case),
            rule("evidence.case_archived")
        );
    }
    assert_eq!(submit(&mut chain, OWNER, &case, 1, &[]), rule("evidence.case_archived"));
    assert_eq!(verify(&mut chain, COURT, &case, 1, 1), rule("evidence.case_archived"));
}

#[test]
fn test_a_mismatch_is_recorded_and_told() {
    let mut chain = chain();
    preserve(&mut chain, OWNER, 1);
    let case = open(&mut chain, "");
    assert_eq!(submit(&mut chain, OWNER, &case, 1, &[]), ok());
    let payload = format!(
        r#"{{"case":"{}","hash":"{}","owner":"{}","computed":"{}"}}"#,
        hex(&case),
        h(1),
        who(OWNER),
        h(2)
    );
    let result = chain.run(&[batch(&[body(COURT, 1, "evidence", "verify", &payload)])]);
    let event = receipts(&result).remove(0).events.remove(0);
    assert_eq!((&*event.name, &*event.entity), ("evidence.mismatch", h(1).as_str()));
    let want = format!(
        r#"{{"case":"{}","computed":"{}","owner":"{}"}}"#,
        hex(&case),
        h(2),
        who(OWNER)
    );
    assert_eq!(event.data, want.into_bytes());
    assert_eq!(
        verify(&mut chain, COURT, &case, 1, 1),
        rule("evidence.already_verified")
    );
    assert_eq!(on_case(&mut chain, COURT, "archive_case", &case), ok());
    let progress = Progress::decode(value(&chain, EvidenceKey::Progress { case }).unwrap()).unwrap();
    assert_eq!((progress.match_count, progress.mismatch_count), (0, 1));
}

#[test]
fn test_policies_are_set_once_by_the_owner() {
    let mut chain = chain();
    let set = |policy: String| format!(r#"{{"hash":"{}","policy":{policy}}}"#, h(1));
    let good = set(policy(1, &[WITNESS, NOTARY], &[]));
    assert_eq!(
        send(&mut chain, OWNER, "set_policy", &good),
        rule("evidence.record_unknown")
    );
    preserve(&mut chain, OWNER, 1);
    assert_eq!(
        send(&mut chain, WITNESS, "set_policy", &good),
        rule("evidence.record_unknown")
    );
    let own = set(policy(1, &[OWNER], &[]));
    assert_eq!(send(&mut chain, OWNER, "set_policy", &own), rule("evidence.own_record"));
    for bad in [
        policy(0, &[], &[]),
        policy(17, &[], &["notary"]),
        policy(3, &[WITNESS, NOTARY], &[]),
        policy(1, &[WITNESS, WITNESS], &[]),
        policy(1, &[], &["notary", "notary"]),
        policy(1, &[], &["Notary"]),
        policy(1, &[], &["a", "b", "c", "d", "e", "f", "g", "h", "i"]),
        "{}".into(),
        "null".into(),
        r#"{"needed":1,"n":2}"#.into(),
    ] {
        assert_eq!(
            send(&mut chain, OWNER, "set_policy", &set(bad)),
            code(codes::PAYLOAD_INVALID)
        );
    }
    assert_eq!(send(&mut chain, OWNER, "set_policy", &good), ok());
    let stored = EvidenceKey::Policy {
        hash: [1; 32],
        owner: account(OWNER),
    };
    assert_eq!(
        Policy::decode(value(&chain, stored).unwrap()).unwrap().1.accounts.len(),
        2
    );
    assert_eq!(
        send(&mut chain, OWNER, "set_policy", &good),
        rule("evidence.policy_already_set")
    );
}

#[test]
fn test_a_role_counts_only_when_held_and_signed_in() {
    let mut chain = chain();
    preserve(&mut chain, OWNER, 1);
    assert_eq!(
        cosign(&mut chain, WITNESS, 1, Some("notary")),
        rule("evidence.role_not_held")
    );
    assert_eq!(cosign(&mut chain, NOTARY, 1, Some("No")), code(codes::PAYLOAD_INVALID));
    assert_eq!(
        cosign(&mut chain, NOTARY, 2, Some("notary")),
        rule("evidence.record_unknown")
    );
    assert_eq!(cosign(&mut chain, NOTARY, 1, None), ok());
    assert_eq!(
        cosign(&mut chain, NOTARY, 1, Some("notary")),
        rule("evidence.already_cosigned")
    );
    let case = open(
        &mut chain,
        &format!(r#","policy":{}"#, policy(1, &[], &["notary", "appraiser"])),
    );
    // A notary that signed in no role is a witness like any other.
    assert_eq!(
        submit(&mut chain, OWNER, &case, 1, &[NOTARY]),
        rule("evidence.cosignatures_missing")
    );
    assert_eq!(
        submit(&mut chain, OWNER, &case, 1, &[NOTARY, APPRAISER]),
        rule("evidence.cosignature_unknown")
    );
    assert_eq!(cosign(&mut chain, APPRAISER, 1, Some("appraiser")), ok());
    assert_eq!(
        submit(&mut chain, OWNER, &case, 1, &[APPRAISER, APPRAISER]),
        code(codes::PAYLOAD_INVALID)
    );
    assert_eq!(submit(&mut chain, OWNER, &case, 1, &[APPRAISER]), ok());
    let stored = EvidenceKey::Cosign {
        hash: [1; 32],
        owner: account(OWNER),
        signer: account(APPRAISER),
    };
    let stored = Cosign::decode(value(&chain, stored).unwrap()).unwrap();
    assert_eq!(stored.role.as_deref(), Some("appraiser"));
}

#[test]
fn test_who_may_do_what_in_a_case() {
    let mut chain = chain();
    preserve(&mut chain, OWNER, 1);
    preserve(&mut chain, WITNESS, 2);
    preserve(&mut chain, NOTARY, 3);
    let none = [7; 32];
    assert_eq!(submit(&mut chain, OWNER, &none, 1, &[]), rule("evidence.case_unknown"));
    assert_eq!(
        on_case(&mut chain, OWNER, "advance_case", &none),
        rule("evidence.case_unknown")
    );
    let case = open(&mut chain, &format!(r#","parties":["{}"]"#, who(WITNESS)));
    let facts = Case::decode(value(&chain, EvidenceKey::Case { case }).unwrap()).unwrap();
    assert_eq!(
        (facts.opener, facts.court, facts.stamp.tx_id),
        (account(OWNER), account(COURT), case)
    );
    assert_eq!(submit(&mut chain, NOTARY, &case, 3, &[]), rule("evidence.not_a_party"));
    assert_eq!(
        submit(&mut chain, OWNER, &case, 2, &[]),
        rule("evidence.record_unknown")
    );
    assert_eq!(submit(&mut chain, WITNESS, &case, 2, &[]), ok());
    assert_eq!(submit(&mut chain, OWNER, &case, 1, &[]), ok());
    assert_eq!(
        submit(&mut chain, OWNER, &case, 1, &[]),
        rule("evidence.already_submitted")
    );
    assert_eq!(
        on_case(&mut chain, WITNESS, "advance_case", &case),
        rule("evidence.not_in_charge")
    );
    assert_eq!(
        on_case(&mut chain, COURT, "advance_case", &case),
        rule("evidence.last_phase")
    );
    for action in ["verify", "archive_case"] {
        let role_missing = match action {
            "verify" => verify(&mut chain, OWNER, &case, 1, 1),
            _ => on_case(&mut chain, OWNER, action, &case),
        };
        assert_eq!(role_missing, code(codes::ROLE_MISSING));
    }
    assert_eq!(verify(&mut chain, COURT, &case, 9, 9), rule("evidence.item_unknown"));
    let payload = format!(r#"{{"court":"{}"}}"#, who(OWNER));
    let tx = body(OWNER, 900, "evidence", "open_case", &payload);
    let other = tx.tx_id();
    assert_eq!(chain.code(tx), ok());
    assert_eq!(
        on_case(&mut chain, COURT, "archive_case", &other),
        rule("evidence.not_the_court")
    );
    assert_eq!(verify(&mut chain, COURT, &other, 1, 1), rule("evidence.not_the_court"));
}

#[test]
fn test_a_case_has_bounds() {
    let mut chain = chain();
    preserve(&mut chain, OWNER, 1);
    let many: Vec<_> = (0..17).map(|i| format!(r#""{}""#, hex(&[i; 20]))).collect();
    for bad in [
        format!(r#","parties":[{}]"#, many.join(",")),
        format!(r#","parties":["{0}","{0}"]"#, who(1)),
        format!(r#","phases":["{}"]"#, "x".repeat(65)),
        r#","phases":[""]"#.into(),
        format!(r#","phases":[{}]"#, vec![r#""p""#; 17].join(",")),
        r#","parties":null"#.into(),
        r#","policy":null"#.into(),
        r#","judge":1"#.into(),
    ] {
        let payload = format!(r#"{{"court":"{}"{bad}}}"#, who(COURT));
        assert_eq!(
            send(&mut chain, OWNER, "open_case", &payload),
            code(codes::PAYLOAD_INVALID),
            "{bad}"
        );
    }
    let case = open(&mut chain, &format!(r#","phases":[{}]"#, vec![r#""p""#; 16].join(",")));
    for _ in 1..16 {
        assert_eq!(on_case(&mut chain, COURT, "advance_case", &case), ok());
    }
    assert_eq!(
        on_case(&mut chain, COURT, "advance_case", &case),
        rule("evidence.last_phase")
    );
    let full = Progress {
        item_count: ITEM_COUNT_MAX,
        ..Progress::default()
    };
    let key = ("evidence".to_owned(), EvidenceKey::Progress { case }.encode());
    chain.state.insert(key, full.encode());
    assert_eq!(submit(&mut chain, OWNER, &case, 1, &[]), rule("evidence.case_full"));
}

#[test]
fn test_circumstances_are_stated_with_the_record() {
    let mut chain = chain();
    let collect = |hash: u8, time: u64| {
        format!(
            r#"{{"hash":"{}","algorithm":"sha256","mime":"image/png","collector":"取证仪 3.1","environment":"{}","owner_ref":"{}","token":{{"time_ms":{time},"hash":"{}","issuer":"TSA"}}}}"#,
            h(hash),
            h(5),
            hex(&[8; 34]),
            h(6)
        )
    };
    for time in [TIME - TOKEN_SKEW_MS_MAX - 1, TIME + TOKEN_SKEW_MS_MAX + 1, 0, u64::MAX] {
        assert_eq!(
            send(&mut chain, OWNER, "collect", &collect(1, time)),
            rule("evidence.token_skew"),
            "{time}"
        );
    }
    for (hash, time) in [(1, TIME - TOKEN_SKEW_MS_MAX), (2, TIME + TOKEN_SKEW_MS_MAX)] {
        assert_eq!(send(&mut chain, OWNER, "collect", &collect(hash, time)), ok());
    }
    let circumstances = EvidenceKey::Circumstances {
        hash: [1; 32],
        owner: account(OWNER),
    };
    let stored = value(&chain, circumstances).unwrap().clone();
    let stamp = Stamp {
        height: chain.height - 2,
        time_ms: TIME,
        tx_id: stored[17..49].try_into().unwrap(),
    };
    let mut want = vec![1];
    want.extend(stamp.height.to_be_bytes());
    want.extend(stamp.time_ms.to_be_bytes());
    want.extend(stamp.tx_id);
    want.extend(b"\x09image/png");
    want.push("取证仪 3.1".len() as u8);
    want.extend("取证仪 3.1".as_bytes());
    want.push(1);
    want.extend([5; 32]);
    want.push(34);
    want.extend([8; 34]);
    want.push(1);
    want.extend((TIME - TOKEN_SKEW_MS_MAX).to_be_bytes());
    want.extend([6; 32]);
    want.extend(b"\x03TSA");
    assert_eq!(stored, want);
    let before = chain.state.clone();
    assert_eq!(send(&mut chain, OWNER, "collect", &collect(1, 0)), ok(), "again");
    assert_eq!(chain.state, before);
    preserve(&mut chain, OWNER, 3);
    assert_eq!(
        send(&mut chain, OWNER, "collect", &collect(3, TIME)),
        rule("evidence.already_preserved")
    );
    let follows = format!(r#"{{"hash":"{}","algorithm":"sm3","previous":"{}"}}"#, h(4), h(9));
    assert_eq!(
        send(&mut chain, OWNER, "collect", &follows),
        rule("evidence.previous_unknown")
    );
    let long = format!(
        r#"{{"hash":"{}","algorithm":"sm3","mime":"{}"}}"#,
        h(4),
        "x".repeat(101)
    );
    assert_eq!(send(&mut chain, OWNER, "collect", &long), code(codes::PAYLOAD_INVALID));
    let half = format!(r#"{{"hash":"{}","algorithm":"sm3","token":{{"time_ms":1}}}}"#, h(4));
    assert_eq!(send(&mut chain, OWNER, "collect", &half), code(codes::PAYLOAD_INVALID));
}

#[test]
fn test_corrections_are_single_and_end_somewhere() {
    let mut chain = chain();
    let link = |hash, by| format!(r#"{{"hash":"{}","by":"{}"}}"#, h(hash), h(by));
    assert_eq!(
        send(&mut chain, OWNER, "link_correction", &link(1, 2)),
        rule("evidence.record_unknown")
    );
    for i in 1..5 {
        preserve(&mut chain, OWNER, i);
    }
    assert_eq!(
        send(&mut chain, WITNESS, "link_correction", &link(1, 2)),
        rule("evidence.record_unknown")
    );
    assert_eq!(
        send(&mut chain, OWNER, "link_correction", &link(1, 1)),
        rule("evidence.correction_invalid")
    );
    assert_eq!(send(&mut chain, OWNER, "link_correction", &link(1, 2)), ok());
    assert_eq!(
        send(&mut chain, OWNER, "link_correction", &link(1, 3)),
        rule("evidence.already_corrected")
    );
    assert_eq!(
        send(&mut chain, OWNER, "link_correction", &link(2, 1)),
        rule("evidence.correction_invalid")
    );
    assert_eq!(send(&mut chain, OWNER, "link_correction", &link(2, 3)), ok());
    assert_eq!(
        send(&mut chain, OWNER, "link_correction", &link(3, 1)),
        rule("evidence.correction_invalid")
    );
    assert_eq!(send(&mut chain, OWNER, "link_correction", &link(4, 3)), ok());
}

#[test]
fn test_certificates_are_registered_by_those_who_certify() {
    let mut chain = chain();
    let payload = |hash| {
        format!(
            r#"{{"hash":"{}","owner":"{}","certificate":"{}"}}"#,
            h(hash),
            who(OWNER),
            h(8)
        )
    };
    preserve(&mut chain, OWNER, 1);
    assert_eq!(
        send(&mut chain, OWNER, "issue_certificate", &payload(1)),
        code(codes::ROLE_MISSING)
    );
    assert_eq!(
        send(&mut chain, NOTARY, "issue_certificate", &payload(2)),
        rule("evidence.record_unknown")
    );
    assert_eq!(send(&mut chain, NOTARY, "issue_certificate", &payload(1)), ok());
    let before = chain.state.clone();
    assert_eq!(send(&mut chain, COURT, "issue_certificate", &payload(1)), ok());
    assert_eq!(chain.state, before, "the first one stands");
}

#[test]
fn test_every_payload_is_exactly_its_schema() {
    let mut chain = chain();
    for action in hn_execution::native_actions()
        .iter()
        .filter(|a| a.application == "evidence")
    {
        let sender = if action.roles.contains(&"court") { COURT } else { OWNER };
        for bad in ["", "null", "[]", "{", "{}", r#"{"unknown":1}"#, r#"{"case":"00"}"#] {
            let got: (u32, String) = send(&mut chain, sender, action.action, bad);
            assert_eq!(got, code(codes::PAYLOAD_INVALID), "{} {bad}", action.action);
        }
        assert!(
            serde_json::from_str::<serde_json::Value>(action.schema_json).is_ok(),
            "{}",
            action.action
        );
    }
}
