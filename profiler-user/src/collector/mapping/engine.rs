//! The REST interface of an engine: which worker runs which task of a job.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use tokio_rustls::rustls::ClientConfig;

use super::TaskName;
use crate::export::http::{HttpError, Protocol, Request, TlsError, get, tls_config};
use crate::export::settings::TlsFiles;
use crate::export::url::{Url, UrlError};

/// How long the engine may take. Nobody waits for that long, see [`super::WAIT`].
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer: some ten thousand tasks.
const MOST: usize = 4 << 20;

/// Tasks of a job that are kept.
const MAX_TASKS: usize = 20_000;

/// Bytes of a name that are kept.
const MAX_TEXT: usize = 256;

/// Tasks of one vertex have ids from here to the next multiple.
const SUBTASKS: i64 = 10_000;

/// Why an engine does not tell its tasks.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The address is none.
    #[error("`{url}` is no address of an engine: {reason}; write it as in http://engine:5801")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It did not answer.
    #[error("the engine did not tell its tasks: {0}")]
    Http(#[from] HttpError),
    /// It refused.
    #[error("the engine answered {0} when it was asked for its tasks")]
    Status(u16),
    /// It said something else.
    #[error("the engine's list of tasks cannot be read: {0}")]
    Answer(String),
    /// The job's id has no place in a path.
    #[error("`{0}` is no id of an engine's job")]
    Job(String),
}

/// An engine's address.
pub struct Engine {
    host: String,
    port: u16,
    path: String,
    tls: Option<Arc<ClientConfig>>,
}

impl Engine {
    /// The engine at an address like `http://engine:5801`, with or without a path before the engine's own.
    ///
    /// # Errors
    /// When it is no address, or TLS cannot be set up.
    pub fn new(text: &str) -> Result<Self, EngineError> {
        let wrong = |reason: String| EngineError::Address { url: text.to_owned(), reason };
        let parsed = Url::parse(text);
        // A password is in no message.
        let hidden = || EngineError::Address {
            url: "that".to_owned(),
            reason: "it has a user or password in it".to_owned(),
        };
        let url = match parsed {
            Err(UrlError::Credentials) => return Err(hidden()),
            parsed => parsed.map_err(|error| wrong(error.to_string()))?,
        };
        let (usual, tls) = match url.scheme.as_str() {
            "http" => (80, None),
            "https" => (443, Some(tls_config(&TlsFiles::default(), Protocol::Http1)?)),
            other => return Err(wrong(format!("{other} is not http or https"))),
        };
        if url.left_over().is_some() {
            return Err(wrong("it has something behind a question mark".to_owned()));
        }
        let path = url.path.trim_end_matches('/').to_owned();
        Ok(Self { host: url.host, port: url.port.unwrap_or(usual), path, tls })
    }

    /// Asks for the tasks of a job.
    pub(super) async fn task_names(&self, job: &str) -> Result<HashMap<i64, TaskName>, EngineError> {
        // Jobs of an engine are numbers: nothing else gets into a path.
        if job.is_empty() || job.len() > 20 || !job.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EngineError::Job(job.to_owned()));
        }
        let path = format!("{}/hazelcast/rest/maps/trace/task-mapping/{job}", self.path);
        let request = Request { path, headers: HeaderMap::new(), body: Bytes::new() };
        let server = (self.host.as_str(), self.port);
        let answer = get(server, self.tls.as_ref(), &request, TIMEOUT, MOST).await?;
        match answer.status {
            200..=299 => read(&answer.body),
            status => Err(EngineError::Status(status)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    task_id: Value,
    #[serde(default)]
    worker: Option<String>,
    #[serde(default)]
    task_group_name: Option<String>,
    #[serde(default)]
    task_class: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Named { items: Vec<Item> },
    Bare(Vec<Item>),
}

fn read(body: &[u8]) -> Result<HashMap<i64, TaskName>, EngineError> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| EngineError::Answer(error.to_string()))?;
    let items = match answer {
        Answer::Named { items } | Answer::Bare(items) => items,
    };
    let text = |text: Option<String>| {
        text.map(|text| text.chars().take(MAX_TEXT).collect::<String>()).filter(|text| !text.is_empty())
    };
    let named = |item: Item| {
        let id = match &item.task_id {
            Value::String(text) => text.parse().ok(),
            number => number.as_i64(),
        };
        let Item { task_id: _, worker, task_group_name, task_class } = item;
        Some((id?, TaskName { worker: text(worker), group: text(task_group_name), class: text(task_class) }))
    };
    Ok(items.into_iter().filter_map(named).take(MAX_TASKS).collect())
}

/// A task of an engine in words: `subtask 3 of vertex 1 on 10.0.0.7:5801`.
pub(super) fn describe(task: i64, name: &TaskName) -> String {
    let mut text = format!("subtask {} of vertex {}", task.rem_euclid(SUBTASKS), task.div_euclid(SUBTASKS));
    if let Some(class) = &name.class {
        text += &format!(", {class}");
    }
    if let Some(worker) = &name.worker {
        text += &format!(" on {worker}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Engine, TaskName, describe, read};

    #[test]
    fn addresses_are_read() {
        let engine = Engine::new("http://engine:5801/base/").unwrap();
        assert_eq!((engine.host.as_str(), engine.port, engine.path.as_str()), ("engine", 5801, "/base"));
        for (url, told) in [
            ("engine:5801", "`engine:5801` is no address of an engine"),
            ("ftp://engine", "ftp is not http or https"),
            ("http://engine?a=1", "behind a question mark"),
            ("http://u:secret@engine", "`that` is no address of an engine: it has a user or password"),
        ] {
            let error = Engine::new(url).err().unwrap().to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn lists_are_read_in_either_form() {
        let item = r#"{"taskId":"10002","pipelineId":1,"worker":"w:5801","taskGroupName":"g","taskClass":"C","more":{}}"#;
        let name = TaskName {
            worker: Some("w:5801".to_owned()),
            group: Some("g".to_owned()),
            class: Some("C".to_owned()),
        };
        for text in [format!("[{item}]"), format!(r#"{{"items":[{item},{{"taskId":null}}]}}"#)] {
            let read = read(text.as_bytes()).unwrap();
            assert_eq!((read.len(), &read[&10002]), (1, &name), "{text}");
        }
        assert_eq!(read(br#"[{"taskId":7}]"#).unwrap()[&7], TaskName::default());
        assert!(read(b"<html>").is_err() && read(b"{}").is_err());
        assert_eq!(describe(10002, &name), "subtask 2 of vertex 1, C on w:5801");
    }
}
