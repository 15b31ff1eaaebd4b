use std::sync::Arc;

use crate::chain::{CHAIN, Chain, account, batch, body, code, hex, key, ok, receipts, rule};
use hn_execution::governance::record::{
    ClosedProposal, Code, Kind, OpenProposals, Outcome, Phase, PluginRecord, PluginSet, Proposal, Status,
};
use hn_execution::governance::vote_message;
use hn_execution::{Applications, BlockExecution, Hex, MigrationPage, PageEnd};
use hn_primitives::{TxBody, ValidatorSet, codes};

fn code_of(state_version: u32, hash: u8) -> Code {
    Code {
        version: "1.0.0".to_owned(),
        api_version: 1,
        state_version,
        code_hash: Hex([hash; 32]),
    }
}

/// Validators are the keys 0 to 3 with power 1 each and key 4 with `heavy`.
fn applications(heavy: u64) -> Applications {
    let members: Vec<_> = (0..5)
        .map(|i| (key(i).public_key().to_bytes(), if i == 4 { heavy } else { 1 }))
        .collect();
    let validators = Arc::new(ValidatorSet::new(0, &members).unwrap());
    let mut applications = Applications::native().unwrap();
    applications.add_foreign("demo", "push", &[]).unwrap();
    applications.add_governance(validators).unwrap();
    applications
}

/// `demo` is in the genesis with code hash 1.
fn chain_of(applications: Applications) -> Chain {
    let mut chain = Chain::with(applications);
    let genesis = PluginSet {
        plugins: vec![PluginRecord::enabled("demo", code_of(1, 1))],
    };
    let place = ("governance".to_owned(), b"s".to_vec());
    chain.state.insert(place, genesis.encode());
    chain
}

fn propose(nonce: u64, kind: &str, name: &str, (state_version, hash): (u32, u8), height: u64) -> TxBody {
    let payload = format!(
        r#"{{"kind":"{kind}","name":"{name}","version":"1.0.0","api_version":1,"state_version":{state_version},"code_hash":"{}","activation_height":{height}}}"#,
        hex(&[hash; 32])
    );
    body(0, nonce, "governance", "propose", &payload)
}

/// What a vote is about: proposal `number` as [`propose`] makes it.
fn proposal(number: u64, kind: Kind, name: &str, (state_version, hash): (u32, u8), height: u64) -> Proposal {
    Proposal {
        number,
        kind,
        name: name.to_owned(),
        code: code_of(state_version, hash),
        activation_height: height,
        proposed_by: Hex(account(0)),
        proposed_height: 10,
        power_for: 0,
        power_against: 0,
    }
}

fn vote_with(nonce: u64, about: &Proposal, validator: usize, approve: bool, signed: bool) -> TxBody {
    let signature = key(validator).sign(&vote_message(&CHAIN, about, signed).unwrap());
    let number = about.number;
    let payload = format!(
        r#"{{"proposal":{number},"approve":{approve},"validator":"{}","signature":"{}"}}"#,
        hex(&account(validator)),
        hex(&signature)
    );
    body(0, nonce, "governance", "vote", &payload)
}

fn vote(nonce: u64, about: &Proposal, validator: usize) -> TxBody {
    vote_with(nonce, about, validator, true, true)
}

fn row<'a>(chain: &'a Chain, key: &[u8]) -> Option<&'a [u8]> {
    let found = chain.state.get(&("governance".to_owned(), key.to_vec()));
    found.map(Vec::as_slice)
}

fn set(chain: &Chain) -> PluginSet {
    row(chain, b"s").map_or_else(PluginSet::default, |row| PluginSet::decode(row).unwrap())
}

fn closed(chain: &Chain, number: u64) -> ClosedProposal {
    ClosedProposal::decode(row(chain, &[b"p", number.to_be_bytes().as_slice()].concat()).unwrap()).unwrap()
}

fn empty(chain: &mut Chain) {
    chain.run(&[]);
}

