//! Application `governance`: which plugins the chain runs, decided by its validators.
//!
//! A proposal names a plugin's code and the height from which it counts. Validators vote with their keys, and a vote
//! for it says two things: "I approve" and "this code is installed here". At the end of the block before that height
//! the votes are counted: more than two thirds of all power make the proposal part of the plugin set, anything less
//! makes it void. So the set at a height is a function of the genesis and of the state after the block before.
//!
//! Rows: `s` the plugin set, which the genesis begins, `o` the open proposals and the next number,
//! `p ‖ u64 number` a proposal that is closed, `v ‖ u64 number ‖ account` what a validator voted (`1` for, `0` against).
//! All but the votes are JSON with the fields of [`record`] in their order.
//!
//! Invariants:
//! 1. A plugin has one open proposal at most, and none while its data is being migrated.
//! 2. A validator votes once on a proposal; its power is that of the genesis set.
//! 3. The set changes at the end of a block alone, by counted votes or by a page of a migration.

pub mod record;
mod settle;
mod vote;

use std::sync::Arc;

use hn_primitives::{Hash32, Name, ValidatorSet, codes, tag};
use serde::Deserialize;

use crate::application::{ActionSpec, Failure, NativeApplication, Operation, TxContext};
use crate::governance::record::{Code, Kind, OpenProposals, PluginSet, Proposal, Status};
use crate::identity::ROLE_ADMIN;
use crate::json::{Hex, ObjectWriter, decode_payload};
use crate::overlay::{KeySink, Overlay};
use crate::system::MigrationPage;

/// Name of the application.
pub const NAME: &str = "governance";
/// Role that may hand in votes beside [`ROLE_ADMIN`].
pub const ROLE_OPERATOR: &str = "operator";
/// Plugins in the set.
pub const PLUGIN_COUNT_MAX: usize = 64;
/// Open proposals.
pub const OPEN_COUNT_MAX: usize = 16;
/// Blocks between a proposal and the height from which it counts: votes must have a block to stand in.
pub const ACTIVATION_AHEAD_MIN: u64 = 4;
/// The farthest such height.
pub const ACTIVATION_AHEAD_MAX: u64 = 1_000_000;
/// Characters of a plugin's version.
pub const VERSION_CHARS_MAX: usize = 32;

pub(crate) const SET_KEY: &[u8] = b"s";
pub(crate) const OPEN_KEY: &[u8] = b"o";

const PROPOSE_SCHEMA: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["activation_height","api_version","code_hash","kind","name","state_version","version"],"properties":{"#,
    r#""activation_height":{"type":"integer","minimum":1,"maximum":9223372036854775807},"#,
    r#""api_version":{"type":"integer","minimum":1,"maximum":65535},"#,
    r#""code_hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""kind":{"type":"string","enum":["activate","disable","enable","upgrade"]},"#,
    r#""name":{"type":"string","pattern":"^[a-z][a-z0-9_]{0,31}$"},"#,
    r#""state_version":{"type":"integer","minimum":1,"maximum":4294967295},"#,
    r#""version":{"type":"string","pattern":"^[0-9A-Za-z][0-9A-Za-z.+!_-]{0,31}$"}}}"#
);

const VOTE_SCHEMA: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["approve","proposal","signature","validator"],"properties":{"#,
    r#""approve":{"type":"boolean"},"#,
    r#""proposal":{"type":"integer","minimum":1,"maximum":9223372036854775807},"#,
    r#""signature":{"type":"string","pattern":"^[0-9a-f]{128}$"},"#,
    r#""validator":{"type":"string","pattern":"^[0-9a-f]{40}$"}}}"#
);

pub(crate) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "propose",
        schema_json: PROPOSE_SCHEMA,
        roles: &[ROLE_ADMIN],
    },
    ActionSpec {
        name: "vote",
        schema_json: VOTE_SCHEMA,
        roles: &[ROLE_ADMIN, ROLE_OPERATOR],
    },
];

/// The 32 bytes that a validator signs to vote: `H("hn/plugin-vote/v2", chain_id ‖ u64 number ‖ text8 kind ‖ text8 name ‖
/// text8 version ‖ u16 api_version ‖ u32 state_version ‖ code_hash ‖ u64 activation_height ‖ u8 approve)`.
///
/// `None`: a text of the proposal is longer than 255 bytes, so it is none of this chain.
pub fn vote_message(chain_id: &Hash32, proposal: &Proposal, approve: bool) -> Option<Hash32> {
    let code = &proposal.code;
    let texts = [proposal.kind.as_str(), &proposal.name, &code.version];
    let mut said = Vec::with_capacity(128);
    for text in texts {
        said.push(u8::try_from(text.len()).ok()?);
        said.extend_from_slice(text.as_bytes());
    }
    said.extend_from_slice(&code.api_version.to_be_bytes());
    said.extend_from_slice(&code.state_version.to_be_bytes());
    said.extend_from_slice(&code.code_hash.0);
    said.extend_from_slice(&proposal.activation_height.to_be_bytes());
    said.push(u8::from(approve));
    Some(tag::PLUGIN_VOTE.hash(&[chain_id, &proposal.number.to_be_bytes(), &said]))
}

/// The application; see the module.
#[derive(Debug, Clone)]
pub struct Governance {
    validators: Arc<ValidatorSet>,
    /// Names that no plugin may take.
    reserved: Vec<&'static str>,
}

impl Governance {
    /// For a chain with these validators; `reserved` are the native applications.
    pub fn new(validators: Arc<ValidatorSet>, reserved: Vec<&'static str>) -> Self {
        Self { validators, reserved }
    }

