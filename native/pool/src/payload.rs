//! The texts of a payload, looked through for numbers of people before the transaction is pooled.
//!
//! Flow: numbers anywhere in the bytes, and nothing written in another way? → else each text by itself, with the field it is in.
//!
//! Invariants:
//! 1. It is a policy of this node's door: a block or batch of another validator is never looked through.
//! 2. Only texts count, names of fields included. A JSON number is none: sizes and times have as many digits.
//! 3. What is found is told by its kind and field; the number itself goes nowhere.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::personal::{Personal, find_personal};

/// A text that holds a number of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalHit {
    /// What it looks like.
    pub kind: Personal,
    /// Name of the field in the payload; empty when it has none, or one that is not to be repeated.
    pub field: String,
}

/// Longest name of a field that is repeated in an answer.
const FIELD_BYTES_MAX: usize = 64;

/// What the door looks for in payloads.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PersonalScan {
    /// Application → action → fields that may hold such digits.
    exempt: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl PersonalScan {
    /// `exempt`: application, action, and the fields of its payload that are not looked at: codes whose digits look like a
    /// person's by chance, and what a plugin declares as committed or encrypted.
    pub fn new(exempt: impl IntoIterator<Item = (String, String, Vec<String>)>) -> Self {
        let mut scan = Self::default();
        for (application, action, fields) in exempt {
            let actions = scan.exempt.entry(application).or_default();
            actions.entry(action).or_default().extend(fields);
        }
        scan
    }

    /// The first text with a number of a person. Cost: 0.05–0.1 µs for a payload of a few hundred bytes without one.
    pub fn find(&self, application: &str, action: &str, payload: &[u8]) -> Option<PersonalHit> {
        if !is_written_otherwise(payload) && find_personal(payload).is_none() {
            return None;
        }
        let exempt = self.exempt.get(application).and_then(|actions| actions.get(action));
        let first = payload.iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            let kind = find_in_text(payload)?;
            return Some(PersonalHit {
                kind,
                field: String::new(),
            });
        }
        find_in_object(payload, exempt)
    }
}

/// Whether a number may be written by escapes or in full width.
fn is_written_otherwise(payload: &[u8]) -> bool {
    payload.contains(&b'\\') || (!payload.is_ascii() && has_wide_part(payload))
}

/// Full-width digits, hyphen, space and X.
fn has_wide_part(text: &[u8]) -> bool {
    text.windows(3).any(|window| {
        matches!(
            window,
            [0xef, 0xbc, 0x8d | 0x90..=0x99 | 0xb8] | [0xef, 0xbd, 0x98] | [0xe3, 0x80, 0x80]
        )
    })
}

/// The first kind of number in a text: once full-width forms are read as ASCII, or as it is written. The guard of the plugins does the
/// first where a text has full-width digits and the second elsewhere; the door takes no notice of what stands beside the text.
pub fn find_in_text(text: &[u8]) -> Option<Personal> {
    match half_width(text) {
        Cow::Owned(narrow) if has_wide_digit(text) => find_personal(&narrow),
        Cow::Owned(narrow) => find_personal(text).or_else(|| find_personal(&narrow)),
        Cow::Borrowed(text) => find_personal(text),
    }
}

fn has_wide_digit(text: &[u8]) -> bool {
    text.windows(3)
        .any(|window| matches!(window, [0xef, 0xbc, 0x90..=0x99]))
}

/// U+FF01–FF5E and U+3000 as ASCII.
fn half_width(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() || !has_wide_part(text) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let narrow = match (byte, tail) {
            (0xef, [0xbc, low @ 0x81..=0xbf, ..]) => low - 0x60,
            (0xef, [0xbd, low @ 0x80..=0x9e, ..]) => low - 0x20,
            (0xe3, [0x80, 0x80, ..]) => b' ',
            _ => {
                out.push(*byte);
                continue;
            }
        };
        out.push(narrow);
        rest = tail.get(2..).unwrap_or_default();
    }
    Cow::Owned(out)
}

/// Every text between quotes, whether or not the rest is JSON; the name of the field is that of the nearest object.
fn find_in_object(payload: &[u8], exempt: Option<&BTreeSet<String>>) -> Option<PersonalHit> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut rest = payload;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'{' => names.push(Vec::new()),
            b'}' => {
                names.pop();
            }
            b'"' => {
                let text;
                (text, rest) = read_text(tail);
                let is_name = rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                let name = names.last().map(Vec::as_slice).unwrap_or_default();
                if let Some(kind) = find_in_text(&text) {
                    let known = std::str::from_utf8(name).ok();
                    if is_name {
                        let field = String::new();
                        return Some(PersonalHit { kind, field });
                    }
                    if !known.is_some_and(|name| exempt.is_some_and(|fields| fields.contains(name))) {
                        let is_plain = |name: &&str| {
                            name.len() <= FIELD_BYTES_MAX
                                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                        };
                        let field = known.filter(is_plain).unwrap_or_default().to_owned();
                        return Some(PersonalHit { kind, field });
                    }
                }
                if is_name && let Some(name) = names.last_mut() {
                    *name = text.into_owned();
                }
            }
            _ => {}
        }
    }
    None
}

/// The text up to its quote, or to the end, with its escapes read; and what is behind it.
fn read_text(from: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let plain = from.iter().take_while(|byte| !matches!(byte, b'"' | b'\\')).count();
    let (head, mut rest) = from.split_at(plain);
    match rest {
        [] => return (Cow::Borrowed(head), rest),
        [b'"', tail @ ..] => return (Cow::Borrowed(head), tail),
        _ => {}
    }
    let mut out = head.to_vec();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'"', _) => break,
            (b'\\', [b'u', a, b, c, d, tail @ ..]) => {
                rest = tail;
                out.extend(escaped([*a, *b, *c, *d]));
            }
            (b'\\', [escape, tail @ ..]) => {
                rest = tail;
                out.push(match escape {
                    b'n' | b't' | b'r' | b'b' | b'f' => b'\n',
                    other => *other,
                });
            }
            _ => out.push(*byte),
        }
    }
    (Cow::Owned(out), rest)
}

/// UTF-8 of `\uXXXX`; of what is no character of its own something that stands between numbers.
fn escaped(digits: [u8; 4]) -> Vec<u8> {
    let unit = std::str::from_utf8(&digits)
        .ok()
        .and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match unit.and_then(char::from_u32) {
        Some(found) => found.to_string().into_bytes(),
        None => vec![0xff],
    }
}
