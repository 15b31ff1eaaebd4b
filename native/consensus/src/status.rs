//! What an engine is doing, in figures and in one line for the operator.

use hn_crypto::sm3::sm3;
use hn_primitives::Hash32;
use malachitebft_core_types::VoteType;

use crate::context::hex;
use crate::engine::Engine;

/// Figures for metrics; reading them costs O(validators).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Height the engine works on, 0 before the first start.
    pub height: u64,
    /// Round it is in.
    pub round: u32,
    /// `idle`, `propose`, `prevote`, `precommit`, `decided` or `halted`.
    pub step: &'static str,
    /// Whether it signs at this height.
    pub is_signing: bool,
    /// Signatures verified since the engine was built.
    pub verifications: u64,
    /// Votes the core counted in this round, both types.
    pub votes: usize,
    /// Messages kept for future heights.
    pub future_messages: usize,
    /// Signed statements remembered for evidence.
    pub watched: usize,
    /// Re-gossips since anything moved.
    pub stalled_ticks: u32,
}

impl Engine {
    /// The figures of now.
    pub fn stats(&self) -> Stats {
        let round = self
            .core
            .as_ref()
            .and_then(|core| core.driver.votes().per_round(core.round()));
        Stats {
            height: self.shell.height,
            round: self.shell.round,
            step: self.step_name(),
            is_signing: self.is_signing && !self.is_halted(),
            verifications: self.shell.verifier.verifications,
            votes: round.map_or(0, |round| round.received_votes().len()),
            future_messages: self.intake.future_count(),
            watched: self.shell.watch.len(),
            stalled_ticks: self.attempt,
        }
    }

    /// Height the engine works on, 0 before the first start.
    pub fn height(&self) -> u64 {
        self.shell.height
    }

    /// Round of that height.
    pub fn round(&self) -> u32 {
        self.shell.round
    }

    /// Whether messages for a height to come wait: somebody started it already.
    pub fn has_future(&self, height: u64) -> bool {
        self.intake.has_future(height)
    }

    fn step_name(&self) -> &'static str {
        let Some(core) = self.core.as_ref() else {
            return if self.is_halted() { "halted" } else { "idle" };
        };
        let driver = &core.driver;
        if self.shell.store.decided.is_some() {
            "decided"
        } else if driver.step_is_propose() {
            "propose"
        } else if driver.step_is_prevote() {
            "prevote"
        } else if driver.step_is_precommit() {
            "precommit"
        } else {
            "idle"
        }
    }

    /// Why the engine waits, for example `height 7 round 1 precommit: 2 of 3 precommit power, missing: 0a1b2c3d`.
    pub fn status_text(&self) -> String {
        let step = self.step_name();
        let (Some(core), Some(validators)) = (self.core.as_ref(), self.shell.validators.as_ref()) else {
            return step.to_owned();
        };
        let place = format!("height {} round {} {step}", self.shell.height, self.shell.round);
        let kind = match step {
            "propose" => {
                let proposer = validators.proposer(self.shell.height, self.shell.round);
                let name = proposer
                    .map(|validator| short(&validator.address.0))
                    .unwrap_or_default();
                let open = self
                    .shell
                    .store
                    .blocks()
                    .filter(|block| block.verdict.is_none())
                    .count();
                return if open > 0 {
                    format!("{place}: waiting for the check of {open} proposed block(s)")
                } else {
                    format!("{place}: waiting for the proposal of {name}")
                };
            }
            "prevote" => VoteType::Prevote,
            "precommit" => VoteType::Precommit,
            _ => return place,
        };
        let round = core.driver.votes().per_round(core.round());
        let has_voted = |account| round.is_some_and(|votes| votes.get_vote(kind, account).is_some());
        let missing: Vec<String> = validators
            .members()
            .iter()
            .filter(|v| !has_voted(&v.address))
            .map(|v| short(&v.address.0))
            .collect();
        let power: u64 = validators
            .members()
            .iter()
            .filter(|v| has_voted(&v.address))
            .map(|v| v.power)
            .sum();
        let quorum = validators.set().quorum();
        format!(
            "{place}: {power} of {quorum} {step} power, missing: {}",
            missing.join(" ")
        )
    }

    /// Hash of everything that a replay must reproduce: the core, open questions, running waits, the decision.
    ///
    /// Cost: formats the whole core; for tests and diagnosis.
    pub fn state_digest(&self) -> Hash32 {
        let Some(core) = self.core.as_ref() else {
            return sm3(b"no core");
        };
        let timers: Vec<_> = self
            .shell
            .timers
            .core_timers()
            .map(|(kind, round, _)| (kind, round))
            .collect();
        let blocks: Vec<_> = self
            .shell
            .store
            .blocks()
            .map(|b| (b.block.id, b.round, b.pol_round, b.verdict))
            .collect();
        let text = format!(
            "{:?} {:?} {:?} {:?} {:?} {timers:?} {blocks:?} {:?} {:?} {:?}",
            core.driver,
            core.full_proposal_keeper,
            core.last_signed_prevote,
            core.last_signed_precommit,
            core.driver.polka_certificates(),
            core.driver.round_certificate(),
            (
                self.shell.awaiting,
                self.shell.store.pending.as_ref().map(|pending| pending.block_hash)
            ),
            self.shell
                .store
                .decided
                .as_ref()
                .map(|decided| (decided.height, decided.block_hash)),
        );
        sm3(text.as_bytes())
    }
}

fn short(account: &[u8; 20]) -> String {
    hex(account.get(..4).unwrap_or_default())
}
