//! Cases: opened by a party, moved through their phases, filled with records, verified and archived by a court.

use hn_primitives::{Account, Hash32, Name, codes};
use serde::Deserialize;

use super::case::{Case, Finding, Item, Progress};
use super::fields::Stamp;
use super::keys::{EvidenceKey, cosign_key, record_key};
use super::policy::{Policy, PolicyPayload, distinct_accounts};
use super::preserve::checked_name;
use super::record::Cosign;
use super::{ITEM_COUNT_MAX, PHASE_BYTES_MAX, PHASE_COUNT_MAX};
use crate::application::{Failure, Operation, TxContext};
use crate::json::{Hex, HexText, ObjectWriter, decode_payload, present};
use crate::overlay::{KeySink, Overlay};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenPayload<'a> {
    court: Hex<20>,
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default)]
    parties: Vec<Hex<20>>,
    #[serde(default)]
    phases: Vec<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    policy: Option<PolicyPayload<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CasePayload {
    case: Hex<32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmitPayload {
    case: Hex<32>,
    hash: Hex<32>,
    #[serde(default)]
    signers: Vec<Hex<20>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyPayload {
    case: Hex<32>,
    hash: Hex<32>,
    owner: Hex<20>,
    computed: Hex<32>,
    #[serde(default, deserialize_with = "present")]
    report: Option<Hex<32>>,
}

struct Open(Case);

struct Advance(Hash32);

struct Archive(Hash32);

struct Submit {
    case: Hash32,
    hash: Hash32,
    /// Ascending.
    signers: Vec<Account>,
}

struct Verify {
    case: Hash32,
    hash: Hash32,
    owner: Account,
    computed: Hash32,
    report: Option<Hash32>,
}

pub(super) fn prepare_open(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: OpenPayload<'_> = decode_payload(tx.payload)?;
    let phases = payload.phases;
    let bad = |phase: &String| phase.is_empty() || phase.len() > PHASE_BYTES_MAX;
    if phases.len() > PHASE_COUNT_MAX || phases.iter().any(bad) {
        return Err(Failure::new(codes::PAYLOAD_INVALID));
    }
    declare_case(keys, *tx.tx_id)?;
    Ok(Box::new(Open(Case {
        stamp: Stamp::of(tx),
        opener: *tx.sender,
        court: payload.court.0,
        name: checked_name(payload.name)?,
        parties: distinct_accounts(&payload.parties)?,
        phases,
        policy: payload.policy.map(Policy::new).transpose()?,
    })))
}

pub(super) fn prepare_advance(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: CasePayload = decode_payload(tx.payload)?;
    declare_case(keys, payload.case.0)?;
    Ok(Box::new(Advance(payload.case.0)))
}

pub(super) fn prepare_archive(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: CasePayload = decode_payload(tx.payload)?;
    declare_case(keys, payload.case.0)?;
    Ok(Box::new(Archive(payload.case.0)))
}

pub(super) fn prepare_submit(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: SubmitPayload = decode_payload(tx.payload)?;
    let (case, hash, owner) = (payload.case.0, payload.hash.0, *tx.sender);
    let signers = distinct_accounts(&payload.signers)?;
    declare_case(keys, case)?;
    keys.declare(&record_key(&hash, &owner))?;
    keys.declare(&EvidenceKey::Policy { hash, owner }.encode())?;
    keys.declare(&EvidenceKey::Item { case, hash, owner }.encode())?;
    keys.declare(&EvidenceKey::Link { hash, owner, case }.encode())?;
    for signer in &signers {
        keys.declare(&cosign_key(&hash, &owner, signer))?;
    }
    Ok(Box::new(Submit { case, hash, signers }))
}

pub(super) fn prepare_verify(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: VerifyPayload = decode_payload(tx.payload)?;
    let (case, hash, owner) = (payload.case.0, payload.hash.0, payload.owner.0);
    declare_case(keys, case)?;
    keys.declare(&EvidenceKey::Item { case, hash, owner }.encode())?;
    Ok(Box::new(Verify {
        case,
        hash,
        owner,
        computed: payload.computed.0,
        report: payload.report.map(|Hex(report)| report),
    }))
}

fn declare_case(keys: &mut KeySink<'_>, case: Hash32) -> Result<(), Failure> {
    keys.declare(&EvidenceKey::Case { case }.encode())?;
    keys.declare(&EvidenceKey::Progress { case }.encode())
}

/// A value that this application wrote always decodes; one that does not fails the transaction, not the node.
fn sound<T, E>(decoded: Result<T, E>) -> Result<T, Failure> {
    decoded.map_err(|_| Failure::new(codes::HANDLER_FAILED))
}

/// The case and how far it has come, unless it is archived.
fn open_case(state: &Overlay, case: Hash32) -> Result<(Case, Progress), Failure> {
    let Some(value) = state.get(&EvidenceKey::Case { case }.encode())? else {
        return Err(Failure::rule("evidence.case_unknown"));
    };
    let facts = sound(Case::decode(value))?;
    let progress = match state.get(&EvidenceKey::Progress { case }.encode())? {
        Some(value) => sound(Progress::decode(value))?,
        None => return Err(Failure::new(codes::HANDLER_FAILED)),
    };
    if progress.archived.is_some() {
        return Err(Failure::rule("evidence.case_archived"));
    }
    Ok((facts, progress))
}

fn put_progress(state: &mut Overlay, case: Hash32, progress: &Progress) -> Result<(), Failure> {
    state.put(&EvidenceKey::Progress { case }.encode(), progress.encode())
}

impl Operation for Open {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let Self(facts) = self;
        let case = *tx.tx_id;
        state.put(&EvidenceKey::Case { case }.encode(), facts.encode())?;
        put_progress(state, case, &Progress::default())?;
        let data = ObjectWriter::new(192)
            .hex("court", &facts.court)
            .text("name", &facts.name)
            .hex("opener", &facts.opener)
            .finish();
        state.emit("evidence.case_opened", HexText::new(&case).as_str(), &data)
    }
}

impl Operation for Advance {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let Self(case) = *self;
        let (facts, mut progress) = open_case(state, case)?;
        if !facts.leads(tx.sender) {
            return Err(Failure::rule("evidence.not_in_charge"));
        }
        let Some(phase) = facts.phases.get(usize::from(progress.phase) + 1) else {
            return Err(Failure::rule("evidence.last_phase"));
        };
        progress.phase += 1;
        put_progress(state, case, &progress)?;
        let data = ObjectWriter::new(96)
            .text("name", phase)
            .number("phase", u64::from(progress.phase))
            .finish();
        state.emit("evidence.phase_begun", HexText::new(&case).as_str(), &data)
    }
}

