//! Writes the golden vectors `tests/vectors/formats.json` and `tests/vectors/merkle.json`. A change of the files is a
//! change of the formats: read the difference before committing it.

// The shared parts are test code, and a generator that meets a fault should stop there.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../tests/it/scenario.rs"]
mod scenario;
#[path = "../tests/it/vectors_formats.rs"]
mod vectors_formats;
#[path = "../tests/it/vectors_merkle.rs"]
mod vectors_merkle;

fn main() -> std::io::Result<()> {
    let folder = format!("{}/../../tests/vectors", env!("CARGO_MANIFEST_DIR"));
    for (file, value) in [
        ("formats.json", vectors_formats::formats()),
        ("merkle.json", vectors_merkle::merkle()),
    ] {
        std::fs::write(format!("{folder}/{file}"), format!("{value:#}\n"))?;
    }
    Ok(())
}
