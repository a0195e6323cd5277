//! `stain collector`: from flags to a running collector.

use std::fs::File;
use std::io::BufReader;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgAction, Args, Subcommand, value_parser};

use super::args::{LogLevel, TextOrJson};
use super::{logger, output, signals};
use crate::collector::http::Clock;
use crate::collector::import::{Import, Imported};
use crate::collector::kafka::Source;
use crate::collector::run;
use crate::collector::settings::{LISTEN, Limits, ServerTls, Settings};
use crate::collector::store::open;
use crate::export::secret::Secret;
use crate::export::settings::parse_size;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct CollectorArgs {
    #[command(subcommand)]
    chore: Option<Chore>,
    #[command(flatten)]
    place: StoreArgs,
    /// Address and port to listen on.
    #[arg(short, long, value_name = "HOST:PORT", default_value = LISTEN)]
    listen: String,
    /// File with the token that every request has to bring.
    #[arg(long, value_name = "FILE", conflicts_with = "token_env")]
    token_file: Option<PathBuf>,
    /// Variable of the environment with the token that every request has to bring.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Listen on an address that other machines reach, although there is no token.
    #[arg(long)]
    public: bool,
    /// Certificate (PEM): serve by TLS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Let pages of this origin ask; may be given several times.
    #[arg(long = "cors", value_name = "ORIGIN", action = ArgAction::Append)]
    origins: Vec<String>,
    /// Remove traces that came longer ago than this; `none`: never.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = age)]
    retain_age: Bound<Duration>,
    /// Remove the oldest traces when the store is larger than this; `none`: never.
    #[arg(long, value_name = "SIZE", default_value = "10GiB", value_parser = size)]
    retain_size: Bound<u64>,
    /// Ask the engine at this URL what its tasks are called.
    #[arg(long, value_name = "URL")]
    engine: Option<String>,
    /// Read this topic of Kafka too: kafka://BROKER[:9092][,BROKER..]/TOPIC?group=NAME; may be given several times.
    #[arg(long, value_name = "URL", action = ArgAction::Append)]
    from: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// What to say on standard error.
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "info")]
    log: LogLevel,
    /// How to say it: lines for people, or objects of JSON.
    #[arg(long, value_name = "FORM", value_enum, default_value = "text")]
    log_format: TextOrJson,
}

#[derive(Args, Debug)]
struct StoreArgs {
    /// Where traces are kept: sqlite:PATH, postgres://.., mysql://.., clickhouse+http://.. or clickhouse+https://.. [default: SQLite in the user's data folder].
    #[arg(long, value_name = "URL", conflicts_with = "store_env")]
    store: Option<String>,
    /// Variable of the environment with that URL, where it holds a password.
    #[arg(long, value_name = "NAME")]
    store_env: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Put the traces of files into a store: lines of OTLP in JSON, of events, or payloads (STTR) behind each other.
    Import(ImportArgs),
}

#[derive(Args, Debug)]
struct ImportArgs {
    #[command(flatten)]
    place: StoreArgs,
    /// Files; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The job of traces that name none.
    #[arg(long, value_name = "N", default_value = "0", value_parser = value_parser!(u64).range(..=i64::MAX as u64))]
    job: u64,
}

/// Bounds on what others send.
#[derive(Args, Clone, Copy, Debug)]
struct LimitArgs {
    /// Largest body of a request, as it is sent.
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = bytes)]
    max_body: usize,
    /// Largest body of a request, after decompression.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = bytes)]
    max_plain: usize,
    /// All bodies at a time, until the store has them.
    #[arg(long, value_name = "SIZE", default_value = "48MiB", value_parser = bytes)]
    max_held: usize,
    /// Events of one request.
    #[arg(long, value_name = "N", default_value = "20000")]
    max_events: usize,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value = "1024")]
    max_connections: usize,
    /// How long a client may take for the head of a request.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    head_time: Duration,
    /// How long a client may take for the body of a request, or take nothing of an answer.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    body_time: Duration,
}

/// A bound that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound<T>(Option<T>);

const NONE: &str = "none";

fn age(text: &str) -> Result<Bound<Duration>, String> {
    if text == NONE {
        return Ok(Bound(None));
    }
    let age = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if age.is_zero() {
        return Err(format!("nothing would be kept; write {NONE} to keep everything"));
    }
    Ok(Bound(Some(age)))
}

fn size(text: &str) -> Result<Bound<u64>, String> {
    if text == NONE {
        return Ok(Bound(None));
    }
    parse_size(text)
        .map(|size| Bound(Some(size)))
        .ok_or_else(|| "write it as in 512MiB or 10GiB, or none".to_owned())
}

fn bytes(text: &str) -> Result<usize, String> {
    let size = parse_size(text).and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| "write it as in 512KiB or 8MiB".to_owned())
}

