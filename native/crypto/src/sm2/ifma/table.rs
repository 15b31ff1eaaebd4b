//! Comb tables for lanes: Montgomery form with R = 2^260.

pub(super) use super::super::odd_table::{Entry, Form, OddDigits};
pub(crate) use super::super::odd_table::{OddTable as LaneTable, windows};

/// Table of G, built at first use (about 10 ms).
pub(crate) fn base_table() -> &'static LaneTable {
    super::super::odd_table::base_table(Form::Lanes)
}
