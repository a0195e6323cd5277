//! The child's side: runs its specimens when asked to, and dies with the agent.
//!
//! Owns: the talk's words. On standard output, first `stain specimens`, a line `NAME OFFSET` each (file offset, decimal), then `ready`; then one line
//! of numbers for each request on standard input: `time NAME COUNT` gives the nanoseconds of so many calls, `redzone COUNT` the damaged
//! words and the calls in which some were. The end of the input ends it.
//! Refuses: probing, judging.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::specimen::Specimen;
use crate::attach::monotonic_ns;
use crate::symbol::{FileOffset, ProcessAddress};
use crate::target::Proc;

/// The first line of the talk.
pub(super) const GREETING: &str = "stain specimens";
/// The line after the last specimen.
pub(super) const READY: &str = "ready";

/// The child's whole life, on standard input and output.
#[must_use]
pub fn child_main() -> ExitCode {
    // The end of the input ends this process too, but not while it is busy.
    let guarded = set_parent_process_death_signal(Some(Signal::KILL));
    match guarded.map_err(io::Error::from).and_then(|()| serve(io::stdin().lock(), io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(requests: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    writeln!(answers, "{GREETING}")?;
    for (specimen, offset) in offsets()? {
        writeln!(answers, "{} {}", specimen.name(), offset.0)?;
    }
    writeln!(answers, "{READY}")?;
    answers.flush()?;
    for request in requests.lines() {
        writeln!(answers, "{}", answer(&request?).unwrap_or_else(|| "what?".to_owned()))?;
        answers.flush()?;
    }
    Ok(())
}

/// Where in this program's file the specimens are.
fn offsets() -> io::Result<Vec<(Specimen, FileOffset)>> {
    let proc = Proc::default();
    let pid = proc.own_pid().ok_or(io::ErrorKind::NotFound)?;
    let files = proc.mapped_files(pid).map_err(io::Error::other)?;
    let place = |specimen: Specimen| {
        let address = ProcessAddress(specimen.address()?);
        let offset = files.iter().flat_map(|file| &file.spans).find_map(|span| span.offset_of(address))?;
        Some((specimen, offset))
    };
    Ok(Specimen::ALL.into_iter().filter_map(place).collect())
}

fn answer(request: &str) -> Option<String> {
    let words: Vec<&str> = request.split_whitespace().collect();
    match *words.as_slice() {
        ["time", name, count] => {
            let (specimen, count) = (Specimen::from_name(name)?, count.parse::<u32>().ok()?);
            Some(time_ns(specimen, count).to_string())
        }
        ["redzone", count] => {
            let (words, calls) = red_zone(count.parse::<u32>().ok()?);
            Some(format!("{words} {calls}"))
        }
        _ => None,
    }
}

fn time_ns(specimen: Specimen, count: u32) -> u64 {
    let start = monotonic_ns();
    for _ in 0..count {
        std::hint::black_box(specimen.call());
    }
    monotonic_ns() - start
}

/// Damaged words, and calls in which there were some.
fn red_zone(count: u32) -> (u64, u64) {
    (0..count)
        .map(|_| Specimen::RedZone.call())
        .fold((0, 0), |(words, calls), damaged| (words + damaged, calls + u64::from(damaged > 0)))
}

#[cfg(test)]
mod tests {
    use super::{Specimen, offsets, serve};

    #[test]
    fn answers_each_request_with_a_line() {
        let mut answers = Vec::new();
        serve(&b"time stepped 10\nredzone 1000\ntime nothing 1\ntime stepped -1\n\n"[..], &mut answers)
            .unwrap();
        let text = String::from_utf8(answers).unwrap();
        let (head, tail) = text.split_once("ready\n").unwrap();
        assert!(head.starts_with("stain specimens\n"), "{text}");
        let lines: Vec<_> = tail.lines().collect();
        assert!(lines[0].parse::<u64>().is_ok(), "{text}");
        assert_eq!(lines[1..], ["0 0", "what?", "what?", "what?"]);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn file_offsets_lead_to_the_same_bytes() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let offsets = offsets().unwrap();
        assert_eq!(offsets.iter().map(|(specimen, _)| *specimen).collect::<Vec<_>>(), Specimen::ALL);
        let at = |index: usize| &file[offsets[index].1.0 as usize..][..5];
        assert_eq!((at(0)[0], &at(1)[..3]), (0x55, &[0x48, 0x85, 0xff][..]));
        assert_eq!((at(3), at(4)), (&[0x0f, 0x1f, 0x44, 0, 0][..], &[0x0f, 0x1f, 0x44, 0, 0][..]));
    }
}
