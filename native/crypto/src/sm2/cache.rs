//! Tables of the keys in use, bounded by bytes; a key earns its table by use, and the least recently used one leaves.

use super::comb::Comb;
use super::key::{PUBLIC_KEY_BYTES, PublicKey};
use super::verify::KEY_WIDTH;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Default memory of the tables: about 760 keys.
pub const CACHE_BYTES_DEFAULT: usize = 64 << 20;
/// Uses within which a key gets a table when there is room: building costs about as much as ten verifications save.
const USES_TO_BUILD: u32 = 3;
/// Uses that let a key displace the least recently used table, so that many rare keys cannot churn the cache.
const USES_TO_REPLACE: u32 = 24;
/// Count of a key whose table is being built by some thread, so that none builds it twice.
const USES_BUILDING: u32 = u32::MAX / 2;
/// Keys whose uses are counted before they have a table; beyond it the counts start again.
const COUNTED_KEYS_MAX: usize = 1 << 16;

/// The comb table of one checked key.
pub struct PreparedKey {
    pub(crate) table: Comb<KEY_WIDTH>,
}

impl PreparedKey {
    /// Memory of one table.
    pub const BYTES: usize = Comb::<KEY_WIDTH>::BYTES;

    /// Builds the table.
    fn new(pk: &PublicKey) -> Self {
        Self {
            table: Comb::build(pk.point()),
        }
    }
}

type KeyBytes = [u8; PUBLIC_KEY_BYTES];

struct Resident {
    prepared: Arc<PreparedKey>,
    last_use: u64,
}

#[derive(Default)]
struct State {
    resident: HashMap<KeyBytes, Resident>,
    uses: HashMap<KeyBytes, u32>,
    clock: u64,
}

/// Comb tables by public key, shared by threads. The tables are derived data: they change the speed, never a verdict.
pub struct KeyCache {
    tables_max: usize,
    state: Mutex<State>,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self::new(CACHE_BYTES_DEFAULT)
    }
}

impl KeyCache {
    /// A cache of at most `bytes_max` bytes of tables (86 KiB a key); below one table it never holds any.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            tables_max: bytes_max / PreparedKey::BYTES,
            state: Mutex::default(),
        }
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
        self.len() * PreparedKey::BYTES
    }

    /// Builds tables at once, for keys that are sure to be used (validators, a saved usage list). 0.3 ms a key.
    pub fn prepare(&self, keys: &[PublicKey]) {
        let missing: Vec<&PublicKey> = {
            let state = self.lock();
            keys.iter()
                .filter(|key| !state.resident.contains_key(key.as_bytes()))
                .take(self.tables_max)
                .collect()
        };
        self.build(&missing);
    }

    /// The table of each key, where there is one, in the order of `keys`; counts the uses and builds what is due.
    pub(crate) fn tables(&self, keys: &[&PublicKey]) -> Vec<Option<Arc<PreparedKey>>> {
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

    fn look_up<'a>(&self, keys: &[&'a PublicKey]) -> (Vec<Option<Arc<PreparedKey>>>, Vec<&'a PublicKey>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.clock += 1;
        let room = self.tables_max.saturating_sub(state.resident.len());
        let mut due = Vec::new();
        let found = keys
            .iter()
            .map(|key| {
                if let Some(resident) = state.resident.get_mut(key.as_bytes()) {
                    resident.last_use = state.clock;
                    return Some(Arc::clone(&resident.prepared));
                }
                if state.uses.len() >= COUNTED_KEYS_MAX && !state.uses.contains_key(key.as_bytes()) {
                    state.uses.clear();
                }
                let uses = state.uses.entry(key.to_bytes()).or_default();
                *uses = uses.saturating_add(1);
                let earned = *uses >= USES_TO_REPLACE || (*uses >= USES_TO_BUILD && due.len() < room);
                if earned && *uses < USES_BUILDING && due.len() < self.tables_max {
                    *uses = USES_BUILDING;
                    due.push(*key);
                }
                None
            })
            .collect();
        (found, due)
    }

    /// Builds outside the lock, then stores, displacing the least recently used.
    fn build(&self, keys: &[&PublicKey]) -> HashMap<KeyBytes, Arc<PreparedKey>> {
        let built: Vec<(KeyBytes, Arc<PreparedKey>)> = keys
            .par_iter()
            .map(|key| (key.to_bytes(), Arc::new(PreparedKey::new(key))))
            .collect();
        let mut guard = self.lock();
        let state = &mut *guard;
        for (bytes, prepared) in &built {
            state.uses.remove(bytes);
            while state.resident.len() >= self.tables_max && !state.resident.contains_key(bytes) {
                let oldest = state
                    .resident
                    .iter()
                    .min_by_key(|(_, resident)| resident.last_use)
                    .map(|(key, _)| *key);
                match oldest {
                    Some(key) => state.resident.remove(&key),
                    None => break,
                };
            }
            let resident = Resident {
                prepared: Arc::clone(prepared),
                last_use: state.clock,
            };
            state.resident.insert(*bytes, resident);
        }
        built.into_iter().collect()
    }

    /// A panic elsewhere cannot leave the maps half-written, so a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
