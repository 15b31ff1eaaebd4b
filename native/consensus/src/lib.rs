//! Consensus of one chain: Tendermint as a deterministic machine that is fed inputs and hands out effects.
//!
//! Flow: messages → [`intake`](Engine::step) (bounds, signatures) → log record → core → effects, in the order records,
//! barrier, sends and decisions. The protocol core is Malachite's; what it leaves to its user is done here:
//!
//! 1. **Log every input** with its verdict, not what the core asks to log: a replay is the same computation.
//! 2. **Sign guard**: one statement a (height, round, step), whatever replay, restore or an operator does; plus a floor
//!    beside the key below which nothing is signed unless the newest log was replayed.
//! 3. **Re-gossip** of everything that is stuck, to all when nothing moves, to a peer that shows that it is behind.
//! 4. **Block sync** enters through [`Input::Synced`] or a decision message, always with a verified certificate.
//! 5. **Bounded intake**: heights, rounds, votes, bytes and verifications of every peer are bounded.
//!
//! Invariants:
//! - No message and no decision leaves before the records that led to it are durable ([`Effect::Barrier`]).
//! - Same inputs, same effects: no clock, random source, thread, file or socket.
//! - A panic of the core becomes [`Effect::Halt`]; after it nothing is signed.
//!
//! Facts of the core (0.8.2) that shape this crate: with a proposal-only payload it calls every value valid by itself, so
//! the payload mode is "proposal and parts" with the value inside the proposal; votes and proposals more than 10 rounds
//! ahead are dropped, certificates are not; a non-nil precommit prunes all earlier votes, so what must be sent again
//! lives in this crate's store; its own log requests leave out commit certificates; a certificate for a value that this
//! node calls invalid is merely logged by the core and stops the node here.

#![forbid(unsafe_code)]

mod apply;
mod certificates;
mod claims;
mod config;
mod context;
mod cursor;
mod effect;
mod engine;
mod evidence;
mod faults;
mod gossip;
mod guard;
mod intake;
mod message;
mod outbox;
mod proposer;
mod record;
mod replay;
mod shell;
mod signatures;
mod statement;
mod status;
mod store;
mod timers;
mod translate;
mod validators;

pub use config::{EngineConfig, Limits, Timeouts};
pub use effect::{Effect, Input, SendTo};
pub use engine::{Engine, SYNC_PEER};
pub use evidence::Evidence;
#[cfg(feature = "mutations")]
pub use faults::Faults;
pub use guard::FLOOR_STRIDE;
pub use message::{
    MESSAGE_BYTES_MAX, Message, PolkaMessage, ProposalMessage, RoundMessage, RoundVote, VoteMessage, message_height,
};
pub use proposer::proposer;
pub use record::record_height;
pub use signatures::{Signatures, Sm2Signatures};
pub use status::Stats;
pub use timers::TimerKind;
