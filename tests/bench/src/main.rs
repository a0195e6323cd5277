//! The benchmarks: `cargo xtask bench [NAME..]`, or `--list`.
//!
//! Owns: which there are, and the run of those that were asked for. A missed aim is printed, never an error: machines differ and
//! are busy. A benchmark that cannot run here says why, and the others go on.

mod agent;
mod allocations;
mod assembly;
mod attached;
mod bpftrace;
mod collector;
mod demo;
mod export;
mod hit;
mod journeys;
mod machine;
mod micro;
mod pingpong;
mod record;
mod screen;
mod series;
mod site;
mod stain;
mod sttr;
mod table;
mod throughput;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use machine::Machine;
use table::Table;

/// One benchmark.
struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<Vec<Table>>,
}

/// In the order in which they run: from one instruction to whole programs.
const BENCHES: [Bench; 12] = [
    Bench { name: "hit", about: "one hit, by the instruction that carries the probe", run: hit::run },
    Bench { name: "site", about: "planned site, naive function entry, and bpftrace", run: site::run },
    Bench { name: "record", about: "a record through six stages, unsampled and sampled", run: record::run },
    Bench { name: "journeys", about: "what each feature of journeys adds to a record", run: journeys::run },
    Bench { name: "pingpong", about: "context switches of a target with probes", run: pingpong::run },
    Bench {
        name: "throughput",
        about: "records a second of a pipeline, attached or not",
        run: throughput::run,
    },
    Bench { name: "agent", about: "processor time and memory of the agent", run: agent::run },
    Bench {
        name: "export",
        about: "processor time and memory of the agent with each destination",
        run: export::run,
    },
    Bench { name: "assembly", about: "traces a second that one core assembles", run: assembly::run },
    Bench { name: "screen", about: "frames and memory of the terminal UI", run: screen::run },
    Bench {
        name: "collector",
        about: "traces a second that the collector's store takes, and how fast it answers",
        run: collector::run,
    },
    Bench { name: "sttr", about: "payloads a second that one core encodes and decodes", run: sttr::run },
];

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.iter().any(|name| name == "--list") {
        BENCHES.iter().for_each(|Bench { name, about, .. }| println!("{name:12} {about}"));
        return ExitCode::SUCCESS;
    }
    let unknown = names.iter().find(|name| BENCHES.iter().all(|bench| bench.name != name.as_str()));
    if let Some(name) = unknown {
        eprintln!("error: no benchmark is named `{name}`; `--list` shows those that there are");
        return ExitCode::FAILURE;
    }
    println!("{}", Machine::detect());
    let wanted = |bench: &&Bench| names.is_empty() || names.iter().any(|name| name == bench.name);
    let aims: Vec<bool> = BENCHES.iter().filter(wanted).flat_map(run).collect();
    let met = aims.iter().filter(|met| **met).count();
    println!("{met} of {} aims reached", aims.len());
    ExitCode::SUCCESS
}

/// Runs one, prints its tables, and says of each of its aims whether it was reached.
fn run(bench: &Bench) -> Vec<bool> {
    let Bench { name, about, run } = bench;
    println!("== {name}: {about}");
    let start = Instant::now();
    let tables = match run() {
        Ok(tables) => tables,
        Err(error) => {
            println!("cannot run here: {error:#}\n");
            return Vec::new();
        }
    };
    tables.iter().for_each(|table| println!("\n{table}"));
    println!("({name} took {:.0} s)\n", start.elapsed().as_secs_f64());
    tables.iter().flat_map(|table| &table.aims).map(table::Aim::met).collect()
}
