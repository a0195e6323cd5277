//! What is written where: the destination's troubles are told and counted, and never the target's or the agent's.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;
use stain_tests::child::{Ended, Guarded};
use stain_tests::pipeline::Pipeline;
use stain_tests::report::Report;
use stain_tests::run::{LONG, SHORT, Turn, turn};
use stain_tests::targets::Flavour;
use stain_tests::{code, specs, stain};

const FLAVOUR: Flavour = Flavour::C;
/// A pipeline whose records come evenly for some seconds.
const FLOW: [&str; 8] =
    ["--seconds", "3", "--records", "0", "--rate-per-second", "4000", "--truth-sample", "10"];

/// A pipeline that waits for its go, and the words that attach to it.
struct Stage {
    pipeline: Pipeline,
    home: tempfile::TempDir,
    spec: PathBuf,
    _turn: Turn,
}

impl Stage {
    fn new(target: &[&str], rate: u64) -> Result<Self> {
        let turn = turn()?;
        let home = tempfile::tempdir()?;
        let pipeline = Pipeline::start(FLAVOUR, target, home.path())?;
        let spec = home.path().join("spec.toml");
        std::fs::write(&spec, specs::every(FLAVOUR, rate).toml())?;
        Ok(Self { pipeline, home, spec, _turn: turn })
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(stain::binary()?);
        command.args(["attach", "--pid", &self.pipeline.pid().to_string(), "--spec"]).arg(&self.spec);
        command.args(arguments);
        Ok(command)
    }

    /// Attaches, and lets the records flow.
    fn attach(&mut self, arguments: &[&str]) -> Result<Guarded> {
        let mut agent = Guarded::spawn(&mut self.command(arguments)?)?;
        self.started(&mut agent)?;
        Ok(agent)
    }

    fn started(&mut self, agent: &mut Guarded) -> Result<()> {
        agent.stderr().find(|line| line.starts_with("attached"), SHORT)?;
        self.pipeline.go()
    }

    /// The target is as if nothing had been, and goes on to its last record.
    fn assert_unharmed(mut self) -> Result<()> {
        let binary = self.pipeline.binary().to_owned();
        code::wait_until_restored(self.pipeline.pid(), &binary, Duration::from_secs(5))?;
        let totals = self.pipeline.totals(LONG)?;
        ensure!(totals.written == totals.emitted, "{totals:?}");
        ensure!(self.pipeline.finish(SHORT)?.status.success());
        Ok(())
    }
}

fn assert_quiet(ended: &Ended) -> Result<()> {
    let status = ended.status;
    ensure!(status.success() && !ended.stderr.contains("error"), "{status}: {}", ended.stderr);
    Ok(())
}

fn open_gate(test: &str) -> bool {
    stain_tests::tally::privileged(&format!("output::{test}")).open()
}

#[test]
fn a_full_disk_ends_the_session_with_a_sentence() -> Result<()> {
    if !open_gate("a_full_disk_ends_the_session_with_a_sentence") {
        return Ok(());
    }
    for format in ["jsonl", "text"] {
        let mut stage = Stage::new(&FLOW, 10)?;
        let agent = stage.attach(&["--format", format, "-o", "/dev/full", "--duration", "2s"])?;
        let ended = agent.wait(SHORT)?;
        ensure!(ended.status.code() == Some(1), "{format}: {}: {}", ended.status, ended.stderr);
        for words in ["error: cannot write to /dev/full", "No space left on device"] {
            ensure!(ended.stderr.contains(words), "{format}: {}", ended.stderr);
        }
        stage.assert_unharmed()?;
    }
    Ok(())
}

/// `stain .. | head -1`: the reader has seen enough, which is nobody's mistake.
#[test]
fn a_reader_that_goes_is_no_error() -> Result<()> {
    if !open_gate("a_reader_that_goes_is_no_error") {
        return Ok(());
    }
    for format in ["jsonl", "text"] {
        let mut stage = Stage::new(&FLOW, 10)?;
        let mut command = Command::new("sh");
        command.args(["-c", "{ \"$@\"; echo \"status $?\" >&2; } | head -1", "sh"]);
        let attach = stage.command(&["--format", format, "--duration", "2s"])?;
        command.arg(attach.get_program()).args(attach.get_args());
        let mut both = Guarded::spawn(&mut command)?;
        stage.started(&mut both)?;
        let ended = both.wait(SHORT)?;
        ensure!(ended.stderr.contains("status 0"), "{format}: {}", ended.stderr);
        assert_quiet(&ended)?;
        assert_eq!(ended.stdout.lines().count(), 1, "{format}: {}", ended.stdout);
        stage.assert_unharmed()?;
    }
    Ok(())
}

