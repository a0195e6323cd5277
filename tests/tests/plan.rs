//! `stain plan`, `stain symbols`, `stain spec`: what they say is so, by the word of other tools, and they need no privileges.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use stain_tests::child::{Ended, Guarded};
use stain_tests::family::copy;
use stain_tests::pipeline::Pipeline;
use stain_tests::run::SHORT;
use stain_tests::specs;
use stain_tests::targets::{self, Flavour};
use stain_tests::{stain, tally};
use tempfile::TempDir;

/// A program of this test's own, and a spec for it.
struct Subject {
    home: TempDir,
    binary: PathBuf,
}

impl Subject {
    fn new(binary: &Path) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let binary = copy(binary, home.path(), "subject")?;
        Ok(Self { home, binary })
    }

    fn path(&self) -> String {
        self.binary.display().to_string()
    }

    fn plan(&self, spec: &str, flags: &[&str]) -> Result<Ended> {
        let file = self.home.path().join("spec.toml");
        std::fs::write(&file, spec)?;
        let (file, path) = (file.display().to_string(), self.path());
        stain::run(&[&["plan", "--exe", &path, "--spec", &file], flags].concat(), SHORT)
    }

    /// With `point` as the source, and an end that is always found.
    fn plan_point(&self, point: &str, end: &str) -> Result<Ended> {
        let stage = |code, point| {
            format!(
                "[[stage]]\ncode = \"{code}\"\nname = \"the {code}\"\npoint = \"{point}\"\nkey = \"arg0\"\n"
            )
        };
        self.plan(&(stage("S0", point) + &stage("W!", end)), &["--format", "json"])
    }
}

fn text(ended: &Ended) -> Result<&str> {
    ensure!(ended.status.success(), "{}: {}", ended.status, ended.stderr);
    Ok(&ended.stdout)
}

fn sites(ended: &Ended) -> Result<Vec<Value>> {
    let plan: Value = serde_json::from_str(text(ended)?)?;
    plan.get("sites").and_then(Value::as_array).cloned().context("no sites")
}

fn word<'a>(site: &'a Value, field: &str) -> &'a str {
    site.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(site: &Value, field: &str) -> Result<u64> {
    site.get(field).and_then(Value::as_u64).with_context(|| format!("no {field} in {site}"))
}

fn assert_says(ended: &Ended, words: &[&str]) -> Result<()> {
    ensure!(ended.status.code() == Some(1), "{}: {}{}", ended.status, ended.stdout, ended.stderr);
    for word in words {
        ensure!(ended.stderr.contains(word), "does not say {word:?}: {}", ended.stderr);
    }
    Ok(())
}

/// A function as objdump shows it: its offset in the file, and its instructions by their distance from the start.
#[derive(Default)]
struct Listing {
    offset: u64,
    instructions: HashMap<u64, String>,
}

/// All functions of a file by symbol, in the words of `objdump -d -F`.
fn objdump(binary: &Path) -> Result<HashMap<String, Listing>> {
    let output = Command::new("objdump").args(["-d", "-F", "--no-show-raw-insn"]).arg(binary).output()?;
    ensure!(output.status.success());
    let hex = |text: &str| u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
    let mut functions: HashMap<String, Listing> = HashMap::new();
    let (mut name, mut start) = (String::new(), 0);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some((address, rest)) = line.split_once(" <").filter(|_| line.ends_with("):")) {
            let (symbol, offset) = rest.split_once("> (File Offset: ").context(line.to_owned())?;
            (name, start) = (symbol.to_owned(), hex(address).context(line.to_owned())?);
            let offset = hex(offset.trim_end_matches("):")).context(line.to_owned())?;
            functions.insert(name.clone(), Listing { offset, instructions: HashMap::new() });
        } else if let Some((address, instruction)) = line.split_once(":\t")
            && let (Some(address), Some(function)) = (hex(address), functions.get_mut(&name))
        {
            let spaced: Vec<&str> = instruction.split_whitespace().collect();
            function.instructions.insert(address - start, spaced.join(" "));
        }
    }
    Ok(functions)
}

