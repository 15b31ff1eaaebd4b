//! What goes into an engine and what comes out of it.

use hn_primitives::{Account, Hash32, ValidatorSet};

/// One thing that happened. A batch of them is one [`crate::Engine::step`].
#[derive(Clone, Debug)]
pub enum Input {
    /// A record of the log, in the order of the log, before [`Input::ReplayDone`].
    Replay(Vec<u8>),
    /// The log is complete (perhaps empty); nothing else is looked at before this.
    ReplayDone {
        /// The sign floor on disk, 0 if none was ever written.
        floor_height: u64,
    },
    /// Work on `height`. Ignored when the engine is at this height or beyond, for example through the log.
    Start {
        /// Height to decide.
        height: u64,
        /// Set of that height.
        validators: ValidatorSet,
        /// Validators that propose after all the others; equal on all nodes.
        proposer_demoted: Vec<Account>,
    },
    /// A message of a peer.
    Message {
        /// Node that sent it, which need not be the signer.
        peer: Account,
        /// Encoding of [`crate::Message`].
        bytes: Vec<u8>,
    },
    /// Messages whose signatures are verified in one batch.
    Messages(Vec<(Account, Vec<u8>)>),
    /// Answer to [`Effect::GetValue`].
    Propose {
        /// Height of the request.
        height: u64,
        /// Round of the request.
        round: u32,
        /// Encoded value.
        value: Vec<u8>,
    },
    /// Answer to [`Effect::Validate`]. Missing batches are no answer.
    Validity {
        /// Height of the block.
        height: u64,
        /// Block that was checked.
        block_hash: Hash32,
        /// May turn from false to true, never back.
        valid: bool,
    },
    /// A timer fired.
    Timer {
        /// Id of [`Effect::SetTimer`].
        id: u32,
        /// Its generation.
        generation: u64,
    },
    /// A block that block sync fetched, its batches included. After a restart the block before the open height may be
    /// given too: it is believed, and peers that lack it are helped with it.
    Synced {
        /// Height of the block.
        height: u64,
        /// Encoded value.
        value: Vec<u8>,
        /// Encoded commit certificate; verified here.
        certificate: Vec<u8>,
    },
    /// A peer showed that it is behind this node.
    PeerBehind {
        /// The peer.
        peer: Account,
        /// Height it works on.
        height: u64,
        /// Round it is in.
        round: u32,
    },
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendTo {
    /// Every peer.
    All,
    /// One peer.
    Peer(Account),
}

/// One thing the host does. Effects are carried out in list order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Append a record to the log.
    Log(Vec<u8>),
    /// Nothing after this is carried out before every record is durable.
    Barrier,
    /// Write and sync the sign floor beside the key before anything after this is carried out.
    ReserveSignFloor {
        /// The new floor: signatures may exist up to this height.
        height: u64,
    },
    /// Send a message.
    Send {
        /// To whom.
        to: SendTo,
        /// Encoding of [`crate::Message`].
        bytes: Vec<u8>,
    },
    /// Start or replace timer `id`.
    SetTimer {
        /// One of four ids, see [`crate::TimerKind`].
        id: u32,
        /// Comes back with the expiry.
        generation: u64,
        /// Milliseconds on the monotonic clock.
        ms: u64,
    },
    /// Forget timer `id`; an expiry under way is ignored anyway.
    CancelTimer {
        /// Id of the timer.
        id: u32,
    },
    /// Make a value and answer with [`Input::Propose`].
    GetValue {
        /// Height to propose at.
        height: u64,
        /// Round to propose in.
        round: u32,
    },
    /// Check a value and answer with [`Input::Validity`]; may be repeated for one block.
    Validate {
        /// Height of the block.
        height: u64,
        /// Round of the proposal.
        round: u32,
        /// Hash of the header.
        block_hash: Hash32,
        /// Encoded value; its batch list fits the header's `batches_root`.
        value: Vec<u8>,
        /// Who proposed in this round (not necessarily the header's proposer).
        proposer: Account,
        /// `Some`: a quorum prevoted (or precommitted) this block in that round, so proposer and clock are not checked.
        pol_round: Option<u32>,
    },
    /// The block of this height.
    Decide {
        /// Decided height.
        height: u64,
        /// Round whose precommits decided.
        round: u32,
        /// Hash of the header.
        block_hash: Hash32,
        /// Encoded value.
        value: Vec<u8>,
        /// Encoded commit certificate.
        certificate: Vec<u8>,
    },
    /// A validator signed two things, see [`crate::Evidence`].
    Evidence(Vec<u8>),
    /// A peer broke a rule.
    PeerFault {
        /// The peer.
        peer: Account,
        /// One of `hn_primitives::codes`.
        code: u32,
    },
    /// The engine stopped for good: nothing is signed after this.
    Halt {
        /// One of `hn_primitives::codes`.
        code: u32,
        /// What happened, for the operator.
        reason: String,
    },
}
