//! Effects of one step, in the only safe order: records, barrier, floor, everything else.

use hn_primitives::Account;

use crate::effect::{Effect, SendTo};
use crate::record::Record;

/// Collects what a step produces.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    records: Vec<Vec<u8>>,
    floor: Option<u64>,
    effects: Vec<Effect>,
    /// Records were handed out and no barrier since.
    is_dirty: bool,
    /// Replaying: records exist already.
    pub is_replaying: bool,
}

impl Outbox {
    pub(crate) fn log(&mut self, record: &Record) {
        if !self.is_replaying {
            self.records.push(record.encode());
        }
    }

    pub(crate) fn reserve_floor(&mut self, height: u64) {
        self.floor = Some(height);
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn extend(&mut self, effects: impl IntoIterator<Item = Effect>) {
        self.effects.extend(effects);
    }

    pub(crate) fn send_all(&mut self, bytes: Vec<u8>) {
        self.push(Effect::Send { to: SendTo::All, bytes });
    }

    pub(crate) fn fault(&mut self, peer: Account, code: u32) {
        self.push(Effect::PeerFault { peer, code });
    }

    /// Drop everything but decisions and evidence: what a replay produced was carried out before the restart.
    pub(crate) fn keep_results(&mut self) {
        self.effects
            .retain(|effect| matches!(effect, Effect::Decide { .. } | Effect::Evidence(_)));
    }

    /// The effects in order. A barrier stands before the first one that another party can see, if records precede it.
    pub(crate) fn drain(&mut self, barrier_ignored: bool) -> Vec<Effect> {
        let mut out: Vec<Effect> = Vec::with_capacity(self.records.len() + self.effects.len() + 2);
        self.is_dirty |= !self.records.is_empty();
        out.extend(self.records.drain(..).map(Effect::Log));
        let is_visible = self.floor.is_some()
            || self.effects.iter().any(|effect| {
                matches!(
                    effect,
                    Effect::Send { .. } | Effect::Decide { .. } | Effect::Evidence(_)
                )
            });
        if self.is_dirty && is_visible {
            self.is_dirty = false;
            if !barrier_ignored {
                out.push(Effect::Barrier);
            }
        }
        out.extend(self.floor.take().map(|height| Effect::ReserveSignFloor { height }));
        out.append(&mut self.effects);
        out
    }
}