fn make_fifo(path: &Path) -> Result<File> {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // Opened before the writer, which else would wait for a reader.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits())?;
    Ok(File::options().read(true).custom_flags(nonblocking).open(path)?)
}

/// Nobody reads: what does not fit is counted and told; neither the target nor the agent's end waits for it.
#[test]
fn a_reader_that_is_stuck_holds_up_nobody() -> Result<()> {
    if !open_gate("a_reader_that_is_stuck_holds_up_nobody") {
        return Ok(());
    }
    let mut stage = Stage::new(&["--records", "30000", "--reuse", "owner"], 1)?;
    let fifo = stage.home.path().join("fifo");
    let mut reader = make_fifo(&fifo)?;
    let agent = stage.attach(&["--format", "jsonl", "-o", &fifo.display().to_string()])?;
    let totals = stage.pipeline.totals(LONG)?;
    ensure!(totals.written == 30_000, "{totals:?}");
    agent.signal(Signal::INT)?;
    let asked = Instant::now();
    let ended = agent.wait(SHORT)?;
    ensure!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
    ensure!(ended.status.code() == Some(1), "{}: {}", ended.status, ended.stderr);
    let told = ended.stderr.lines().find(|line| line.contains("traces were not written"));
    let told = told.with_context(|| format!("not told: {}", ended.stderr))?;
    let dropped = told.split(' ').find_map(|word| word.parse::<u64>().ok()).context(told.to_owned())?;
    let mut written = Vec::new();
    reader.read_to_end(&mut written)?;
    let lines = written.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert_eq!(lines + dropped, 30_000, "{lines} lines arrived: {told}");
    let binary = stage.pipeline.binary().to_owned();
    code::wait_until_restored(stage.pipeline.pid(), &binary, Duration::from_secs(5))?;
    ensure!(stage.pipeline.finish(SHORT)?.status.success());
    Ok(())
}

/// A report that nobody takes: a second Ctrl-C ends it.
#[test]
fn a_second_interrupt_ends_at_once() -> Result<()> {
    if !open_gate("a_second_interrupt_ends_at_once") {
        return Ok(());
    }
    let mut stage = Stage::new(&FLOW, 10)?;
    let fifo = stage.home.path().join("fifo");
    let reader = make_fifo(&fifo)?;
    // Filled to the brim, so that the report finds no room.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits())?;
    let mut filler = File::options().write(true).custom_flags(nonblocking).open(&fifo)?;
    while std::io::Write::write(&mut filler, &[b' '; 4096]).is_ok() {}
    let mut agent = stage.attach(&["-o", &fifo.display().to_string()])?;
    agent.signal(Signal::INT)?;
    // The probes go before the report is written.
    let (pid, binary) = (stage.pipeline.pid(), stage.pipeline.binary().to_owned());
    code::wait_until_restored(pid, &binary, Duration::from_secs(5))?;
    let deadline = Instant::now() + SHORT;
    // The session may take a few for its own; the one that finds the report waiting ends it.
    while agent.is_running()? {
        ensure!(Instant::now() < deadline, "interrupts do not end it");
        agent.signal(Signal::INT)?;
        std::thread::sleep(Duration::from_millis(1));
    }
    let ended = agent.wait(SHORT)?;
    ensure!(ended.signal() == Some(2), "{}: {}", ended.status, ended.stderr);
    drop(reader);
    stage.assert_unharmed()
}

#[test]
fn a_path_that_cannot_be_written_is_told_before_attaching() -> Result<()> {
    if !open_gate("a_path_that_cannot_be_written_is_told_before_attaching") {
        return Ok(());
    }
    let mut stage = Stage::new(&FLOW, 10)?;
    let folder = stage.home.path().display().to_string();
    for path in ["/nowhere/at/all.jsonl", &folder] {
        let ended = Guarded::spawn(&mut stage.command(&["-o", path])?)?.wait(SHORT)?;
        ensure!(ended.status.code() == Some(1), "{}", ended.status);
        ensure!(ended.stderr.contains(&format!("cannot write to {path}")), "{}", ended.stderr);
        ensure!(!ended.stderr.contains("attached"), "{}", ended.stderr);
    }
    stage.pipeline.go()?;
    stage.assert_unharmed()
}

#[test]
fn json_lines_on_standard_output_are_alone_there() -> Result<()> {
    if !open_gate("json_lines_on_standard_output_are_alone_there") {
        return Ok(());
    }
    let mut stage = Stage::new(&FLOW, 10)?;
    let agent = stage.attach(&["--format", "jsonl", "--duration", "2s"])?;
    let ended = agent.wait(SHORT)?;
    assert_quiet(&ended)?;
    // `parse` refuses any line that is none of ours.
    let report = Report::parse(&ended.stdout)?;
    ensure!(!report.traces.is_empty() && report.end() == "duration", "{}", report.summary);
    stage.assert_unharmed()
}

