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

pub(super) const COLLECT: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["algorithm","hash"],"properties":{"#,
    r#""algorithm":{"enum":["sha256","sm3"]},"#,
    r#""collector":{"type":"string","description":"at most 100 bytes of UTF-8","maxLength":100},"#,
    r#""environment":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""mime":{"type":"string","description":"at most 100 bytes of UTF-8","maxLength":100},"#,
    r#""name":{"type":"string","description":"at most 200 bytes of UTF-8","maxLength":200},"#,
    r#""owner_ref":{"type":"string","pattern":"^[0-9a-f]{68}$"},"#,
    r#""previous":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""size":{"type":"integer","minimum":0,"maximum":18446744073709551615},"#,
    r#""token":{"type":"object","additionalProperties":false,"required":["hash","time_ms"],"properties":{"hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"issuer":{"type":"string","description":"at most 100 bytes of UTF-8","maxLength":100},"time_ms":{"type":"integer","minimum":0,"maximum":18446744073709551615}}}}}"#
);

pub(super) const COSIGN_AS: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["hash","owner","role"],"properties":{"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""owner":{"type":"string","pattern":"^[0-9a-f]{40}$"},"#,
    r#""role":{"type":"string","pattern":"^[a-z][a-z0-9_]{0,31}$"}}}"#
);

pub(super) const SET_POLICY: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["hash","policy"],"properties":{"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""policy":{"type":"object","additionalProperties":false,"required":["needed"],"properties":{"accounts":{"type":"array","maxItems":16,"uniqueItems":true,"items":{"type":"string","pattern":"^[0-9a-f]{40}$"}},"needed":{"type":"integer","minimum":1,"maximum":16},"roles":{"type":"array","maxItems":8,"uniqueItems":true,"items":{"type":"string","pattern":"^[a-z][a-z0-9_]{0,31}$"}}}}}}"#
);

pub(super) const OPEN_CASE: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["court"],"properties":{"#,
    r#""court":{"type":"string","pattern":"^[0-9a-f]{40}$"},"#,
    r#""name":{"type":"string","description":"at most 200 bytes of UTF-8","maxLength":200},"#,
    r#""parties":{"type":"array","maxItems":16,"uniqueItems":true,"items":{"type":"string","pattern":"^[0-9a-f]{40}$"}},"#,
    r#""phases":{"type":"array","maxItems":16,"items":{"type":"string","description":"1 to 64 bytes of UTF-8","minLength":1,"maxLength":64}},"#,
    r#""policy":{"type":"object","additionalProperties":false,"required":["needed"],"properties":{"accounts":{"type":"array","maxItems":16,"uniqueItems":true,"items":{"type":"string","pattern":"^[0-9a-f]{40}$"}},"needed":{"type":"integer","minimum":1,"maximum":16},"roles":{"type":"array","maxItems":8,"uniqueItems":true,"items":{"type":"string","pattern":"^[a-z][a-z0-9_]{0,31}$"}}}}}}"#
);

pub(super) const CASE_ALONE: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["case"],"properties":{"#,
    r#""case":{"type":"string","pattern":"^[0-9a-f]{64}$"}}}"#
);

pub(super) const SUBMIT_TO_CASE: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["case","hash"],"properties":{"#,
    r#""case":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""signers":{"type":"array","maxItems":16,"uniqueItems":true,"items":{"type":"string","pattern":"^[0-9a-f]{40}$"}}}}"#
);

pub(super) const VERIFY: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["case","computed","hash","owner"],"properties":{"#,
    r#""case":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""computed":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""owner":{"type":"string","pattern":"^[0-9a-f]{40}$"},"#,
    r#""report":{"type":"string","pattern":"^[0-9a-f]{64}$"}}}"#
);

pub(super) const LINK_CORRECTION: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["by","hash"],"properties":{"#,
    r#""by":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""reason":{"type":"string","pattern":"^[0-9a-f]{64}$"}}}"#
);

pub(super) const ISSUE_CERTIFICATE: &str = concat!(
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,"#,
    r#""required":["certificate","hash","owner"],"properties":{"#,
    r#""certificate":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""hash":{"type":"string","pattern":"^[0-9a-f]{64}$"},"#,
    r#""owner":{"type":"string","pattern":"^[0-9a-f]{40}$"}}}"#
);
