//! The domain tags, each hashed once per process (one SM3 block).

use hn_crypto::sm3::TaggedHasher;
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
