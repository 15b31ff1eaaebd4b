//! The end of a block: votes of the proposals that are due, or that can no longer pass, are counted, and a migration takes its step.

use hn_primitives::codes;

use crate::application::Failure;
use crate::governance::record::{
    ClosedProposal, Kind, Migration, Outcome, Phase, PluginRecord, PluginSet, Proposal, Status, kept_fault,
};
use crate::governance::{Governance, OPEN_KEY, SET_KEY, open_proposals, plugin_set};
use crate::overlay::Overlay;
use crate::system::{MigrationPage, PageEnd};

/// Counts what is due at `height + 1` or can no longer pass, and moves the running migration on by `page`.
///
/// # Errors
/// Rows that this application did not write, or a page for a plugin that is not the one being migrated: both mean that
/// the node is broken, not a transaction.
pub(super) fn end_block(
    governance: &Governance,
    height: u64,
    page: Option<&MigrationPage>,
    state: &mut Overlay,
) -> Result<(), Failure> {
    let next = height.saturating_add(1);
    let power_total = governance.validators.total_power();
    // Both sides are far below 2⁶⁴: a total has at most 2³².
    let hopeless = |proposal: &Proposal| 3 * power_total.saturating_sub(proposal.power_against) <= 2 * power_total;
    let mut proposals = open_proposals(state)?;
    let (due, open) = proposals
        .open
        .drain(..)
        .partition::<Vec<_>, _>(|proposal| proposal.activation_height <= next || hopeless(proposal));
    proposals.open = open;
    if due.is_empty() && page.is_none() {
        return Ok(());
    }
    let before = plugin_set(state)?;
    let mut set = before.clone();
    if let Some(page) = page {
        step(&mut set, page, next)?;
    }
    if !due.is_empty() {
        state.put(OPEN_KEY, proposals.encode())?;
    }
    for proposal in due {
        let outcome = if 3 * proposal.power_for > 2 * power_total {
            Outcome::Active
        } else {
            Outcome::Void
        };
        if outcome == Outcome::Active {
            apply(&mut set, &proposal, next);
        }
        let mut key = vec![b'p'];
        key.extend_from_slice(&proposal.number.to_be_bytes());
        let closed = ClosedProposal {
            proposal,
            outcome,
            power_total,
        };
        state.put_new(&key, closed.encode())?;
    }
    if set != before {
        state.put(SET_KEY, set.encode())?;
    }
    Ok(())
}

/// What an accepted proposal makes of the set; that it can was checked when it was made, and nothing else changed the
/// plugin since.
fn apply(set: &mut PluginSet, proposal: &Proposal, since_height: u64) {
    let fresh = PluginRecord {
        since_height,
        proposal: proposal.number,
        ..PluginRecord::enabled(&proposal.name, proposal.code.clone())
    };
    let plugin = match set.place(&proposal.name) {
        Ok(at) => set.plugins.get_mut(at),
        Err(at) => {
            set.plugins.insert(at, fresh);
            return;
        }
    };
    let Some(plugin) = plugin else { return };
    plugin.since_height = since_height;
    plugin.proposal = proposal.number;
    match proposal.kind {
        Kind::Disable => plugin.status = Status::Disabled,
        Kind::Enable => plugin.status = Status::Enabled,
        Kind::Activate | Kind::Upgrade => {
            let from = std::mem::replace(&mut plugin.code, proposal.code.clone());
            let disabled = plugin.status == Status::Disabled;
            plugin.fault.clear();
            if plugin.data_version == plugin.code.state_version {
                plugin.status = Status::Enabled;
            } else {
                plugin.status = Status::Migrating;
                plugin.migration = Some(start(from, Phase::Check, disabled));
            }
        }
    }
}

fn start(from: crate::governance::record::Code, phase: Phase, disabled: bool) -> Migration {
    Migration {
        from,
        phase,
        cursor: String::new(),
        rows: 0,
        disabled,
    }
}

fn step(set: &mut PluginSet, page: &MigrationPage, next: u64) -> Result<(), Failure> {
    let broken = Failure::new(codes::RESULT_INVALID);
    let first = set.migrating().map(|plugin| plugin.name.clone());
    if first.as_deref() != Some(page.application.as_str()) {
        return Err(broken);
    }
    let plugin = set.get_mut(&page.application).ok_or(broken)?;
    let mut migration = plugin.migration.take().ok_or(broken)?;
    if migration.phase != Phase::Move && !page.writes.is_empty() {
        return Err(broken);
    }
    let disabled = migration.disabled;
    match &page.end {
        PageEnd::Cursor(cursor) => {
            migration.cursor = cursor.iter().map(|byte| format!("{byte:02x}")).collect();
            migration.rows += page.rows;
            plugin.migration = Some(migration);
        }
        PageEnd::Passed { reached } => match migration.phase {
            Phase::Check => plugin.migration = Some(start(migration.from, Phase::Move, disabled)),
            Phase::Move => plugin.migration = Some(start(migration.from, Phase::Verify, disabled)),
            Phase::Verify => {
                plugin.data_version = *reached;
                if plugin.data_version == plugin.code.state_version {
                    plugin.status = Status::Enabled;
                    plugin.since_height = next;
                } else {
                    plugin.migration = Some(start(migration.from, Phase::Check, disabled));
                }
            }
        },
        PageEnd::Failed(fault) => {
            if !page.writes.is_empty() {
                return Err(broken);
            }
            plugin.fault = kept_fault(fault);
            plugin.since_height = next;
            if migration.phase == Phase::Check && plugin.data_version == migration.from.state_version {
                // Nothing has been written: what ran before runs on, and what was disabled stays so.
                plugin.code = migration.from;
                plugin.status = if disabled { Status::Disabled } else { Status::Enabled };
            } else {
                plugin.status = Status::Disabled;
            }
        }
    }
    Ok(())
}
