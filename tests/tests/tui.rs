//! The screen in a real terminal: keys go in, the screen is read, against the demo's pipeline and the distribution's nginx.
//!
//! What each view draws is tested without a terminal, in the library. Here it is shown that all of it works together: attaching, drawing, keys, changes that
//! the kernel program confirms, leaving by every way there is, and a terminal that is as it was before.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stain_tests::nginx::{self, Site};
use stain_tests::run::{SHORT, turn};
use stain_tests::screen::{self, Screen};
use stain_tests::stain;

const SIZE: (u16, u16) = (80, 24);
const COLORS: &str = "-u NO_COLOR COLORTERM=truecolor LC_ALL=C.UTF-8";

fn can_run(test: &str) -> bool {
    stain_tests::tally::privileged(&format!("tui::{test}")).program("tmux", screen::PROGRAM).open()
}

/// The demo on a screen, once its hops are there.
fn demo(arguments: &str, environment: &str, size: (u16, u16)) -> Result<Screen> {
    let command = format!("{} demo --tui {arguments}", stain::binary()?.display());
    let mut screen = Screen::start(&command, environment, size)?;
    screen.shows_all(&["demo-pipeline (pid", "live", "W! batch written"])?;
    Ok(screen)
}

fn send(screen: &Screen, signal: Signal) -> Result<()> {
    let pid = i32::try_from(screen.pid_of("stain")?)?;
    Ok(kill_process(Pid::from_raw(pid).context("no process id")?, signal)?)
}

