//! JSON Schemas of the payloads. They are part of the plugins hash: a changed byte is a changed chain.

pub(super) const PRESERVE: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["algorithm","hash"],"properties":{"#,
    r#""algorithm":{"enum":["sha256","sm3"]},"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""name":{"type":"string","description":"at most 200 bytes of UTF-8","maxLength":200},"#,
    r#""previous":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""size":{"type":"integer","minimum":0,"maximum":18446744073709551615}}}"#
);

pub(super) const PRESERVE_BATCH: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["algorithm","leaf_count","root"],"properties":{"#,
    r#""algorithm":{"enum":["sm3"]},"#,
    r#""leaf_count":{"type":"integer","minimum":1,"maximum":18446744073709551615},"#,
    r#""name":{"type":"string","description":"at most 200 bytes of UTF-8","maxLength":200},"#,
    r#""root":{"type":"string","pattern":"^[0-9a-f]{64}$"}}}"#
);

pub(super) const COSIGN: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["hash","owner"],"properties":{"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""owner":{"type":"string","pattern":"^[0-9a-f]{40}$"}}}"#
);
