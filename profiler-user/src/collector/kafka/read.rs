//! What is in messages. Pure. What is not understood takes no other message with it, and is kept.

use super::deliver::Message;
use super::settings::Source;
use crate::collector::ingest::{self, Piece, Unread, events};
use crate::collector::model::RawEvent;
use crate::collector::settings::Limits;
use crate::sink::event::to_base64;

/// So much of a message that is not understood is kept, bytes.
const KEPT: usize = 64 << 10;

/// What messages come to.
#[derive(Debug, Default)]
pub(super) struct Read<'a> {
    /// What is to be stored, and to be counted once it is.
    pub(super) counts: Piece,
    /// Messages of which something was not understood, and what.
    pub(super) unread: Vec<(&'a Message, String)>,
}

/// Reads messages that came at `now_ms` (ms since the Unix epoch).
pub(super) fn read<'a>(messages: &'a [Message], source: &Source, limits: &Limits, now_ms: i64) -> Read<'a> {
    let mut read = Read::default();
    for message in messages {
        match piece(&message.bytes, source, limits, now_ms) {
            Ok(piece) => {
                if let Some(told) = first_reason(&piece) {
                    read.unread.push((message, told));
                }
                read.counts.add(piece);
            }
            Err(Unread { reason, told }) => {
                *read.counts.invalid.entry(reason).or_default() += 1;
                read.counts.batch.raw.push(kept(message, source, &told, now_ms));
                read.unread.push((message, told));
            }
        }
    }
    read
}

fn piece(bytes: &[u8], source: &Source, limits: &Limits, now_ms: i64) -> Result<Piece, Unread> {
    if bytes.len() > limits.body {
        let told = format!("it has more than {} bytes (--max-body)", limits.body);
        return Err(Unread::new("body_size", told));
    }
    ingest::decode(bytes, &source.job, limits, now_ms)
}

/// What is wrong with the first of its events that make no sense.
fn first_reason(piece: &Piece) -> Option<String> {
    if piece.invalid.is_empty() {
        return None;
    }
    let invalid = piece.batch.raw.iter().find(|event| event.event_type == events::INVALID)?;
    let body: serde_json::Value = serde_json::from_str(&invalid.body).ok()?;
    Some(body.get("reason")?.as_str()?.to_owned())
}

/// A message as it is kept in place of what is in it.
pub(super) fn kept(message: &Message, source: &Source, reason: &str, now_ms: i64) -> RawEvent {
    let Message { partition, offset, bytes } = message;
    let first = bytes.get(..KEPT).unwrap_or(bytes);
    let body = serde_json::json!({
        "reason": reason,
        "topic": source.topic,
        "partition": partition,
        "offset": offset.to_string(),
        "bytes": bytes.len(),
        "message": to_base64(first),
    });
    RawEvent {
        event_type: events::INVALID.to_owned(),
        job: None,
        created_ms: 0,
        received_ms: now_ms,
        body: body.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Limits, Message, Source, kept, read};
    use crate::sink::sttr::{from_text, nano};
    use crate::sink::testing::rich;

    fn message(offset: i64, bytes: &[u8]) -> Message {
        Message { partition: 3, offset, bytes: bytes.to_vec() }
    }

    #[test]
    fn what_is_not_understood_is_kept_and_takes_no_other_with_it() {
        let source = Source::parse("kafka://h/t?job=7").unwrap();
        let mut payload = Vec::new();
        nano::encode(&rich(), &[], &mut payload);
        let limits = Limits { body: 1000, ..Limits::default() };
        let messages = [
            message(1, &payload),
            message(2, b"nonsense"),
            message(3, b"{\"eventType\":\"JOB_STATUS\",\"jobId\":1}"),
            message(4, b"{\"eventType\":\"STAIN_TRACE\",\"jobId\":1,\"traceId\":1}"),
            message(5, &[b'x'; 1001]),
            message(6, b""),
        ];
        let read = read(&messages, &source, &limits, 5);
        let unread: Vec<i64> = read.unread.iter().map(|(message, _)| message.offset).collect();
        assert_eq!(unread, [2, 4, 5, 6], "{:?}", read.unread);
        assert_eq!((read.counts.batch.parts.len(), read.counts.batch.raw.len()), (1, 5));
        assert_eq!(read.counts.batch.parts[0].key.job, "7");
        assert_eq!(
            read.counts.invalid.iter().collect::<Vec<_>>(),
            [(&"body_size", &1), (&"payload", &1), (&"shape", &2)]
        );
        assert!(read.unread[1].1.starts_with("payload"), "{:?}", read.unread);
    }

    #[test]
    fn a_kept_message_says_where_it_was_and_how_it_began() {
        let source = Source::parse("kafka://h/t").unwrap();
        let event = kept(&message(1 << 60, &vec![7; KEPT + 1]), &source, "a \"reason\"", 5);
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!(body["reason"], "a \"reason\"");
        assert_eq!(
            (&body["topic"], &body["partition"], &body["offset"]),
            (&"t".into(), &3.into(), &(1u64 << 60).to_string().into())
        );
        assert_eq!(body["bytes"], KEPT + 1);
        assert_eq!(from_text(body["message"].as_str().unwrap()).unwrap(), vec![7; KEPT]);
    }
}
