//! The `stain` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    profiler_user::cli::main()
}