impl Submit {
    /// The listed co-signers with the roles they signed in; all of them must have signed.
    fn cosigned(&self, owner: &Account, state: &Overlay) -> Result<Vec<(Account, Option<Name>)>, Failure> {
        let mut found = Vec::with_capacity(self.signers.len());
        for signer in &self.signers {
            let Some(value) = state.get(&cosign_key(&self.hash, owner, signer))? else {
                return Err(Failure::rule("evidence.cosignature_unknown"));
            };
            found.push((*signer, sound(Cosign::decode(value))?.role));
        }
        Ok(found)
    }
}

impl Operation for Submit {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let (case, hash, owner) = (self.case, self.hash, *tx.sender);
        let (facts, mut progress) = open_case(state, case)?;
        if !facts.admits(&owner) {
            return Err(Failure::rule("evidence.not_a_party"));
        }
        if state.get(&record_key(&hash, &owner))?.is_none() {
            return Err(Failure::rule("evidence.record_unknown"));
        }
        let key = EvidenceKey::Item { case, hash, owner }.encode();
        if state.get(&key)?.is_some() {
            return Err(Failure::rule("evidence.already_submitted"));
        }
        let own = match state.get(&EvidenceKey::Policy { hash, owner }.encode())? {
            Some(value) => Some(sound(Policy::decode(value))?.1),
            None => None,
        };
        let cosigned = self.cosigned(&owner, state)?;
        if [&own, &facts.policy]
            .into_iter()
            .flatten()
            .any(|policy| !policy.met_by(&cosigned))
        {
            return Err(Failure::rule("evidence.cosignatures_missing"));
        }
        if progress.item_count >= ITEM_COUNT_MAX {
            return Err(Failure::rule("evidence.case_full"));
        }
        progress.item_count += 1;
        let item = Item {
            stamp: Stamp::of(tx),
            phase: progress.phase,
            signers: self.signers.clone(),
            finding: None,
        };
        state.put(&key, item.encode())?;
        state.put(&EvidenceKey::Link { hash, owner, case }.encode(), vec![1])?;
        put_progress(state, case, &progress)?;
        let data = ObjectWriter::new(192)
            .hex("case", &case)
            .hex("owner", &owner)
            .number("phase", u64::from(progress.phase))
            .number("signers", self.signers.len() as u64)
            .finish();
        state.emit("evidence.submitted", HexText::new(&hash).as_str(), &data)
    }
}

impl Operation for Verify {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let Self { case, hash, owner, .. } = *self;
        let (facts, mut progress) = open_case(state, case)?;
        if *tx.sender != facts.court {
            return Err(Failure::rule("evidence.not_the_court"));
        }
        let key = EvidenceKey::Item { case, hash, owner }.encode();
        let Some(value) = state.get(&key)? else {
            return Err(Failure::rule("evidence.item_unknown"));
        };
        let mut item = sound(Item::decode(value))?;
        if item.finding.is_some() {
            return Err(Failure::rule("evidence.already_verified"));
        }
        item.finding = Some(Finding {
            stamp: Stamp::of(tx),
            computed: self.computed,
            report: self.report,
        });
        let (count, event) = match self.computed == hash {
            true => (&mut progress.match_count, "evidence.match"),
            false => (&mut progress.mismatch_count, "evidence.mismatch"),
        };
        *count += 1;
        state.put(&key, item.encode())?;
        put_progress(state, case, &progress)?;
        let data = ObjectWriter::new(224)
            .hex("case", &case)
            .hex("computed", &self.computed)
            .hex("owner", &owner)
            .finish();
        state.emit(event, HexText::new(&hash).as_str(), &data)
    }
}

impl Operation for Archive {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let Self(case) = *self;
        let (facts, mut progress) = open_case(state, case)?;
        if *tx.sender != facts.court {
            return Err(Failure::rule("evidence.not_the_court"));
        }
        if progress.match_count + progress.mismatch_count < progress.item_count {
            return Err(Failure::rule("evidence.items_open"));
        }
        progress.archived = Some(Stamp::of(tx));
        put_progress(state, case, &progress)?;
        let data = ObjectWriter::new(96)
            .number("items", u64::from(progress.item_count))
            .number("mismatches", u64::from(progress.mismatch_count))
            .finish();
        state.emit("evidence.archived", HexText::new(&case).as_str(), &data)
    }
}
