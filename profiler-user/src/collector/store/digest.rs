//! What tells an event that is no trace from others: senders repeat a batch until it is answered, and such events have no id of their own. Pure.
//!
//! Owns: the bytes by which every store knows such an event. Refuses: to tell two events apart that are the same to the last byte, and say the same time.

use sha2::{Digest as _, Sha256};

use super::super::model::RawEvent;

/// Half of a SHA-256: nobody finds two events that have the same.
pub(super) type Digest = [u8; 16];

/// Of its type, its job, when it was made, and all of its text; not of when it came, which is another time for a repeat.
pub(super) fn digest(event: &RawEvent) -> Digest {
    let RawEvent { event_type, job, created_ms, received_ms: _, body } = event;
    let mut hash = Sha256::new();
    hash.update([u8::from(job.is_some())]);
    for text in [event_type.as_str(), job.as_deref().unwrap_or_default(), body.as_str()] {
        // Its length first: what is the end of one is never the beginning of the next.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(created_ms.to_be_bytes());
    let whole = hash.finalize();
    let mut half = Digest::default();
    half.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    half
}

#[cfg(test)]
mod tests {
    use super::digest;
    use crate::collector::model::RawEvent;

    #[test]
    fn each_field_counts_but_when_it_came() {
        let event = |event_type: &str, job: Option<&str>, created_ms, received_ms, body: &str| RawEvent {
            event_type: event_type.to_owned(),
            job: job.map(str::to_owned),
            created_ms,
            received_ms,
            body: body.to_owned(),
        };
        let one = digest(&event("A", Some("7"), 1, 2, "{}"));
        assert_eq!(one, digest(&event("A", Some("7"), 1, 3, "{}")));
        let others = [
            event("B", Some("7"), 1, 2, "{}"),
            event("A", Some("8"), 1, 2, "{}"),
            event("A", Some(""), 1, 2, "7{}"),
            event("A", None, 1, 2, "{}"),
            event("A", Some("7"), 2, 2, "{}"),
            event("A", Some("7"), 1, 2, "{ }"),
            event("A7", Some(""), 1, 2, "{}"),
        ];
        for other in others {
            assert_ne!(one, digest(&other), "{other:?}");
        }
    }
}