/// The site is an instruction of the disassembly, the very one that the plan says.
fn assert_shown(site: &Value, functions: &HashMap<String, Listing>) -> Result<()> {
    let function =
        functions.get(word(site, "symbol")).with_context(|| format!("no such function: {site}"))?;
    let offset = number(site, "function_offset")?;
    assert_eq!(number(site, "file_offset")?, function.offset + offset, "{site}");
    if word(site, "trap") == "return" {
        assert_eq!(offset, 0, "{site}");
        return Ok(());
    }
    let shown =
        function.instructions.get(&offset).with_context(|| format!("no instruction there: {site}"))?;
    // Operands of jumps and calls are written with a name by one and without by the other.
    let planned = word(site, "instruction");
    let comparable = |text: &str| match text.split_once(' ') {
        Some((mnemonic, _)) if mnemonic.starts_with(['j', 'c']) => mnemonic.to_owned(),
        _ => text.to_owned(),
    };
    assert_eq!(comparable(planned), comparable(shown), "{site}");
    let entry = function.instructions.get(&0).map(String::as_str);
    if entry == Some("endbr64") {
        ensure!(offset > 0 && word(site, "class") == "emulated", "{site}");
    }
    Ok(())
}

#[test]
fn each_site_is_the_instruction_that_objdump_shows() -> Result<()> {
    if Command::new("objdump").arg("--version").output().is_err() {
        eprintln!("skipped plan::each_site_is_the_instruction_that_objdump_shows: objdump is not installed");
        return Ok(());
    }
    for flavour in Flavour::NAMED {
        let subject = Subject::new(&flavour.binary()?)?;
        let functions = objdump(&subject.binary)?;
        let mut spec = specs::every(flavour, 10);
        if matches!(flavour, Flavour::C | Flavour::CProtected) {
            spec.stages.push(specs::stage("Q-", "queue_pop", "ret"));
        }
        let sites = sites(&subject.plan(&spec.toml(), &["--format", "json"])?)?;
        ensure!(sites.len() >= 7, "{flavour:?}: {} sites", sites.len());
        sites.iter().try_for_each(|site| assert_shown(site, &functions))?;
        let protected = matches!(flavour, Flavour::CProtected | Flavour::Cpp);
        let at_entry = sites.iter().filter(|site| word(site, "trap") == "instruction");
        let at_entry = at_entry.filter(|site| site.get("function_offset") == Some(&0.into())).count();
        assert_eq!(protected, at_entry == 0, "{flavour:?}: {at_entry} sites at the entry");
    }
    Ok(())
}

#[test]
fn the_table_has_what_the_json_has() -> Result<()> {
    let subject = Subject::new(&Flavour::CProtected.binary()?)?;
    let spec = specs::every(Flavour::CProtected, 10).toml();
    let table = subject.plan(&spec, &[])?;
    let table = text(&table)?;
    for site in sites(&subject.plan(&spec, &["--format", "json"])?)? {
        let place = format!("{}+{:#x}", word(&site, "function"), number(&site, "function_offset")?);
        let address = format!("{:#x}", number(&site, "address")?);
        let line = table.lines().find(|line| line.contains(&place));
        let line = line.with_context(|| format!("no line for {place} in:\n{table}"))?;
        for cell in [&*address, word(&site, "class"), word(&site, "key"), "subject"] {
            ensure!(line.contains(cell), "no {cell} in {line}");
        }
        ensure!(table.contains(word(&site, "instruction")), "{site}");
    }
    ensure!(table.contains("7 sites, 0 of them single-stepped"), "{table}");
    Ok(())
}

#[test]
fn addresses_and_offsets_are_taken_at_their_word() -> Result<()> {
    let subject = Subject::new(&Flavour::CProtected.binary()?)?;
    let listed = stain::run(&["symbols", &subject.path(), "record_emit", "--format", "json"], SHORT)?;
    let emit: Value = serde_json::from_str(text(&listed)?.trim())?;
    let address = u64::from_str_radix(word(&emit, "address").trim_start_matches("0x"), 16)?;
    for (point, offset) in [
        ("record_emit+4".to_owned(), 4),
        ("record_emit+0x5".to_owned(), 5),
        (format!("{:#x}", address + 4), 4),
        (format!("subject:{:#x}", address + 5), 5),
    ] {
        let sites = sites(&subject.plan_point(&point, "sink_done")?)?;
        let site = sites.iter().find(|site| word(site, "stage") == "S0").context(point.clone())?;
        assert_eq!(
            (word(site, "function"), number(site, "function_offset")?),
            ("record_emit", offset),
            "{point}"
        );
    }
    let size = number(&emit, "size")?;
    let nearest: &[&str] = &["no instruction starts at +0x1", "the nearest are +0x0 and +0x4"];
    let outside = format!("which has {size} bytes of code");
    for (point, words) in [
        ("record_emit+1".to_owned(), nearest),
        (format!("{:#x}", address + 1), nearest),
        ("record_emit+4000".to_owned(), &["outside the function", &outside]),
        ("0x7fff0000".to_owned(), &["0x7fff0000 is no code of"]),
        ("record_emit+".to_owned(), &["record_emit+"]),
    ] {
        assert_says(&subject.plan_point(&point, "sink_done")?, words).context(point)?;
    }
    Ok(())
}

