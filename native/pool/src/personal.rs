//! Numbers of people in a text: citizen identity number, mobile number of the mainland, bank card.
//!
//! The same numbers that `hnnode/plugin_api/ids/personal.py` finds for the guard of the plugins, but for digits that stand
//! in a run of [`HASH_DIGITS`] or more hexadecimal digits: those are of a hash, an account or an id and count as letters.
//!
//! Flow: regions of digits, spaces and hyphens that are long enough → runs of digits in them → forms → check digits.
//! Cost: one look at every eleventh byte of a text without such a region.

use std::ops::Range;

/// Kind of a number that names a person, the first one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Personal {
    /// 公民身份号码 (GB 11643-1999), with an existing date and a valid check.
    CitizenNumber,
    /// Mobile number of the mainland, alone, behind 86, or in the usual groups.
    Mobile,
    /// Known issuer, valid check digit.
    BankCard,
}

impl Personal {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CitizenNumber => "citizen_number",
            Self::Mobile => "mobile",
            Self::BankCard => "bank_card",
        }
    }
}

/// So many hexadecimal digits in a row are no number of a person, whatever is among them.
pub const HASH_DIGITS: usize = 32;
/// Bytes of the shortest number.
const SHORTEST: usize = 11;
/// Digits of the longest card.
const CARD_DIGITS_MAX: usize = 19;

