//! The committed vectors equal what the code produces. `cargo run -p hn-merkle --example vectors` writes them anew.

use crate::{vectors_formats, vectors_merkle};
use serde_json::Value;

fn committed(file: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn committed_formats_vectors_are_current() {
    assert_eq!(committed("formats.json"), vectors_formats::formats());
}

#[test]
fn committed_merkle_vectors_are_current() {
    assert_eq!(committed("merkle.json"), vectors_merkle::merkle());
}
