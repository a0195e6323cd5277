//! What a `--from` URL asks for: every option with its default, checked. Pure.

use std::time::Duration;

use crate::export::settings::{Options, SettingsError, brokers_and_topic};
use crate::export::url::{Url, UrlError};

/// The group that is read as, unless the URL names one.
const GROUP: &str = "stain";

/// How long brokers wait for a collector that is silent before they give its partitions to others, unless the URL says otherwise: as other clients have it.
const SESSION: Duration = Duration::from_secs(45);

/// Longest name of a group, bytes.
const MAX_GROUP: usize = 255;

/// Where a group begins that has read nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the oldest message that there is.
    Earliest,
    /// With what comes from now on.
    Latest,
}

/// A topic to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What messages and metrics call it: the URL without options.
    pub name: String,
    /// `HOST:PORT` of the first brokers, joined by commas.
    pub brokers: String,
    /// The topic.
    pub topic: String,
    /// Those who share the topic's partitions.
    pub group: String,
    /// The job of traces that name none: payloads without an event around them.
    pub job: String,
    /// Where the group begins.
    pub start: Start,
    /// How long a collector may be silent.
    pub session: Duration,
}

/// Why a URL cannot be read from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FromError {
    /// Something else than Kafka. Not repeated, for it may hold a password.
    #[error("--from reads from Kafka only; write it as in kafka://broker:9092/traces?group=stain")]
    Scheme,
    /// Kafka's client could only do it by a second library for TLS.
    #[error(
        "--from: there is no TLS and no login to Kafka; use a listener in plain text on a network that you trust"
    )]
    Tls,
    /// Another mistake.
    #[error("--from: {0}")]
    Settings(#[from] SettingsError),
    /// One topic that is read twice over.
    #[error("--from {0} is given twice; keep one of them")]
    Twice(String),
    /// A bad name.
    #[error("--from: group has a name of 1 to 255 bytes without control characters, as in group=stain")]
    Group,
    /// It was left out when this program was built.
    #[error("--from: this stain was built without Kafka; build it without `--no-default-features`")]
    NotBuilt,
}

impl From<UrlError> for FromError {
    fn from(error: UrlError) -> Self {
        Self::Settings(error.into())
    }
}

impl Source {
    /// Reads a URL.
    ///
    /// # Errors
    /// The first mistake that is found.
    pub fn parse(text: &str) -> Result<Self, FromError> {
        let (scheme, _) = text.split_once(':').ok_or(FromError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "kafka" => {}
            "kafkas" | "kafka+tls" | "kafka+ssl" => return Err(FromError::Tls),
            _ => return Err(FromError::Scheme),
        }
        let url = Url::parse(text)?;
        if ["ca", "cert", "key", "token_file", "token_env"].iter().any(|name| url.peek(name).is_some()) {
            return Err(FromError::Tls);
        }
        let name = url.to_string();
        let (brokers, topic) = brokers_and_topic(&url)?;
        let mut options = Options::new(url);
        let group = options.text("group").unwrap_or_else(|| GROUP.to_owned());
        if group.is_empty() || group.len() > MAX_GROUP || group.chars().any(char::is_control) {
            return Err(FromError::Group);
        }
        let starts = [("earliest", Start::Earliest), ("latest", Start::Latest)];
        let source = Self {
            name,
            brokers,
            topic,
            group,
            job: options.job()?.unwrap_or_else(|| "0".to_owned()),
            start: options.choice("start", &starts, Start::Earliest)?,
            session: options.time("session", SESSION, Duration::from_secs(1))?,
        };
        options.finish()?;
        Ok(source)
    }

    /// Reads all URLs of a collector.
    ///
    /// # Errors
    /// The first mistake that is found, and a topic that is named twice; any when this build has no Kafka.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, FromError> {
        let mut all: Vec<Self> = Vec::new();
        for text in texts {
            let source = Self::parse(text)?;
            if all.iter().any(|other| other.name == source.name) {
                return Err(FromError::Twice(source.name));
            }
            all.push(source);
        }
        if cfg!(not(feature = "kafka")) && !all.is_empty() {
            return Err(FromError::NotBuilt);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::{FromError, Source, Start};
    use std::time::Duration;

    #[test]
    fn a_url_says_what_is_read_and_as_whom() {
        let source = Source::parse("kafka://a,b:9093/traces").unwrap();
        assert_eq!(
            (source.brokers.as_str(), source.topic.as_str(), source.group.as_str(), source.job.as_str()),
            ("a:9092,b:9093", "traces", "stain", "0")
        );
        assert_eq!((source.start, source.session), (Start::Earliest, Duration::from_secs(45)));
        let source = Source::parse("kafka://a/t?group=g&job=7&start=latest&session=6s").unwrap();
        assert_eq!(
            (source.name.as_str(), source.group.as_str(), source.job.as_str()),
            ("kafka://a/t", "g", "7")
        );
        assert_eq!((source.start, source.session), (Start::Latest, Duration::from_secs(6)));
    }

    #[test]
    fn mistakes_are_told_in_one_sentence_without_passwords() {
        for (url, told) in [
            ("http://h/x?password=pa55", "--from reads from Kafka only"),
            ("pa55", "--from reads from Kafka only"),
            ("kafkas://h/t", "no TLS"),
            ("kafka://h/t?ca=x", "no TLS"),
            ("kafka://h", "name the topic"),
            ("kafka://h/a/b", "name the topic"),
            ("kafka:///t", "no host"),
            ("kafka://me:pa55@h/t", "a password in a URL"),
            ("kafka://h/t?group=", "group has a name"),
            ("kafka://h/t?grup=x", "has no option `grup`; it has group, job, start, session"),
            ("kafka://h/t?start=middle", "earliest, latest"),
            ("kafka://h/t?session=1ms", "session"),
            ("kafka://h/t?job=x", "job"),
        ] {
            let error = Source::parse(url).unwrap_err().to_string();
            assert!(error.starts_with("--from") && error.contains(told), "{url}: {error}");
            assert!(!error.contains("pa55") && !error.contains('\n'), "{error}");
        }
        let twice = ["kafka://h/t?group=a".to_owned(), "kafka://h/t?group=b".to_owned()];
        assert_eq!(Source::parse_all(&twice), Err(FromError::Twice("kafka://h/t".to_owned())));
    }
}