/// Checks `LEFT word = NUMBER .. + NUMBER ..`, over as many lines as it takes; gives the left number.
fn law(text: &str) -> Result<u64> {
    let (left, right) = text.split_once(" = ").with_context(|| format!("no law: {text}"))?;
    let number = |part: &str| part.split_whitespace().next()?.replace(',', "").parse::<u64>().ok();
    let left = number(left).with_context(|| text.to_owned())?;
    let parts: Option<Vec<u64>> = right.split(" + ").map(number).collect();
    let sum: u64 = parts.with_context(|| text.to_owned())?.iter().sum();
    ensure!(left == sum, "{left} != {sum}: {text}");
    Ok(left)
}

#[test]
fn the_report_shows_both_laws_of_the_ledger() -> Result<()> {
    if !open_gate("the_report_shows_both_laws_of_the_ledger") {
        return Ok(());
    }
    let mut stage = Stage::new(&FLOW, 10)?;
    let ended = stage.attach(&["--duration", "2s"])?.wait(SHORT)?;
    assert_quiet(&ended)?;
    let page: String = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, ledger) = page.split_once("Ledger ").context(page.clone())?;
    let (ledger, _) = ledger.split_once(" Every sampled record is accounted for").context(page.clone())?;
    let second = ledger.match_indices(" admitted").nth(1).context(page.clone())?.0;
    let (first, second) =
        ledger.split_at(ledger.get(..second).and_then(|l| l.rfind(' ')).context(page.clone())?);
    ensure!(law(first)? > 0 && law(second)? > 0, "{ledger}");
    ensure!(!ended.stdout.contains('\x1b'), "colours where there is no terminal");
    ensure!(!ended.stdout.is_ascii(), "the plain report draws with more than ASCII");
    stage.assert_unharmed()
}

#[test]
fn ascii_and_no_color_are_obeyed() -> Result<()> {
    let gate = stain_tests::tally::privileged("output::ascii_and_no_color_are_obeyed");
    if !gate.program("script", "/usr/bin/script").open() {
        return Ok(());
    }
    // A terminal of its own for each; the locale's characters are UTF-8.
    for (no_color, ascii) in [(false, false), (true, false), (false, true)] {
        let mut stage = Stage::new(&FLOW, 10)?;
        let flags: &[&str] = if ascii { &["--duration", "1s", "--ascii"] } else { &["--duration", "1s"] };
        let attach = stage.command(flags)?;
        let words: Vec<_> = [attach.get_program()]
            .into_iter()
            .chain(attach.get_args())
            .map(|word| word.to_string_lossy())
            .collect();
        let mut command = Command::new("script");
        command.args([
            "-qec",
            &format!("{} 2>{}/err", words.join(" "), stage.home.path().display()),
            "/dev/null",
        ]);
        command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm").env_remove("NO_COLOR");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let terminal = Guarded::spawn(&mut command)?;
        stage.pipeline.go()?;
        let ended = terminal.wait(SHORT)?;
        let page = &ended.stdout;
        ensure!(page.contains("sampled"), "{page} {}", ended.stderr);
        assert_eq!(page.contains("\x1b["), !no_color, "NO_COLOR {no_color}:\n{page}");
        assert_eq!(page.is_ascii(), ascii, "--ascii {ascii}:\n{page}");
        stage.assert_unharmed()?;
    }
    Ok(())
}

#[test]
fn a_duration_and_a_signal_end_it_cleanly() -> Result<()> {
    if !open_gate("a_duration_and_a_signal_end_it_cleanly") {
        return Ok(());
    }
    let cases = [(None, "duration"), (Some(Signal::TERM), "interrupted"), (Some(Signal::HUP), "interrupted")];
    for (signal, end) in cases {
        let mut stage = Stage::new(&FLOW, 10)?;
        let file = stage.home.path().join("out.jsonl");
        let mut flags = vec!["--format", "jsonl", "-o", file.to_str().context("an odd path")?];
        flags.extend(if signal.is_none() { &["--duration", "2s"][..] } else { &[] });
        let began = Instant::now();
        let agent = stage.attach(&flags)?;
        if let Some(signal) = signal {
            agent.signal(signal)?;
        }
        assert_quiet(&agent.wait(SHORT)?)?;
        ensure!(signal.is_some() || began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
        let report = Report::parse(&std::fs::read_to_string(&file)?)?;
        assert_eq!(report.end(), end);
        stage.assert_unharmed()?;
    }
    Ok(())
}
