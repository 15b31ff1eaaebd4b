//! Writes the golden vectors `tests/vectors/formats.json` and `tests/vectors/merkle.json`. A change of the files is a
//! change of the formats: read the difference before committing it.

#[path = "../tests/it/scenario.rs"]
mod scenario;
#[path = "../tests/it/vectors.rs"]
mod vectors;

fn main() -> std::io::Result<()> {
    let folder = format!("{}/../../tests/vectors", env!("CARGO_MANIFEST_DIR"));
    for (file, value) in [("formats.json", vectors::formats()), ("merkle.json", vectors::merkle())] {
        std::fs::write(format!("{folder}/{file}"), format!("{value:#}\n"))?;
    }
    Ok(())
}