/// A chain whose proposal 1 to upgrade `demo` was accepted: the next block is the first with the new code.
fn upgraded(state_version: u32) -> Chain {
    let mut chain = chain_of(applications(1));
    let upgrade = propose(1, "upgrade", "demo", (state_version, 2), 15);
    assert_eq!(chain.code(upgrade), ok());
    let about = proposal(1, Kind::Upgrade, "demo", (state_version, 2), 15);
    for i in 0..4 {
        assert_eq!(chain.codes(&[vote(10 + i as u64, &about, i)]), [ok()]);
    }
    assert_eq!(chain.height, 15);
    chain
}

#[test]
fn test_a_block_without_governance_writes_nothing() {
    let mut chain = chain_of(applications(1));
    assert!(chain.run(&[]).writes.is_empty());
}

#[test]
fn test_rows_and_message_have_their_recorded_bytes() {
    let mut chain = chain_of(applications(1));
    let about = proposal(1, Kind::Activate, "other", (1, 3), 14);
    let result = chain.run(&[batch(&[
        propose(1, "activate", "other", (1, 3), 14),
        vote(1, &about, 2),
    ])]);
    assert_eq!(result.codes, [0, 0]);
    let proposal = format!(
        r#"{{"number":1,"kind":"activate","name":"other","code":{{"version":"1.0.0","api_version":1,"state_version":1,"code_hash":"{}"}},"activation_height":14,"proposed_by":"{}","proposed_height":10,"power_for":1,"power_against":0}}"#,
        hex(&[3; 32]),
        hex(&account(0))
    );
    let open = format!(r#"{{"next":2,"open":[{proposal}]}}"#);
    assert_eq!(std::str::from_utf8(row(&chain, b"o").unwrap()).unwrap(), open);
    let vote_key = [b"v", 1u64.to_be_bytes().as_slice(), &account(2)].concat();
    assert_eq!(row(&chain, &vote_key).unwrap(), [1]);
    let events = receipts(&result);
    assert_eq!(
        (&*events[0].events[0].name, &*events[0].events[0].entity),
        ("governance.proposed", "other")
    );
    assert_eq!(&*events[1].events[0].name, "governance.voted");
    assert_eq!(hex(&vote_message(&CHAIN, &about, true).unwrap()), VOTE_MESSAGE);
    for _ in 0..3 {
        empty(&mut chain);
    }
    assert_eq!(chain.height, 14);
    let want = format!(r#"{{"proposal":{proposal},"outcome":"void","power_total":5}}"#);
    let row = row(&chain, &[b"p", 1u64.to_be_bytes().as_slice()].concat()).unwrap();
    assert_eq!(std::str::from_utf8(row).unwrap(), want);
}

/// `H("hn/plugin-vote/v2", 32 × 07 ‖ u64 1 ‖ "activate" ‖ "other" ‖ "1.0.0" ‖ u16 1 ‖ u32 1 ‖ 32 × 03 ‖ u64 14 ‖ 01)`, the texts
/// behind their lengths, computed by a second implementation.
const VOTE_MESSAGE: &str = "5e0fbac3c593539de94878d7fa935063112b64a13c975bbf0df7ca802c3aacdc";

#[test]
fn test_more_than_two_thirds_of_the_power_activate_and_less_do_not() {
    // Total power 5: 3 votes are 9 > 10? no. 4 votes are 12 > 10. With the heavy key (8 of 12): 8·3 = 24 > 24? no.
    for (heavy, voters, want) in [
        (1, &[0, 1, 2][..], Outcome::Void),
        (1, &[0, 1, 2, 3][..], Outcome::Active),
        (8, &[4][..], Outcome::Void),
        (8, &[4, 0][..], Outcome::Active),
    ] {
        let mut chain = chain_of(applications(heavy));
        assert_eq!(chain.code(propose(1, "activate", "other", (1, 3), 14)), ok());
        empty(&mut chain);
        empty(&mut chain);
        // The block before the height is the last whose votes count.
        let about = proposal(1, Kind::Activate, "other", (1, 3), 14);
        let votes: Vec<_> = voters.iter().map(|i| vote(10 + *i as u64, &about, *i)).collect();
        assert!(chain.codes(&votes).iter().all(|answer| *answer == ok()));
        assert_eq!(chain.height, 14);
        assert_eq!(closed(&chain, 1).outcome, want, "{heavy} {voters:?}");
        let names: Vec<_> = set(&chain).plugins.iter().map(|plugin| plugin.name.clone()).collect();
        let found = if want == Outcome::Active {
            vec!["demo", "other"]
        } else {
            vec!["demo"]
        };
        assert_eq!(names, found);
        assert_eq!(
            chain.codes(&[vote(20, &about, 0)]),
            [rule("governance.proposal_unknown")]
        );
        assert_eq!(OpenProposals::decode(row(&chain, b"o").unwrap()).unwrap().next, 2);
    }
}

#[test]
fn test_proposals_that_are_refused() {
    let mut chain = chain_of(applications(1));
    let refused = |chain: &mut Chain, tx: TxBody, name: &'static str| assert_eq!(chain.code(tx), rule(name));
    let far = |chain: &Chain| chain.height + 4;
    let height = chain.height + 3;
    refused(
        &mut chain,
        propose(1, "activate", "x", (1, 2), height),
        "governance.activation_too_soon",
    );
    let height = chain.height + 1_000_001;
    refused(
        &mut chain,
        propose(2, "activate", "x", (1, 2), height),
        "governance.activation_too_far",
    );
    for (nonce, name) in [(3, "identity"), (4, "governance"), (5, "hnnode")] {
        let height = far(&chain);
        refused(
            &mut chain,
            propose(nonce, "activate", name, (1, 2), height),
            "governance.name_reserved",
        );
    }
    for (nonce, (kind, name, code), want) in [
        (6, ("upgrade", "x", (1, 2)), "governance.plugin_unknown"),
        (7, ("activate", "demo", (1, 2)), "governance.already_active"),
        (8, ("upgrade", "demo", (1, 1)), "governance.code_unchanged"),
        (9, ("disable", "demo", (1, 2)), "governance.code_differs"),
        (10, ("enable", "demo", (1, 1)), "governance.already_enabled"),
    ] {
        let height = far(&chain);
        refused(&mut chain, propose(nonce, kind, name, code, height), want);
    }
    let height = chain.height + 100;
    assert_eq!(chain.code(propose(20, "activate", "x", (1, 2), height)), ok());
    refused(
        &mut chain,
        propose(21, "activate", "x", (1, 3), height),
        "governance.proposal_open",
    );
    for i in 0..15 {
        assert_eq!(
            chain.code(propose(30 + i, "activate", &format!("y{i}"), (1, 2), height)),
            ok()
        );
    }
    refused(
        &mut chain,
        propose(60, "activate", "z", (1, 2), height),
        "governance.too_many_open",
    );
    let writer = body(1, 1, "governance", "propose", "{}");
    assert_eq!(chain.code(writer), code(codes::ROLE_MISSING));
    for (nonce, payload) in [
        (70, propose(0, "activate", "Bad", (1, 2), height).payload),
        (71, propose(0, "remove", "x", (1, 2), height).payload),
        (72, propose(0, "activate", "x", (0, 2), height).payload),
        (73, b"[]".to_vec()),
    ] {
        let mut tx = propose(nonce, "activate", "w", (1, 2), height);
        tx.payload = payload;
        assert_eq!(chain.code(tx), code(codes::PAYLOAD_INVALID), "{nonce}");
    }
}

#[test]
fn test_votes_that_are_refused() {
    let mut chain = chain_of(applications(1));
    assert_eq!(chain.code(propose(1, "activate", "x", (1, 2), 100)), ok());
    let about = proposal(1, Kind::Activate, "x", (1, 2), 100);
    let second = Proposal {
        number: 2,
        ..about.clone()
    };
    assert_eq!(chain.code(vote(2, &second, 0)), rule("governance.proposal_unknown"));
    assert_eq!(chain.code(vote(3, &about, 5)), rule("governance.not_validator"));
    // Signed over anything else that a proposal says, or the other answer.
    let version = |version: &str, api_version: u16| Code {
        version: version.to_owned(),
        api_version,
        ..about.code.clone()
    };
    let with = |code: Code| Proposal { code, ..about.clone() };
    let others = [
        proposal(1, Kind::Activate, "x", (1, 3), 100),
        proposal(1, Kind::Activate, "x", (2, 2), 100),
        proposal(1, Kind::Activate, "x", (1, 2), 101),
        proposal(1, Kind::Activate, "y", (1, 2), 100),
        proposal(1, Kind::Enable, "x", (1, 2), 100),
        with(version("1.0.1", 1)),
        with(version("1.0.0", 2)),
    ];
    for (nonce, other) in (4..).zip(&others) {
        assert_eq!(
            chain.code(vote(nonce, other, 0)),
            code(codes::SIGNATURE_INVALID),
            "{nonce}"
        );
    }
    // What it has become since it was made is not signed.
    let later = Proposal {
        power_for: 7,
        proposed_height: 3,
        ..about.clone()
    };
    assert_eq!(
        chain.code(vote_with(20, &about, 0, true, false)),
        code(codes::SIGNATURE_INVALID)
    );
    assert_eq!(chain.code(vote_with(21, &later, 0, false, false)), ok());
    assert_eq!(chain.code(vote(22, &about, 0)), rule("governance.already_voted"));
    let open = OpenProposals::decode(row(&chain, b"o").unwrap()).unwrap();
    assert_eq!((open.open[0].power_for, open.open[0].power_against), (0, 1));
}

#[test]
fn test_an_upgrade_of_equal_layout_counts_at_once_and_keeps_what_it_replaced_out() {
    let chain = upgraded(1);
    let plugin = set(&chain).get("demo").cloned().unwrap();
    assert_eq!(
        (plugin.status, plugin.since_height, plugin.proposal),
        (Status::Enabled, 15, 1)
    );
    assert_eq!(
        (plugin.code, plugin.data_version, plugin.migration),
        (code_of(1, 2), 1, None)
    );
}

fn page(writes: Vec<(Vec<u8>, Option<Vec<u8>>)>, rows: u64, end: PageEnd) -> Option<MigrationPage> {
    Some(MigrationPage {
        application: "demo".to_owned(),
        writes,
        rows,
        end,
    })
}

fn migrating() -> Chain {
    let mut chain = upgraded(3);
    let mut table = applications(1);
    table.close("demo", codes::APPLICATION_MIGRATING).unwrap();
    chain.applications = Arc::new(table);
    chain
}

#[test]
fn test_a_migration_passes_check_move_and_verify_for_each_step() {
    let mut chain = migrating();
    assert_eq!(
        chain.codes(&[body(1, 50, "demo", "push", "{}")]),
        [code(codes::APPLICATION_MIGRATING)]
    );
    let moved = vec![(b"b".to_vec(), None), (b"a".to_vec(), Some(vec![7]))];
    let mut seen = Vec::new();
    for reached in [2, 3] {
        for (writes, end) in [
            (vec![], PageEnd::Passed { reached }),
            (moved.clone(), PageEnd::Cursor(vec![0xab])),
            (vec![], PageEnd::Passed { reached }),
            (vec![], PageEnd::Passed { reached }),
        ] {
            chain.page = page(writes.clone(), 5, end);
            let result = chain.run(&[]);
            assert_eq!(result.writes_of("demo").count(), writes.len());
            let plugin = set(&chain).get("demo").cloned().unwrap();
            let at = plugin.migration.as_ref().map(|m| (m.phase, m.cursor.clone(), m.rows));
            seen.push((plugin.status, plugin.data_version, at));
        }
    }
    let at = |phase| Some((phase, String::new(), 0));
    let on = |version, at| (Status::Migrating, version, at);
    let cursor = Some((Phase::Move, "ab".to_owned(), 5));
    assert_eq!(
        seen,
        [
            on(1, at(Phase::Move)),
            on(1, cursor.clone()),
            on(1, at(Phase::Verify)),
            on(2, at(Phase::Check)),
            on(2, at(Phase::Move)),
            on(2, cursor),
            on(2, at(Phase::Verify)),
            (Status::Enabled, 3, None),
        ]
    );
    assert_eq!(chain.state[&("demo".to_owned(), b"a".to_vec())], [7]);
}

#[test]
fn test_a_migration_that_fails_before_it_wrote_leaves_the_old_code_running() {
    let mut chain = migrating();
    chain.page = page(vec![], 1, PageEnd::Failed("row 3: no".to_owned()));
    chain.run(&[]);
    let plugin = set(&chain).get("demo").cloned().unwrap();
    assert_eq!(
        (plugin.status, plugin.code, plugin.data_version),
        (Status::Enabled, code_of(1, 1), 1)
    );
    assert_eq!((plugin.fault.as_str(), plugin.migration), ("row 3: no", None));
}

#[test]
fn test_a_migration_that_fails_later_leaves_the_application_disabled() {
    let mut chain = migrating();
    chain.page = page(vec![], 1, PageEnd::Passed { reached: 2 });
    chain.run(&[]);
    chain.page = page(vec![], 1, PageEnd::Failed("x".repeat(999)));
    chain.run(&[]);
    let plugin = set(&chain).get("demo").cloned().unwrap();
    assert_eq!(
        (plugin.status, plugin.code, plugin.data_version),
        (Status::Disabled, code_of(3, 2), 1)
    );
    assert_eq!((plugin.fault.len(), plugin.migration), (200, None));
    chain.page = None;
    let height = chain.height + 4;
    assert_eq!(
        chain.code(propose(90, "enable", "demo", (3, 2), height)),
        rule("governance.data_differs")
    );
    // Rows may be moved by half: code of the layout before them cannot simply go on, a further step can.
    assert_eq!(
        chain.code(propose(91, "upgrade", "demo", (1, 1), height + 1)),
        rule("governance.data_between")
    );
    assert_eq!(chain.code(propose(92, "upgrade", "demo", (3, 3), height + 2)), ok());
}

fn supplied(chain: &Chain) -> BlockExecution {
    let mut block = chain.begin(&[]);
    block.set_committed(&[]).unwrap();
    let keys = block.native_keys().unwrap();
    let value = |key: &hn_execution::StateKey<'_>| {
        let place = (key.application().to_owned(), key.key().to_vec());
        chain.state.get(&place).cloned()
    };
    let values = keys.iter().map(value).collect();
    block.supply(values).unwrap();
    block
}

#[test]
fn test_pages_that_cannot_be_are_errors_of_the_host() {
    let chain = migrating();
    let big = vec![0; 65_537];
    for writes in [
        vec![(vec![], None)],
        vec![(vec![1; 257], None)],
        vec![(vec![1], Some(big))],
        vec![(vec![1], None), (vec![1], Some(vec![2]))],
        (0..4_097u32).map(|i| (i.to_be_bytes().to_vec(), None)).collect(),
    ] {
        let page = page(writes, 1, PageEnd::Passed { reached: 2 }).unwrap();
        assert!(supplied(&chain).migrate(page).is_err());
    }
    // In a pass that only looks, by an application that is not on its way, or of a chain without a migration.
    let mut block = supplied(&chain);
    let looked = page(vec![(vec![1], None)], 1, PageEnd::Passed { reached: 2 });
    block.migrate(looked.clone().unwrap()).unwrap();
    assert!(block.run_native().is_err());
    let quiet = chain_of(applications(1));
    assert!(supplied(&quiet).migrate(looked.clone().unwrap()).is_err());
    let mut table = applications(1);
    table.close("demo", codes::APPLICATION_MIGRATING).unwrap();
    let mut block = supplied(&chain_of(table));
    block
        .migrate(page(vec![], 1, PageEnd::Passed { reached: 2 }).unwrap())
        .unwrap();
    assert!(block.run_native().is_err());
}

#[test]
fn test_a_closed_application_refuses_before_its_actions_are_looked_at() {
    let mut table = applications(1);
    table.close("demo", codes::APPLICATION_DISABLED).unwrap();
    assert!(table.close("identity", codes::APPLICATION_DISABLED).is_err());
    assert!(table.close("nobody", codes::APPLICATION_DISABLED).is_err());
    let mut chain = chain_of(table);
    for (nonce, action) in [(1, "push"), (2, "pull")] {
        assert_eq!(
            chain.code(body(1, nonce, "demo", action, "{}")),
            code(codes::APPLICATION_DISABLED)
        );
    }
}
