//! What `stain collector` is told: every setting with its default and bounds, checked. Pure.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::kafka::Source;
use crate::export::secret::Secret;

/// Where it listens unless told otherwise: the port of the contract, for this machine alone.
pub const LISTEN: &str = "127.0.0.1:9808";

/// How long traces are kept unless told otherwise.
pub const RETAIN_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How much the store may hold unless told otherwise, bytes.
pub const RETAIN_BYTES: u64 = 10 << 30;

/// How long rollups are kept beyond the traces that they were made of: they are small.
pub const ROLLUPS_LONGER: u32 = 12;

/// Bounds on what others send. Whatever is beyond them is refused with the status that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one body as it comes: 413.
    pub body: usize,
    /// Bytes of one body after decompression: 413.
    pub plain: usize,
    /// Bytes of all bodies that are held at a time, until the store has them: 429.
    pub held: usize,
    /// Events of one body: 413.
    pub events: usize,
    /// Lists and objects within each other, in JSON: 400.
    pub depth: usize,
    /// Requests that wait for the store: 429.
    pub queue: usize,
    /// Connections at a time. Further ones wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send the head of a request: 408, or the connection is closed where it has sent nothing.
    pub head_time: Duration,
    /// How long it may take to send the body: 408. Who takes nothing of an answer for so long, or not all of it within four times that, is closed.
    pub body_time: Duration,
    /// How long the end waits for requests that are being answered.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 << 20,
            plain: 16 << 20,
            held: 48 << 20,
            events: 20_000,
            depth: 32,
            queue: 1024,
            connections: 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            stop_time: Duration::from_secs(10),
        }
    }
}

/// Certificate and key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificate and those that it was signed by.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// All settings of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What every request has to bring, but for the page itself and the questions whether it lives.
    pub token: Option<Secret>,
    /// By TLS, or in plain text when `None`.
    pub tls: Option<ServerTls>,
    /// Origins whose pages may ask it, as browsers name them.
    pub origins: Vec<String>,
    /// Traces that came earlier go.
    pub retain_age: Option<Duration>,
    /// The oldest traces go when the store holds more bytes.
    pub retain_bytes: Option<u64>,
    /// The engine whose REST interface knows the names of tasks.
    pub engine: Option<String>,
    /// Topics of Kafka to be read.
    pub sources: Vec<Source>,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9808)),
            token: None,
            tls: None,
            origins: Vec::new(),
            retain_age: Some(RETAIN_AGE),
            retain_bytes: Some(RETAIN_BYTES),
            engine: None,
            sources: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Why settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Other machines would reach it, and it asks nobody who they are.
    #[error(
        "{0} is not a loopback address, and without a token everyone who reaches it could read and write traces; add --token-file FILE, listen on 127.0.0.1, or add --public"
    )]
    Public(SocketAddr),
    /// Not what a browser sends as `Origin`.
    #[error("`{0}` is no origin; write it as in https://pages.example.org, without a path")]
    Origin(String),
    /// Certificate without key, or the other way round.
    #[error("TLS takes both --tls-cert and --tls-key")]
    HalfTls,
    /// Not an address of an engine.
    #[error("`{0}` is no address of an engine; write it as in http://engine:5801")]
    Engine(String),
    /// A bound that lets nothing through, or one that fits no other.
    #[error("{0}")]
    Limit(&'static str),
}

impl Settings {
    /// Checks what one setting means for another. `public` allows an address that others reach without a token.
    ///
    /// # Errors
    /// When they cannot be used together.
    pub fn check(&self, public: bool) -> Result<(), SettingsError> {
        if !self.listen.ip().is_loopback() && self.token.is_none() && !public {
            return Err(SettingsError::Public(self.listen));
        }
        if let Some(origin) = self.origins.iter().find(|origin| !is_origin(origin)) {
            return Err(SettingsError::Origin(origin.clone()));
        }
        if let Some(engine) = self.engine.iter().find(|engine| !is_http(engine)) {
            return Err(SettingsError::Engine(engine.clone()));
        }
        let Limits { body, plain, held, events, queue, connections, .. } = self.limits;
        if [body, plain, events, queue, connections].contains(&0) {
            return Err(SettingsError::Limit("a limit of 0 lets nothing through; leave it out, or raise it"));
        }
        if body.max(plain) > held {
            return Err(SettingsError::Limit("--max-held is less than one body may have; raise it"));
        }
        Ok(())
    }
}

fn is_http(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && c != '@'))
}

/// A scheme and a host with or without a port, and nothing behind it: what a browser sends, to be compared letter by letter.
fn is_origin(text: &str) -> bool {
    is_http(text) && text.matches('/').count() == 2 && !text.contains('*')
}

#[cfg(test)]
mod tests {
    use super::{Limits, Settings, SettingsError};
    use crate::export::secret::Secret;

    #[test]
    fn the_defaults_are_sound_and_local() {
        let settings = Settings::default();
        assert_eq!(settings.check(false), Ok(()));
        assert_eq!(settings.listen.to_string(), super::LISTEN);
    }

    #[test]
    fn others_need_a_token_or_an_invitation() {
        let open = Settings { listen: "0.0.0.0:9808".parse().unwrap(), ..Settings::default() };
        assert_eq!(open.check(false), Err(SettingsError::Public(open.listen)));
        assert_eq!(open.check(true), Ok(()));
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("token"), "s3cret").unwrap();
        let token = Secret::from_file(&folder.path().join("token")).ok();
        assert_eq!(Settings { token, ..open }.check(false), Ok(()));
    }

    #[test]
    fn mistakes_are_told() {
        for origin in ["*", "https://a/b", "example.org", "https://", "https://u@h", "https://a/"] {
            let settings = Settings { origins: vec![origin.to_owned()], ..Settings::default() };
            assert_eq!(settings.check(false), Err(SettingsError::Origin(origin.to_owned())));
        }
        let settings = Settings { engine: Some("engine".to_owned()), ..Settings::default() };
        assert_eq!(settings.check(false), Err(SettingsError::Engine("engine".to_owned())));
        for limits in
            [Limits { events: 0, ..Limits::default() }, Limits { held: 1 << 20, ..Limits::default() }]
        {
            let settings = Settings { limits, ..Settings::default() };
            assert!(matches!(settings.check(false), Err(SettingsError::Limit(_))));
        }
    }
}
