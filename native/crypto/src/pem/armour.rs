//! The text around the DER (RFC 7468): one block, one label, lines of base64.

use super::base64::{decode, encode};
use crate::CryptoError;
use zeroize::Zeroizing;

/// Longest text that is read; an SM2 key file has under 1 KiB.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Characters of a line.
const LINE_CHARS: usize = 64;

/// PEM text of one block.
pub(super) fn wrap(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(encode(der));
    let mut out = Zeroizing::new(String::with_capacity(
        body.len() + body.len() / LINE_CHARS + 2 * label.len() + 40,
    ));
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    let mut rest = body.as_str();
    while let Some((line, tail)) = rest.split_at_checked(LINE_CHARS) {
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    if !rest.is_empty() {
        out.push_str(rest);
        out.push('\n');
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// DER of the one block, which must carry this label. White space around the block and CR LF are accepted.
pub(super) fn unwrap(label: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(CryptoError::Pem("text is above 16 KiB"));
    }
    let body = text
        .trim()
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.strip_suffix("-----"))
        .ok_or(CryptoError::Pem("no BEGIN and END line"))?;
    let body = body
        .strip_prefix(label)
        .and_then(|rest| rest.strip_prefix("-----"))
        .and_then(|rest| rest.strip_suffix(label))
        .and_then(|rest| rest.strip_suffix("-----END "))
        .ok_or(CryptoError::Pem("label is not the expected one"))?;
    let mut joined = Zeroizing::new(Vec::with_capacity(body.len()));
    for line in body.lines() {
        joined.extend_from_slice(line.trim_end_matches('\r').as_bytes());
    }
    let mut der = Zeroizing::new(Vec::with_capacity(body.len()));
    decode(&joined, &mut der)?;
    Ok(der)
}
