//! Start from a log: index the own signatures, run every record through the core, then resume what was under way.

use hn_primitives::codes;

use crate::effect::Effect;
use crate::engine::Engine;
use crate::record::{Entry, Record};
use crate::timers::TimerKind;

impl Engine {
    /// Replay a complete log. What it sent, asked and decided then is not repeated, except that decisions are handed on
    /// again (storage may lag), own messages of the open height go out again, its timers start again, and unanswered
    /// questions are asked again.
    pub(crate) fn replay(&mut self, records: Vec<Record>, floor_height: u64) {
        let own = self.shell.address;
        let logged = records.iter().filter_map(|record| match &record.entry {
            Entry::Floor { own: signer } if *signer == own => Some(record.height),
            _ => None,
        });
        self.shell.guard.adopt_floor(floor_height, logged.max().unwrap_or(0));
        for record in &records {
            if let Entry::Signed { statement, signature } = &record.entry
                && statement.signer == own
                && !self.shell.guard.learn(*statement, *signature)
            {
                let reason = format!("the log holds two own signatures at height {}", record.height);
                self.shell.halt(codes::CONSENSUS_LOG_CORRUPT, reason);
                return;
            }
        }
        self.shell.outbox.is_replaying = true;
        for record in records {
            self.replay_record(record);
            if self.shell.stop.is_some() {
                return;
            }
        }
        self.shell.outbox.is_replaying = false;
        self.shell.outbox.keep_results();
        if self.core.is_some() && self.shell.store.decided.is_none() {
            self.decide_pending();
        }
        if self.core.is_some() && self.shell.store.decided.is_none() {
            self.resume();
        }
    }

    fn replay_record(&mut self, record: Record) {
        match record.entry {
            Entry::Signed { .. } | Entry::Floor { .. } => {}
            Entry::Start {
                signing,
                own,
                demoted,
                validators,
            } => {
                if record.height <= self.shell.height {
                    let reason = format!("the log starts height {} after {}", record.height, self.shell.height);
                    self.shell.halt(codes::CONSENSUS_LOG_CORRUPT, reason);
                    return;
                }
                // A log that is not the newest cannot be trusted to hold every signature of these heights.
                let signing =
                    signing && (self.shell.guard.may_sign(record.height) || self.shell.faults.floor_ignored());
                self.shell.height = record.height;
                self.apply(
                    Entry::Start {
                        signing,
                        own,
                        demoted,
                        validators,
                    },
                    None,
                );
            }
            // Records of a height whose start went with a dropped segment: that height is committed.
            _ if self.core.is_none() => {}
            entry if record.height == self.shell.height => self.apply(entry, None),
            _ => {
                let reason = format!("the log jumps from height {} to {}", self.shell.height, record.height);
                self.shell.halt(codes::CONSENSUS_LOG_CORRUPT, reason);
            }
        }
    }

    fn resume(&mut self) {
        let address = self.shell.address;
        if self.is_signing {
            let own: Vec<Vec<u8>> = self
                .shell
                .store
                .signed_by(&address)
                .map(|bytes| bytes.to_vec())
                .collect();
            for bytes in own.into_iter().rev().take(self.intake.limits.regossip_messages_max) {
                self.shell.outbox.send_all(bytes);
            }
        }
        let timers: Vec<_> = self.shell.timers.core_timers().collect();
        for (kind, round, generation) in timers {
            let ms = match kind {
                TimerKind::Propose => self.shell.timeouts.propose(round),
                _ => self.shell.timeouts.vote(round),
            };
            self.shell.outbox.push(Effect::SetTimer {
                id: kind as u32,
                generation,
                ms,
            });
        }
        let open: Vec<_> = self
            .shell
            .store
            .blocks()
            .filter(|b| b.verdict.is_none())
            .map(|b| b.block.id.0)
            .collect();
        for block_hash in open {
            self.ask_validity(&block_hash);
        }
        // Asked again only in the propose step of this very round: anything later would be a second proposal.
        let is_proposing = self.core.as_ref().is_some_and(|core| core.driver.step_is_propose());
        if let Some(round) = self
            .shell
            .awaiting
            .filter(|round| is_proposing && *round == self.shell.round)
        {
            self.shell.outbox.push(Effect::GetValue {
                height: self.shell.height,
                round,
            });
        }
    }
}
