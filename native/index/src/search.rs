//! Where ids stand: in rounds, each of which names the rows that the next one needs.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use hn_primitives::Hash32;

use crate::entry::{Place, Tag};
use crate::error::IndexError;
use crate::filter::Chunk;
use crate::index::TxIndex;
use crate::segment::{Kind, Segment, find, key};

/// Ids that are looked for at a time: bounds the rows in memory.
const WINDOW_IDS: usize = 1024;

/// A search on its way: [`Search::step`] → rows of the database → [`Search::supply`] → … until nothing is wanted.
pub struct Search {
    ids: Vec<Hash32>,
    places: Vec<Option<Place>>,
    /// Ids below are done.
    done: usize,
    window: Option<Window>,
}

/// Index of an id, its tag, segments still to be asked.
pub(crate) type Open = (usize, Tag, usize);

/// The ids of one round with what was read for them.
struct Window {
    segments: Arc<Vec<Arc<Segment>>>,
    open: VecDeque<Open>,
    parts: HashMap<(u64, u32), Vec<u8>>,
    filters: HashMap<(u64, u32), Chunk>,
    wanted: Vec<(Arc<Segment>, Kind, u32)>,
    asked: HashSet<(u64, Kind, u32)>,
}

enum Outcome {
    Place(Option<Place>),
    Wanted(Kind, u32),
}

impl Search {
    pub(crate) fn new(ids: Vec<Hash32>) -> Self {
        Self {
            places: vec![None; ids.len()],
            ids,
            done: 0,
            window: None,
        }
    }

    /// Go on until rows are wanted; their keys, or none when every id is found or known to be absent. Cost: 0.1–0.5 µs an
    /// id that is not there.
    ///
    /// # Errors
    /// A row that was supplied is damaged.
    pub fn step(&mut self, index: &TxIndex) -> Result<Vec<Vec<u8>>, IndexError> {
        while self.done < self.ids.len() {
            if self.window.is_none() {
                self.window = Some(self.begin(index));
            }
            let Some(window) = &mut self.window else { break };
            let mut still = VecDeque::new();
            while let Some((at, tag, ahead)) = window.open.pop_front() {
                let (left, outcome) = window.look(tag, ahead)?;
                match outcome {
                    Outcome::Place(place) => self.places[at] = place,
                    Outcome::Wanted(kind, number) => {
                        let segment = &window.segments[left - 1];
                        if window.asked.insert((segment.facts.number, kind, number)) {
                            window.wanted.push((Arc::clone(segment), kind, number));
                        }
                        still.push_back((at, tag, left));
                    }
                }
            }
            window.open = still;
            if !window.wanted.is_empty() {
                let keys = window.wanted.iter();
                return Ok(keys
                    .map(|(segment, kind, number)| key(segment.facts.number, *kind, *number))
                    .collect());
            }
            self.done = self.ids.len().min(self.done + WINDOW_IDS);
            self.window = None;
        }
        Ok(Vec::new())
    }

    /// The rows that [`Search::step`] named, in its order.
    ///
    /// # Errors
    /// A row that must be there is not, or is damaged. When a merge took the segment away meanwhile, the window begins anew.
    pub fn supply(&mut self, index: &TxIndex, rows: &[Option<&[u8]>]) -> Result<(), IndexError> {
        let Some(window) = &mut self.window else {
            return Ok(());
        };
        for ((segment, kind, number), row) in std::mem::take(&mut window.wanted).into_iter().zip(rows) {
            let segment_number = segment.facts.number;
            let Some(row) = row else {
                if index.uses(segment_number) {
                    let what = if kind == Kind::Part { "part" } else { "filter" };
                    return Err(segment.missing(what, number));
                }
                self.window = None;
                return Ok(());
            };
            if kind == Kind::Part {
                window.parts.insert((segment_number, number), row.to_vec());
            } else {
                let filter = Chunk::decode(row).ok_or(IndexError::Length {
                    what: "a filter",
                    got: row.len(),
                    want: 4096,
                })?;
                window.filters.insert((segment_number, number), filter.clone());
                index.keep(&segment, number, filter);
            }
        }
        Ok(())
    }

    /// One place an id; complete when [`Search::step`] wanted nothing.
    pub fn places(&self) -> &[Option<Place>] {
        &self.places
    }

    fn begin(&mut self, index: &TxIndex) -> Window {
        let end = self.ids.len().min(self.done + WINDOW_IDS);
        let ids = self.ids[self.done..end].iter();
        let tags: Vec<Tag> = ids.map(|id| index.salt().tag(id)).collect();
        let segments = index.begin(&tags, &mut self.places[self.done..end]);
        let open = tags
            .iter()
            .zip(self.done..)
            .filter(|(_, at)| self.places[*at].is_none());
        let mut open: Vec<Open> = open.map(|(tag, at)| (at, *tag, segments.len())).collect();
        // A segment after the other with ids in the order of its filter: neighbours share what comes from memory.
        open.sort_unstable_by_key(|(_, tag, _)| tag.hash);
        for (before, segment) in segments.iter().enumerate().rev() {
            segment.pass_by(open.iter_mut().filter(|open| open.2 == before + 1));
        }
        Window {
            open: open.into(),
            segments,
            parts: HashMap::new(),
            filters: HashMap::new(),
            wanted: Vec::new(),
            asked: HashSet::new(),
        }
    }
}

impl Window {
    /// Look for an id in the first `left` segments, newest first. Returns how many are left to be asked, and why it ended.
    fn look(&self, tag: Tag, mut left: usize) -> Result<(usize, Outcome), IndexError> {
        let hash = tag.hash;
        while left > 0 {
            let segment = &self.segments[left - 1];
            let facts = &segment.facts;
            let chunk = (facts.number, facts.chunk(hash));
            let may_hold = segment.may_hold(hash).or_else(|| {
                let filter = self.filters.get(&chunk)?;
                Some(filter.contains(hash, facts.chunk_bits()))
            });
            match may_hold {
                None => return Ok((left, Outcome::Wanted(Kind::Filter, chunk.1))),
                Some(false) => {}
                Some(true) => {
                    let part = facts.part(hash);
                    let Some(row) = self.parts.get(&(facts.number, part)) else {
                        return Ok((left, Outcome::Wanted(Kind::Part, part)));
                    };
                    if let Some(place) = find(row, tag)? {
                        return Ok((left, Outcome::Place(Some(place))));
                    }
                }
            }
            left -= 1;
        }
        Ok((0, Outcome::Place(None)))
    }
}
