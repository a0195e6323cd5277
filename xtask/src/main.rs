//! The project's chores: `cargo xtask setup | build | demo | test | bench | lint`.
//!
//! Owns the command line; each chore is a module. Refuses to hold any knowledge of the product: it calls what a user would call.

mod fuzz;
mod lint;
mod privileged;
mod product;
mod run;
mod setup;
mod test;
mod tidy;
mod totals;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use setup::Set;

const USAGE: &str = "\
Usage: cargo xtask <chore>

  setup [build|test|bench|services]
                            install what building (the default), testing or benchmarking needs, or servers to test with besides
  build [--debug]           build the kernel program and the agent; prints the path of `stain`
  demo [ARGS..]             set up, build, and run `stain demo ARGS..`
  test [FILTER..]           set up, check the formatting, run the tests, privileged ones too
  test --services           run the tests against servers alone: databases, and a broker that takes minutes to build
  fuzz [SECONDS]            run every fuzz target for so many seconds (10)
  bench [ARGS..]            set up, build, and run the benchmarks
  lint                      formatting, clippy for agent and kernel program, tidiness";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match chore(&root(), &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chore(root: &Path, args: &[String]) -> Result<()> {
    let Some((name, rest)) = args.split_first() else { bail!("no chore named\n\n{USAGE}") };
    match (name.as_str(), rest) {
        ("setup", []) => setup::run(root, Set::Build),
        ("setup", [set]) if set == "services" => setup::services::run(root),
        ("setup", [set]) => setup::run(root, set.parse()?),
        ("build", []) => {
            product::build(root, product::Profile::Release).map(|path| println!("{}", path.display()))
        }
        ("build", [flag]) if flag == "--debug" => {
            product::build(root, product::Profile::Debug).map(|path| println!("{}", path.display()))
        }
        ("demo", args) => product::demo(root, args),
        ("test", [flag]) if flag == "--services" => test::services(root),
        ("test", filters) => test::run(root, filters),
        ("fuzz", []) => fuzz::run(root, "10"),
        ("fuzz", [seconds]) => fuzz::run(root, seconds),
        ("bench", args) => product::bench(root, args),
        ("lint", []) => lint::run(root),
        ("help" | "-h" | "--help", _) => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such chore: {}\n\n{USAGE}", args.join(" ")),
    }
}

/// Cargo names the folder of `xtask` when it runs it; a copied binary falls back on where it was built.
fn root() -> PathBuf {
    let member = env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    xtask::workspace_root(&member)
}
