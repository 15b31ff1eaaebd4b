//! Records of the consensus log: every input in the order it was fed, every own signature, every floor reservation.
//!
//! `u8 version (1) ‖ u8 kind ‖ u64 height ‖ payload`. The host frames records (length, checksum, chain) and cuts a torn
//! tail; a record that does not decode stops the node.
//!
//! | kind | payload |
//! |---|---|
//! | 1 start | `u8 signing ‖ account own ‖ u16 count ‖ demoted accounts ‖ bytes32 validator set` |
//! | 2 message | as in `message`, verified before it was logged |
//! | 3 propose | `u32 round ‖ bytes32 value` |
//! | 4 validity | `hash block ‖ u8 valid` |
//! | 5 timeout | `u8 timer ‖ u32 round` |
//! | 6 decision | `bytes32 value ‖ bytes32 certificate` (verified before it was logged) |
//! | 7 signed | `u8 step ‖ u32 round ‖ u32 pol_round ‖ account ‖ hash block ‖ signature` |
//! | 8 floor | `account`; the height is the reserved floor |

use std::sync::Arc;

use hn_primitives::{Account, Hash32, Sig64, VALUE_BYTES_MAX, ValidatorSet};

use crate::cursor::{Cursor, put_bytes32};
use crate::message::{CERTIFICATE_BYTES_MAX, MESSAGE_BYTES_MAX, Message};
use crate::statement::{Statement, Step};
use crate::timers::TimerKind;

const VALIDATORS_BYTES_MAX: usize = 10 + 65_535 * 73;

/// One log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub height: u64,
    pub entry: Entry,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Start {
        signing: bool,
        own: Account,
        demoted: Vec<Account>,
        validators: Arc<ValidatorSet>,
    },
    /// A verified message; a decision that waits for its batches is one too.
    Message(Message),
    Propose {
        round: u32,
        value: Arc<[u8]>,
    },
    Validity {
        block_hash: Hash32,
        valid: bool,
    },
    Timeout {
        timer: TimerKind,
        round: u32,
    },
    Decision {
        value: Arc<[u8]>,
        certificate: Vec<u8>,
    },
    Signed {
        statement: Statement,
        signature: Sig64,
    },
    Floor {
        own: Account,
    },
}

/// Height of a log record, so that the host can drop segments below the committed height; `None` for foreign bytes.
pub fn record_height(record: &[u8]) -> Option<u64> {
    let mut cursor = Cursor::new(record);
    (cursor.u8()? == 1).then_some(())?;
    cursor.u8()?;
    cursor.u64()
}

impl Record {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![1, 0];
        out.extend_from_slice(&self.height.to_be_bytes());
        let kind = match &self.entry {
            Entry::Start {
                signing,
                own,
                demoted,
                validators,
            } => {
                out.push(u8::from(*signing));
                out.extend_from_slice(own);
                out.extend_from_slice(&u16::try_from(demoted.len()).unwrap_or(u16::MAX).to_be_bytes());
                demoted.iter().for_each(|account| out.extend_from_slice(account));
                put_bytes32(&mut out, &validators.encode());
                1
            }
            Entry::Message(message) => {
                out.extend_from_slice(&message.encode());
                2
            }
            Entry::Propose { round, value } => {
                out.extend_from_slice(&round.to_be_bytes());
                put_bytes32(&mut out, value);
                3
            }
            Entry::Validity { block_hash, valid } => {
                out.extend_from_slice(block_hash);
                out.push(u8::from(*valid));
                4
            }
            Entry::Timeout { timer, round } => {
                out.push(*timer as u8);
                out.extend_from_slice(&round.to_be_bytes());
                5
            }
            Entry::Decision { value, certificate } => {
                put_bytes32(&mut out, value);
                put_bytes32(&mut out, certificate);
                6
            }
            Entry::Signed { statement, signature } => {
                out.push(match statement.step {
                    Step::Prevote => 1,
                    Step::Precommit => 2,
                    Step::Proposal => 3,
                });
                out.extend_from_slice(&statement.round.to_be_bytes());
                out.extend_from_slice(&statement.pol_round.unwrap_or(u32::MAX).to_be_bytes());
                out.extend_from_slice(&statement.signer);
                out.extend_from_slice(&statement.block_hash);
                out.extend_from_slice(signature);
                7
            }
            Entry::Floor { own } => {
                out.extend_from_slice(own);
                8
            }
        };
        if let Some(byte) = out.get_mut(1) {
            *byte = kind;
        }
        out
    }

    /// The record, or `None` when `bytes` is not exactly one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        if cursor.u8()? != 1 {
            return None;
        }
        let kind = cursor.u8()?;
        let height = cursor.u64()?;
        let entry = match kind {
            1 => {
                let signing = flag(&mut cursor)?;
                let own = cursor.array()?;
                let demoted_count = cursor.u16()?;
                let demoted = (0..demoted_count)
                    .map(|_| cursor.array())
                    .collect::<Option<Vec<Account>>>()?;
                let validators = ValidatorSet::decode(cursor.bytes32(VALIDATORS_BYTES_MAX)?).ok()?;
                Entry::Start {
                    signing,
                    own,
                    demoted,
                    validators: Arc::new(validators),
                }
            }
            2 => {
                let rest = bytes.get(10..)?;
                if rest.len() > MESSAGE_BYTES_MAX {
                    return None;
                }
                let message = Message::decode(rest)?;
                return Some(Self {
                    height,
                    entry: Entry::Message(message),
                });
            }
            3 => Entry::Propose {
                round: cursor.u32()?,
                value: cursor.bytes32(VALUE_BYTES_MAX)?.into(),
            },
            4 => Entry::Validity {
                block_hash: cursor.array()?,
                valid: flag(&mut cursor)?,
            },
            5 => Entry::Timeout {
                timer: TimerKind::decode(cursor.u8()?)?,
                round: cursor.u32()?,
            },
            6 => Entry::Decision {
                value: cursor.bytes32(VALUE_BYTES_MAX)?.into(),
                certificate: cursor.bytes32(CERTIFICATE_BYTES_MAX)?.to_vec(),
            },
            7 => signed(&mut cursor, height)?,
            8 => Entry::Floor { own: cursor.array()? },
            _ => return None,
        };
        cursor.end()?;
        Some(Self { height, entry })
    }
}

fn flag(cursor: &mut Cursor<'_>) -> Option<bool> {
    match cursor.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn signed(cursor: &mut Cursor<'_>, height: u64) -> Option<Entry> {
    let step = match cursor.u8()? {
        1 => Step::Prevote,
        2 => Step::Precommit,
        3 => Step::Proposal,
        _ => return None,
    };
    let round = cursor.u32()?;
    let pol_round = Some(cursor.u32()?).filter(|round| *round != u32::MAX);
    let signer = cursor.array()?;
    let block_hash = cursor.array()?;
    let statement = Statement {
        height,
        round,
        step,
        signer,
        block_hash,
        pol_round,
    };
    Some(Entry::Signed {
        statement,
        signature: cursor.array()?,
    })
}
