//! Live timers: one a kind, each with a generation, so that an old expiry can never act on a new height.

use crate::effect::Effect;

/// What a timer waits for; the number is its id in [`Effect::SetTimer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimerKind {
    /// A proposal.
    Propose = 0,
    /// One value among a quorum of prevotes.
    Prevote = 1,
    /// One value among a quorum of precommits.
    Precommit = 2,
    /// The next re-gossip.
    Rebroadcast = 3,
}

impl TimerKind {
    pub(crate) fn decode(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Propose),
            1 => Some(Self::Prevote),
            2 => Some(Self::Precommit),
            3 => Some(Self::Rebroadcast),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Live {
    round: u32,
    generation: u64,
}

/// The live timers of one engine.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    live: [Option<Live>; 4],
    generation: u64,
}

impl Timers {
    /// Start a timer unless the same wait is already running: repeated requests must not postpone it.
    pub(crate) fn set(&mut self, kind: TimerKind, round: u32, ms: u64) -> Option<Effect> {
        let slot = self.live.get_mut(kind as usize)?;
        if kind != TimerKind::Rebroadcast && slot.is_some_and(|live| live.round == round) {
            return None;
        }
        self.generation += 1;
        *slot = Some(Live {
            round,
            generation: self.generation,
        });
        Some(Effect::SetTimer {
            id: kind as u32,
            generation: self.generation,
            ms,
        })
    }

    pub(crate) fn cancel(&mut self, kind: TimerKind) -> Option<Effect> {
        self.live
            .get_mut(kind as usize)?
            .take()
            .map(|_| Effect::CancelTimer { id: kind as u32 })
    }

    /// The live timer that (id, generation) names, with its round; stale ones are `None`.
    pub(crate) fn find(&self, id: u32, generation: u64) -> Option<(TimerKind, u32)> {
        let kind = u8::try_from(id).ok().and_then(TimerKind::decode)?;
        let live = (*self.live.get(kind as usize)?)?;
        (live.generation == generation).then_some((kind, live.round))
    }

    /// A timer has fired.
    pub(crate) fn clear(&mut self, kind: TimerKind, round: u32) {
        if let Some(slot) = self.live.get_mut(kind as usize)
            && slot.is_some_and(|live| live.round == round)
        {
            *slot = None;
        }
    }

    /// The live timers of the core as (kind, round, generation).
    pub(crate) fn core_timers(&self) -> impl Iterator<Item = (TimerKind, u32, u64)> + '_ {
        [TimerKind::Propose, TimerKind::Prevote, TimerKind::Precommit]
            .into_iter()
            .filter_map(|kind| {
                let live = (*self.live.get(kind as usize)?)?;
                Some((kind, live.round, live.generation))
            })
    }
}
