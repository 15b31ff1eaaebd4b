//! Cases of `evidence`: submissions, findings, phases and bounds, and each refusal.

use crate::chain::{Chain, account, batch, body, code, hex, ok, receipts, rule};
use crate::evidence_scene::{
    COURT, NOTARY, OWNER, WITNESS, chain, cosign, h, on_case, open, policy, preserve, send, submit, value, verify, who,
};
use hn_execution::evidence::{Case, EvidenceKey, EvidenceRecord, ITEM_COUNT_MAX, Item, Progress};
use hn_primitives::codes;

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