/// Runs a collector to its end, or does a chore on its store.
pub(super) fn run(args: &CollectorArgs) -> anyhow::Result<ExitCode> {
    if let Some(Chore::Import(args)) = &args.chore {
        return import(args);
    }
    logger::init_as(Some(args.log.level()), args.log_format);
    match collect(args) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            logger::say(log::Level::Error, &output::in_one_line(&error));
            Ok(ExitCode::FAILURE)
        }
    }
}

fn collect(args: &CollectorArgs) -> anyhow::Result<()> {
    let settings = settings(args)?;
    let store = place(&args.place)?;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let began = |address: SocketAddr| {
        logger::say(log::Level::Info, &format!("listening: {scheme}://{address}"));
    };
    Ok(run::run(settings, &store, began, signals::restore)?)
}

fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let place = place(&args.place)?;
    logger::init(None);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let imported = runtime.block_on(async {
        let store = open(&place).await?;
        let mut import = Import::new(&*store, args.job.to_string(), Clock::system().now_ms());
        for path in &args.files {
            if path.as_os_str() == "-" {
                import.file(Path::new("standard input"), std::io::stdin().lock()).await?;
                continue;
            }
            let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
            import.file(path, BufReader::with_capacity(1 << 20, file)).await?;
        }
        anyhow::Ok(import.finish())
    })?;
    let Imported { new, repeated, raw, rejected, faulty, told } = imported;
    told.iter().for_each(|told| output::note(&format!("warning: {told}")));
    output::print(&format!(
        "{new} traces imported, {repeated} were there already; {raw} other events kept, {rejected} spans of others passed over, {faulty} lines or payloads not understood\n"
    ))?;
    Ok(if faulty == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn settings(args: &CollectorArgs) -> anyhow::Result<Settings> {
    let token = match (&args.token_file, &args.token_env) {
        (Some(path), _) => Some(Secret::from_file(path)?),
        (None, Some(name)) => Some(Secret::from_variable(name)?),
        (None, None) => None,
    };
    let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(cert, key)| ServerTls { cert, key });
    let LimitArgs { max_body, max_plain, max_held, max_events, max_connections, head_time, body_time } =
        args.limits;
    let limits = Limits {
        body: max_body,
        plain: max_plain,
        held: max_held,
        events: max_events,
        connections: max_connections,
        head_time,
        body_time,
        ..Limits::default()
    };
    let settings = Settings {
        listen: address(&args.listen)?,
        token,
        tls,
        origins: args.origins.clone(),
        retain_age: args.retain_age.0,
        retain_bytes: args.retain_size.0,
        engine: args.engine.clone(),
        sources: Source::parse_all(&args.from)?,
        limits,
    };
    settings.check(args.public)?;
    Ok(settings)
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let told = || format!("--listen {text} is no address of this machine; write it as in {LISTEN}");
    let mut found = text.to_socket_addrs().with_context(told)?;
    found.next().with_context(told)
}

/// The URL of the store. The folder of the default one is made: nobody else has it in hand.
fn place(args: &StoreArgs) -> anyhow::Result<String> {
    if let Some(url) = &args.store {
        return Ok(url.clone());
    }
    if let Some(name) = &args.store_env {
        return std::env::var(name).with_context(|| {
            format!("the environment variable {name}, which is to hold the address of the store, is not set")
        });
    }
    let folder = data_folder()
        .context("there is no folder for the store: HOME is not set; name one by --store sqlite:PATH")?;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(&folder).with_context(|| {
        format!(
            "the folder {} for the store cannot be made; name another by --store sqlite:PATH",
            folder.display()
        )
    })?;
    Ok(format!("sqlite:{}", folder.join("collector.db").display()))
}

/// Where programs keep their users' data: as systemd, or the user's session, or the system has it.
fn data_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("STATE_DIRECTORY") {
        return Some(folder);
    }
    if let Some(folder) = variable("XDG_DATA_HOME") {
        return Some(folder.join("stain"));
    }
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/stain"));
    }
    variable("HOME").map(|home| home.join(".local/share/stain"))
}

#[cfg(test)]
mod tests {
    use super::{Bound, Limits, Settings, age, settings, size};
    use crate::collector::settings::{RETAIN_AGE, RETAIN_BYTES};
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        args: super::CollectorArgs,
    }

    #[test]
    fn flags_and_settings_have_the_same_defaults() {
        let args = Flags::parse_from(["collector"]).args;
        let settings = settings(&args).unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!((settings.retain_age, settings.retain_bytes), (Some(RETAIN_AGE), Some(RETAIN_BYTES)));
        assert_eq!(settings.limits, Limits::default());
    }

    #[test]
    fn bounds_can_be_left_out() {
        assert_eq!((age("none"), size("none")), (Ok(Bound(None)), Ok(Bound(None))));
        assert!(age("0s").is_err() && age("1").is_err() && size("1KB").is_err());
    }
}
