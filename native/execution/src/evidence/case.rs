//! Values of cases: what one was opened with, how far it has come, and what was submitted to it.

use hn_primitives::{Account, Hash32};

use super::fields::{Fields, RecordError, Stamp, Value};
use super::policy::Policy;

const CASE_VERSION: u8 = 1;
const PROGRESS_VERSION: u8 = 1;
const ITEM_VERSION: u8 = 1;

/// What a case was opened with; never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// When, and by which transaction, whose id is the case's.
    pub stamp: Stamp,
    /// Who opened it.
    pub opener: Account,
    /// Who verifies and archives.
    pub court: Account,
    /// Name given by the opener, may be empty.
    pub name: String,
    /// Who else may submit, ascending.
    pub parties: Vec<Account>,
    /// Names of its phases in order; none: the case has one.
    pub phases: Vec<String>,
    /// Co-signatures that every submission needs.
    pub policy: Option<Policy>,
}

impl Case {
    /// The bytes stored in the state.
    pub fn encode(&self) -> Vec<u8> {
        let value = Value::new(CASE_VERSION)
            .stamp(&self.stamp)
            .bytes(&self.opener)
            .bytes(&self.court)
            .short(self.name.as_bytes())
            .accounts(&self.parties)
            .byte(self.phases.len() as u8);
        let phases = self.phases.iter();
        let value = phases.fold(value, |value, phase| value.short(phase.as_bytes()));
        let value = value.byte(u8::from(self.policy.is_some()));
        match &self.policy {
            Some(policy) => policy.put(value).finish(),
            None => value.finish(),
        }
    }

    /// Reads the bytes stored in the state.
    ///
    /// # Errors
    /// Anything that [`Case::encode`] does not write.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(value, "case");
        if fields.take()? != [CASE_VERSION] {
            return Err(fields.error());
        }
        let case = Self {
            stamp: fields.stamp()?,
            opener: fields.take()?,
            court: fields.take()?,
            name: fields.text()?,
            parties: fields.list(Fields::take)?,
            phases: fields.list(Fields::text)?,
            policy: fields.flag()?.then(|| Policy::take(&mut fields)).transpose()?,
        };
        fields.end()?;
        Ok(case)
    }

    /// Whether `account` may submit.
    pub fn admits(&self, account: &Account) -> bool {
        self.leads(account) || self.parties.binary_search(account).is_ok()
    }

    /// Whether `account` may move the case to its next phase.
    pub fn leads(&self, account: &Account) -> bool {
        *account == self.opener || *account == self.court
    }
}

/// How far a case has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Index of the phase it is in.
    pub phase: u8,
    /// Records submitted.
    pub item_count: u32,
    /// Those the court found to match.
    pub match_count: u32,
    /// Those the court found not to match.
    pub mismatch_count: u32,
    /// When it was archived.
    pub archived: Option<Stamp>,
}

impl Progress {
    /// The bytes stored in the state.
    pub fn encode(&self) -> Vec<u8> {
        let value = Value::new(PROGRESS_VERSION)
            .byte(self.phase)
            .bytes(&self.item_count.to_be_bytes())
            .bytes(&self.match_count.to_be_bytes())
            .bytes(&self.mismatch_count.to_be_bytes())
            .byte(u8::from(self.archived.is_some()));
        match &self.archived {
            Some(stamp) => value.stamp(stamp).finish(),
            None => value.finish(),
        }
    }

    /// Reads the bytes stored in the state.
    ///
    /// # Errors
    /// Anything that [`Progress::encode`] does not write.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(value, "progress of a case");
        if fields.take()? != [PROGRESS_VERSION] {
            return Err(fields.error());
        }
        let [phase] = fields.take()?;
        let progress = Self {
            phase,
            item_count: fields.take().map(u32::from_be_bytes)?,
            match_count: fields.take().map(u32::from_be_bytes)?,
            mismatch_count: fields.take().map(u32::from_be_bytes)?,
            archived: fields.flag()?.then(|| fields.stamp()).transpose()?,
        };
        fields.end()?;
        Ok(progress)
    }
}