#[test]
fn names_that_mean_nothing_or_too_much_are_told() -> Result<()> {
    let subject = Subject::new(&targets::overload()?)?;
    let end = "shop::Till::open";
    for (point, words) in [
        ("shop::price", &["means 2 different functions", "shop::price(int)", "shop::price(double)"][..]),
        ("open", &["means 2 different functions", "shop::Till::open", "shop::Door::open"]),
        ("shop::prise", &["no function is named `shop::prise`", "did you mean", "shop::price"]),
        ("shop::x*", &["no function matches `shop::x*`"]),
    ] {
        let ended = subject.plan_point(point, end)?;
        assert_says(&ended, words).context(point)?;
        let is_about_all_stages = point.starts_with("lib");
        ensure!(
            ended.stderr.contains("the S0") || is_about_all_stages,
            "the stage is not named: {}",
            ended.stderr
        );
    }
    for (point, count) in [
        ("shop::price(int)", 1),
        ("shop::price(double)", 1),
        ("shop::price*", 2),
        ("subject:shop::Door::open", 1),
        ("shop::*::open", 2),
    ] {
        let sites = sites(&subject.plan_point(point, end)?)?;
        let found = sites.iter().filter(|site| word(site, "stage") == "S0").count();
        assert_eq!(found, count, "{point}");
    }
    Ok(())
}

/// Which libraries a program uses shows only when it runs.
#[test]
fn a_library_is_looked_for_where_it_is_mapped() -> Result<()> {
    let subject = Subject::new(&Flavour::C.binary()?)?;
    let sleeping = subject.plan_point("libc.so.6:malloc", "sink_done")?;
    assert_says(&sleeping, &["no process runs", "start it first"])?;
    let pipeline = Pipeline::start_binary(subject.binary.clone(), &[], subject.home.path())?;
    let sites = sites(&subject.plan_point("libc.so.6:malloc", "sink_done")?)?;
    let malloc = sites.iter().find(|site| word(site, "stage") == "S0").context("no site")?;
    assert_eq!((word(malloc, "function"), word(malloc, "file").ends_with("libc.so.6")), ("malloc", true));
    let unknown = subject.plan_point("libnowhere.so.7:price", "sink_done")?;
    assert_says(&unknown, &["the S0", "no file `libnowhere.so.7`"])?;
    ensure!(pipeline.finish(SHORT)?.status.success());
    Ok(())
}

#[test]
fn functions_of_a_process_and_of_a_file_are_listed() -> Result<()> {
    let subject = Subject::new(&Flavour::Rust.binary()?)?;
    let pipeline = Pipeline::start_binary(subject.binary.clone(), &[], subject.home.path())?;
    let pid = pipeline.pid().to_string();
    for (pattern, name) in
        [("stages::emit", "pipeline::stages::emit"), ("*Queue<*>*::put", "pipeline::Queue<T>::put")]
    {
        let of_file = stain::run(&["symbols", &subject.path(), pattern, "--format", "json"], SHORT)?;
        let of_process = stain::run(&["symbols", &pid, pattern, "--format", "json"], SHORT)?;
        let lines = |ended: &Ended| -> Result<Vec<Value>> {
            text(ended)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
        };
        let (of_file, of_process) = (lines(&of_file)?, lines(&of_process)?);
        ensure!(!of_file.is_empty(), "{pattern}");
        ensure!(of_file.iter().all(|function| of_process.contains(function)), "{of_file:?}\n{of_process:?}");
        let found = of_file.iter().find(|function| word(function, "name") == name);
        let found = found.with_context(|| format!("no {name}: {of_file:?}"))?;
        ensure!(number(found, "size")? > 0 && word(found, "file") == subject.path(), "{found}");
        let table = stain::run(&["symbols", &subject.path(), pattern], SHORT)?;
        ensure!(text(&table)?.lines().any(|line| line.ends_with(name)), "{}", table.stdout);
        assert_eq!(text(&table)?.lines().count(), of_file.len() + 1, "a heading, and a line each");
    }
    // A process has its libraries' functions too.
    let libc = stain::run(&["symbols", &pid, "pthread_create"], SHORT)?;
    ensure!(text(&libc)?.contains("libc.so"), "{}", libc.stdout);
    for (subject, words) in [
        ("/nowhere", &["/nowhere cannot be read"][..]),
        ("/etc/passwd", &["/etc/passwd is not an ELF file"]),
        ("4294967295", &["there is no process 4294967295"]),
    ] {
        let ended = stain::run(&["symbols", subject], SHORT)?;
        assert_says(&ended, words)?;
        assert_eq!(ended.stderr.matches("No such file").count(), usize::from(subject == "/nowhere"));
    }
    let none = stain::run(&["symbols", &pid, "no_such_function_at_all"], SHORT)?;
    assert_says(&none, &["no function of", "matches `no_such_function_at_all`"])
}

