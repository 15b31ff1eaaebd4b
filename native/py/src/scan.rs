//! Rows of a plugin's state under a prefix, as a transaction sees them: those of the block before, with the writes of
//! the block so far and the transaction's own on top.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::collections::BTreeSet;
use std::ops::Bound as Edge;

/// Keys that the block's earlier transactions wrote; put in order when somebody scans.
#[derive(Default)]
pub struct Written {
    unsorted: Vec<Py<PyBytes>>,
    sorted: BTreeSet<Vec<u8>>,
}

impl Written {
    pub fn add(&mut self, key: &Bound<'_, PyBytes>) {
        self.unsorted.push(key.clone().unbind());
    }

    fn sort(&mut self, py: Python<'_>) {
        for key in self.unsorted.drain(..) {
            self.sorted.insert(key.bind(py).as_bytes().to_vec());
        }
    }
}

/// What a scan asks for.
pub struct Wanted<'a> {
    pub prefix: &'a [u8],
    /// Keys up to this one are left out; starts with the prefix.
    pub after: Option<&'a [u8]>,
    pub limit: usize,
    /// Keys that may be looked at.
    pub budget: u32,
    /// Rows one call of the host may be asked for.
    pub page_max: usize,
}

impl Wanted<'_> {
    fn from(&self) -> Edge<&[u8]> {
        self.after.map_or(Edge::Included(self.prefix), Edge::Excluded)
    }

    fn holds(&self, key: &[u8]) -> bool {
        key.starts_with(self.prefix) && self.after.is_none_or(|after| key > after)
    }
}

pub type Row<'py> = (Bound<'py, PyBytes>, Bound<'py, PyAny>);

/// Rows found, and how many keys were looked at: those of the rows, and those that the block deleted. More than the
/// budget means that the scan was given up.
pub struct Found<'py> {
    pub rows: Vec<Row<'py>>,
    pub looked: u32,
}

/// Rows of the block before, fetched page by page.
struct Base<'a, 'py> {
    scan: &'a Bound<'py, PyAny>,
    prefix: Bound<'py, PyBytes>,
    rows: std::vec::IntoIter<Row<'py>>,
    head: Option<Row<'py>>,
    after: Option<Bound<'py, PyBytes>>,
    page: usize,
    page_max: usize,
    more: bool,
}

impl<'py> Base<'_, 'py> {
    /// Moves to the next row, asking the host for another page when this one has ended and was full.
    fn advance(&mut self) -> PyResult<()> {
        self.head = self.rows.next();
        if self.head.is_none() && self.more {
            let page: Vec<Row<'py>> = self.scan.call1((&self.prefix, &self.after, self.page))?.extract()?;
            self.more = page.len() == self.page;
            self.page = self.page.saturating_mul(2).min(self.page_max);
            if let Some((key, _)) = page.last() {
                self.after = Some(key.clone());
            }
            self.rows = page.into_iter();
            self.head = self.rows.next();
        }
        Ok(())
    }
}

/// Walks the three sources in key order: the transaction's own writes hide those of the block, and these the rows of
/// the block before.
///
/// Cost: O(limit + deleted keys) and one call of the host a page; the first scan of a block sorts its written keys.
pub fn scan<'py>(
    host: &Bound<'py, PyAny>,
    values: &Bound<'py, PyDict>,
    own: &Bound<'py, PyDict>,
    written: &mut Written,
    wanted: &Wanted<'_>,
) -> PyResult<Found<'py>> {
    let py = host.py();
    written.sort(py);
    let mut mine: Vec<Bound<'py, PyBytes>> = Vec::new();
    for key in own.keys() {
        let key = key.cast_into::<PyBytes>()?;
        if wanted.holds(key.as_bytes()) {
            mine.push(key);
        }
    }
    mine.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    let mut mine = mine.iter().map(|key| key.as_bytes()).peekable();
    let mut block = written.sorted.range::<[u8], _>((wanted.from(), Edge::Unbounded));
    let mut block = block
        .by_ref()
        .map(Vec::as_slice)
        .take_while(|key| wanted.holds(key))
        .peekable();
    let mut base = Base {
        scan: host,
        prefix: PyBytes::new(py, wanted.prefix),
        rows: Vec::new().into_iter(),
        head: None,
        after: wanted.after.map(|after| PyBytes::new(py, after)),
        page: wanted.limit.min(wanted.page_max),
        page_max: wanted.page_max,
        more: true,
    };
    base.advance()?;
    let mut found = Found {
        rows: Vec::new(),
        looked: 0,
    };
    while found.rows.len() < wanted.limit && found.looked <= wanted.budget {
        let heads = [
            mine.peek().copied(),
            block.peek().copied(),
            base.head.as_ref().map(|(key, _)| key.as_bytes()),
        ];
        let Some(next) = heads.iter().flatten().min().copied() else {
            break;
        };
        let [at_mine, at_block, at_base] = heads.map(|head| head == Some(next));
        let key = PyBytes::new(py, next);
        let value = if at_mine {
            own.get_item(&key)?
        } else if at_block {
            values.get_item(&key)?
        } else {
            base.head.as_ref().map(|(_, value)| value.clone())
        };
        mine.next_if(|_| at_mine);
        block.next_if(|_| at_block);
        if at_base {
            base.advance()?;
        }
        found.looked = found.looked.saturating_add(1);
        if let Some(value) = value.filter(|value| !value.is_none()) {
            found.rows.push((key, value));
        }
    }
    Ok(found)
}
