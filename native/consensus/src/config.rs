//! What an engine is configured with: identity, waiting times and bounds.

use hn_primitives::{Account, Hash32};

/// Identity and bounds of one chain's engine. Everything that must be equal on all nodes arrives with `Start` instead.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Hash of the genesis; part of every signed message.
    pub chain_id: Hash32,
    /// Account of this node's validator key; `None` follows the chain and never signs.
    pub address: Option<Account>,
    /// How long each step waits.
    pub timeouts: Timeouts,
    /// Bounds of everything a peer can make this engine keep or compute.
    pub limits: Limits,
}

/// Waiting times in milliseconds; round r waits `base + r · step`, at most `cap_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Wait for a proposal before prevoting nil.
    pub propose_ms: u64,
    /// Growth of `propose_ms` a round.
    pub propose_step_ms: u64,
    /// Wait for one value after a quorum of different prevotes or precommits.
    pub vote_ms: u64,
    /// Growth of `vote_ms` a round.
    pub vote_step_ms: u64,
    /// First wait before stored messages go out again; doubles up to eight times while nothing moves.
    pub rebroadcast_ms: u64,
    /// Upper bound of every wait.
    pub cap_ms: u64,
}

impl Default for Timeouts {
    /// Values for a local network; double them for a metropolitan one.
    fn default() -> Self {
        Self {
            propose_ms: 1_000,
            propose_step_ms: 500,
            vote_ms: 300,
            vote_step_ms: 200,
            rebroadcast_ms: 500,
            cap_ms: 30_000,
        }
    }
}

impl Timeouts {
    pub(crate) fn propose(&self, round: u32) -> u64 {
        self.grown(self.propose_ms, self.propose_step_ms, round)
    }

    pub(crate) fn vote(&self, round: u32) -> u64 {
        self.grown(self.vote_ms, self.vote_step_ms, round)
    }

    /// Wait before re-gossip number `attempt` (from 0).
    pub(crate) fn rebroadcast(&self, attempt: u32) -> u64 {
        self.rebroadcast_ms
            .saturating_mul(1 << attempt.min(3))
            .min(self.cap_ms)
            .max(1)
    }

    fn grown(&self, base: u64, step: u64, round: u32) -> u64 {
        base.saturating_add(step.saturating_mul(u64::from(round)))
            .min(self.cap_ms)
            .max(1)
    }
}

/// Bounds of intake and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Votes and proposals up to this many rounds ahead are read; the core itself accepts no more than 10. Certificates
    /// are not bounded by it: a quorum (or f+1) signed them, and they are what brings a node forward.
    pub rounds_ahead_max: u32,
    /// Heights ahead for which messages are kept.
    pub heights_ahead_max: u64,
    /// Votes kept for one validator at one future height.
    pub future_votes_max: usize,
    /// Heights back for which conflicting signatures still become evidence.
    pub evidence_heights: u64,
    /// Signed statements remembered for evidence; the oldest heights go first.
    pub evidence_entries_max: usize,
    /// Messages of one peer between two ticks (height, round or rebroadcast).
    pub peer_messages_max: u64,
    /// Bytes of one peer between two ticks.
    pub peer_bytes_max: u64,
    /// Signature verifications one peer may cause between two ticks.
    pub peer_verifications_max: u64,
    /// Messages one re-gossip sends; the newest rounds go first.
    pub regossip_messages_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rounds_ahead_max: 10,
            heights_ahead_max: 2,
            future_votes_max: 4,
            evidence_heights: 100,
            evidence_entries_max: 16_384,
            peer_messages_max: 16_384,
            peer_bytes_max: 16 << 20,
            peer_verifications_max: 4_096,
            regossip_messages_max: 512,
        }
    }
}