#[test]
fn the_sample_is_a_good_spec() -> Result<()> {
    let home = tempfile::tempdir()?;
    let sample = stain::run(&["spec", "--sample"], SHORT)?;
    let file = home.path().join("sample.toml");
    std::fs::write(&file, text(&sample)?)?;
    let checked = stain::run(&["spec", &file.display().to_string()], SHORT)?;
    ensure!(text(&checked)?.contains("a good spec of 4 stages"), "{}", checked.stdout);
    std::fs::write(&file, text(&sample)?.replace("rate = 100000", "rate = \"all\""))?;
    let line = sample.stdout.lines().position(|line| line == "rate = 100000").context("no rate")? + 1;
    let refused = stain::run(&["spec", &file.display().to_string()], SHORT)?;
    assert_says(&refused, &[&format!("sample.toml:{line}"), "rate"])
}

/// The command as a user without any privileges.
fn as_nobody(binary: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]);
    command.arg(binary);
    command
}

#[test]
fn a_plan_of_ones_own_process_needs_no_privileges() -> Result<()> {
    let gate = tally::privileged("plan::a_plan_of_ones_own_process_needs_no_privileges");
    if !gate.program("setpriv", "/usr/bin/setpriv").open() {
        return Ok(());
    }
    let subject = Subject::new(&Flavour::CProtected.binary()?)?;
    let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    open(subject.home.path(), 0o777)?;
    open(&subject.binary, 0o755)?;
    let program = copy(&stain::binary()?, subject.home.path(), "stain")?;
    open(&program, 0o755)?;
    let spec = subject.home.path().join("spec.toml");
    std::fs::write(&spec, specs::every(Flavour::CProtected, 10).toml())?;
    let own = Pipeline::start_command(
        as_nobody(&subject.binary),
        subject.binary.clone(),
        &[],
        subject.home.path(),
    )?;
    let run = |arguments: &[&str]| -> Result<Ended> {
        let mut process = Guarded::spawn(as_nobody(&program).args(arguments))?;
        process.close_stdin();
        process.wait(SHORT)
    };
    let (pid, spec) = (own.pid().to_string(), spec.display().to_string());
    let planned = run(&["plan", "--pid", &pid, "--spec", &spec, "--format", "json"])?;
    assert_eq!(sites(&planned)?.len(), 7);
    let listed = run(&["symbols", &pid, "record_emit"])?;
    ensure!(text(&listed)?.contains("record_emit"));
    // To attach is another matter, and is said in a sentence, with nothing written and nobody harmed.
    let refused = run(&["attach", "--pid", &pid, "--spec", &spec])?;
    assert_says(&refused, &["permission", "CAP_BPF"])?;
    ensure!(refused.stdout.is_empty() && refused.stderr.lines().count() <= 2, "{}", refused.stderr);
    // Somebody else's process is none of a user's business.
    let foreign = Pipeline::start_binary(subject.binary.clone(), &[], tempfile::tempdir()?.path())?;
    let refused = run(&["plan", "--pid", &foreign.pid().to_string(), "--spec", &spec])?;
    assert_says(&refused, &["no permission to read", "CAP_SYS_PTRACE"])?;
    ensure!(own.finish(SHORT)?.status.success() && foreign.finish(SHORT)?.status.success());
    Ok(())
}
