//! What is said about a record of `evidence`: policies, roles, circumstances, corrections, certificates, and each refusal.

use crate::chain::{TIME, account, code, hex, ok, rule};
use crate::evidence_scene::{
    APPRAISER, COURT, NOTARY, OWNER, WITNESS, chain, cosign, h, open, policy, preserve, send, submit, value, who,
};
use hn_execution::evidence::{Cosign, EvidenceKey, Policy, Stamp, TOKEN_SKEW_MS_MAX};
use hn_primitives::codes;

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
