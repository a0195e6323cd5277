//! What a user can get wrong: one clear sentence, a failure status, and never a panic.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use stain_tests::child::{Ended, Guarded};
use stain_tests::journey::Expect;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::{SHORT, Scenario, turn};
use stain_tests::specs;
use stain_tests::stain::{self, Agent};
use stain_tests::targets::Flavour;

/// Fails unless the run failed with a sentence that has all of `words`.
fn assert_says(ended: &Ended, words: &[&str]) -> Result<()> {
    let text = ended.stderr.to_lowercase();
    ensure!(!ended.status.success(), "succeeded; it said: {text}");
    ensure!(ended.signal().is_none() && !text.contains("panicked"), "{}: {text}", ended.status);
    for word in words {
        let said = word.split('|').any(|choice| text.contains(&choice.to_lowercase()));
        ensure!(said, "does not say {word:?}: {text}");
    }
    Ok(())
}

/// Attaches a spec to a pipeline of a flavour, which must fail with these words.
fn refused(flavour: Flavour, spec: &str, words: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut pipeline = Pipeline::start(flavour, &[], folder.path())?;
    let agent = Agent::start(pipeline.pid(), spec, &[], folder.path(), "agent")?;
    assert_says(&agent.wait(SHORT)?, words).with_context(|| format!("spec:\n{spec}"))?;
    ensure!(pipeline.is_running()?, "the target was harmed");
    Ok(())
}

#[test]
fn a_pid_that_is_nobody() -> Result<()> {
    if !stain_tests::tally::privileged("errors::a_pid_that_is_nobody").open() {
        return Ok(());
    }
    let mut gone = Guarded::spawn(&mut Command::new("true"))?;
    let pid = gone.pid();
    gone.close_stdin();
    gone.wait(SHORT)?;
    let folder = tempfile::tempdir()?;
    let agent = Agent::start(pid, &specs::every(Flavour::C, 10).toml(), &[], folder.path(), "agent")?;
    assert_says(
        &agent.wait(SHORT)?,
        &[&pid.to_string(), "no process|no such process|not running|does not exist"],
    )
}

#[test]
fn a_pid_that_is_no_number() -> Result<()> {
    if !stain_tests::tally::privileged("errors::a_pid_that_is_no_number").open() {
        return Ok(());
    }
    assert_says(&stain::run(&["attach", "--pid", "nginx"], SHORT)?, &["--pid", "nginx"])
}

#[test]
fn a_kernel_thread_is_no_target() -> Result<()> {
    if !stain_tests::tally::privileged("errors::a_kernel_thread_is_no_target").open() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let agent = Agent::start(2, &specs::every(Flavour::C, 10).toml(), &[], folder.path(), "agent")?;
    assert_says(&agent.wait(SHORT)?, &["2"])
}

#[test]
fn no_permission() -> Result<()> {
    if !stain_tests::tally::privileged("errors::no_permission").open() {
        return Ok(());
    }
    let _turn = turn()?;
    let folder = tempfile::tempdir()?;
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755));
    open(folder.path())?;
    let (binary, spec) = (folder.path().join("stain"), folder.path().join("spec.toml"));
    std::fs::copy(stain::binary()?, &binary)?;
    open(&binary)?;
    std::fs::write(&spec, specs::every(Flavour::C, 10).toml())?;
    let pipeline = Pipeline::start(Flavour::C, &[], folder.path())?;
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]);
    command.arg(&binary).args(["attach", "--pid", &pipeline.pid().to_string(), "--spec"]).arg(&spec);
    let mut agent = Guarded::spawn(&mut command)?;
    agent.close_stdin();
    let ended = agent.wait(SHORT)?;
    ensure!(ended.status.code() == Some(1), "{}", ended.status);
    assert_says(&ended, &["permission", "CAP_BPF", "root"])
}

#[test]
fn a_stripped_binary() -> Result<()> {
    if !stain_tests::tally::privileged("errors::a_stripped_binary").open() {
        return Ok(());
    }
    let spec = specs::every(Flavour::C, 10).toml();
    refused(Flavour::CStripped, &spec, &["record_emit", "stripped|no symbol|symbols|no function"])
}

#[test]
fn an_unknown_function_suggests_the_nearest() -> Result<()> {
    if !stain_tests::tally::privileged("errors::an_unknown_function_suggests_the_nearest").open() {
        return Ok(());
    }
    for (flavour, wrong, right) in [
        (Flavour::C, "record_emitt", "record_emit"),
        (Flavour::C, "queue_putt", "queue_put"),
        (Flavour::Cpp, "flow::Source::emitt", "flow::Source::emit"),
        (Flavour::Rust, "pipeline::stages::emitt", "pipeline::stages::emit"),
    ] {
        let mut spec = specs::every(flavour, 10);
        if let Some(stage) = spec.stages.iter_mut().find(|stage| stage.point == right) {
            stage.point = wrong;
        }
        refused(
            flavour,
            &spec.toml(),
            &[wrong, &format!("`{right}`|'{right}'|\"{right}\"|{right}\n|{right},|{right}?")],
        )?;
    }
    Ok(())
}

