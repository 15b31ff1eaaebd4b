//! Run seeds: `cargo run --release -p hn-sim --example sim -- --profile mixed --seed 1 --count 1000`.
//! `--mutation NAME` plants a bug that the run is expected to find.

use std::process::ExitCode;

use hn_sim::{Plant, Profile, run_planted};

fn main() -> ExitCode {
    match parse() {
        Ok((profile, seed, count, plant)) => {
            let summary = run_planted(seed, count, profile, plant, false);
            println!(
                "{}: {} seeds from {seed}, {} failures, {} decisions, highest round {}, {} events, trace {:016x}",
                profile.name(),
                summary.seeds,
                summary.failures,
                summary.decisions,
                summary.highest_round,
                summary.events,
                summary.trace
            );
            if summary.failures == 0 {
                return ExitCode::SUCCESS;
            }
            println!("{}", summary.report);
            ExitCode::FAILURE
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn parse() -> Result<(Profile, u64, u64, Plant), String> {
    let (mut profile, mut seed, mut count, mut plant) = (Profile::Mixed, 1, 1, Plant::default());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{name}: {value} is not a number"))
        };
        match name.as_str() {
            "--seed" => seed = number()?,
            "--count" => count = number()?,
            "--profile" => profile = Profile::from_name(&value).ok_or_else(|| format!("unknown profile {value}"))?,
            "--mutation" => mutate(&mut plant, &value)?,
            _ => {
                return Err(format!(
                    "unknown option {name}; known: --profile --seed --count --mutation"
                ));
            }
        }
    }
    Ok((profile, seed, count, plant))
}

fn mutate(plant: &mut Plant, name: &str) -> Result<(), String> {
    let switch = match name {
        "certificates_unlogged" => &mut plant.certificates_unlogged,
        "no_regossip" => &mut plant.no_regossip,
        "barrier_ignored" => &mut plant.barrier_ignored,
        "quorum_minus" => &mut plant.quorum_minus,
        "guard_off" => &mut plant.guard_off,
        "floor_ignored" => &mut plant.floor_ignored,
        _ => return Err(format!("unknown mutation {name}")),
    };
    *switch = true;
    Ok(())
}