#[test]
fn every_view_of_a_live_pipeline() -> Result<()> {
    if !can_run("every_view_of_a_live_pipeline") {
        return Ok(());
    }
    let _turn = turn()?;
    let mut screen = demo("--rate 100", COLORS, SIZE)?;
    screen.shows_all(&[
        "% of the time records",
        "S0 ───▶ Q+ ═══▶ Q-",
        "└───▶ drop",
        "end to end",
        "P95 over time",
        "none lost",
    ])?;
    screen.press(&["j", "j", "Enter"])?;
    screen.shows_all(&["Q+ queued → Q- transform takes", "records", "few ", "P50"])?;
    screen.press(&["Left"])?;
    screen.shows_all(&["enter lists them"])?;
    screen.press(&["Enter"])?;
    screen.shows_all(&["of a cell of the latency map"])?;
    screen.press(&["3", "Enter"])?;
    screen.shows_all(&["Trace ", "of its source", "Here the journey begins."])?;
    screen.press(&["Down", "Down"])?;
    screen.shows_all(&["of the journey waiting"])?;
    screen.press(&["5"])?;
    screen.shows_all(&["seen at the sources", "probes take", "of target CPU", "agent memory"])?;
    screen.press(&["6"])?;
    screen.shows_all(&["as the kern", "S0 line read", "emulated"])?;
    screen.press(&["?"])?;
    screen.shows_all(&["Keys", "take all probes off"])?;
    screen.resize(200, 60)?;
    screen.shows_all(&["Keys", "begin no new trace", "let the screen stand still"])?;
    screen.press(&["Escape"])?;
    screen.resize(48, 10)?;
    screen.shows("a small screen", |text| text.contains("S0 line read") && text.contains("q quit"))?;
    screen.resize(40, 8)?;
    screen.shows_all(&["stain needs 48 columns"])?;
    screen.resize(80, 24)?;
    screen.press(&["space"])?;
    screen.shows_all(&["■ still, 0:00 ago"])?;
    screen.press(&["q"])?;
    let text = screen.ends(0)?;
    ensure!(
        text.contains("Every sampled record is accounted for.") && text.contains("ended: detached"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_change_is_shown_as_the_kernel_program_confirms_it() -> Result<()> {
    if !can_run("a_change_is_shown_as_the_kernel_program_confirms_it") {
        return Ok(());
    }
    let _turn = turn()?;
    let mut screen = demo("--rate 100", COLORS, SIZE)?;
    screen.press(&["6", "r", "7", "7", "7", "Enter"])?;
    screen.shows_all(&["one record in 777", "1 in 777", "rate: one record in 777 from now on"])?;
    screen.press(&["b", "9", "Enter"])?;
    screen.shows_all(&["9 traces/s at most", "budget: 9 traces a second from now on"])?;
    let agent = screen.pid_of("stain")?.to_string();
    let status = stain::run(&["ctl", "--agent", &agent, "status"], SHORT)?;
    ensure!(
        status.stdout.contains("one record in 777") && status.stdout.contains("at most 9 traces"),
        "{}",
        status.stdout
    );
    // A single stage, and back.
    screen.press(&["j", "t"])?;
    screen.shows_all(&["stage 1 (Q+ queued): off from now on", "OFF"])?;
    screen.press(&["t"])?;
    screen.shows_all(&["stage 1 (Q+ queued): on from now on"])?;
    screen.shows("no stage off", |text| !text.contains("OFF"))?;
    screen.press(&["p"])?;
    screen.shows_all(&["PAUSED", "paused: no trace is begun"])?;
    // Changes of others show, too.
    stain::run(&["ctl", "--agent", &agent, "resume"], SHORT)?;
    screen.shows_all(&["sampling", "resumed: traces are begun again"])?;
    screen.press(&["b", "x", "Enter"])?;
    screen.shows_all(&["type a whole number"])?;
    // Apart: a terminal sends the two together as one key with Alt.
    screen.press(&["Escape"])?;
    screen.shows("no prompt", |text| !text.contains("type a whole number"))?;
    screen.press(&["q"])?;
    screen.ends(0)?;
    Ok(())
}

#[test]
fn a_trace_goes_to_the_clipboard_and_to_a_file() -> Result<()> {
    if !can_run("a_trace_goes_to_the_clipboard_and_to_a_file") {
        return Ok(());
    }
    let _turn = turn()?;
    let mut screen = demo("--rate 100", COLORS, SIZE)?;
    screen.press(&["3"])?;
    screen.shows_all(&["The slowest", "written"])?;
    screen.press(&["Enter", "y"])?;
    screen.shows_all(&["was sent to"])?;
    screen.press(&["w"])?;
    let text = screen.shows("the file's name", |text| text.contains("written to trace-"))?;
    let name =
        text.split("written to ").nth(1).and_then(|rest| rest.split(".json").next()).context("no name")?;
    let saved = std::fs::read_to_string(screen.folder().join(format!("{name}.json")))?;
    let trace: serde_json::Value = serde_json::from_str(&saved)?;
    ensure!(name == format!("trace-{}", trace["trace_id"].as_str().unwrap_or_default()), "{saved}");
    ensure!(screen.clipboard()?.trim_end() == saved.trim_end(), "{}", screen.clipboard()?);
    screen.press(&["w"])?;
    screen.shows_all(&["cannot write trace-"])?;
    screen.press(&["q"])?;
    screen.ends(0)?;
    Ok(())
}

#[test]
fn signals_give_the_terminal_back() -> Result<()> {
    if !can_run("signals_give_the_terminal_back") {
        return Ok(());
    }
    let _turn = turn()?;
    let mut screen = demo("--rate 100", COLORS, SIZE)?;
    ensure!(
        (screen.mode("alternate_on")?, screen.mode("mouse_any_flag")?) == ("1".to_owned(), "1".to_owned())
    );
    send(&screen, Signal::TERM)?;
    let text = screen.ends(0)?;
    ensure!(text.contains("ended: interrupted"), "{text}");
    let mut screen = demo("--rate 100", COLORS, SIZE)?;
    send(&screen, Signal::QUIT)?;
    screen.ends(131)?;
    Ok(())
}

/// A key that comes together with a new size is obeyed, and not only when the next key comes.
#[test]
fn no_key_is_lost_to_a_new_size() -> Result<()> {
    if !can_run("no_key_is_lost_to_a_new_size") {
        return Ok(());
    }
    let _turn = turn()?;
    let mut screen = demo("--rate 100", COLORS, SIZE)?;
    for round in 0..60 {
        send(&screen, Signal::WINCH)?;
        screen.press(&["?"])?;
        let is_open = round % 2 == 0;
        screen.shows("the keys, or none", |text| text.contains("take all probes off") == is_open)?;
    }
    screen.press(&["q"])?;
    screen.ends(0)?;
    Ok(())
}

/// An SSH connection that breaks, a window that is closed: nothing stays behind, no probe and no process.
#[test]
fn a_terminal_that_goes_away_takes_everything_with_it() -> Result<()> {
    if !can_run("a_terminal_that_goes_away_takes_everything_with_it") {
        return Ok(());
    }
    let _turn = turn()?;
    let screen = demo("--rate 100", COLORS, SIZE)?;
    let pid = screen.pid_of("stain")?;
    let agent = rustix::process::pidfd_open(
        Pid::from_raw(i32::try_from(pid)?).context("no process id")?,
        rustix::process::PidfdFlags::empty(),
    )?;
    drop(screen);
    let mut fds = [rustix::event::PollFd::new(&agent, rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
    let ended = rustix::event::poll(&mut fds, Some(&limit))?;
    if ended == 0 {
        rustix::process::pidfd_send_signal(&agent, Signal::KILL)?;
    }
    ensure!(ended == 1, "the agent {pid} goes on without its terminal");
    Ok(())
}

#[test]
fn a_shell_can_stop_it_and_let_it_go_on() -> Result<()> {
    if !can_run("a_shell_can_stop_it_and_let_it_go_on") {
        return Ok(());
    }
    let _turn = turn()?;
    let mut screen = Screen::start("bash --norc --noprofile -i", &format!("{COLORS} PS1='shell> '"), SIZE)?;
    screen.shows_all(&["shell>"])?;
    screen.press(&[&format!("{} demo --tui --rate 100", stain::binary()?.display()), "Enter"])?;
    screen.shows_all(&["live", "W! batch written"])?;
    screen.press(&["C-z"])?;
    screen.shows("the shell", |text| text.contains("Stopped") && text.contains("shell>"))?;
    screen.press(&["fg", "Enter"])?;
    screen.shows_all(&["live", "W! batch written", "q quit"])?;
    screen.press(&["C-c"])?;
    screen.shows("the report and the shell", |text| text.trim_end().ends_with("shell>"))?;
    screen.press(&["exit", "Enter"])?;
    screen.ends(0)?;
    Ok(())
}

#[test]
fn without_colours_and_with_ascii_alone() -> Result<()> {
    if !can_run("without_colours_and_with_ascii_alone") {
        return Ok(());
    }
    let _turn = turn()?;
    let mut screen = demo("--rate 100", "NO_COLOR=1 LC_ALL=C", SIZE)?;
    let text = screen.shows_all(&["===>", ">end to end"])?;
    ensure!(text.is_ascii(), "{text}");
    let colored = screen.colored()?;
    let is_color = |code: &str| matches!(code.parse::<u8>(), Ok(30..=37 | 40..=47 | 90..=97 | 38 | 48));
    let codes = colored
        .split("\x1b[")
        .skip(1)
        .filter_map(|rest| rest.split_once('m'))
        .flat_map(|(codes, _)| codes.split(';'));
    let colors: Vec<_> = codes.filter(|code| is_color(code)).collect();
    ensure!(colors.is_empty(), "{colors:?} in\n{colored}");
    screen.press(&["q"])?;
    screen.ends(0)?;
    Ok(())
}

#[test]
fn a_session_that_is_over_can_still_be_looked_at() -> Result<()> {
    if !can_run("a_session_that_is_over_can_still_be_looked_at") {
        return Ok(());
    }
    let _turn = turn()?;
    let mut screen = demo("--rate 100", COLORS, SIZE)?;
    let agent = screen.pid_of("stain")?;
    let agent = agent.to_string();
    stain::run(&["ctl", "--agent", &agent, "detach"], SHORT)?;
    screen.shows_all(&["over: detached", "the session is over"])?;
    screen.press(&["5"])?;
    screen.shows_all(&["Every sampled record is accounted for."])?;
    screen.press(&["6", "p"])?;
    screen.shows_all(&["nothing can be changed any more"])?;
    screen.press(&["q"])?;
    let text = screen.ends(0)?;
    ensure!(text.contains("ended: detached"), "{text}");
    Ok(())
}

#[test]
fn nginx_under_load() -> Result<()> {
    let gate = stain_tests::tally::privileged("tui::nginx_under_load").program("tmux", screen::PROGRAM);
    if !gate.program("nginx", nginx::PROGRAM).program("wrk", "/usr/bin/wrk").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let site = Site::new(2)?;
    let nginx = site.start()?;
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/nginx.toml");
    let exe = site.binary().display();
    let command = format!("{} attach --spec {spec} --exe {exe} --rate 50", stain::binary()?.display());
    let mut screen = Screen::start(&command, COLORS, (120, 40))?;
    screen.shows_all(&["nginx (3 processes)", "No record came to the source"])?;
    let url = site.url("/ok/00000001");
    let load = std::thread::spawn(move || nginx::wrk(&url, 16, 6));
    screen.shows_all(&["% of the time records", "──▶ T+ handler", "none lost"])?;
    screen.press(&["2"])?;
    screen.shows_all(&["end to end", "P99"])?;
    screen.press(&["5"])?;
    screen.shows_all(&["written", "probes take"])?;
    let load = load.join().map_err(|_| anyhow::anyhow!("wrk"))??;
    ensure!(load.requests > 100 && load.errors.is_empty(), "{load:?}");
    screen.press(&["q"])?;
    let text = screen.ends(0)?;
    ensure!(text.contains("Every sampled record is accounted for."), "{text}");
    let ended = nginx.end(Signal::QUIT)?;
    ensure!(ended.status.success(), "nginx was harmed: {}", ended.stderr);
    Ok(())
}

#[test]
fn a_recording_is_replayed_without_privileges_and_says_what_the_summary_says() -> Result<()> {
    if !can_run("a_recording_is_replayed_without_privileges_and_says_what_the_summary_says") {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("demo.stainrec");
    let name = file.to_str().context("an odd path")?;
    let ended = stain::run(
        &["demo", "--rate", "100", "--duration", "4s", "--record", name],
        Duration::from_secs(60),
    )?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    let json = stain::run(&["report", name, "--format", "json"], SHORT)?;
    let summary: Value = serde_json::from_str(&json.stdout)?;
    let summary = &summary["summary"];
    // As a user without any rights: nobody.
    let command = format!(
        "setpriv --reuid 65534 --regid 65534 --clear-groups {} replay {name} --speed 1000",
        readable_binary(folder.path())?
    );
    let mut screen = Screen::start(&command, COLORS, (200, 50))?;
    screen.shows_all(&["replayed 0:04 of 0:04", "W! batch written"])?;
    screen.press(&["-", "-", "-", "-"])?;
    let text = screen.shows_all(&["whole session"])?;
    says_the_figures(&text, summary)?;
    screen.press(&["5"])?;
    says_the_ledger(&screen.shows_all(&["seen at the sources"])?, &summary["ledger"])?;
    screen.press(&["6"])?;
    says_the_probes(&screen.shows_all(&["as the kernel program has them"])?, &summary["cost"])?;
    screen.press(&["(", "(", "("])?;
    screen.shows("an earlier moment", |text| text.contains("replay ×1000") || text.contains("replayed"))?;
    screen.press(&["q"])?;
    screen.ends(0)?;
    // A signal while it plays gives the terminal back, too.
    let mut screen =
        Screen::start(&format!("{} replay {name}", stain::binary()?.display()), COLORS, (200, 50))?;
    screen.shows_all(&["replay ×1"])?;
    send(&screen, Signal::TERM)?;
    screen.ends(143)?;
    Ok(())
}

/// Whether the Pipeline view over the whole session shows the summary's sentence and every figure of every hop and sum.
fn says_the_figures(text: &str, summary: &Value) -> Result<()> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = summary["verdict"]["text"].as_str().context("no sentence")?.replace("->", "→");
    ensure!(words(text).contains(&words(&sentence)), "{sentence:?} is not in {text}");
    let (_, table) = text.split_once("P95 over time").with_context(|| text.to_owned())?;
    let mut rows: Vec<(String, &Value)> = ["e2e", "queue_wait", "transform", "sink_write"]
        .into_iter()
        .zip(["end to end", "queue wait", " transform  ", "sink write"])
        .map(|(key, row)| (row.to_owned(), &summary[key]))
        .collect();
    let hops = summary["hops"].as_array().context("no hops")?;
    let name = |hop: &Value, key: &str| hop[key].as_str().unwrap_or_default().to_owned();
    rows.extend(hops.iter().map(|hop| (format!("▶ {} {}", name(hop, "to"), name(hop, "to_name")), hop)));
    ensure!(rows.len() == 4 + 8, "the demo has eight hops: {summary}");
    for (row, figures) in rows {
        let shown = ["mean_ns", "p50_ns", "p95_ns", "p99_ns", "max_ns"]
            .iter()
            .map(|key| Ok(duration(figures[key].as_u64().with_context(|| format!("{key} in {figures}"))?)))
            .collect::<Result<Vec<String>>>()?
            .join("  ");
        // Two hops may end at stages of one name.
        let is_there = table.lines().any(|line| line.contains(&row) && words(line).contains(&words(&shown)));
        ensure!(is_there, "{row} {shown} is not in {text}");
    }
    Ok(())
}

/// Whether the Health view shows the ledger's counts.
fn says_the_ledger(text: &str, ledger: &Value) -> Result<()> {
    for (key, row) in [
        ("records", "seen at the sources"),
        ("sampled", "sampled"),
        ("admitted", "admitted"),
        ("refused_budget", "refused by the budget"),
        ("written", "written"),
        ("filtered", "filtered"),
        ("superseded", "superseded"),
        ("in_flight", "in flight"),
    ] {
        let count = ledger[key].as_u64().with_context(|| format!("{key} in {ledger}"))?;
        let start = format!("{row} ");
        let line = text.lines().find(|line| line.trim_start().starts_with(&start));
        let line = line.with_context(|| format!("{row} in {text}"))?;
        let shown = line.split_whitespace().any(|word| word.replace(',', "") == count.to_string());
        ensure!(shown, "{key} {count} is not in {line:?}");
    }
    Ok(())
}

/// Whether the Probes view shows the hits of every site.
fn says_the_probes(text: &str, cost: &Value) -> Result<()> {
    for probe in cost["probe_hits"].as_array().context("no probes")? {
        let (site, hits) =
            (probe["site"].as_str().context("no site")?, probe["hits"].as_u64().context("no hits")?);
        let line =
            text.lines().find(|line| line.contains(site)).with_context(|| format!("{site} in {text}"))?;
        let shown = line.split_whitespace().any(|word| word.replace(',', "") == hits.to_string());
        ensure!(shown, "{hits} is not in {line:?}");
    }
    Ok(())
}

/// The program where anybody can read it, and the folder too.
fn readable_binary(folder: &std::path::Path) -> Result<String> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    let copy = folder.join("stain");
    std::fs::copy(stain::binary()?, &copy)?;
    for entry in std::fs::read_dir(folder)? {
        std::fs::set_permissions(entry?.path(), std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(copy.display().to_string())
}

/// As the program writes durations: three digits and a unit, halves rounded up.
fn duration(ns: u64) -> String {
    let (unit, scale) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..999_500 => ("µs", 1_000),
        999_500..999_500_000 => ("ms", 1_000_000),
        _ => ("s", 1_000_000_000),
    };
    let in_parts = |parts: u64| (ns * parts + scale / 2) / scale;
    match (in_parts(100), in_parts(10)) {
        (hundredths @ 0..1_000, _) => format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100),
        (_, tenths @ 0..1_000) => format!("{}.{} {unit}", tenths / 10, tenths % 10),
        _ => format!("{} {unit}", in_parts(1)),
    }
}
