//! The numeric error codes, one for each reason, never used twice. The same table stands in `docs/reference/errors.md`.

macro_rules! codes {
    ($($name:ident = $number:literal;)*) => {
        $(#[doc = concat!("Code ", stringify!($number), ", `", stringify!($name), "`.")]
        pub const $name: u32 = $number;)*

        /// Every code but [`OK`], ascending.
        pub const ALL: &[(&str, u32)] = &[$((stringify!($name), $number)),*];
    };
}

/// Success.
pub const OK: u32 = 0;

codes! {
    REQUEST_MALFORMED = 1001;
    TX_MALFORMED = 1002;
    TX_TOO_LARGE = 1003;
    BODY_TOO_LARGE = 1004;
    NOT_FOUND = 1005;
    METHOD_NOT_ALLOWED = 1006;
    WRONG_CHAIN = 1007;
    BATCH_TOO_LARGE = 1008;
    PARAMETER_INVALID = 1009;
    QUERY_UNKNOWN = 1010;
    QUERY_TOO_BROAD = 1011;
    TOO_MANY_REQUESTS = 1012;
    INTERNAL_ERROR = 1013;
    UNAUTHORIZED = 1014;

    ACCOUNT_UNKNOWN = 2001;
    ACCOUNT_REVOKED = 2002;
    PUBLIC_KEY_INVALID = 2003;
    KEY_FILE_INVALID = 2004;
    KEY_FILE_PERMISSIONS = 2005;
    SIGNATURE_INVALID = 2008;
    SIGNATURE_OUT_OF_RANGE = 2009;

    TX_EXPIRED = 3001;
    MEMPOOL_FULL = 3002;
    TX_DUPLICATE = 3003;
    VALIDITY_TOO_FAR = 3004;
    BATCH_MALFORMED = 3005;
    BATCH_AUTHOR_UNKNOWN = 3006;
    BATCH_SIGNATURE_INVALID = 3007;
    BATCH_ROOT_MISMATCH = 3008;
    ACCOUNT_QUOTA_EXCEEDED = 3009;
    BATCH_SEQ_INVALID = 3010;
    BATCH_TX_INVALID = 3011;
    AUTHOR_QUOTA_EXCEEDED = 3012;
    PERSONAL_DATA = 3013;

    RULE_VIOLATION = 4001;
    APPLICATION_UNKNOWN = 4002;
    ACTION_UNKNOWN = 4003;
    PAYLOAD_INVALID = 4004;
    HANDLER_FAILED = 4005;
    WRITE_LIMIT_EXCEEDED = 4006;
    ROLE_MISSING = 4007;
    UNDECLARED_ACCESS = 4008;
    PLUGIN_SET_INVALID = 4009;
    RESULT_INVALID = 4010;
    STEPS_EXCEEDED = 4011;
    APPLICATION_DISABLED = 4012;
    APPLICATION_MIGRATING = 4013;
    PLUGIN_MISSING = 4014;
    PLUGIN_PACKAGE_INVALID = 4016;
    HANDLER_SKIPPED = 4017;

    PROPOSAL_MALFORMED = 5001;
    HEADER_VERSION = 5002;
    HEADER_HEIGHT = 5003;
    HEADER_PROPOSER = 5004;
    HEADER_PARENT = 5005;
    HEADER_TIME = 5006;
    BATCH_LIST_INVALID = 5007;
    HEADER_BATCHES_ROOT = 5008;
    HEADER_TX_ROOT = 5009;
    HEADER_VALIDATORS = 5010;
    HEADER_NEXT_VALIDATORS = 5011;
    HEADER_PLUGINS = 5012;
    HEADER_RESULTS = 5013;
    HEADER_CHAIN = 5014;
    CERTIFICATE_MALFORMED = 5020;
    CERTIFICATE_CHAIN = 5021;
    CERTIFICATE_BLOCK = 5022;
    CERTIFICATE_SIGNER = 5023;
    CERTIFICATE_QUORUM = 5024;
    CERTIFICATE_SIGNATURE = 5025;
    MESSAGE_MALFORMED = 5030;
    VOTE_CONFLICTING = 5031;
    MESSAGE_SIGNER_UNKNOWN = 5032;
    MESSAGE_SIGNATURE = 5033;
    MESSAGE_OUT_OF_WINDOW = 5034;
    STATE_ROOT_MISMATCH = 5040;
    SIGN_GUARD = 5041;
    INVALID_VALUE_DECIDED = 5042;
    CONSENSUS_LOG_CORRUPT = 5043;
    ENGINE_FAILED = 5044;

    PROOF_MALFORMED = 5101;
    PROOF_CHAIN = 5102;
    PROOF_ANCHOR = 5103;
    PROOF_HEADERS = 5104;
    PROOF_PATH = 5105;
    PROOF_SUBJECT = 5106;

    STORAGE_FAILED = 6001;
    SYNCING = 6002;
    STORAGE_BEHIND_SIGN_STATE = 6003;
    DISK_LOW = 6004;
    DATABASE_LOCKED = 6005;
    STORAGE_CORRUPT = 6006;
    SYNC_PEER_FAULT = 6007;

    FRAME_MALFORMED = 6101;
    FRAME_TOO_LARGE = 6102;
    HANDSHAKE_FAILED = 6103;
    PEER_UNKNOWN = 6104;
    PEER_CHAIN = 6105;
    PEER_QUOTA_EXCEEDED = 6106;

    CONFIG_INVALID = 9001;
    GENESIS_INVALID = 9002;
    PORT_BUSY = 9003;
    NODE_UNREACHABLE = 9004;
    TIMEOUT = 9005;
    PREREQUISITE_MISSING = 9006;
    NOT_READY = 9007;
}

/// The name of a code, for messages and logs; `None` for a number that is not in the table.
pub fn name(code: u32) -> Option<&'static str> {
    if code == OK {
        return Some("OK");
    }
    ALL.binary_search_by_key(&code, |entry| entry.1)
        .ok()
        .and_then(|index| ALL.get(index))
        .map(|entry| entry.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_names_are_unique() {
        assert!(ALL.windows(2).all(|pair| pair[0].1 < pair[1].1));
        let mut names: Vec<_> = ALL.iter().map(|entry| entry.0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|(text, code)| name(*code) == Some(*text)));
        assert_eq!((name(0), name(7)), (Some("OK"), None));
    }
}
