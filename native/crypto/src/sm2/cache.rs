//! Tables of the keys in use, bounded by bytes; a key earns its table by use, and the least recently used one leaves.

#[cfg(target_arch = "x86_64")]
use super::ifma::build::build_tables;
use super::key::{PUBLIC_KEY_BYTES, PublicKey};
use super::odd_table::{OddTable, form_of, table_bytes};
#[cfg(target_arch = "x86_64")]
use super::point::Affine;
use crate::kernel::{self, Kernel};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Default memory of the tables: about 760 keys, or 250 busy ones.
pub const CACHE_BYTES_DEFAULT: usize = 64 << 20;
/// Uses within which a key gets a table when there is room: building costs about as much as ten verifications save.
const USES_TO_BUILD: u32 = 3;
/// Uses that let a key displace the least recently used table, so that many rare keys cannot churn the cache.
const USES_TO_REPLACE: u32 = 24;
/// Uses after which a key gets the wide table, when there is room.
const USES_TO_WIDEN: u32 = 400;
/// Count of a key whose table is being built by some thread, so that none builds it twice.
const USES_BUILDING: u32 = u32::MAX / 2;
/// Keys whose uses are counted before they have a table; beyond it the counts start again.
const COUNTED_KEYS_MAX: usize = 1 << 16;
/// Window of a registered key's table: 43 windows, 86 KiB.
const KEY_WIDTH: usize = 6;
/// Window of the table of a busy key: 32 windows, 256 KiB.
const BUSY_WIDTH: usize = 8;

/// Tables that a task builds at most: the keys of a pair of groups of lanes.
const PART_COUNT_MAX: usize = 16;
/// Keys for which sixteen lanes pay.
#[cfg(target_arch = "x86_64")]
const LANES_COUNT_MIN: usize = 3;

/// How wide a table is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    First,
    Busy,
}

/// The comb table of one checked key.
pub struct PreparedKey {
    pub(crate) table: OddTable,
}

impl PreparedKey {
    /// Memory of the first table of a key.
    pub const BYTES: usize = table_bytes(KEY_WIDTH);

    /// Builds the tables of keys, in their order.
    fn build(keys: &[&PublicKey], kernel: Kernel, size: Size) -> Vec<Arc<Self>> {
        let prepared = |table| Arc::new(Self { table });
        #[cfg(target_arch = "x86_64")]
        if kernel == Kernel::Ifma && keys.len() >= LANES_COUNT_MIN {
            let points: Vec<Affine> = keys.iter().map(|key| *key.point()).collect();
            return build_tables(&points, size.width()).into_iter().map(prepared).collect();
        }
        let form = form_of(kernel);
        let tables = keys.iter().map(|key| OddTable::build(key.point(), size.width(), form));
        tables.map(prepared).collect()
    }

    /// Memory of this table.
    fn bytes(&self) -> usize {
        table_bytes(self.table.width())
    }
}

impl Size {
    /// Window of the table.
    const fn width(self) -> usize {
        match self {
            Self::First => KEY_WIDTH,
            Self::Busy => BUSY_WIDTH,
        }
    }

    /// Memory of the table.
    const fn bytes(self) -> usize {
        table_bytes(self.width())
    }
}

/// The table of a key, where it has one.
pub(crate) type Found = Option<Arc<PreparedKey>>;

type KeyBytes = [u8; PUBLIC_KEY_BYTES];

struct Resident {
    prepared: Arc<PreparedKey>,
    size: Size,
    last_use: u64,
    uses: u32,
}

#[derive(Default)]
struct State {
    resident: HashMap<KeyBytes, Resident>,
    bytes: usize,
    uses: HashMap<KeyBytes, u32>,
    clock: u64,
}

/// Comb tables by public key, shared by threads. The tables are derived data: they change the speed, never a verdict.
pub struct KeyCache {
    kernel: Kernel,
    bytes_max: usize,
    state: Mutex<State>,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self::new(CACHE_BYTES_DEFAULT)
    }
}

impl KeyCache {
    /// A cache of at most `bytes_max` bytes of tables for the [`kernel::selected`] kernel (86 KiB a key, 256 KiB a busy
    /// one); below one table it never holds any.
    pub fn new(bytes_max: usize) -> Self {
        Self::for_kernel(kernel::selected(), bytes_max)
    }

    /// A cache for another kernel, on which [`super::verify_batch`] then runs. A kernel that the processor does not have
    /// is replaced by the portable one.
    pub fn for_kernel(kernel: Kernel, bytes_max: usize) -> Self {
        Self {
            kernel: if kernel.is_available() {
                kernel
            } else {
                Kernel::Portable
            },
            bytes_max,
            state: Mutex::default(),
        }
    }

    /// The kernel whose tables these are.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Tables held now.
    pub fn len(&self) -> usize {
        self.lock().resident.len()
    }

