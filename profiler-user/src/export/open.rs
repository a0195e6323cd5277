//! From settings to running exporters: first all that can fail is done, then the threads start.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio::sync::watch;

use super::events::{EventEncoder, Posting};
use super::file::Files;
use super::http::{Client, Deadline, Protocol, TlsError, tls_config};
use super::kafka::KafkaEncoder;
use super::metrics::{Board, Graphite, ListenError, Listening, Prometheus, counted};
use super::network::{Encoder, Network, Parts, Transport};
use super::otlp::{Grpc, OtlpEncoder, OtlpHttp};
use super::secret::{Secret, SecretError};
use super::settings::{
    Delivery, Destination, Endpoint, FileSettings, GraphiteSettings, KafkaSettings, Settings, Spooling,
    TokenHeader, TokenSource,
};
use super::store::{Spool, SpoolError, Store};
use super::{Accounts, Exporter, Notify, Running, Started};
use crate::feed::channel;
use crate::sink::event::Origin;
use crate::sink::otlp::Resource;

/// What waits in memory where there is no spool, bytes.
const MEMORY: usize = 8 << 20;

/// The machine and the user's folders.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// Where spools are, unless the settings say otherwise; no spool when `None`.
    pub state: Option<PathBuf>,
    /// Makes ids of streams unlike any other's.
    pub seed: u64,
}

/// Why an exporter cannot start. One clear sentence, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The spool cannot be used.
    #[error("{name}: {source}; name another folder with spool=DIR, or do without with spool=none")]
    Spool {
        /// The destination.
        name: String,
        /// Why.
        source: SpoolError,
    },
    /// There is no token.
    #[error("{name}: {source}")]
    Secret {
        /// The destination.
        name: String,
        /// Why.
        source: SecretError,
    },
    /// No TLS.
    #[error("{name}: {source}")]
    Tls {
        /// The destination.
        name: String,
        /// Why.
        source: TlsError,
    },
    /// Nothing can be scraped.
    #[error("{name}: {source}")]
    Listen {
        /// The destination.
        name: String,
        /// Why.
        source: ListenError,
    },
    /// It was left out when this program was built.
    #[error("{name}: this stain was built without Kafka; build it without `--no-default-features`")]
    NotBuilt {
        /// The destination.
        name: String,
    },
    /// The system gives no file, socket or thread.
    #[error("{name}: cannot start: {source}")]
    System {
        /// The destination.
        name: String,
        /// What it said.
        source: io::Error,
    },
}

/// Exporters that can start.
#[derive(Default)]
pub struct Exports(Vec<(String, Opened)>);

enum Opened {
    Network(Box<Parts>),
    File(FileSettings, Origin),
    Prometheus(Listening),
    Graphite(GraphiteSettings),
}

