//! Files on a disk that gets full and has room again, and what a reader of others makes of what was discarded.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use stain_tests::disk::Disk;
use stain_tests::fields::{self, babeltrace, events, files, read_all};
use stain_tests::pipeline::Pipeline;
use stain_tests::report::Report;
use stain_tests::run::{LONG, SHORT, turn};
use stain_tests::specs;
use stain_tests::stain::Agent;
use stain_tests::tally::privileged;
use stain_tests::targets::Flavour;
use tempfile::TempDir;

/// All formats of files.
const FORMATS: [&str; 4] = ["jsonl", "otlp-json", "sttr", "ctf"];

/// The accounts of a destination in the summary: received, sent, and given up because it could not be written.
fn accounts(report: &Report, name: &str) -> Result<(u64, u64, u64)> {
    let all = report.summary["exports"].as_array().context("no exports")?;
    let its = all
        .iter()
        .find(|one| one["name"].as_str().and_then(|known| known.split('?').next()) == Some(name))
        .context("not among the exports")?;
    ensure!(its["balanced"] == true, "{its}");
    let number = |value: &Value| value.as_u64().with_context(|| its.to_string());
    Ok((number(&its["received"])?, number(&its["sent"])?, number(&its["dropped"]["unwritable"])?))
}

#[test]
fn files_on_a_disk_that_is_full_for_a_while() -> Result<()> {
    let gate = privileged("export_files::files_on_a_disk_that_is_full_for_a_while")
        .program("babeltrace2", "/usr/bin/babeltrace2");
    if !gate.condition(Disk::can_be_made(), "no file system can be mounted").open() {
        return Ok(());
    }
    let _turn = turn()?;
    for at_first in [Room::Some, Room::None] {
        full_for_a_while(at_first).with_context(|| format!("{at_first:?}"))?;
    }
    Ok(())
}

/// What the disk has at the session's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Some,
    None,
}

fn full_for_a_while(at_first: Room) -> Result<()> {
    let (folder, disk) = (TempDir::new()?, Disk::of_kib(160)?);
    if at_first == Room::None {
        disk.fill()?;
    }
    // A folder of the last one is several files, which have to have room at the beginning.
    let formats = FORMATS.get(..if at_first == Room::None { 3 } else { 4 }).unwrap_or_default();
    let name = |format: &&str| format!("file:{}", disk.path().join(format).display());
    let names: Vec<String> = formats.iter().map(name).collect();
    let urls: Vec<String> =
        names.iter().zip(formats).map(|(name, format)| format!("{name}?format={format}")).collect();
    let exports: Vec<&str> = urls.iter().flat_map(|url| ["--export", url]).collect();
    let target = ["--until-halt", "--records", "0", "--rate-per-second", "20000"];
    let mut pipeline = Pipeline::start(Flavour::C, &target, folder.path())?;
    let spec = specs::every(Flavour::C, 50).toml();
    let mut agent = Agent::attach(pipeline.pid(), &spec, &exports, folder.path(), "agent")?;
    pipeline.go()?;
    let said = |agent: &mut Agent, what: &str| -> Result<()> {
        names
            .iter()
            .try_for_each(|name| agent.says(|line| line.contains(name) && line.contains(what)).map(drop))
    };
    said(&mut agent, "cannot be written: No space left on device")?;
    disk.resize(64 << 10)?;
    said(&mut agent, "can be written again")?;
    pipeline.halt()?;
    pipeline.totals(LONG)?;
    agent.signal(rustix::process::Signal::INT)?;
    let ended = agent.wait(LONG)?;
    // Some were dropped: that is told, and is the end's code.
    ensure!(ended.status.code() == Some(1), "{}: {}", ended.status, ended.stderr);
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");

    let lines = std::fs::read_to_string(folder.path().join("agent.jsonl"))?;
    let report = Report::parse(&lines)?;
    let all = fields::of_lines(&lines)?;
    for (name, format) in names.iter().zip(formats) {
        let (received, sent, unwritable) = accounts(&report, name)?;
        ensure!(received == all.len() as u64 && received == sent + unwritable, "{name}");
        let (whole, discarded) = read_back(&disk.path().join(format), format)?;
        ensure!(unwritable > 0 && sent == whole as u64, "{name}: {sent} written, {whole} read");
        // What could not be written is told to whoever reads the folder.
        ensure!(discarded.is_none_or(|said| said == unwritable), "{discarded:?} of {unwritable} discarded");
    }
    Ok(())
}