    /// Whether no table is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the tables held now.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Builds tables at once, for keys that are sure to be used (validators, a saved usage list): wide ones when there is
    /// room for all of them. A key that is named twice gets one table. 0.3 ms a key, 0.7 ms for a wide table; in lanes,
    /// sixteen keys at once, a third of that or less.
    pub fn prepare(&self, keys: &[PublicKey]) {
        let missing: Vec<(&PublicKey, Size)> = {
            let state = self.lock();
            let mut listed = HashSet::with_capacity(keys.len());
            let mut missing: Vec<&PublicKey> = keys
                .iter()
                .filter(|key| !state.resident.contains_key(key.as_bytes()) && listed.insert(key.as_bytes()))
                .collect();
            let room = self.bytes_max - state.bytes.min(self.bytes_max);
            let wide = missing.len().saturating_mul(Size::Busy.bytes()) <= room;
            let size = if wide { Size::Busy } else { Size::First };
            missing.truncate(self.bytes_max / size.bytes());
            missing.into_iter().map(|key| (key, size)).collect()
        };
        self.build(&missing);
    }

    /// The table of each key, where there is one, in the order of `keys`; counts the uses and builds what is due.
    pub(crate) fn tables(&self, keys: &[&PublicKey]) -> Vec<Found> {
        let (mut found, due) = self.look_up(keys);
        if !due.is_empty() {
            let built = self.build(&due);
            for (slot, key) in found.iter_mut().zip(keys) {
                if slot.is_none() {
                    *slot = built.get(key.as_bytes()).cloned();
                }
            }
        }
        found
    }

    fn look_up<'a>(&self, keys: &[&'a PublicKey]) -> (Vec<Found>, Vec<(&'a PublicKey, Size)>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.clock += 1;
        let (first, busy) = (Size::First.bytes(), Size::Busy.bytes());
        // Bytes that the tables of this call take and that displace nothing.
        let mut room = self.bytes_max - state.bytes.min(self.bytes_max);
        let mut due = Vec::new();
        let found = keys
            .iter()
            .map(|key| {
                if let Some(resident) = state.resident.get_mut(key.as_bytes()) {
                    resident.last_use = state.clock;
                    resident.uses = resident.uses.saturating_add(1);
                    if resident.size == Size::First && resident.uses >= USES_TO_WIDEN && room >= busy {
                        resident.size = Size::Busy;
                        room -= busy;
                        due.push((*key, Size::Busy));
                    }
                    return Some(Arc::clone(&resident.prepared));
                }
                if state.uses.len() >= COUNTED_KEYS_MAX && !state.uses.contains_key(key.as_bytes()) {
                    state.uses.clear();
                }
                let uses = state.uses.entry(key.to_bytes()).or_default();
                *uses = uses.saturating_add(1);
                let earned = *uses >= USES_TO_REPLACE || (*uses >= USES_TO_BUILD && room >= first);
                if earned && *uses < USES_BUILDING && due.len() < self.bytes_max / first {
                    *uses = USES_BUILDING;
                    room = room.saturating_sub(first);
                    due.push((*key, Size::First));
                }
                None
            })
            .collect();
        (found, due)
    }

    /// Builds outside the lock, then stores, displacing the least recently used.
    fn build(&self, keys: &[(&PublicKey, Size)]) -> HashMap<KeyBytes, Arc<PreparedKey>> {
        let mut built: Vec<(KeyBytes, Size, Arc<PreparedKey>)> = Vec::with_capacity(keys.len());
        for size in [Size::First, Size::Busy] {
            let keys: Vec<&PublicKey> = keys.iter().filter(|due| due.1 == size).map(|due| due.0).collect();
            let part = keys
                .len()
                .div_ceil(rayon::current_num_threads())
                .clamp(1, PART_COUNT_MAX);
            let tables: Vec<Vec<Arc<PreparedKey>>> = keys
                .par_chunks(part)
                .map(|keys| PreparedKey::build(keys, self.kernel, size))
                .collect();
            let tables = tables.into_iter().flatten();
            built.extend(
                keys.iter()
                    .zip(tables)
                    .map(|(key, table)| (key.to_bytes(), size, table)),
            );
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        for (bytes, size, prepared) in &built {
            state.uses.remove(bytes);
            state.remove(bytes);
            let needed = size.bytes();
            while state.bytes + needed > self.bytes_max {
                let oldest = state
                    .resident
                    .iter()
                    .min_by_key(|(_, resident)| resident.last_use)
                    .map(|(key, _)| *key);
                let Some(oldest) = oldest else { break };
                state.remove(&oldest);
            }
            let resident = Resident {
                prepared: Arc::clone(prepared),
                size: *size,
                last_use: state.clock,
                uses: 0,
            };
            state.bytes += needed;
            state.resident.insert(*bytes, resident);
        }
        built.into_iter().map(|(key, _, prepared)| (key, prepared)).collect()
    }

    /// A panic elsewhere cannot leave the maps half-written, so a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, key: &KeyBytes) {
        if let Some(resident) = self.resident.remove(key) {
            self.bytes -= resident.prepared.bytes();
        }
    }
}
