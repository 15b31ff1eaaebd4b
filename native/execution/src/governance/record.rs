//! What governance keeps in the state: the plugin set and the proposals, as JSON with the fields in this order.

use serde::{Deserialize, Serialize};

use crate::json::Hex;

/// Bytes of the fault that is kept of a failed migration, as JSON has it.
pub const FAULT_BYTES_MAX: usize = 200;

/// What the set keeps of a fault: its beginning, without what JSON writes longer than it is, so that the row of all plugins has
/// a bound.
pub(crate) fn kept_fault(fault: &str) -> String {
    let plain = |c: char| {
        if c.is_control() || c == '"' || c == '\\' {
            ' '
        } else {
            c
        }
    };
    let mut kept = String::new();
    for c in fault.chars().map(plain) {
        if kept.len() + c.len_utf8() > FAULT_BYTES_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

/// One version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Version as the package says it.
    pub version: String,
    /// Version of the plugin interface it was written for.
    pub api_version: u16,
    /// Version of the layout of its data.
    pub state_version: u32,
    /// Hash of its files.
    pub code_hash: Hex<32>,
}

/// What a proposal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A plugin joins the set.
    Activate,
    /// Its transactions are refused; queries and proofs stay.
    Disable,
    /// They are taken again.
    Enable,
    /// Other code takes its place, a newer or an older one.
    Upgrade,
}

impl Kind {
    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Upgrade => "upgrade",
        }
    }
}

/// A proposal. Numbers count from 1 over the whole chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Its number.
    pub number: u64,
    /// What it is about.
    pub kind: Kind,
    /// The plugin.
    pub name: String,
    /// The code that will run; for disable and enable the one that does.
    pub code: Code,
    /// First height at which it counts.
    pub activation_height: u64,
    /// Account that proposed it.
    pub proposed_by: Hex<20>,
    /// Block that holds the proposal.
    pub proposed_height: u64,
    /// Power of the validators that approve.
    pub power_for: u64,
    /// Power of those that refuse.
    pub power_against: u64,
}

/// Row `o`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenProposals {
    /// Number of the next proposal.
    pub next: u64,
    /// Open ones, ascending by number.
    pub open: Vec<Proposal>,
}

impl Default for OpenProposals {
    fn default() -> Self {
        Self {
            next: 1,
            open: Vec::new(),
        }
    }
}

/// How a proposal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// More than two thirds of the power approved.
    Active,
    /// They did not.
    Void,
}

/// Row `p ‖ number`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedProposal {
    /// The proposal with its last count.
    pub proposal: Proposal,
    /// How it ended, after the block before its activation height.
    pub outcome: Outcome,
    /// Power of all validators.
    pub power_total: u64,
}

/// Whether a plugin takes transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    Enabled,
    /// Governance switched it off, or a migration failed half-way.
    Disabled,
    /// Its data is on the way to another layout.
    Migrating,
}

/// The three passes over the rows of an application, one after the other for each step of state versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The old rows are looked at; nothing is written.
    Check,
    /// They are rewritten.
    Move,
    /// The new rows are looked at; nothing is written.
    Verify,
}

/// Where a migration stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Code that ran before: it may know the way back, and it runs again when the first check fails.
    pub from: Code,
    /// The pass.
    pub phase: Phase,
    /// Last key of the pass that is done, in hexadecimal digits; empty at the start of a pass.
    pub cursor: String,
    /// Rows looked at in this pass.
    pub rows: u64,
    /// Whether the plugin was disabled before: it is again when the first check fails.
    pub disabled: bool,
}

/// One plugin of the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginRecord {
    /// Its name, which is that of its application.
    pub name: String,
    /// The code that runs.
    pub code: Code,
    /// Whether it takes transactions.
    pub status: Status,
    /// First height with this status and code.
    pub since_height: u64,
    /// Proposal that brought it here; 0 = the genesis.
    pub proposal: u64,
    /// Version of the layout in which its data is; differs from the code's while a migration runs or after it failed.
    pub data_version: u32,
    /// The migration that runs.
    pub migration: Option<Migration>,
    /// Why the last migration failed; empty when none did.
    pub fault: String,
}