#[test]
fn a_key_that_faults_is_counted_and_harms_nobody() -> Result<()> {
    if !stain_tests::tally::privileged("errors::a_key_that_faults_is_counted_and_harms_nobody").open() {
        return Ok(());
    }
    let mut spec = specs::every(Flavour::C, 10);
    "*(u64*)({}+24)".clone_into(&mut spec.key);
    let target = "--records 50000 --workers 2 --fault-keys --reuse shared --truth-sample 10";
    let done = Scenario::new(Flavour::C, target, spec).run()?;
    done.assert_true(&Expect { key: stain_tests::journey::KeyKind::Uid, ..Expect::every(10) })?;
    assert_eq!(done.totals.written, 50_000);
    assert!(done.totals.bogus > 400, "{:?}", done.totals);
    let counts = unreadable(&done.report.summary);
    assert!(
        counts.contains(&done.totals.bogus),
        "{} were unreadable: {}",
        done.totals.bogus,
        done.report.summary
    );
    Ok(())
}

/// All numbers called `key_unreadable`, wherever the summary has them.
fn unreadable(value: &serde_json::Value) -> Vec<u64> {
    let inner: Vec<_> = match value {
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.as_str(), value)).collect()
        }
        serde_json::Value::Array(items) => items.iter().map(|item| ("", item)).collect(),
        _ => return Vec::new(),
    };
    let own =
        inner.iter().filter(|(name, _)| *name == "key_unreadable").filter_map(|(_, value)| value.as_u64());
    own.chain(inner.iter().flat_map(|(_, value)| unreadable(value))).collect()
}

/// A spec with one line exchanged, and words that its error must have.
const MISTAKES: [(&str, &str, &[&str]); 16] = [
    ("rate = 10", "rate = -1", &["rate", ".toml:"]),
    ("rate = 10", "rate = \"often\"", &["rate", ".toml:"]),
    ("rate = 10", "raet = 10", &["raet", "rate", ".toml:"]),
    ("sequence = \"task\"", "sequence = \"thread\"", &["sequence", "task", "process"]),
    ("max_traces_per_second = 0", "max_traces_per_second = 99999999999", &["max_traces_per_second"]),
    ("max_entries_per_trace = 32", "max_entries_per_trace = 1", &["max_entries_per_trace", "2"]),
    ("max_open_traces = 65536", "max_open_traces = 0", &["max_open_traces"]),
    ("trace_ttl = \"120s\"", "trace_ttl = \"soon\"", &["trace_ttl", "soon"]),
    ("[sampling]", "[smapling]", &["smapling", ".toml:"]),
    ("[sampling]", "[sampling", &[".toml:"]),
    ("code = \"S0\"", "code = \"S9\"", &["S9", "S0", ".toml:"]),
    ("code = \"S0\"", "code = \"Q+\"", &["S0"]),
    ("point = \"record_emit\"", "", &["point"]),
    ("point = \"record_emit\"", "point = \"record_emit%sideways\"", &["sideways"]),
    ("key = \"arg0\"", "key = \"arg9\"", &["arg9", "arg5"]),
    ("key = \"arg0\"", "key = \"*(u65*)(arg0)\"", &["u65", "key"]),
];

#[test]
fn mistakes_in_a_spec_are_named_with_their_place() -> Result<()> {
    if !stain_tests::tally::privileged("errors::mistakes_in_a_spec_are_named_with_their_place").open() {
        return Ok(());
    }
    let good = specs::every(Flavour::C, 10).toml();
    let mut wrong = Vec::new();
    for (line, mistake, words) in MISTAKES {
        ensure!(good.contains(line), "the spec has no {line}");
        if let Err(error) = refused(Flavour::C, &good.replacen(line, mistake, 1), words) {
            wrong.push(format!("{mistake}: {:#}", error.root_cause()));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_spec_without_an_end_or_a_beginning() -> Result<()> {
    if !stain_tests::tally::privileged("errors::a_spec_without_an_end_or_a_beginning").open() {
        return Ok(());
    }
    let mut endless = specs::every(Flavour::C, 10);
    endless.stages.retain(|stage| !matches!(stage.code, "W!" | "drop"));
    refused(Flavour::C, &endless.toml(), &["W!|end"])?;
    let mut headless = specs::every(Flavour::C, 10);
    headless.stages.retain(|stage| stage.code != "S0");
    refused(Flavour::C, &headless.toml(), &["S0"])?;
    refused(Flavour::C, "", &["stage"])
}

#[test]
fn a_spec_that_is_not_there() -> Result<()> {
    if !stain_tests::tally::privileged("errors::a_spec_that_is_not_there").open() {
        return Ok(());
    }
    let pid = std::process::id().to_string();
    let ended = stain::run(&["attach", "--pid", &pid, "--spec", "/nowhere/spec.toml"], SHORT)?;
    assert_says(&ended, &["/nowhere/spec.toml"])
}
