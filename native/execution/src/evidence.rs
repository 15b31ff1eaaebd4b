//! Application `evidence` (judicial preservation): hashes, roots over many hashes, co-signatures k of n, and the cases
//! that records are submitted to and verified in. Append-only: nothing written is ever changed or removed but how far a
//! case and a submission to it have come.
//!
//! A record's way: preserved → co-signed (as its policy and the case's ask) → submitted to a case → found to match or
//! not to match by the case's court → archived with the case.
//!
//! Rules:
//! 1. A second preservation of the same hash by the same sender succeeds and changes nothing; `previous` names an
//!    existing record of the sender (`previous_unknown`). `collect` states circumstances together with the record: not
//!    afterwards (`already_preserved`), and with a time token near the block's time only (`token_skew`).
//! 2. A co-signature needs the record (`record_unknown`), another account than the owner (`own_record`), the role it is
//!    given in (`role_not_held`), and happens once (`already_cosigned`). A policy is set once (`policy_already_set`).
//! 3. Opener, court and parties of a case (`case_unknown`) submit own records (`not_a_party`, `record_unknown`), each once
//!    (`already_submitted`), with the co-signatures that are asked for (`cosignature_unknown`, `cosignatures_missing`),
//!    up to a bound (`case_full`).
//! 4. Opener or court move a case on (`not_in_charge`, `last_phase`). The court alone (`not_the_court`) verifies what was
//!    submitted (`item_unknown`), once (`already_verified`), and archives when nothing is left to verify (`items_open`).
//!    An archived case takes nothing more (`case_archived`).
//! 5. A record is corrected by a newer one of its owner once (`already_corrected`), never by itself or by one that is
//!    corrected (`correction_invalid`), so that corrections end somewhere.

mod case;
mod cases;
mod circumstances;
mod corrections;
mod cosigning;
mod fields;
mod keys;
mod policy;
mod preserve;
mod record;
mod schema;

use hn_primitives::codes;

use crate::application::{ActionSpec, Failure, NativeApplication, Operation, TxContext};
use crate::overlay::KeySink;
pub use case::{Case, Finding, Item, Progress};
pub use circumstances::{Circumstances, TimeToken};
pub use fields::{RecordError, Stamp};
pub use keys::EvidenceKey;
pub use policy::{ACCOUNT_COUNT_MAX, Policy, ROLE_COUNT_MAX};
pub use record::{Algorithm, Cosign, EvidenceRecord};

/// Name of the application.
pub const NAME: &str = "evidence";
/// Bytes of UTF-8 in the name of a record or a case.
pub const NAME_BYTES_MAX: usize = 200;
/// Bytes of UTF-8 in a media type, a collector, an issuer of time tokens.
pub const CIRCUMSTANCE_BYTES_MAX: usize = 100;
/// Milliseconds by which a time token may differ from the block's time, either way.
pub const TOKEN_SKEW_MS_MAX: u64 = 600_000;
/// Phases of a case.
pub const PHASE_COUNT_MAX: usize = 16;
/// Bytes of UTF-8 in the name of a phase.
pub const PHASE_BYTES_MAX: usize = 64;
/// Records in one case.
pub const ITEM_COUNT_MAX: u32 = 65_536;
/// Role that verifies and archives.
pub const ROLE_COURT: &str = "court";

const COURT: &[&str] = &[ROLE_COURT];
const CERTIFIERS: &[&str] = &["appraiser", ROLE_COURT, "notary"];

const fn action(name: &'static str, schema_json: &'static str, roles: &'static [&'static str]) -> ActionSpec {
    ActionSpec {
        name,
        schema_json,
        roles,
    }
}

const ACTIONS: &[ActionSpec] = &[
    action("advance_case", schema::CASE_ALONE, &[]),
    action("archive_case", schema::CASE_ALONE, COURT),
    action("collect", schema::COLLECT, &[]),
    action("cosign", schema::COSIGN, &[]),
    action("cosign_as", schema::COSIGN_AS, &[]),
    action("issue_certificate", schema::ISSUE_CERTIFICATE, CERTIFIERS),
    action("link_correction", schema::LINK_CORRECTION, &[]),
    action("open_case", schema::OPEN_CASE, &[]),
    action("preserve", schema::PRESERVE, &[]),
    action("preserve_batch", schema::PRESERVE_BATCH, &[]),
    action("set_policy", schema::SET_POLICY, &[]),
    action("submit_to_case", schema::SUBMIT_TO_CASE, &[]),
    action("verify", schema::VERIFY, COURT),
];

/// The application; see the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence;

impl NativeApplication for Evidence {
    fn name(&self) -> &'static str {
        NAME
    }

    fn actions(&self) -> &'static [ActionSpec] {
        ACTIONS
    }

    fn prepare(&self, tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
        match tx.action {
            "preserve" => preserve::prepare(tx, keys),
            "preserve_batch" => preserve::prepare_batch(tx, keys),
            "collect" => preserve::prepare_collect(tx, keys),
            "cosign" => cosigning::prepare(tx, keys),
            "cosign_as" => cosigning::prepare_in_role(tx, keys),
            "set_policy" => cosigning::prepare_policy(tx, keys),
            "open_case" => cases::prepare_open(tx, keys),
            "advance_case" => cases::prepare_advance(tx, keys),
            "submit_to_case" => cases::prepare_submit(tx, keys),
            "verify" => cases::prepare_verify(tx, keys),
            "archive_case" => cases::prepare_archive(tx, keys),
            "link_correction" => corrections::prepare(tx, keys),
            "issue_certificate" => corrections::prepare_certificate(tx, keys),
            _ => Err(Failure::new(codes::ACTION_UNKNOWN)),
        }
    }
}