impl Exports {
    /// Reads tokens and certificates, opens spools and sockets: all that needs rights, and all mistakes.
    ///
    /// # Errors
    /// The first that cannot start.
    pub fn open(all: Vec<Settings>, machine: &Machine) -> Result<Self, ExportError> {
        let mut opened = Vec::new();
        for (index, Settings { name, place, destination }) in (1u64..).zip(all) {
            let name = unlike(name, &opened);
            let one = match destination {
                Destination::File(file) => {
                    std::fs::create_dir_all(&file.folder)
                        .map_err(|source| ExportError::System { name: name.clone(), source })?;
                    let (job, table) = (file.job.clone().unwrap_or_default(), file.table.clone());
                    let origin = Origin { job, table, host: machine.host.clone(), ..Origin::default() };
                    Opened::File(file, origin)
                }
                Destination::Prometheus(settings) => Opened::Prometheus(
                    Listening::open(&settings.address, settings.public)
                        .map_err(|source| ExportError::Listen { name: name.clone(), source })?,
                ),
                Destination::Graphite(settings) => Opened::Graphite(settings),
                network => {
                    let stream = stream_id(machine.seed, index);
                    Opened::Network(Box::new(open_network(&name, &place, network, machine, stream)?))
                }
            };
            opened.push((name, one));
        }
        Ok(Self(opened))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Starts them. `room` is how many traces may wait for each.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(self, room: usize, notify: &Notify) -> Result<Started, ExportError> {
        let (mut senders, mut accounts, mut exporters, mut scraped) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (name, opened) in self.0 {
            let (sender, receiver) = channel(room);
            senders.push(sender);
            let failed = |source| ExportError::System { name: name.clone(), source };
            let exporter = match opened {
                Opened::Network(parts) => {
                    let network = Network::start(*parts, receiver, notify).map_err(failed)?;
                    accounts.push((name, network.counted()));
                    Exporter::Network(network)
                }
                Opened::File(settings, origin) => {
                    let files =
                        Files::start(name.clone(), &settings, origin, receiver, notify).map_err(failed)?;
                    accounts.push((name, files.counted()));
                    Exporter::File(files)
                }
                Opened::Graphite(settings) => {
                    let board = Arc::new(Board::default());
                    accounts.push((name.clone(), counted(&board)));
                    let (name, notify) = (name.clone(), Arc::clone(notify));
                    let failed = |source| ExportError::System { name: name.clone(), source };
                    Exporter::Graphite(
                        Graphite::start(name.clone(), settings, receiver, board, notify).map_err(failed)?,
                    )
                }
                Opened::Prometheus(listening) => {
                    let board = Arc::new(Board::default());
                    accounts.push((name.clone(), counted(&board)));
                    // It shows the accounts of all, so that it starts when they are known.
                    scraped.push((name, listening, receiver, board));
                    continue;
                }
            };
            exporters.push(exporter);
        }
        let accounts = Accounts(Arc::new(accounts));
        for (name, listening, receiver, board) in scraped {
            let server = Prometheus::start(listening, receiver, board, accounts.clone());
            exporters
                .push(Exporter::Prometheus(server.map_err(|source| ExportError::System { name, source })?));
        }
        Ok((senders, Running { exporters, accounts }))
    }
}

/// Two that are told apart by nothing are told apart by their number: metrics must not have one series for both.
fn unlike(name: String, others: &[(String, Opened)]) -> String {
    let is_taken = |name: &String| others.iter().any(|(other, _)| other == name);
    if !is_taken(&name) {
        return name;
    }
    let numbered = (2..).map(|number: u64| format!("{name} #{number}"));
    numbered.into_iter().find(|numbered| !is_taken(numbered)).unwrap_or(name)
}

fn open_network(
    name: &str,
    place: &str,
    destination: Destination,
    machine: &Machine,
    stream: u64,
) -> Result<Parts, ExportError> {
    let (deadline, until) = watch::channel(None);
    let (delivery, encoder, transport): (Delivery, Box<dyn Encoder>, Box<dyn Transport>) = match destination {
        Destination::Events(endpoint, settings, delivery) => {
            let origin = Origin {
                job: settings.job.unwrap_or_default(),
                table: settings.table,
                host: machine.host.clone(),
                payload: settings.payload,
            };
            let headers = token(name, &endpoint)?;
            let client = client(name, &endpoint, Protocol::Http1, until)?;
            let path = if endpoint.path.is_empty() { "/ingest".to_owned() } else { endpoint.path };
            let posting = Posting::new(client, path, "application/json", headers);
            (delivery, Box::new(EventEncoder::new(origin, settings.packets)), Box::new(posting))
        }
        Destination::Otlp(endpoint, settings, delivery) => {
            let service = settings.service.unwrap_or_default();
            let resource =
                Resource { service, host: machine.host.clone(), job: String::new(), pids: Vec::new() };
            let encoder = Box::new(OtlpEncoder::new(resource, settings.metrics));
            let headers = token(name, &endpoint)?;
            let transport: Box<dyn Transport> = if settings.grpc {
                Box::new(Grpc::new(client(name, &endpoint, Protocol::Http2, until)?, headers))
            } else {
                let client = client(name, &endpoint, Protocol::Http1, until)?;
                let posting = Posting::new(client, String::new(), "application/x-protobuf", headers);
                Box::new(OtlpHttp::new(posting, &endpoint.path))
            };
            (delivery, encoder, transport)
        }
        Destination::Kafka(settings, delivery) => {
            let origin = Origin {
                job: settings.job.clone().unwrap_or_default(),
                table: settings.table.clone(),
                host: machine.host.clone(),
                payload: settings.payload,
            };
            let encoder = Box::new(KafkaEncoder::new(origin, settings.value));
            (delivery, encoder, producing(name, settings, until)?)
        }
        Destination::File(_) | Destination::Prometheus(_) | Destination::Graphite(_) => {
            return Err(ExportError::System {
                name: name.to_owned(),
                source: io::ErrorKind::Unsupported.into(),
            });
        }
    };
    let (spool, left) = spools(name, place, &delivery, machine)?;
    let store = Store::with_left(spool, left, MEMORY);
    Ok(Parts { name: name.to_owned(), delivery, store, encoder, transport, deadline, stream })
}

#[cfg(feature = "kafka")]
#[expect(clippy::unnecessary_wraps, reason = "without Kafka it is an error")]
fn producing(_: &str, settings: KafkaSettings, until: Deadline) -> Result<Box<dyn Transport>, ExportError> {
    Ok(Box::new(super::kafka::Producing::new(settings, until)))
}

#[cfg(not(feature = "kafka"))]
#[expect(clippy::needless_pass_by_value, reason = "with Kafka they are kept")]
fn producing(name: &str, _: KafkaSettings, _: Deadline) -> Result<Box<dyn Transport>, ExportError> {
    Err(ExportError::NotBuilt { name: name.to_owned() })
}

fn client(
    name: &str,
    endpoint: &Endpoint,
    protocol: Protocol,
    until: watch::Receiver<Option<Instant>>,
) -> Result<Client, ExportError> {
    let tls = endpoint.tls.as_ref().map(|files| tls_config(files, protocol)).transpose();
    let tls = tls.map_err(|source| ExportError::Tls { name: name.to_owned(), source })?;
    Client::new(&endpoint.host, endpoint.port, protocol, tls, endpoint.timeout, until)
        .map_err(|source| ExportError::System { name: name.to_owned(), source })
}

/// The header with the token, where there is one. Marked so that nothing shows it.
fn token(name: &str, endpoint: &Endpoint) -> Result<HeaderMap, ExportError> {
    let mut headers = HeaderMap::new();
    let Some((source, header)) = &endpoint.token else { return Ok(headers) };
    let secret = match source {
        TokenSource::File(path) => Secret::from_file(path),
        TokenSource::Variable(variable) => Secret::from_variable(variable),
    };
    let secret = secret.map_err(|source| ExportError::Secret { name: name.to_owned(), source })?;
    let (header, text) = match header {
        TokenHeader::Bearer => (AUTHORIZATION, format!("Bearer {}", secret.reveal())),
        TokenHeader::Seatunnel => (HeaderName::from_static("x-seatunnel-token"), secret.reveal().to_owned()),
    };
    // A secret is of printable ASCII, which every header can hold.
    if let Ok(mut value) = HeaderValue::try_from(text) {
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// Ours, and those that agents left behind which are gone.
fn spools(
    name: &str,
    place: &str,
    delivery: &Delivery,
    machine: &Machine,
) -> Result<(Option<Spool>, Vec<Spool>), ExportError> {
    let folder = match &delivery.spool {
        Spooling::None => return Ok((None, Vec::new())),
        Spooling::Folder(folder) => folder.join(folder_name(place)),
        Spooling::Default => match &machine.state {
            Some(state) => state.join("spool").join(folder_name(place)),
            None => return Ok((None, Vec::new())),
        },
    };
    match Spool::open_all(&folder, delivery.spool_max) {
        Ok((spool, left)) => Ok((Some(spool), left)),
        Err(source) => Err(ExportError::Spool { name: name.to_owned(), source }),
    }
}

/// A destination's folder: where it is, without what a path cannot hold.
fn folder_name(place: &str) -> String {
    place
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+') { c } else { '_' })
        .collect()
}

/// In 1..2^63, unlike any other's.
fn stream_id(seed: u64, index: u64) -> u64 {
    let mut x = seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 33;
    x = x.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    x ^= x >> 33;
    (x & (u64::MAX >> 1)).max(1)
}
