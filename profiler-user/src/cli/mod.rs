//! The command line: arguments in, rooms called in the order of the data, text out.
//!
//! Owns: flags, exit codes, what goes to standard output and what to standard error. Refuses: any decision about records.

#[cfg(feature = "agent")]
mod agent_args;
mod args;
#[cfg(feature = "agent")]
mod attach;
#[cfg(feature = "collector")]
mod collector;
#[cfg(feature = "agent")]
mod ctl;
#[cfg(feature = "agent")]
mod demo;
#[cfg(feature = "agent")]
mod doctor;
#[cfg(feature = "agent")]
mod export;
mod logger;
#[cfg(feature = "agent")]
mod observer;
mod output;
mod payload;
#[cfg(feature = "agent")]
mod plan;
#[cfg(feature = "agent")]
mod privileges;
#[cfg(feature = "agent")]
mod recording;
mod replay;
mod report;
#[cfg(feature = "agent")]
mod screen;
#[cfg(any(feature = "agent", feature = "collector"))]
mod signals;
mod spec;
mod symbols;
mod terminal;
#[cfg(feature = "collector")]
mod top;
mod viewer;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};

/// Runs the program with the arguments it was given.
#[must_use]
pub fn main() -> ExitCode {
    // The child of the calibration: started by this program alone, and no command for people.
    #[cfg(feature = "agent")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == crate::calibrate::CHILD_ARGUMENT) {
        return crate::calibrate::child_main();
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
        #[cfg(feature = "agent")]
        Command::Attach(args) => attach::run(&args),
        #[cfg(feature = "agent")]
        Command::Plan(args) => plan::run(&args),
        Command::Symbols(args) => symbols::run(&args),
        Command::Spec(args) => spec::run(&args),
        #[cfg(feature = "agent")]
        Command::Ctl(args) => ctl::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Export(args) => viewer::run(&args),
        #[cfg(feature = "collector")]
        Command::Top(args) => top::run(&args),
        #[cfg(feature = "agent")]
        Command::Doctor(args) => doctor::run(&args),
        Command::Decode(args) => payload::decode(&args),
        Command::Encode(args) => payload::encode(&args),
        Command::Report(args) => report::run(&args),
        #[cfg(feature = "collector")]
        Command::Collector(args) => collector::run(&args),
        #[cfg(feature = "agent")]
        Command::Demo(args) => demo::run(&args),
        #[cfg(feature = "agent")]
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
