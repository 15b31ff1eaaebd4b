//! The domain tags, each hashed once per process (one SM3 block).

use crate::{Hash32, ZERO_HASH};
use hn_crypto::sm3::{Lanes, TaggedHasher};
use std::sync::LazyLock;

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $tag:literal;)*) => {
        $($(#[$doc])* pub static $name: LazyLock<TaggedHasher> = LazyLock::new(|| TaggedHasher::new($tag));)*
    };
}

tags! {
    /// Account of a public key.
    ACCOUNT = "hn/account/v1";
    /// Id of a transaction.
    TX = "hn/tx/v1";
    /// Digest of a batch.
    BATCH = "hn/batch/v1";
    /// The signatures of a batch's transactions.
    SIGNATURES = "hn/signatures/v1";
    /// Hash of a block.
    HEADER = "hn/header/v1";
    /// Hash of a validator set.
    VALIDATORS = "hn/validators/v1";
    /// Chain id.
    GENESIS = "hn/genesis/v1";
    /// Hash of the plugin set.
    PLUGINS = "hn/plugins/v1";
    /// Digest of a transaction's writes.
    WRITE_SET = "hn/write-set/v1";
    /// Proof that the holder of a new key asked for its registration.
    REGISTER = "hn/register/v1";
    /// A validator's vote on a plugin.
    PLUGIN_VOTE = "hn/plugin-vote/v2";
    /// Id of an item of due work.
    DUE = "hn/due/v1";
    /// Leaf of a block tree.
    LEAF = "hn/leaf/v1";
    /// Inner node of a block tree.
    NODE = "hn/node/v1";
    /// Root of a block tree.
    ROOT = "hn/root/v1";
    /// Key of the state tree.
    STATE_KEY = "hn/state-key/v1";
    /// Value of the state tree.
    STATE_VALUE = "hn/state-value/v1";
    /// Leaf of the state tree.
    STATE_LEAF = "hn/state-leaf/v1";
    /// Inner node of the state tree.
    STATE_NODE = "hn/state-node/v1";
}

/// Bytes from which a run of messages is shared by the threads of the pool. Below it (about 0.4 ms of work) waking other
/// threads costs more than it saves, on a machine that has other work for them.
pub const SHARED_BYTES_MIN: usize = 1 << 20;

/// `tag.hash(&[message])` of each message, in their order, in lanes.
pub fn hash_many(tag: &TaggedHasher, messages: &[&[u8]]) -> Vec<Hash32> {
    let mut out = vec![ZERO_HASH; messages.len()];
    if messages.iter().map(|message| message.len()).sum::<usize>() < SHARED_BYTES_MIN {
        Lanes::selected().hash_many(tag.midstate(), messages, &mut out);
    } else {
        tag.hash_many(messages, &mut out);
    }
    out
}
