//! Runs programs and says what takes long.
//!
//! Owns the line-by-line progress on stderr. Refuses to hide a failure: what a quiet step printed last is shown when it fails.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// Between two signs of life of a quiet step.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// Lines shown of a quiet step that failed.
const TAIL: usize = 30;

/// Says what a step does, does it, and says how long it took.
pub(crate) fn step<T>(name: &str, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("{name:>10}  {what}");
    let start = Instant::now();
    let result = work()?;
    eprintln!("{name:>10}  done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

/// Runs a command that prints for the user, and fails if it does.
pub(crate) fn loud(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command whose output is of interest only when it fails; every few seconds its latest line is a sign of life.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {}", shown(command)))?;
    let (sender, lines) = sync_channel(64);
    let readers = [
        child.stdout.take().map(|pipe| forward(pipe, sender.clone())),
        child.stderr.take().map(|pipe| forward(pipe, sender)),
    ];
    let (start, mut said) = (Instant::now(), Instant::now());
    let mut tail = VecDeque::new();
    for line in lines {
        if said.elapsed() > SIGN_OF_LIFE {
            said = Instant::now();
            eprintln!("{:>10}  {} s  {}", "", start.elapsed().as_secs(), clip(&line));
        }
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    for reader in readers.into_iter().flatten() {
        // A reader cannot panic, and what it could not read is lost anyway.
        let _ = reader.join();
    }
    let status = child.wait()?;
    if !status.success() {
        tail.iter().for_each(|line| eprintln!("{:>10}  {line}", "|"));
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// A command as one would type it: without the folder of its program.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = program.file_name().into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn forward(pipe: impl Read + Send + 'static, lines: SyncSender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !line.is_empty() && lines.send(line).is_err() {
                break;
            }
        }
    })
}

fn clip(line: &str) -> String {
    line.trim_start().chars().take(90).collect()
}
