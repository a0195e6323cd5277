//! The command line: arguments in, rooms called in the order of the data, text out.
//!
//! Owns: flags, exit codes, what goes to standard output and what to standard error. Refuses: any decision about records.

mod args;
mod attach;
mod ctl;
mod demo;
mod doctor;
mod export;
mod logger;
mod observer;
mod output;
mod payload;
mod plan;
mod privileges;
mod recording;
mod replay;
mod report;
mod screen;
mod signals;
mod spec;
mod symbols;
mod terminal;
#[cfg(feature = "collector")]
mod top;
mod viewer;

use std::process::ExitCode;

use clap::Parser as _;

use crate::calibrate;
use args::{Cli, Command};

/// Runs the program with the arguments it was given.
#[must_use]
pub fn main() -> ExitCode {
    // The child of the calibration: started by this program alone, and no command for people.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == calibrate::CHILD_ARGUMENT) {
        return calibrate::child_main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: clap knows which stream they belong to. A closed stream is nobody's fault.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Attach(args) => attach::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Symbols(args) => symbols::run(&args),
        Command::Spec(args) => spec::run(&args),
        Command::Ctl(args) => ctl::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Export(args) => viewer::run(&args),
        #[cfg(feature = "collector")]
        Command::Top(args) => top::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Decode(args) => payload::decode(&args),
        Command::Encode(args) => payload::encode(&args),
        Command::Report(args) => report::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::DemoPipeline(options) => demo::pipeline(&options),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}