/// The first kind of number in a text. `text` is ASCII where it matters: other bytes stand between numbers.
pub fn find_personal(text: &[u8]) -> Option<Personal> {
    let mut found: Option<Personal> = None;
    let mut from = 0;
    while let Some(region) = next_region(text, from) {
        from = region.end;
        let kind = judge(text, region);
        found = match (found, kind) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    found
}

/// Bytes that a number may consist of, its separators included.
const PARTS: [bool; 256] = {
    let mut parts = [false; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        parts[digit as usize] = true;
        digit += 1;
    }
    parts[b' ' as usize] = true;
    parts[b'-' as usize] = true;
    parts
};

/// The next longest run of digits, spaces and hyphens in which a number finds room.
fn next_region(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut start = from;
    while let Some(window) = text.get(start..start + SHORTEST) {
        match window.iter().rposition(|byte| !PARTS[usize::from(*byte)]) {
            Some(other) => start += other + 1,
            None => {
                let tail = text.get(start + SHORTEST..).unwrap_or_default();
                let more = tail.iter().take_while(|byte| PARTS[usize::from(**byte)]).count();
                return Some(start..start + SHORTEST + more);
            }
        }
    }
    None
}

/// The first kind of number in a region.
fn judge(text: &[u8], region: Range<usize>) -> Option<Personal> {
    let mut found: Option<Personal> = None;
    let mut card_from = region.start;
    let mut at = region.start;
    while at < region.end {
        let end = at + digits_at(text, at);
        if end == at {
            at += 1;
            continue;
        }
        let run = Run { text, at, end };
        if run.is_citizen_number() {
            return Some(Personal::CitizenNumber);
        }
        if run.is_mobile() {
            found = Some(Personal::Mobile);
        }
        if at >= card_from
            && let Some(card) = run.card()
        {
            // Cards are taken from left to right; none shares digits with another.
            card_from = card.end;
            if card.is_issued() {
                found = found.or(Some(Personal::BankCard));
            }
        }
        at = end;
    }
    found
}

/// Digits from `at` on.
fn digits_at(text: &[u8], at: usize) -> usize {
    let tail = text.get(at..).unwrap_or_default();
    tail.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Digits from `at` on that are not of a hash, with no digit before them.
fn plain_digits_at(text: &[u8], at: usize) -> usize {
    let count = digits_at(text, at);
    if is_in_hash(text, at..at + count) { 0 } else { count }
}

/// Whether these digits are part of [`HASH_DIGITS`] or more hexadecimal digits. Looks no further than that.
fn is_in_hash(text: &[u8], digits: Range<usize>) -> bool {
    let is_hex = |byte: &&u8| byte.is_ascii_hexdigit();
    let before = text.get(..digits.start).unwrap_or_default();
    let behind = text.get(digits.end..).unwrap_or_default();
    let before = before.iter().rev().take(HASH_DIGITS).take_while(is_hex).count();
    let behind = behind.iter().take(HASH_DIGITS).take_while(is_hex).count();
    before + digits.len() + behind >= HASH_DIGITS
}

/// Digits with none beside them.
struct Run<'a> {
    text: &'a [u8],
    at: usize,
    end: usize,
}

impl Run<'_> {
    fn len(&self) -> usize {
        self.end - self.at
    }

    fn digits(&self) -> &[u8] {
        self.text.get(self.at..self.end).unwrap_or_default()
    }

    fn is_in_hash(&self) -> bool {
        is_in_hash(self.text, self.at..self.end)
    }

    /// Length and end of the run behind one separator at `at`.
    fn group(&self, at: usize) -> (usize, usize) {
        if !matches!(self.text.get(at), Some(b' ' | b'-')) {
            return (0, at);
        }
        let count = plain_digits_at(self.text, at + 1);
        (count, at + 1 + count)
    }

    fn is_citizen_number(&self) -> bool {
        let end = match (self.len(), self.text.get(self.end)) {
            (18, _) => self.end,
            (17, Some(b'x' | b'X')) => self.end + 1,
            _ => return false,
        };
        if self.text.get(end).is_some_and(u8::is_ascii_alphanumeric) || self.is_in_hash() {
            return false;
        }
        self.text.get(self.at..end).is_some_and(is_citizen_number)
    }

    fn is_mobile(&self) -> bool {
        let digits = self.digits();
        let national = match digits {
            [b'8', b'6', rest @ ..] if matches!(rest.len(), 3 | 11) => rest,
            _ if matches!(digits.len(), 3 | 11) => digits,
            _ => return false,
        };
        if !matches!(national, [b'1', b'3'..=b'9', ..]) || self.is_in_hash() {
            return false;
        }
        if national.len() == 11 {
            return true;
        }
        let (second, at) = self.group(self.end);
        second == 4 && self.group(at).0 == 4
    }

    /// What has the form of a card and begins with this run.
    fn card(&self) -> Option<Card> {
        match self.len() {
            15..=CARD_DIGITS_MAX if !self.is_in_hash() => {
                let mut card = Card::default();
                card.add(self.digits(), self.end);
                Some(card)
            }
            4 if !self.is_in_hash() => self.grouped_card(),
            _ => None,
        }
    }

    /// 4 4 4 4 and up to three more, or 4 6 5.
    fn grouped_card(&self) -> Option<Card> {
        let mut card = Card::default();
        card.add(self.digits(), self.end);
        let add = |card: &mut Card| {
            let start = card.end + 1;
            let (count, end) = self.group(card.end);
            card.add(self.text.get(start..end).unwrap_or_default(), end);
            count
        };
        match add(&mut card) {
            6 => (add(&mut card) == 5).then_some(card),
            4 => {
                if add(&mut card) != 4 {
                    return None;
                }
                match add(&mut card) {
                    4 => {
                        let (count, end) = self.group(card.end);
                        if matches!(count, 1..=3) {
                            card.add(self.text.get(end - count..end).unwrap_or_default(), end);
                        }
                        Some(card)
                    }
                    5..=7 => Some(card),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Digits in the form of a card; more than a card has are not kept.
#[derive(Default)]
struct Card {
    digits: [u8; CARD_DIGITS_MAX],
    count: usize,
    end: usize,
}

impl Card {
    fn add(&mut self, digits: &[u8], end: usize) {
        for (place, digit) in self.digits.iter_mut().skip(self.count).zip(digits) {
            *place = digit - b'0';
        }
        self.count = (self.count + digits.len()).min(CARD_DIGITS_MAX);
        self.end = end;
    }

    /// Issuer's prefix and check digit (ISO/IEC 7812-1).
    fn is_issued(&self) -> bool {
        let digits = self.digits.get(..self.count).unwrap_or_default();
        let is_known = match digits {
            [6, 0 | 2, ..] | [8, 1, ..] | [9, 5, 5, 8, ..] => (16..=19).contains(&self.count),
            [4, ..] | [5, 1..=5, ..] | [2, 2..=7, ..] | [3, 5, ..] => self.count == 16,
            [3, 4 | 7, ..] => self.count == 15,
            _ => false,
        };
        is_known && luhn(digits)
    }
}

fn luhn(digits: &[u8]) -> bool {
    let places = digits.iter().rev().enumerate();
    let sum: u32 = places
        .map(|(place, digit)| {
            let value = u32::from(*digit);
            match (place % 2, value) {
                (0, _) => value,
                (_, 5..) => 2 * value - 9,
                _ => 2 * value,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Date and check character of 17 digits and the check.
fn is_citizen_number(number: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let Some((&check, body)) = number.split_last() else {
        return false;
    };
    let value = |digit: &u8| u32::from(digit - b'0');
    let date = body.get(6..14).unwrap_or_default();
    let number_of = |digits: &[u8]| digits.iter().fold(0, |sum, digit| 10 * sum + value(digit));
    let (year, day) = date.split_at(4.min(date.len()));
    let (month, day) = day.split_at(2.min(day.len()));
    if !is_date(number_of(year), number_of(month), number_of(day)) {
        return false;
    }
    let sum: u32 = body
        .iter()
        .zip(WEIGHTS)
        .map(|(digit, weight)| value(digit) * weight)
        .sum();
    CHECKS.get(sum as usize % 11) == Some(&check.to_ascii_uppercase())
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1800..=2199).contains(&year) && (1..=days).contains(&day)
}
