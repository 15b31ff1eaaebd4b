//! What happens to the nodes of one seed: sizes, faults and their rates, drawn from the seed.

use crate::random::Random;

/// Which mix of faults a seed draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Everything: loss, duplicates, reordering, partitions, crashes, slow batches, Twins or liars.
    Mixed,
    /// Crashes at effect boundaries under light loss; every node, often.
    Crash,
    /// Equivocating duplicates of up to f identities under partitions, no crashes.
    Twins,
    /// A byzantine sender of altered, forged and truncated messages.
    Liar,
    /// The validator set changes at every height.
    Rotate,
    /// Real SM2 signatures; a few mixed faults.
    Sm2,
}

impl Profile {
    /// Names as the command line and the binding know them.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("mixed", Self::Mixed),
        ("crash", Self::Crash),
        ("twins", Self::Twins),
        ("liar", Self::Liar),
        ("rotate", Self::Rotate),
        ("sm2", Self::Sm2),
    ];

    /// The profile of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, profile)| *profile)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, profile)| *profile == self)
            .map_or("mixed", |(name, _)| name)
    }
}

/// Kind of byzantine behaviour in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Byzantine {
    None,
    /// Two instances with one key.
    Twins,
    /// Alters what it sends.
    Liar,
}

/// One drawn scenario; times in virtual milliseconds, rates in permille.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub validators: usize,
    pub powers: Vec<u64>,
    pub has_follower: bool,
    pub is_rotating: bool,
    pub is_sm2: bool,
    pub byzantine: Byzantine,
    /// Identities 0..byzantine_count misbehave.
    pub byzantine_count: usize,
    /// The last validator loses its whole log in its first crash.
    pub is_wiping: bool,
    pub loss: u64,
    pub duplicate: u64,
    pub delay_ms_max: u64,
    pub spike: u64,
    pub partition_every_ms: u64,
    pub crash_every_ms: u64,
    pub missing_batches: u64,
    pub validity_ms_max: u64,
    pub fsync_us_max: u64,
    pub pace_ms_max: u64,
    pub heal_ms: u64,
    pub heights_after_heal: u64,
    pub lag_heights_max: u64,
    /// Short waits: many rounds a height.
    pub is_hasty: bool,
    /// Hosts fetch a block when they are one height behind; otherwise such a gap is left to the engines.
    pub is_gap_synced: bool,
}

impl Scenario {
    pub(crate) fn draw(random: &mut Random, profile: Profile) -> Self {
        let validators = match random.below(10) {
            0 => 10,
            1 | 2 => 7,
            _ => 4,
        };
        let validators = match profile {
            Profile::Rotate => 7,
            Profile::Sm2 => 4,
            _ => validators,
        };
        let byzantine = match profile {
            Profile::Twins => Byzantine::Twins,
            Profile::Liar => Byzantine::Liar,
            Profile::Mixed => match random.below(4) {
                0 => Byzantine::Twins,
                1 => Byzantine::Liar,
                _ => Byzantine::None,
            },
            _ => Byzantine::None,
        };
        let is_byzantine = byzantine != Byzantine::None;
        let is_wiping = !is_byzantine && validators == 4 && profile != Profile::Rotate && random.chance(150);
        let is_crashing = matches!(
            profile,
            Profile::Mixed | Profile::Crash | Profile::Rotate | Profile::Sm2
        );
        let is_weighted = !is_byzantine && !is_wiping && random.chance(250);
        let powers = (0..validators)
            .map(|_| if is_weighted { random.between(1, 5) } else { 1 })
            .collect();
        let is_lossy = profile != Profile::Crash;
        Self {
            validators,
            powers,
            has_follower: random.chance(200),
            is_rotating: profile == Profile::Rotate,
            is_sm2: profile == Profile::Sm2,
            byzantine,
            byzantine_count: if is_byzantine { (validators - 1) / 3 } else { 0 },
            is_wiping,
            loss: if is_lossy {
                *random.pick(&[0, 20, 100, 200, 300]).unwrap_or(&0)
            } else {
                random.below(100)
            },
            duplicate: *random.pick(&[0, 50, 200, 500]).unwrap_or(&0),
            delay_ms_max: *random.pick(&[5, 30, 120]).unwrap_or(&5),
            spike: *random.pick(&[0, 5, 30]).unwrap_or(&0),
            partition_every_ms: if is_lossy {
                *random.pick(&[0, 400, 900, 2_000]).unwrap_or(&0)
            } else {
                0
            },
            crash_every_ms: if is_crashing {
                *random.pick(&[150, 400, 1_200]).unwrap_or(&400)
            } else {
                0
            },
            missing_batches: *random.pick(&[0, 20, 150]).unwrap_or(&0),
            validity_ms_max: *random.pick(&[3, 30, 300]).unwrap_or(&3),
            fsync_us_max: *random.pick(&[0, 1_000, 8_000]).unwrap_or(&0),
            pace_ms_max: *random.pick(&[20, 100, 300]).unwrap_or(&100),
            heal_ms: random.between(800, 3_000),
            heights_after_heal: random.between(2, 5),
            lag_heights_max: random.below(3),
            is_hasty: random.chance(400),
            is_gap_synced: random.chance(300),
        }
    }
}