/// What the court found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// When.
    pub stamp: Stamp,
    /// The hash the court computed from what was presented; the record's own hash is a match.
    pub computed: Hash32,
    /// SM3 of the court's report.
    pub report: Option<Hash32>,
}

/// A record submitted to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// When it was submitted.
    pub stamp: Stamp,
    /// Phase of the case then.
    pub phase: u8,
    /// Co-signers on whose signatures the submission rests, ascending.
    pub signers: Vec<Account>,
    /// What the court found; `None`: nothing yet.
    pub finding: Option<Finding>,
}

impl Item {
    /// The bytes stored in the state.
    pub fn encode(&self) -> Vec<u8> {
        let value = Value::new(ITEM_VERSION)
            .stamp(&self.stamp)
            .byte(self.phase)
            .accounts(&self.signers)
            .byte(u8::from(self.finding.is_some()));
        match &self.finding {
            Some(finding) => value
                .stamp(&finding.stamp)
                .bytes(&finding.computed)
                .maybe(finding.report.as_ref())
                .finish(),
            None => value.finish(),
        }
    }

    /// Reads the bytes stored in the state.
    ///
    /// # Errors
    /// Anything that [`Item::encode`] does not write.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(value, "submission to a case");
        if fields.take()? != [ITEM_VERSION] {
            return Err(fields.error());
        }
        let (stamp, [phase]) = (fields.stamp()?, fields.take()?);
        let signers = fields.list(Fields::take)?;
        let finding = match fields.flag()? {
            true => Some(Finding {
                stamp: fields.stamp()?,
                computed: fields.take()?,
                report: fields.maybe()?,
            }),
            false => None,
        };
        fields.end()?;
        Ok(Self {
            stamp,
            phase,
            signers,
            finding,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(tx_id: [u8; 32]) -> Stamp {
        Stamp {
            height: 1,
            time_ms: u64::MAX,
            tx_id,
        }
    }

    /// Comes back, and no cut of it or text behind it is taken.
    fn exact<T: PartialEq + std::fmt::Debug>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, RecordError>, want: &T) {
        assert_eq!(decode(bytes).as_ref(), Ok(want));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err());
        }
        assert!(decode(&[bytes, &[0]].concat()).is_err());
        assert!(decode(&[&[9], bytes.get(1..).unwrap()].concat()).is_err());
    }

    proptest! {
        #[test]
        fn prop_values_come_back(id in any::<[u8; 32]>(), name in "\\PC{0,20}", accounts in prop::collection::vec(any::<[u8; 20]>(), 0..4),
                                 phases in prop::collection::vec("\\PC{1,9}", 0..4), counts in any::<[u32; 3]>(),
                                 set in any::<bool>(), report in any::<Option<[u8; 32]>>()) {
            let policy = set.then(|| Policy { needed: 1, accounts: accounts.clone(), roles: Vec::new() });
            let case = Case { stamp: stamp(id), opener: [1; 20], court: [2; 20], name, parties: accounts.clone(), phases, policy };
            exact(&case.encode(), Case::decode, &case);
            let [item_count, match_count, mismatch_count] = counts;
            let archived = set.then(|| stamp(id));
            let progress = Progress { phase: 3, item_count, match_count, mismatch_count, archived };
            exact(&progress.encode(), Progress::decode, &progress);
            let finding = set.then(|| Finding { stamp: stamp(id), computed: id, report });
            let item = Item { stamp: stamp(id), phase: 200, signers: accounts, finding };
            exact(&item.encode(), Item::decode, &item);
        }

        #[test]
        fn prop_decode_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(case) = Case::decode(&bytes) {
                prop_assert_eq!(case.encode(), bytes.clone());
            }
            if let Ok(item) = Item::decode(&bytes) {
                prop_assert_eq!(item.encode(), bytes);
            }
        }
    }
}
