//! What an `--export` URL asks for: every option with its default, checked. Pure.

mod values;

use std::path::PathBuf;
use std::time::Duration;

use super::percent;
use super::url::{Url, UrlError};
use crate::sink::event::PayloadVersion;
pub(crate) use values::Options;
pub use values::parse_size;

/// Where to, as parsed and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What messages and metrics call it: where to, and those of the options that say what goes there.
    pub name: String,
    /// Where to, without options: what was kept for it is for this place, whatever the options are by then.
    pub place: String,
    /// Where to.
    pub destination: Destination,
}

/// A kind of destination with its own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A folder of files.
    File(FileSettings),
    /// A collector of stain traces.
    Events(Endpoint, EventSettings, Delivery),
    /// An OpenTelemetry collector.
    Otlp(Endpoint, OtlpSettings, Delivery),
    /// A topic of Kafka.
    Kafka(KafkaSettings, Delivery),
    /// An address to be scraped.
    Prometheus(PrometheusSettings),
    /// Carbon's plain text.
    Graphite(GraphiteSettings),
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path of the URL.
    pub path: String,
    /// By TLS, with these files; in plain text when `None`.
    pub tls: Option<TlsFiles>,
    /// Where the token is, and the header that carries it.
    pub token: Option<(TokenSource, TokenHeader)>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// Certificates and key, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Where a token is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
}

/// The header that carries the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHeader {
    /// `Authorization: Bearer ..`
    Bearer,
    /// `X-Seatunnel-Token: ..`
    Seatunnel,
}

/// How batches are made and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Traces of a batch at most.
    pub batch: u64,
    /// How long the first trace of a batch waits for others.
    pub linger: Duration,
    /// Where batches are kept until they are sent; the default place when `None`.
    pub spool: Spooling,
    /// Bytes of the spool at most.
    pub spool_max: u64,
    /// How long the session's end waits for what is left to be sent.
    pub flush: Duration,
    /// How often an idle stream says that nothing is missing.
    pub beacon: Duration,
}

/// Where the spool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spooling {
    /// In the default folder.
    Default,
    /// In this folder.
    Folder(PathBuf),
    /// Nowhere: what does not fit into memory is lost, and counted.
    None,
}

/// For a collector of stain traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSettings {
    /// The job; made of host and target when `None`.
    pub job: Option<String>,
    /// The table of all records.
    pub table: Option<String>,
    /// Which payload.
    pub payload: PayloadVersion,
    /// Whether batches tell their place in the stream.
    pub packets: bool,
}

/// For an OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpSettings {
    /// gRPC; HTTP otherwise.
    pub grpc: bool,
    /// `service.name`; the target when `None`.
    pub service: Option<String>,
    /// How often to send metrics; never when `None`.
    pub metrics: Option<Duration>,
}

/// For a topic of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `HOST:PORT` of the first brokers, joined by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// What a message holds.
    pub value: KafkaValue,
    /// `none`, `lz4` or `snappy`.
    pub compression: &'static str,
    /// How long a message may take.
    pub timeout: Duration,
    /// For JSON: see [`EventSettings`].
    pub job: Option<String>,
    /// For JSON: see [`EventSettings`].
    pub table: Option<String>,
    /// For JSON: see [`EventSettings`].
    pub payload: PayloadVersion,
}

/// What a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaValue {
    /// An event, as JSON.
    Json,
    /// A payload with nanoseconds.
    Sttr,
}

/// For files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The folder.
    pub folder: PathBuf,
    /// What the files hold.
    pub format: FileFormat,
    /// A file is closed when it has so many bytes.
    pub rotate_size: u64,
    /// A file is closed when it is so old.
    pub rotate_age: Duration,
    /// Closed files that are kept; all when `None`.
    pub keep: Option<u64>,
    /// For `otlp-json`: see [`EventSettings`].
    pub job: Option<String>,
    /// For `otlp-json`: see [`EventSettings`].
    pub table: Option<String>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// A JSON line a trace, as `--format jsonl` has it.
    JsonLines,
    /// The stain-trace format's OTLP lines.
    OtlpJson,
    /// Payloads with nanoseconds behind each other.
    Sttr,
    /// A folder in the Common Trace Format.
    Ctf,
}

/// For scraping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusSettings {
    /// Address to listen on, with its port.
    pub address: String,
    /// Other machines may scrape it, too.
    pub public: bool,
}

/// For Carbon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphiteSettings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What every name begins with.
    pub prefix: String,
    /// How often.
    pub interval: Duration,
}