    /// What stands against a proposal, by the set and the proposals of now.
    fn refusal(&self, wanted: &Proposal, height: u64, set: &PluginSet, open: &OpenProposals) -> Option<&'static str> {
        let ahead = wanted.activation_height.saturating_sub(height);
        if ahead < ACTIVATION_AHEAD_MIN {
            return Some("governance.activation_too_soon");
        }
        if ahead > ACTIVATION_AHEAD_MAX {
            return Some("governance.activation_too_far");
        }
        if self.reserved.contains(&wanted.name.as_str()) {
            return Some("governance.name_reserved");
        }
        if open.open.iter().any(|other| other.name == wanted.name) {
            return Some("governance.proposal_open");
        }
        if open.open.len() >= OPEN_COUNT_MAX {
            return Some("governance.too_many_open");
        }
        let Some(plugin) = set.get(&wanted.name) else {
            let coming = open.open.iter().filter(|other| other.kind == Kind::Activate).count();
            return match wanted.kind {
                Kind::Activate if set.plugins.len() + coming >= PLUGIN_COUNT_MAX => Some("governance.set_full"),
                Kind::Activate => None,
                _ => Some("governance.plugin_unknown"),
            };
        };
        if plugin.status == Status::Migrating {
            return Some("governance.migrating");
        }
        match wanted.kind {
            Kind::Activate => Some("governance.already_active"),
            Kind::Upgrade if wanted.code.code_hash == plugin.code.code_hash => Some("governance.code_unchanged"),
            // A migration failed half way: without a step nobody can say that the rows are of the old layout.
            Kind::Upgrade if plugin.data_version != plugin.code.state_version => {
                (wanted.code.state_version == plugin.data_version).then_some("governance.data_between")
            }
            Kind::Upgrade => None,
            Kind::Disable | Kind::Enable if wanted.code != plugin.code => Some("governance.code_differs"),
            Kind::Disable => (plugin.status == Status::Disabled).then_some("governance.already_disabled"),
            Kind::Enable if plugin.status != Status::Disabled => Some("governance.already_enabled"),
            Kind::Enable => (plugin.data_version != plugin.code.state_version).then_some("governance.data_differs"),
        }
    }
}

fn plugin_set(state: &Overlay) -> Result<PluginSet, Failure> {
    match state.get(SET_KEY)? {
        Some(value) => PluginSet::decode(value).ok_or(Failure::new(codes::HANDLER_FAILED)),
        None => Ok(PluginSet::default()),
    }
}

fn open_proposals(state: &Overlay) -> Result<OpenProposals, Failure> {
    match state.get(OPEN_KEY)? {
        Some(value) => OpenProposals::decode(value).ok_or(Failure::new(codes::HANDLER_FAILED)),
        None => Ok(OpenProposals::default()),
    }
}

impl NativeApplication for Governance {
    fn name(&self) -> &'static str {
        NAME
    }

    fn actions(&self) -> &'static [ActionSpec] {
        ACTIONS
    }

    fn prepare(&self, tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
        match tx.action {
            "propose" => self.prepare_propose(tx, keys),
            "vote" => vote::prepare(&self.validators, tx, keys),
            _ => Err(Failure::new(codes::ACTION_UNKNOWN)),
        }
    }

    fn block_keys(&self) -> &'static [&'static [u8]] {
        &[OPEN_KEY, SET_KEY]
    }

    fn end_block(&self, height: u64, page: Option<&MigrationPage>, state: &mut Overlay) -> Result<(), Failure> {
        settle::end_block(self, height, page, state)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProposePayload {
    activation_height: u64,
    api_version: u16,
    code_hash: Hex<32>,
    kind: Kind,
    name: String,
    state_version: u32,
    version: String,
}

struct Propose {
    governance: Governance,
    wanted: Proposal,
}

impl Governance {
    fn prepare_propose(&self, tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
        let payload: ProposePayload = decode_payload(tx.payload)?;
        let named = Name::new(&payload.name).is_ok() && is_version(&payload.version);
        let numbers = [u64::from(payload.api_version), u64::from(payload.state_version)];
        if !named || numbers.contains(&0) || i64::try_from(payload.activation_height).is_err() {
            return Err(Failure::new(codes::PAYLOAD_INVALID));
        }
        keys.declare(OPEN_KEY)?;
        keys.declare(SET_KEY)?;
        Ok(Box::new(Propose {
            governance: self.clone(),
            wanted: Proposal {
                number: 0,
                kind: payload.kind,
                name: payload.name,
                code: Code {
                    version: payload.version,
                    api_version: payload.api_version,
                    state_version: payload.state_version,
                    code_hash: payload.code_hash,
                },
                activation_height: payload.activation_height,
                proposed_by: Hex(*tx.sender),
                proposed_height: tx.height,
                power_for: 0,
                power_against: 0,
            },
        }))
    }
}

impl Operation for Propose {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let set = plugin_set(state)?;
        let mut open = open_proposals(state)?;
        if let Some(rule) = self.governance.refusal(&self.wanted, tx.height, &set, &open) {
            return Err(Failure::rule(rule));
        }
        let mut proposal = self.wanted.clone();
        proposal.number = open.next;
        open.next += 1;
        let data = ObjectWriter::new(256)
            .number("activation_height", proposal.activation_height)
            .hex("code_hash", &proposal.code.code_hash.0)
            .text("kind", proposal.kind.as_str())
            .number("proposal", proposal.number)
            .hex("proposed_by", tx.sender)
            .text("version", &proposal.code.version)
            .finish();
        state.emit("governance.proposed", &proposal.name, &data)?;
        open.open.push(proposal);
        state.put(OPEN_KEY, open.encode())
    }
}

/// A version as packages write it, such as `1.4.0rc1`.
fn is_version(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".+!_-".contains(&byte);
    text.len() <= VERSION_CHARS_MAX
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(fits)
}