impl PluginRecord {
    /// A plugin that takes transactions from block 1 on.
    pub fn enabled(name: &str, code: Code) -> Self {
        Self {
            name: name.to_owned(),
            status: Status::Enabled,
            since_height: 1,
            proposal: 0,
            data_version: code.state_version,
            code,
            migration: None,
            fault: String::new(),
        }
    }
}

/// Row `s`: ascending by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSet {
    /// The plugins.
    pub plugins: Vec<PluginRecord>,
}

impl PluginSet {
    /// The plugin of this name.
    pub fn get(&self, name: &str) -> Option<&PluginRecord> {
        self.place(name).ok().and_then(|at| self.plugins.get(at))
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut PluginRecord> {
        self.place(name).ok().and_then(|at| self.plugins.get_mut(at))
    }

    pub(crate) fn place(&self, name: &str) -> Result<usize, usize> {
        self.plugins.binary_search_by(|plugin| plugin.name.as_str().cmp(name))
    }

    /// The first plugin whose data is on its way.
    pub fn migrating(&self) -> Option<&PluginRecord> {
        self.plugins.iter().find(|plugin| plugin.status == Status::Migrating)
    }
}

macro_rules! rows {
    ($($row:ty),*) => {
        $(impl $row {
            /// Reads the row; `None` when it is not one.
            pub fn decode(row: &[u8]) -> Option<Self> {
                serde_json::from_slice(row).ok()
            }

            /// The row. These types hold nothing that JSON cannot say.
            pub fn encode(&self) -> Vec<u8> {
                serde_json::to_vec(self).unwrap_or_default()
            }
        })*
    };
}

rows!(OpenProposals, ClosedProposal, PluginSet, Proposal);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::{PLUGIN_COUNT_MAX, VERSION_CHARS_MAX};
    use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

    #[test]
    fn test_a_fault_is_kept_as_far_as_it_has_room() {
        for (fault, kept) in [
            ("row 3: no", "row 3: no".to_owned()),
            ("a\"b\\c\u{1}", "a b c ".to_owned()),
            (&"迁".repeat(99), "迁".repeat(66)),
            (&"\u{1}".repeat(999), " ".repeat(200)),
        ] {
            assert_eq!(kept_fault(fault), kept);
            assert!(serde_json::to_string(&kept).unwrap().len() <= FAULT_BYTES_MAX + 2);
        }
    }

    /// Regression: 64 failed migrations with long faults made the row longer than a value may be, which stops every node.
    #[test]
    fn test_the_fullest_set_fits_its_row() {
        let code = Code {
            version: "9".repeat(VERSION_CHARS_MAX),
            api_version: u16::MAX,
            state_version: u32::MAX,
            code_hash: Hex([0xff; 32]),
        };
        let mut plugin = PluginRecord::enabled(&"n".repeat(32), code.clone());
        plugin.status = Status::Migrating;
        (plugin.since_height, plugin.proposal) = (u64::MAX, u64::MAX);
        plugin.fault = kept_fault(&"𠮷".repeat(200));
        plugin.migration = Some(Migration {
            from: code,
            phase: Phase::Verify,
            cursor: String::new(),
            rows: u64::MAX,
            disabled: false,
        });
        let mut set = PluginSet {
            plugins: vec![plugin; PLUGIN_COUNT_MAX],
        };
        // One plugin moves at a time, so one has a cursor.
        set.plugins[0].migration.as_mut().unwrap().cursor = "f".repeat(2 * KEY_BYTES_MAX);
        assert!(set.encode().len() <= VALUE_BYTES_MAX, "{}", set.encode().len());
    }
}