/// Why a URL cannot be exported to. One clear sentence, without the values of options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is no URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Nothing is known of its scheme.
    #[error(
        "there is no export to `{0}:`; there is file, http, https, otlp+http, otlp+https, otlp+grpc, otlp+grpcs, kafka, prometheus, graphite"
    )]
    Scheme(String),
    /// An option that this destination does not have.
    #[error("{scheme} has no option `{name}`; it has {known}")]
    Unknown {
        /// The scheme.
        scheme: String,
        /// The option.
        name: String,
        /// What there is.
        known: String,
    },
    /// The value of an option is none.
    #[error("{name}: {message}")]
    Value {
        /// The option.
        name: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
    /// Something that has to be there is not.
    #[error("{0}")]
    Missing(&'static str),
}

/// Kafka's client could only do it by a second library for TLS, which a program that may run as root should not carry.
const NO_KAFKA_TLS: &str = "there is no TLS and no login to Kafka: use a listener in plain text on a network that you trust, or \
     otlp+grpcs to an OpenTelemetry Collector, whose kafka exporter has both";

impl Settings {
    /// Reads a URL.
    ///
    /// # Errors
    /// The first mistake that is found.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let url = Url::parse(text)?;
        let scheme = url.scheme.clone();
        if !url.more.is_empty() && scheme != "kafka" {
            return Err(SettingsError::Missing("name one host: only kafka:// takes several"));
        }
        let (place, name) = (url.to_string(), name(&url));
        let mut options = Options::new(url);
        let destination = match scheme.as_str() {
            "file" => Destination::File(file(&mut options)?),
            "http" | "https" => {
                let tls = scheme == "https";
                let endpoint =
                    endpoint(&mut options, tls, if tls { 443 } else { 80 }, TokenHeader::Seatunnel)?;
                Destination::Events(endpoint, events(&mut options)?, delivery(&mut options)?)
            }
            "otlp+http" | "otlp+https" | "otlp+grpc" | "otlp+grpcs" => {
                let (grpc, tls) = (scheme.contains("grpc"), scheme.ends_with('s'));
                let endpoint =
                    endpoint(&mut options, tls, if grpc { 4317 } else { 4318 }, TokenHeader::Bearer)?;
                Destination::Otlp(endpoint, otlp(&mut options, grpc)?, delivery(&mut options)?)
            }
            "kafkas" => return Err(SettingsError::Missing(NO_KAFKA_TLS)),
            "kafka" => Destination::Kafka(kafka(&mut options)?, delivery(&mut options)?),
            "prometheus" => Destination::Prometheus(prometheus(&mut options)?),
            "graphite" => Destination::Graphite(graphite(&mut options)?),
            _ => return Err(SettingsError::Scheme(scheme)),
        };
        options.finish()?;
        Ok(Self { name, place, destination })
    }
}

/// Two exports to one place are told apart by what they send there. Where tokens, certificates and spools are is nobody else's business, and what says how
/// it is sent tells nothing apart.
fn name(url: &Url) -> String {
    const TELLING: [&str; 7] = ["format", "payload", "value", "job", "table", "service", "prefix"];
    let given = TELLING.into_iter().filter_map(|name| Some(format!("{name}={}", url.peek(name)?)));
    let given: Vec<String> = given.collect();
    let mark = if given.is_empty() { "" } else { "?" };
    format!("{url}{mark}{}", given.join("&"))
}

fn file(options: &mut Options) -> Result<FileSettings, SettingsError> {
    let folder = PathBuf::from(options.url().path.clone());
    if folder.as_os_str().is_empty() {
        return Err(SettingsError::Missing("name the folder, as in file:/var/log/stain"));
    }
    let formats = [
        ("jsonl", FileFormat::JsonLines),
        ("otlp-json", FileFormat::OtlpJson),
        ("sttr", FileFormat::Sttr),
        ("ctf", FileFormat::Ctf),
    ];
    Ok(FileSettings {
        folder,
        format: options.choice("format", &formats, FileFormat::JsonLines)?,
        rotate_size: options.size("rotate_size", 64 << 20, 4 << 10..=1 << 40)?,
        rotate_age: options.time("rotate_age", Duration::from_secs(3600), Duration::from_secs(1))?,
        keep: options.number("keep", 1..=1_000_000)?,
        job: options.job()?,
        table: options.text("table"),
    })
}

fn endpoint(
    options: &mut Options,
    tls: bool,
    port: u16,
    header: TokenHeader,
) -> Result<Endpoint, SettingsError> {
    let headers = [("bearer", TokenHeader::Bearer), ("seatunnel", TokenHeader::Seatunnel)];
    let (file, variable) = (options.text("token_file"), options.text("token_env"));
    let source = match (file, variable) {
        (Some(file), None) => Some(TokenSource::File(file.into())),
        (None, Some(variable)) => Some(TokenSource::Variable(variable)),
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(SettingsError::Missing(
                "token_file and token_env exclude each other: name one of them",
            ));
        }
    };
    let header = options.choice("auth", &headers, header)?;
    let ca = options.text("ca").map(PathBuf::from);
    let own = match (options.text("cert"), options.text("key")) {
        (Some(cert), Some(key)) => Some((cert.into(), key.into())),
        (None, None) => None,
        _ => return Err(SettingsError::Missing("cert and key belong together: name both, or neither")),
    };
    if !tls && (ca.is_some() || own.is_some()) {
        return Err(SettingsError::Missing(
            "ca, cert and key are for TLS: use https, otlp+https or otlp+grpcs",
        ));
    }
    let url = options.url();
    Ok(Endpoint {
        host: url.host.clone(),
        port: url.port.unwrap_or(port),
        path: url.path.clone(),
        tls: tls.then_some(TlsFiles { ca, own }),
        token: source.map(|source| (source, header)),
        timeout: options.time("timeout", Duration::from_secs(10), Duration::from_millis(10))?,
    })
}

