//! A chain with people around `evidence`, and short cuts for its actions.

use crate::chain::{Chain, account, body, hex, key, ok};
use hn_execution::evidence::EvidenceKey;
use hn_primitives::{AccountRecord, Hash32, Name, Text16};

pub const OWNER: usize = 1;
pub const WITNESS: usize = 2;
pub const NOTARY: usize = 4;
pub const APPRAISER: usize = 5;
pub const COURT: usize = 6;

/// The chain of `Chain::new`, and a notary, an appraiser and a court.
pub fn chain() -> Chain {
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

pub fn send(chain: &mut Chain, sender: usize, action: &str, payload: &str) -> (u32, String) {
    let nonce = chain.height;
    chain.code(body(sender, nonce, "evidence", action, payload))
}

pub fn h(i: u8) -> String {
    hex(&[i; 32])
}

pub fn who(i: usize) -> String {
    hex(&account(i))
}

pub fn preserve(chain: &mut Chain, sender: usize, hash: u8) {
    let payload = format!(r#"{{"hash":"{}","algorithm":"sm3"}}"#, h(hash));
    assert_eq!(send(chain, sender, "preserve", &payload), ok());
}

pub fn value(chain: &Chain, key: EvidenceKey) -> Option<&Vec<u8>> {
    chain.state.get(&("evidence".to_owned(), key.encode()))
}

/// Opens a case of the owner before the court and gives its id.
pub fn open(chain: &mut Chain, more: &str) -> Hash32 {
    let payload = format!(r#"{{"court":"{}","name":"案"{more}}}"#, who(COURT));
    let tx = body(OWNER, chain.height, "evidence", "open_case", &payload);
    let id = tx.tx_id();
    assert_eq!(chain.code(tx), ok());
    id
}

pub fn submit(chain: &mut Chain, sender: usize, case: &Hash32, hash: u8, signers: &[usize]) -> (u32, String) {
    let signers: Vec<_> = signers.iter().map(|i| format!(r#""{}""#, who(*i))).collect();
    let payload = format!(
        r#"{{"case":"{}","hash":"{}","signers":[{}]}}"#,
        hex(case),
        h(hash),
        signers.join(",")
    );
    send(chain, sender, "submit_to_case", &payload)
}

pub fn verify(chain: &mut Chain, sender: usize, case: &Hash32, hash: u8, computed: u8) -> (u32, String) {
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

pub fn on_case(chain: &mut Chain, sender: usize, action: &str, case: &Hash32) -> (u32, String) {
    send(chain, sender, action, &format!(r#"{{"case":"{}"}}"#, hex(case)))
}

pub fn cosign(chain: &mut Chain, sender: usize, hash: u8, role: Option<&str>) -> (u32, String) {
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

pub fn policy(needed: u8, accounts: &[usize], roles: &[&str]) -> String {
    let accounts: Vec<_> = accounts.iter().map(|i| format!(r#""{}""#, who(*i))).collect();
    let roles: Vec<_> = roles.iter().map(|role| format!(r#""{role}""#)).collect();
    let (accounts, roles) = (accounts.join(","), roles.join(","));
    format!(r#"{{"needed":{needed},"accounts":[{accounts}],"roles":[{roles}]}}"#)
}
