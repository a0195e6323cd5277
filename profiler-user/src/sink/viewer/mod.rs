//! A recording's traces for viewers of others: Perfetto, the Chrome trace viewer, spreadsheets. Pure.
//!
//! Owns: how journeys become tracks, slices and rows. Refuses: holding more than one trace, and leaving one out in silence.

mod chrome;
mod csv;
mod perfetto;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::feed::{FeedEvent, SessionInfo};
use crate::sink::event::job_of;
use crate::sink::{otlp, stage_label, sttr};
use crate::trace::{Attribute, Hop, Trace};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Perfetto's own format: protocol buffers.
    Perfetto,
    /// The JSON of Chrome's `about:tracing`, which Perfetto and speedscope read, too.
    Chrome,
    /// OTLP in JSON, a line a trace.
    OtlpJson,
    /// Payloads behind each other, in nanoseconds.
    Sttr,
    /// A row a stamp.
    Csv,
}

/// Turns a recording's events into bytes.
#[derive(Debug)]
pub struct Viewer {
    form: Form,
    job: Option<String>,
    info: Option<Arc<SessionInfo>>,
    target: String,
    chrome: chrome::State,
    perfetto: perfetto::State,
    written: u64,
}

impl Viewer {
    /// Writes this. `job` is the job of OTLP's lines; made of machine and target otherwise, as exporters make it while the session runs.
    #[must_use]
    pub fn new(form: Form, job: Option<String>) -> Self {
        Self {
            form,
            job,
            info: None,
            target: String::new(),
            chrome: chrome::State::default(),
            perfetto: perfetto::State::default(),
            written: 0,
        }
    }

    /// Traces so far.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Before the first event.
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        match self.form {
            Form::Chrome => chrome::begin(out),
            Form::Csv => csv::begin(out),
            Form::Perfetto | Form::OtlpJson | Form::Sttr => {}
        }
    }

    /// Takes an event, and appends what it comes to.
    ///
    /// # Errors
    /// Never expected: every trace has a form in JSON.
    pub fn add(&mut self, event: &FeedEvent, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match event {
            FeedEvent::Started(info) => {
                self.target.clone_from(&info.target);
                self.info = Some(Arc::clone(info));
                if self.form == Form::Perfetto {
                    perfetto::clocks(info.began, out);
                }
            }
            FeedEvent::Attached(attached) => self.target.clone_from(&attached.target),
            FeedEvent::Trace(trace) => {
                if let Some(info) = self.info.clone() {
                    self.trace(trace, &info, out)?;
                    self.written += 1;
                }
            }
            FeedEvent::Tick(_) | FeedEvent::Notice(_) | FeedEvent::Changed(_) | FeedEvent::Ended(_) => {}
        }
        Ok(())
    }

    /// After the last event.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.form == Form::Chrome {
            chrome::end(out);
        }
    }

    fn trace(&mut self, trace: &Trace, info: &SessionInfo, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let target = &self.target;
        match self.form {
            Form::Perfetto => self.perfetto.put(trace, info, target, out),
            Form::Chrome => self.chrome.put(trace, info, target, out)?,
            Form::OtlpJson => {
                let job = self.job.clone().unwrap_or_else(|| job_of(&info.host, &info.target));
                otlp::lines::put(trace, info, &otlp::lines::Origin { job, table: None }, out)?;
            }
            Form::Sttr => sttr::nano::encode(trace, &info.outcomes, out),
            Form::Csv => csv::put(trace, info, out)?,
        }
        Ok(())
    }
}

/// A stage as people call it: `Q+ queued`.
fn stage(info: &SessionInfo, index: usize) -> String {
    info.stages.get(index).map_or_else(|| "?".to_owned(), |stage| stage_label(stage.code, &stage.name))
}

/// A hop as people call it.
fn hop(info: &SessionInfo, hop: &Hop<'_>) -> String {
    format!("{} → {}", stage(info, hop.from.stage), stage(info, hop.to.stage))
}

/// An attribute's name at its stage.
fn name_of<'a>(trace: &Trace, info: &'a SessionInfo, attribute: &Attribute) -> &'a str {
    info.attribute_name(trace, attribute).unwrap_or("?")
}

/// What there is to say of a journey as a whole, in names and texts.
fn facts(trace: &Trace, info: &SessionInfo) -> Vec<(String, String)> {
    let mut facts = vec![
        ("trace_id".to_owned(), trace.id.to_string()),
        ("branch".to_owned(), trace.branch.to_string()),
        ("outcome".to_owned(), trace.outcome.name(&info.outcomes).to_owned()),
        ("sequence".to_owned(), trace.sequence.to_string()),
        ("key".to_owned(), format!("{:#x}", trace.key)),
    ];
    for attribute in &trace.attributes {
        facts.push((name_of(trace, info, attribute).to_owned(), attribute.value.to_string()));
    }
    for batch in &trace.batches {
        let size = batch.size.map_or_else(|| "?".to_owned(), |size| size.to_string());
        facts.push((format!("batch {:#x}", batch.key), format!("{} of {size}", batch.position)));
    }
    for time in &trace.record_times {
        let at = trace.stamps.get(time.stamp).map_or(0, |stamp| stamp.stage);
        facts.push((format!("record latency at {}", stage(info, at)), format!("{} ns", time.latency_ns)));
    }
    facts.extend(
        trace.flags.named().filter(|(_, count)| *count > 0).map(|(name, n)| (name.to_owned(), n.to_string())),
    );
    if trace.flags.is_partial {
        facts.push(("is_partial".to_owned(), "true".to_owned()));
    }
    facts
}