fn delivery(options: &mut Options) -> Result<Delivery, SettingsError> {
    let spool = match options.text("spool") {
        None => Spooling::Default,
        Some(none) if none == "none" => Spooling::None,
        Some(folder) => Spooling::Folder(folder.into()),
    };
    Ok(Delivery {
        batch: options.number("batch", 1..=100_000)?.unwrap_or(512),
        linger: options.time("linger", Duration::from_secs(1), Duration::ZERO)?,
        spool,
        spool_max: options.size("spool_max", 256 << 20, 1 << 20..=1 << 40)?,
        flush: options.time("flush", Duration::from_secs(5), Duration::ZERO)?,
        beacon: options.time("beacon", Duration::from_secs(10), Duration::from_millis(100))?,
    })
}

fn events(options: &mut Options) -> Result<EventSettings, SettingsError> {
    let payloads = [("v1", PayloadVersion::Millis), ("nano", PayloadVersion::Nanos)];
    Ok(EventSettings {
        job: options.job()?,
        table: options.text("table"),
        payload: options.choice("payload", &payloads, PayloadVersion::Millis)?,
        packets: options.switch("packets", true)?,
    })
}

fn otlp(options: &mut Options, grpc: bool) -> Result<OtlpSettings, SettingsError> {
    let metrics = options.switch("metrics", true)?;
    let interval = options.time("interval", Duration::from_secs(10), Duration::from_millis(100))?;
    Ok(OtlpSettings { grpc, service: options.text("service"), metrics: metrics.then_some(interval) })
}

fn kafka(options: &mut Options) -> Result<KafkaSettings, SettingsError> {
    if ["ca", "cert", "key", "token_file", "token_env"]
        .into_iter()
        .any(|name| options.url().peek(name).is_some())
    {
        return Err(SettingsError::Missing(NO_KAFKA_TLS));
    }
    let values = [("json", KafkaValue::Json), ("sttr", KafkaValue::Sttr)];
    let compressions = [("none", "none"), ("lz4", "lz4"), ("snappy", "snappy")];
    let payloads = [("v1", PayloadVersion::Millis), ("nano", PayloadVersion::Nanos)];
    let (brokers, topic) = brokers_and_topic(options.url())?;
    Ok(KafkaSettings {
        brokers,
        topic,
        value: options.choice("value", &values, KafkaValue::Json)?,
        compression: options.choice("compression", &compressions, "lz4")?,
        timeout: options.time("timeout", Duration::from_secs(10), Duration::from_millis(10))?,
        job: options.job()?,
        table: options.text("table"),
        payload: options.choice("payload", &payloads, PayloadVersion::Millis)?,
    })
}

/// The brokers of a URL as their clients read them, and its topic.
pub(crate) fn brokers_and_topic(url: &Url) -> Result<(String, String), SettingsError> {
    let topic = percent::decode(&url.path).unwrap_or_default().trim_matches('/').to_owned();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || !topic.chars().all(is_name) {
        return Err(SettingsError::Missing("name the topic, as in kafka://broker:9092/traces"));
    }
    let first = std::iter::once((&url.host, url.port));
    let all = first.chain(url.more.iter().map(|(host, port)| (host, *port)));
    let brokers: Vec<String> = all.map(|(host, port)| host_port(host, port.unwrap_or(9092))).collect();
    Ok((brokers.join(","), topic))
}

fn prometheus(options: &mut Options) -> Result<PrometheusSettings, SettingsError> {
    let url = options.url();
    let address = host_port(&url.host, url.port.unwrap_or(9464));
    Ok(PrometheusSettings { address, public: options.switch("public", false)? })
}

/// `HOST:PORT`, with brackets around an address that has colons itself.
fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn graphite(options: &mut Options) -> Result<GraphiteSettings, SettingsError> {
    let prefix = options.text("prefix").unwrap_or_else(|| "stain".to_owned());
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if prefix.is_empty() || !prefix.chars().all(is_name) {
        let message = "a prefix has letters, digits, `.`, `_` and `-`, as in prefix=prod.stain".to_owned();
        return Err(SettingsError::Value { name: "prefix", message });
    }
    let url = options.url();
    Ok(GraphiteSettings {
        host: url.host.clone(),
        port: url.port.unwrap_or(2003),
        prefix,
        interval: options.time("interval", Duration::from_secs(10), Duration::from_millis(100))?,
    })
}

#[cfg(test)]
mod tests;
