//! Events of the stain-trace contract, as engines of others make them.

use base64::Engine as _;

/// A payload of version 1: a record that waited in a queue, which is written `hop_ms` after each stage before.
#[must_use]
pub fn payload(trace_id: u64, start_ms: u64, hop_ms: u64) -> Vec<u8> {
    let stages: [u8; 4] = [1, 2, 3, 6];
    let mut bytes = b"STTR\x00\x01".to_vec();
    bytes.extend(trace_id.to_be_bytes());
    bytes.extend(start_ms.to_be_bytes());
    bytes.extend([0, 4]);
    for (stage, at) in stages.into_iter().zip(0u64..) {
        bytes.push(stage);
        bytes.extend((100 + at).to_be_bytes());
        bytes.extend((start_ms + at * hop_ms).to_be_bytes());
    }
    bytes
}

/// The event around it.
#[must_use]
pub fn event(job: u64, trace_id: u64, start_ms: u64, hop_ms: u64) -> String {
    let payload = base64::engine::general_purpose::STANDARD.encode(payload(trace_id, start_ms, hop_ms));
    format!(
        "{{\"createdTime\":{start_ms},\"jobId\":\"{job}\",\"eventType\":\"STAIN_TRACE\",\"traceId\":{trace_id},\"payload\":\"{payload}\",\"sinkTaskId\":103,\"tableId\":null}}"
    )
}

/// Events as a request has them.
#[must_use]
pub fn list(events: &[String]) -> String {
    format!("[{}]", events.join(","))
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn a_payload_is_as_long_as_it_says() {
        assert_eq!(payload(1, 2, 3).len(), 24 + 17 * 4);
    }
}
