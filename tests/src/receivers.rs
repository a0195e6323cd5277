//! Programs of others that receive what the agent exports.
//!
//! Owns: finding the Python environment that `cargo xtask setup test` makes, and running programs in it.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::child::{Ended, Guarded};
use crate::pipeline::Pipeline;
use crate::run::{LONG, SHORT};
use crate::specs;
use crate::stain::Agent;
use crate::tally::{Gate, privileged};
use crate::targets::Flavour;

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// The environment's folder; `None` where it was not installed.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let running = std::env::current_exe().ok()?;
    let folders = running.ancestors().map(|folder| folder.join("receivers"));
    folders.take(5).find(|folder| folder.join("installed").is_file())
}

/// A privileged test that needs the receivers.
pub fn gate(test: &str) -> Gate<'_> {
    privileged(test).condition(folder().is_some(), "the receivers are not installed (cargo xtask setup test)")
}

/// One session of a pipeline of this many records, one in a hundred sampled, with these exports; gives the agent's own lines, too.
pub fn session(folder: &Path, records: &str, exports: &[String]) -> Result<(Ended, String)> {
    let mut pipeline = Pipeline::start(Flavour::C, &["--records", records], folder)?;
    let arguments: Vec<&str> = exports.iter().flat_map(|url| ["--export", url]).collect();
    let spec = specs::every(Flavour::C, 100).toml();
    let agent = Agent::attach(pipeline.pid(), &spec, &arguments, folder, "agent")?;
    pipeline.go()?;
    pipeline.totals(LONG)?;
    agent.signal(rustix::process::Signal::INT)?;
    let ended = agent.wait(LONG)?;
    ensure!(pipeline.finish(SHORT)?.status.success(), "the pipeline was harmed");
    Ok((ended, std::fs::read_to_string(folder.join("agent.jsonl"))?))
}

/// Waits until somebody listens on a port of this machine.
pub fn until_listening(port: u16) -> Result<()> {
    let deadline = Instant::now() + SHORT;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < deadline, "nobody listens on port {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// A receiver of OTLP that prints what it gets.
pub struct Otlp {
    process: Guarded,
    /// Where it listens for gRPC.
    pub grpc: u16,
    /// Where it listens for HTTP.
    pub http: u16,
}

impl Otlp {
    /// Starts it; its first answers are these failures.
    pub fn start(failures: &[&str]) -> Result<Self> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("receivers/otlp.py");
        let python = folder().context("no receivers")?.join("bin/python");
        let mut process = Guarded::spawn(Command::new(python).arg(script).args(failures))?;
        let ready = process.stdout().find(|line| line.starts_with("ready "), STARTS_WITHIN)?;
        let mut ports = ready.split(' ').skip(1).map(str::parse);
        let mut port = || ports.next().context("no port")?.context("an odd port");
        Ok(Self { grpc: port()?, http: port()?, process })
    }

    /// Waits until a message came that is wanted.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool, limit: Duration) -> Result<()> {
        let is_wanted = |line: &str| serde_json::from_str(line).is_ok_and(|value| wanted(&value));
        self.process.stdout().find(is_wanted, limit).map(drop)
    }

    /// Ends it, and gives all messages that came.
    pub fn finish(self) -> Result<Vec<Value>> {
        self.process.signal(rustix::process::Signal::TERM)?;
        let ended = self.process.wait(STARTS_WITHIN)?;
        let lines = ended.stdout.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// Creates topics of Kafka.
pub fn create_topics(brokers: &str, topics: &[&str]) -> Result<()> {
    python("kafka_topics.py", &[&[brokers], topics].concat()).map(drop)
}

/// Runs a script of ours to its end; gives what it printed.
fn python(script: &str, arguments: &[&str]) -> Result<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("receivers").join(script);
    let python = folder().context("no receivers")?.join("bin/python");
    let output = Command::new(python).arg(path).args(arguments).output()?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The messages of a topic of Kafka, as a consumer of others reads them, until there are so many that differ.
pub fn consumed(brokers: &str, topic: &str, wanted: usize) -> Result<Vec<Value>> {
    let lines = python("kafka_consumer.py", &[brokers, topic, &wanted.to_string(), "40"])?;
    lines.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The samples that Prometheus's own parser reads in a text.
pub fn prometheus(text: &str) -> Result<Vec<Value>> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), text)?;
    let lines = python("prometheus_reader.py", &[&file.path().display().to_string()])?;
    lines.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The broker that `cargo xtask setup services` builds; `None` where it was not.
#[must_use]
pub fn broker() -> Option<PathBuf> {
    let running = std::env::current_exe().ok()?;
    let programs = running.ancestors().map(|folder| folder.join("services/bin/tansu"));
    programs.take(5).find(|program| program.is_file())
}

/// Rotel, an agent of OpenTelemetry, which tells of every span that it gets.
pub fn rotel(grpc: u16, http: u16, pid_file: &str) -> Result<Guarded> {
    let lib = folder().context("no receivers")?.join("lib");
    let pythons = std::fs::read_dir(lib)?.flatten();
    let agent = pythons
        .map(|python| python.path().join("site-packages/rotel/rotel-agent"))
        .find(|path| path.is_file());
    let mut command = Command::new(agent.context("no rotel-agent")?);
    command.args([
        "start",
        "--exporter",
        "blackhole",
        "--debug-log",
        "traces",
        "--debug-log-verbosity",
        "detailed",
    ]);
    command.args(["--pid-file", pid_file, "--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
    command.args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")]);
    Guarded::spawn(&mut command)
}

/// Makes `ca.pem`, and certificates `server` (for localhost) and `client` with their keys, by openssl.
pub fn certificates(folder: &Path) -> Result<()> {
    let openssl = |arguments: &str| -> Result<()> {
        let output =
            Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output()?;
        ensure!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca"))?;
    for name in ["server", "client"] {
        openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"))?;
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
        ))?;
    }
    Ok(())
}
