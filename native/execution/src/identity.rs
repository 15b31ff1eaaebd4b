//! Application `identity`: who may send transactions. Key = the 20-byte account, value = its account record.
//!
//! Rules: an administrator registers a key that proves it can sign (`identity.already_registered`; the account of a
//! revoked key stays taken); revoking needs a registered (`identity.account_unknown`), active
//! (`identity.already_revoked`) account other than the sender's own (`identity.own_account`).
//! A change takes effect for admission and execution from the next block.

use hn_crypto::sm2::{self, PublicKey, VerifyStatus};
use hn_primitives::{
    Account, AccountRecord, Hash32, Key65, Name, ROLE_COUNT_MAX, Sig64, Text16, account_of, codes, tag,
};
use serde::Deserialize;

use crate::application::{ActionSpec, Failure, NativeApplication, Operation, TxContext};
use crate::json::{Hex, HexText, ObjectWriter, decode_payload};
use crate::overlay::{KeySink, Overlay};

/// Name of the application.
pub const NAME: &str = "identity";
/// Role that may register and revoke.
pub const ROLE_ADMIN: &str = "admin";
/// Bytes of UTF-8 in an organisation's name.
pub const ORGANISATION_BYTES_MAX: usize = 200;

const REGISTER_SCHEMA: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["organisation","proof","public_key","roles"],"properties":{"#,
    r#""organisation":{"type":"string","description":"at most 200 bytes of UTF-8","maxLength":200},"#,
    r#""proof":{"type":"string","pattern":"^[0-9a-f]{128}$"},"#,
    r#""public_key":{"type":"string","pattern":"^04[0-9a-f]{128}$"},"#,
    r#""roles":{"type":"array","maxItems":16,"uniqueItems":true,"#,
    r#""items":{"type":"string","pattern":"^[a-z][a-z0-9_]{0,31}$"}}}}"#
);

const REVOKE_SCHEMA: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["account"],"properties":{"#,
    r#""account":{"type":"string","pattern":"^[0-9a-f]{40}$"}}}"#
);

const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "register",
        schema_json: REGISTER_SCHEMA,
        roles: &[ROLE_ADMIN],
    },
    ActionSpec {
        name: "revoke",
        schema_json: REVOKE_SCHEMA,
        roles: &[ROLE_ADMIN],
    },
];

/// The 32 bytes that a new key signs to prove that its owner holds it: `H("hn/register/v1", chain_id ‖ key)`.
pub fn register_message(chain_id: &Hash32, key: &Key65) -> Hash32 {
    tag::REGISTER.hash(&[chain_id, key])
}

/// The application; see the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Identity;

impl NativeApplication for Identity {
    fn name(&self) -> &'static str {
        NAME
    }

    fn actions(&self) -> &'static [ActionSpec] {
        ACTIONS
    }

    fn prepare(&self, tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
        match tx.action {
            "register" => prepare_register(tx, keys),
            "revoke" => prepare_revoke(tx, keys),
            _ => Err(Failure::new(codes::ACTION_UNKNOWN)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterPayload {
    public_key: Hex<65>,
    organisation: String,
    roles: Vec<String>,
    proof: Hex<64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokePayload {
    account: Hex<20>,
}

struct Register {
    account: Account,
    public_key: PublicKey,
    organisation: Text16,
    roles: Vec<Name>,
    proof: Sig64,
}

struct Revoke {
    account: Account,
}

fn prepare_register(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let invalid = Failure::new(codes::PAYLOAD_INVALID);
    let RegisterPayload {
        public_key,
        organisation,
        roles,
        proof,
    } = decode_payload(tx.payload)?;
    if organisation.len() > ORGANISATION_BYTES_MAX || roles.len() > ROLE_COUNT_MAX {
        return Err(invalid);
    }
    let organisation = Text16::new(organisation).map_err(|_| invalid)?;
    let mut roles: Vec<Name> = roles
        .iter()
        .map(|role| Name::new(role))
        .collect::<Result<_, _>>()
        .map_err(|_| invalid)?;
    roles.sort_unstable();
    if roles.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(invalid);
    }
    let public_key = PublicKey::from_bytes(&public_key.0).map_err(|_| Failure::new(codes::PUBLIC_KEY_INVALID))?;
    let account = account_of(&public_key);
    keys.declare(&account)?;
    Ok(Box::new(Register {
        account,
        public_key,
        organisation,
        roles,
        proof: proof.0,
    }))
}

fn prepare_revoke(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let RevokePayload { account } = decode_payload(tx.payload)?;
    keys.declare(&account.0)?;
    Ok(Box::new(Revoke { account: account.0 }))
}

impl Operation for Register {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        if state.get(&self.account)?.is_some() {
            return Err(Failure::rule("identity.already_registered"));
        }
        let key = self.public_key.to_bytes();
        let message = register_message(tx.chain_id, &key);
        match sm2::verify_single(&self.public_key, &message, &self.proof) {
            VerifyStatus::Valid => {}
            VerifyStatus::OutOfRange => return Err(Failure::new(codes::SIGNATURE_OUT_OF_RANGE)),
            VerifyStatus::BadSignature | VerifyStatus::BadKey => return Err(Failure::new(codes::SIGNATURE_INVALID)),
        }
        let record = AccountRecord {
            key,
            active: true,
            since_height: tx.height,
            organisation: self.organisation.clone(),
            roles: self.roles.clone(),
        };
        state.put(&self.account, record.encode())?;
        let data = ObjectWriter::new(128)
            .text("organisation", &self.organisation)
            .hex("registered_by", tx.sender)
            .texts("roles", self.roles.iter().map(Name::as_str))
            .finish();
        state.emit("identity.registered", HexText::new(&self.account).as_str(), &data)
    }
}

impl Operation for Revoke {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        if self.account == *tx.sender {
            return Err(Failure::rule("identity.own_account"));
        }
        let Some(value) = state.get(&self.account)? else {
            return Err(Failure::rule("identity.account_unknown"));
        };
        // A record that this application wrote always decodes; one that does not fails the transaction, not the node.
        let mut record = AccountRecord::decode(value).map_err(|_| Failure::new(codes::HANDLER_FAILED))?;
        if !record.active {
            return Err(Failure::rule("identity.already_revoked"));
        }
        record.active = false;
        record.since_height = tx.height;
        state.put(&self.account, record.encode())?;
        let data = ObjectWriter::new(64).hex("revoked_by", tx.sender).finish();
        state.emit("identity.revoked", HexText::new(&self.account).as_str(), &data)
    }
}