/// The traces of a folder, and what is said in it of those that are missing. Each line, payload and packet is whole: else these readers would say so.
fn read_back(folder: &Path, format: &str) -> Result<(usize, Option<u64>)> {
    let lines = || read_all(&files(folder, ".jsonl")?);
    Ok(match format {
        "jsonl" => (fields::of_lines(&lines()?)?.len(), None),
        "otlp-json" => (lines_of_json(&lines()?)?, None),
        "sttr" => {
            let files = files(folder, ".sttr")?;
            let decoded =
                files.iter().map(|file| Ok(events::decoded_file(&file.display().to_string())?.len()));
            (decoded.sum::<Result<usize>>()?, None)
        }
        _ => {
            let read = files(folder, ".ctf")?;
            let read = read.iter().map(|one| babeltrace::read(one)).collect::<Result<Vec<_>>>()?;
            let discarded = read.iter().map(|one| babeltrace::discarded(&one.said)).sum::<Result<u64>>()?;
            (read.iter().map(|one| one.all.len()).sum(), Some(discarded))
        }
    })
}

fn lines_of_json(text: &str) -> Result<usize> {
    ensure!(text.ends_with('\n'), "the last line is torn");
    text.lines()
        .map(|line| Ok(serde_json::from_str::<Value>(line).map(drop)?))
        .collect::<Result<Vec<()>>>()?;
    Ok(text.lines().count())
}

/// What the kernel program refused is in the packets' counts, and a reader adds them up to what the ledger says.
#[test]
fn babeltrace2_tells_what_the_kernel_program_refused() -> Result<()> {
    let gate = privileged("export_files::babeltrace2_tells_what_the_kernel_program_refused");
    if !gate.program("babeltrace2", "/usr/bin/babeltrace2").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = TempDir::new()?;
    let ctf = folder.path().join("ctf");
    let url = format!("file:{}?format=ctf", ctf.display());
    let target = ["--until-halt", "--records", "0", "--rate-per-second", "20000"];
    let mut pipeline = Pipeline::start(Flavour::C, &target, folder.path())?;
    let spec = specs::Spec { budget: 20, ..specs::every(Flavour::C, 50) }.toml();
    let agent = Agent::attach(pipeline.pid(), &spec, &["--export", &url], folder.path(), "agent")?;
    pipeline.go()?;
    // Until several packets have been written while records were refused.
    let deadline = Instant::now() + LONG;
    let packets = || -> Result<u64> {
        let index = files(&ctf, ".ctf")?.first().map(|folder| folder.join("index/ch0_0.idx"));
        let length = index.and_then(|index| index.metadata().ok()).map_or(0, |file| file.len());
        Ok(length.saturating_sub(16) / 72)
    };
    while packets()? < 6 {
        ensure!(Instant::now() < deadline, "{} packets", packets()?);
        std::thread::sleep(Duration::from_millis(50));
    }
    pipeline.halt()?;
    pipeline.totals(LONG)?;
    let attached = agent.stop(LONG)?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    let ledger = &attached.report.ledger;
    let read = babeltrace::read(files(&ctf, ".ctf")?.first().context("no folder")?)?;
    let said = babeltrace::discarded(&read.said)?;
    ensure!(read.all.len() as u64 == ledger.admitted, "{} of {}", read.all.len(), ledger.admitted);
    ensure!(said == ledger.refused_budget && said > 0, "{said} of {}: {}", ledger.refused_budget, read.said);
    Ok(())
}
