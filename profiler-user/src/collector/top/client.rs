//! Questions to a collector: an answer in JSON, or a stream of events that goes on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio_rustls::rustls::ClientConfig;

use crate::export::http::{HttpError, Request, open};
use crate::export::secret::Secret;

/// How long an answer may take, and how long a stream may say nothing at all: the collector sends something every few seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of an answer that are read at most.
const MAX_ANSWER: usize = 64 << 20;

/// Bytes of one event of a stream at most.
const MAX_EVENT: usize = 4 << 20;

/// Where the collector is.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What its paths begin with, without a slash at the end.
    pub path: String,
    /// The token, where one is asked for.
    pub token: Option<Secret>,
    /// With TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No connection.
    #[error("no connection to {host}:{port}: {source}")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The collector wants a token, or another one.
    #[error("the collector asks for a token; give it with --token-file FILE or --token-env NAME")]
    Token,
    /// The collector refused.
    #[error("the collector answered {status}: {reason}")]
    Refused {
        /// The status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// The answer is not what a collector says.
    #[error("what answers is no collector of stain: {0}")]
    Foreign(String),
}

impl LinkError {
    /// Whether asking again may help.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken(_) | Self::Timeout(_) => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            Self::Token | Self::Foreign(_) => false,
        }
    }
}

impl Link {
    /// An answer in JSON.
    ///
    /// # Errors
    /// When there is none.
    pub async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, LinkError> {
        let answer = self.get(path, None);
        let read = async {
            let body = http_body_util::Limited::new(answer.await?.into_body(), MAX_ANSWER);
            body.collect().await.map_err(|error| LinkError::Broken(error.to_string()))
        };
        let body = tokio::time::timeout(PATIENCE, read).await.map_err(|_| LinkError::Timeout(PATIENCE))??;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| LinkError::Foreign(error.to_string()))
    }

    /// A stream of events, after the one of this id.
    ///
    /// # Errors
    /// When there is none.
    pub async fn events(&self, path: &str, after: Option<&str>) -> Result<Events, LinkError> {
        let answer = tokio::time::timeout(PATIENCE, self.get(path, after));
        let answer = answer.await.map_err(|_| LinkError::Timeout(PATIENCE))??;
        Ok(Events { body: answer.into_body(), text: Vec::new() })
    }

    async fn get(&self, path: &str, after: Option<&str>) -> Result<Response<Incoming>, LinkError> {
        let path = format!("{}{path}", self.path);
        let request = Request { path, headers: self.headers(after)?, body: Bytes::new() };
        let answer = open((&self.host, self.port), self.tls.as_ref(), &request).await;
        let answer = answer.map_err(|error| self.told(error))?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(LinkError::Token),
            status => Err(LinkError::Refused { status: status.as_u16(), reason: reason(answer).await }),
        }
    }

    fn headers(&self, after: Option<&str>) -> Result<HeaderMap, LinkError> {
        let value =
            |text: &str| HeaderValue::from_str(text).map_err(|error| LinkError::Broken(error.to_string()));
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let mut token = value(token.reveal())?;
            token.set_sensitive(true);
            headers.insert(HeaderName::from_static("x-seatunnel-token"), token);
        }
        if let Some(after) = after {
            headers.insert(HeaderName::from_static("last-event-id"), value(after)?);
        }
        Ok(headers)
    }

    fn told(&self, error: HttpError) -> LinkError {
        match error {
            HttpError::Connect(source) => {
                LinkError::Connect { host: self.host.clone(), port: self.port, source }
            }
            HttpError::Broken(reason) => LinkError::Broken(reason),
            HttpError::Timeout(timeout) => LinkError::Timeout(timeout),
            HttpError::Ended => LinkError::Broken(error.to_string()),
        }
    }
}

/// What the collector says of a refusal, in a line.
async fn reason(answer: Response<Incoming>) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        error: String,
    }
    let body = http_body_util::Limited::new(answer.into_body(), 64 << 10).collect().await;
    let told = body.ok().and_then(|body| serde_json::from_slice::<Refusal>(&body.to_bytes()).ok());
    told.map_or_else(|| "it gave no reason".to_owned(), |refusal| refusal.error.chars().take(300).collect())
}

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What resumes the stream behind it.
    pub id: String,
    /// What kind it is.
    pub kind: String,
    /// What it says.
    pub data: String,
}

/// A stream of events (server-sent events of the HTML standard, as far as the collector uses them).
pub struct Events {
    body: Incoming,
    text: Vec<u8>,
}

impl Events {
    /// The next one; `None` at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks, or says nothing for too long.
    pub async fn next(&mut self) -> Result<Option<Event>, LinkError> {
        loop {
            if let Some(event) = cut(&mut self.text) {
                if event != Event::default() {
                    return Ok(Some(event));
                }
                continue;
            }
            if self.text.len() > MAX_EVENT {
                return Err(LinkError::Foreign("an event of more than 4 MiB".to_owned()));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame());
            match frame.await.map_err(|_| LinkError::Timeout(PATIENCE))? {
                None => return Ok(None),
                Some(Err(error)) => return Err(LinkError::Broken(error.to_string())),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.text.extend_from_slice(data);
                    }
                }
            }
        }
    }
}

/// Takes the first whole event out; a comment is an empty one.
fn cut(text: &mut Vec<u8>) -> Option<Event> {
    let end = text.windows(2).position(|two| two == b"\n\n")?;
    let block: Vec<u8> = text.drain(..end + 2).collect();
    let block = String::from_utf8_lossy(&block);
    let mut event = Event::default();
    for line in block.lines() {
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut event.id),
            "event" => value.clone_into(&mut event.kind),
            "data" => {
                if !event.data.is_empty() {
                    event.data.push('\n');
                }
                event.data.push_str(value);
            }
            _ => {}
        }
    }
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::{Event, cut};

    #[test]
    fn events_are_cut_where_they_end() {
        let mut text = b": still here\n\nid: 7\nevent: trace\ndata: {\"a\":\ndata: 1}\n\nid: 8\nda".to_vec();
        assert_eq!(cut(&mut text), Some(Event::default()));
        let expected = Event { id: "7".to_owned(), kind: "trace".to_owned(), data: "{\"a\":\n1}".to_owned() };
        assert_eq!(cut(&mut text), Some(expected));
        assert_eq!(cut(&mut text), None);
        assert_eq!(text, b"id: 8\nda");
    }
}
