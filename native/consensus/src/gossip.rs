//! Re-gossip: what is stuck is said again, to everybody when nothing moves, to one peer when it shows that it is behind.

use hn_primitives::Account;

use crate::certificates::{polka_from_core, round_from_core};
use crate::effect::{Effect, SendTo};
use crate::engine::Engine;
use crate::message::encode_decision;

/// From this attempt on every round of the height is repeated, not only the newest two and those of polkas.
const FULL_FROM_ATTEMPT: u32 = 2;

impl Engine {
    /// The rebroadcast timer fired: nothing moved since it was set.
    pub(crate) fn tick(&mut self) {
        self.intake.reset_quotas();
        if self.is_signing {
            for bytes in self.stalled_messages(self.attempt >= FULL_FROM_ATTEMPT) {
                self.shell.outbox.send_all(bytes);
            }
        }
        self.attempt = self.attempt.saturating_add(1);
        self.set_rebroadcast();
    }

    /// Help a peer that is at (height, round); at most once between two ticks.
    pub(crate) fn serve(&mut self, peer: Account, height: u64, round: u32) {
        if self.shell.faults.no_regossip() {
            return;
        }
        let decided = [&self.shell.store.decided, &self.shell.store.previous];
        let decision = decided.into_iter().flatten().find(|decided| decided.height == height);
        if let Some(decided) = decision {
            let bytes = encode_decision(&decided.value, &decided.certificate);
            if self.intake.may_serve(peer, height) {
                self.shell.outbox.push(Effect::Send {
                    to: SendTo::Peer(peer),
                    bytes,
                });
            }
        } else if height == self.shell.height && round < self.shell.round && self.intake.may_serve(peer, height) {
            for bytes in self.stalled_messages(true) {
                self.shell.outbox.push(Effect::Send {
                    to: SendTo::Peer(peer),
                    bytes,
                });
            }
        }
    }

    /// The certificate of the current round, polka certificates, then stored messages, newest round first.
    fn stalled_messages(&self, is_full: bool) -> Vec<Vec<u8>> {
        let Some(core) = self.core.as_ref() else {
            return Vec::new();
        };
        let mut out = Vec::new();
        let round_certificate = core
            .round_certificate()
            .filter(|certificate| certificate.enter_round == core.round());
        out.extend(
            round_certificate
                .and_then(|c| round_from_core(&c.certificate))
                .map(|round| round.encode()),
        );
        if self.shell.faults.no_regossip() {
            let votes = [&core.last_signed_prevote, &core.last_signed_precommit]
                .into_iter()
                .flatten();
            out.extend(votes.filter_map(|vote| self.shell.own_message(vote)));
            return out;
        }
        let polkas: Vec<_> = core
            .driver
            .polka_certificates()
            .iter()
            .filter_map(polka_from_core)
            .collect();
        out.extend(polkas.iter().map(|polka| polka.encode()));
        let newest = self.shell.round.saturating_sub(1);
        for round in self.shell.store.rounds() {
            if is_full || round >= newest || polkas.iter().any(|polka| polka.round == round) {
                out.extend(self.shell.store.round_messages(round).map(|bytes| bytes.to_vec()));
            }
        }
        out.truncate(self.intake.limits.regossip_messages_max);
        out
    }
}
