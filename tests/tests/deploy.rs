//! What deploy/ shows against the program: the compose file is YAML, and every flag, address and variable in it and in the systemd unit is one that there is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use stain_tests::child::{Ended, Guarded};
use stain_tests::run::SHORT;
use stain_tests::stain;
use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// A setting of a service, its own or one that it shares.
fn setting<'a>(service: &'a Yaml, name: &str) -> &'a Yaml {
    let own = &service[name];
    if own.is_badvalue() { &service["<<"][name] } else { own }
}

fn texts(list: &Yaml) -> Result<Vec<String>> {
    let all = list.as_vec().context("no list")?;
    all.iter()
        .map(|item| Ok(item.as_str().with_context(|| format!("{item:?} is no text"))?.to_owned()))
        .collect()
}

/// `${NAME:-value}` and `${NAME:?reason}` as compose reads them, with every variable set to `x`.
fn filled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let (_, after) = behind.split_once('}').unwrap_or(("", behind));
        out.push_str(before);
        out.push('x');
        rest = after;
    }
    out + rest
}

/// What a collector of these arguments says, until it ends.
fn run(arguments: &[String], environment: &[(String, String)]) -> Result<Ended> {
    let mut command = Command::new(stain::binary()?);
    command.args(["collector"]).args(arguments).envs(environment.iter().cloned());
    Guarded::spawn(&mut command)?.wait(SHORT)
}

#[test]
fn the_compose_file_fits_the_program() -> Result<()> {
    let text = std::fs::read_to_string(folder().join("compose.yaml"))?;
    let documents = YamlLoader::load_from_str(&text)?;
    let services =
        documents.first().context("nothing in it")?["services"].as_hash().context("no services")?;
    let of = |name: &str| services.get(&Yaml::from_str(name)).with_context(|| format!("no service {name}"));
    for (name, service) in services {
        // What it waits for is there.
        for other in setting(service, "depends_on").as_hash().into_iter().flat_map(|hash| hash.keys()) {
            of(other.as_str().unwrap_or_default())?;
        }
        ensure!(setting(service, "image").as_str().is_some(), "{name:?} has no image");
    }
    let mut collectors = 0;
    for (name, service) in
        services.iter().filter(|(_, service)| setting(service, "image").as_str() == Some("stain-collector"))
    {
        collectors += 1;
        let arguments = texts(setting(service, "command"))?;
        let variables = setting(service, "environment").as_hash().context("no environment")?;
        let environment: Vec<(String, String)> = variables
            .iter()
            // Nobody listens there.
            .map(|(name, value)| {
                let value = filled(value.as_str()?).replace("@clickhouse:8123", "@127.0.0.1:1");
                Some((name.as_str()?.to_owned(), value))
            })
            .collect::<Option<_>>()
            .context("a variable that is no text")?;
        // Every variable is one that a flag names.
        for (variable, _) in &environment {
            let is_named = |argument: &String| argument.ends_with(&format!("-env={variable}"));
            ensure!(arguments.iter().any(is_named), "{name:?}: no flag names {variable}");
        }
        // Flags, addresses and variables are all read before the store is looked for, which is not here.
        let ended = run(&arguments, &environment)?;
        let is_away = ended.stderr.contains("the clickhouse store cannot be used just now");
        ensure!(!ended.status.success() && is_away, "{name:?}: {}", ended.stderr);
        ensure!(ended.stderr.lines().all(|line| line.starts_with("{\"time\":")), "{}", ended.stderr);
    }
    ensure!(collectors == 2, "{collectors} collectors");
    let dockerfile = setting(of("collector-1")?, "build")["dockerfile"].as_str().context("no dockerfile")?;
    ensure!(folder().join("..").join(dockerfile).is_file(), "{dockerfile}");
    Ok(())
}

#[test]
fn compose_itself_takes_the_file_where_it_is_installed() -> Result<()> {
    let compose = |arguments: &[&str]| {
        Command::new("docker")
            .arg("compose")
            .args(arguments)
            .env("STAIN_TOKEN", "x")
            .env("STAIN_PASSWORD", "x")
            .output()
    };
    if !compose(&["version"]).is_ok_and(|output| output.status.success()) {
        // The other test has read it.
        return Ok(());
    }
    let file = folder().join("compose.yaml").display().to_string();
    let output = compose(&["-f", &file, "config", "--quiet"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn the_unit_fits_the_program() -> Result<()> {
    let text = std::fs::read_to_string(folder().join("stain-collector.service"))?;
    let call = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).context("no ExecStart")?;
    let credentials = TempDir::new()?;
    std::fs::write(credentials.path().join("token"), "x")?;
    let call = call.replace("${CREDENTIALS_DIRECTORY}", &credentials.path().display().to_string());
    let mut words = call.split(' ').map(str::to_owned);
    ensure!(words.next().is_some_and(|program| program.ends_with("/stain")), "{call}");
    ensure!(words.next().as_deref() == Some("collector"), "{call}");
    // All of it is read before the store, which is none here.
    let mut arguments: Vec<String> = words.collect();
    arguments.extend(["--store".to_owned(), "nothing:x".to_owned()]);
    let ended = run(&arguments, &[])?;
    ensure!(ended.stderr.contains("a store of the kind `nothing`"), "{}", ended.stderr);
    Ok(())
}
